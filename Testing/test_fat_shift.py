"""The fat check at the published protocol and at others."""

import pytest

from NPCResponseLib.fat_shift import fat_bias_hz, fat_phase_warning, fat_turns_per_spacing
from Testing.simulation import PAPER_ECHO_TIMES_MS


def test_the_published_protocol_is_in_phase_at_three_tesla():
    assert fat_turns_per_spacing(PAPER_ECHO_TIMES_MS, 3.0) == pytest.approx(3.0, abs=0.01)
    assert fat_phase_warning(PAPER_ECHO_TIMES_MS, 3.0) is None


@pytest.mark.parametrize(("fraction", "bias_hz"), [(0.05, 2.2), (0.10, 4.4), (0.20, 9.4)])
def test_fat_bias_is_what_was_measured(fraction, bias_hz):
    assert fat_bias_hz(PAPER_ECHO_TIMES_MS, 3.0, fraction) == pytest.approx(bias_hz, abs=0.3)


@pytest.mark.parametrize(
    ("echo_times_ms", "field_t"),
    [(PAPER_ECHO_TIMES_MS, 1.5), ((3.45, 6.9, 10.35, 13.8, 17.25), 3.0), ((5, 11.71, 13), 3.0)],
)
def test_out_of_phase_echoes_are_warned_of_with_a_number(echo_times_ms, field_t):
    warning = fat_phase_warning(echo_times_ms, field_t)
    assert "not in phase" in warning
    assert " Hz" in warning
