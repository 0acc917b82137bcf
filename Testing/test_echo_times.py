"""Echo times that cannot be meant are refused with a sentence that says why."""

import numpy as np
import pytest

from NPCResponseLib.echo_times import validate_echo_times
from NPCResponseLib.errors import InputError


@pytest.mark.parametrize(
    ("times", "n_echoes", "message"),
    [
        ((), 5, "missing"),
        ((5, 10), 3, "2 echo times .* for 3 images"),
        ((5,), 1, "needs at least two"),
        ((5, 10, 10), 3, "echo time 10 ms occurs 2 times"),
        ((5, 15, 10), 3, "must increase"),
        ((0, 5, 10), 3, "positive"),
        ((-5, 5, 10), 3, "positive"),
        ((np.nan, 5, 10), 3, "positive"),
        ((0.00671, 0.01342, 0.02013), 3, "look like seconds"),
        ((6710, 13420, 20130), 3, "look like microseconds"),
    ],
)
def test_unusable_times_are_refused(times, n_echoes, message):
    with pytest.raises(InputError, match=message) as refusal:
        validate_echo_times(times, n_echoes, where="series 7")
    assert str(refusal.value).startswith("series 7: ")
    assert refusal.value.remedy


def test_good_times_come_back_as_floats():
    assert validate_echo_times([np.float32(5), 10, 20.5], 3) == (5.0, 10.0, 20.5)
