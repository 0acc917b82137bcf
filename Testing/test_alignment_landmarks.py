"""The rigid motion between two sets of points, against motions that are known."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from NPCRadiomicsRiskLib.alignment.landmarks import carried
from NPCRadiomicsRiskLib.alignment.rigid_alignment import chained, landmark_errors_mm, landmark_transform
from NPCResponseLib.errors import InputError
from NPCResponseLib.phantom.grid import rotation_about

ANGLES, LENGTHS = st.floats(-180, 180), st.floats(-200, 200)
MOTIONS = st.tuples(ANGLES, ANGLES, ANGLES, LENGTHS, LENGTHS, LENGTHS)
SPREAD = np.array([[0.0, 0, 0], [40, 0, 0], [0, 30, 0], [10, 5, 25]])


def rigid(numbers):
    matrix = np.eye(4)
    matrix[:3, :3], matrix[:3, 3] = rotation_about(*numbers[:3]), numbers[3:]
    return matrix


@given(motion=MOTIONS, jitter=arrays(float, (4, 3), elements=st.floats(-3, 3)), n=st.integers(3, 4))
def test_a_known_motion_is_found_from_three_points_or_more(motion, jitter, n):
    moving, truth = (SPREAD + jitter)[:n], rigid(motion)
    np.testing.assert_allclose(landmark_transform(carried(moving, truth), moving), truth, atol=1e-9)


@given(motion=MOTIONS)
def test_it_never_mirrors(motion):
    """Mirrored points fit best by a mirror; the answer must stay a rotation."""
    found = landmark_transform(carried(SPREAD * (-1, 1, 1), rigid(motion)), SPREAD)
    assert np.linalg.det(found[:3, :3]) == pytest.approx(1)


@given(
    motion=MOTIONS,
    noise=arrays(float, (4, 3), elements=st.floats(-4, 4)),
    turn_deg=st.floats(-2, 2),
    shift_mm=st.floats(-2, 2),
)
def test_no_other_motion_leaves_smaller_squares(motion, noise, turn_deg, shift_mm):
    fixed = carried(SPREAD, rigid(motion)) + noise
    found = landmark_transform(fixed, SPREAD)
    other = rigid((turn_deg, -turn_deg, turn_deg / 2, shift_mm, -shift_mm, 0.5 * shift_mm)) @ found

    def squares(matrix):
        return np.sum((carried(SPREAD, matrix) - fixed) ** 2)

    assert squares(found) <= squares(other) + 1e-9


def test_points_belong_together_by_name_and_not_by_order():
    truth = rigid((5, -3, 8, 4, 5, 6))
    moving = dict(zip("abcd", SPREAD, strict=True)) | {"only here": np.zeros(3)}
    fixed = {name: carried(moving[name], truth) for name in "dbca"} | {"only there": np.ones(3)}
    np.testing.assert_allclose(landmark_transform(fixed, moving), truth, atol=1e-9)
    fixed["b"] = fixed["b"] + (3, 4, 0)
    errors = landmark_errors_mm(fixed, moving, truth)
    assert list(errors) == ["d", "b", "c", "a"]
    assert errors == pytest.approx({"a": 0, "b": 5, "c": 0, "d": 0}, abs=1e-9)


@given(first=MOTIONS, second=MOTIONS, point=arrays(float, 3, elements=LENGTHS))
def test_a_chain_applies_its_transforms_in_the_order_given(first, second, point):
    first, second = rigid(first), rigid(second)
    expected = carried(carried(point, first), second)
    np.testing.assert_allclose(carried(point, chained(first, second)), expected, atol=1e-9)


@pytest.mark.parametrize(
    ("points", "sentence"),
    [
        (SPREAD[:2], "needs 3 landmarks in both scans, found 2"),
        (np.outer(np.arange(4), (1.0, 2, 3)), "fixed scan: the points lie on a line. Add one"),
        (np.ones((4, 3)), "lie on a line"),
        (np.full((4, 3), np.nan), "not three finite numbers"),
        (np.ones((4, 2)), "not three finite numbers|landmarks in the"),
    ],
)
def test_points_that_say_too_little_are_refused(points, sentence):
    with pytest.raises(InputError, match=sentence):
        landmark_transform(points, points)


def test_names_on_one_side_only_and_other_numbers_of_points_are_refused():
    with pytest.raises(InputError, match="one set of landmarks has names"):
        landmark_transform(dict(zip("abcd", SPREAD, strict=True)), SPREAD)
    with pytest.raises(InputError, match="4 landmarks in the fixed scan, 3 in the moving"):
        landmark_transform(SPREAD, SPREAD[:3])


@pytest.mark.parametrize("matrix", [np.eye(3), np.zeros((4, 4)), np.full((4, 4), np.nan), np.ones((4, 4))])
def test_what_is_no_linear_transform_cannot_be_chained(matrix):
    with pytest.raises(InputError, match="4 x 4 matrix that can be inverted"):
        chained(np.eye(4), matrix)


def test_a_chain_of_nothing_is_refused():
    with pytest.raises(InputError, match="at least one"):
        chained()
