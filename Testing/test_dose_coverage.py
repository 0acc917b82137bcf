"""The in-field check against doses whose coverage is known."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from NPCRadiomicsRiskLib.subregions.dose_coverage import IN_FIELD, MARGINAL, OUT_OF_FIELD, category, in_field
from NPCResponseLib.errors import InputError

MASK_TO_RAS = np.diag([0.7, 0.7, 5.0, 1.0])
DOSE_TO_RAS = np.array([[2.5, 0, 0, -20], [0, 2.5, 0, -20], [0, 0, 2.5, -20], [0, 0, 0, 1.0]])
SHAPE = (32, 40, 40)
CUBE = np.zeros((12, 60, 60), bool)
CUBE[4:8, 20:40, 20:40] = True  # k from 17.5 to 37.5 mm, i and j from 13.65 to 27.65 mm


def ramp(gy_at_0: float, gy_per_mm: float, axis: int, ijk_to_ras=DOSE_TO_RAS) -> np.ndarray:
    """A dose that changes along R, A or S (0, 1, 2); linear interpolation is exact in it."""
    ras = np.moveaxis(np.indices(SHAPE)[::-1], 0, -1) @ ijk_to_ras[:3, :3].T + ijk_to_ras[:3, 3]
    return (gy_at_0 + gy_per_mm * ras[..., axis]).clip(0)


@pytest.mark.parametrize("axis", [0, 1, 2])
@pytest.mark.parametrize("share", [0.1, 0.3, 0.6, 0.9])
def test_the_share_is_that_of_a_linear_dose(axis, share):
    low, high = (17.5, 37.5) if axis == 2 else (13.65, 27.65)
    edge_mm = high - share * (high - low)  # 66.5 Gy are reached here, and beyond
    dose = ramp(66.5 - 0.8 * edge_mm, 0.8, axis)
    found = in_field(dose, DOSE_TO_RAS, CUBE, MASK_TO_RAS, 70.0)
    assert found.isodose_gy == pytest.approx(66.5)
    assert found.share_within == pytest.approx(share, abs=0.03)  # half of the samples' distance
    assert found.category == category(share)
    assert found.mean_gy == pytest.approx(66.5 + 0.8 * ((low + high) / 2 - edge_mm), abs=1e-6)
    assert found.d95_gy == pytest.approx(66.5 + 0.8 * (low + 0.05 * (high - low) - edge_mm), abs=0.6)
    assert found.outside_grid == 0


def test_categories_at_their_borders():
    assert [category(share) for share in (1, 0.95, 0.9499, 0.2, 0.1999, 0)] == [
        IN_FIELD,
        IN_FIELD,
        MARGINAL,
        MARGINAL,
        OUT_OF_FIELD,
        OUT_OF_FIELD,
    ]


def test_a_uniform_dose_covers_all():
    found = in_field(np.full(SHAPE, 70.0), DOSE_TO_RAS, CUBE, MASK_TO_RAS, 70.0)
    assert (found.share_within, found.share_within_95, found.category) == (1.0, 1.0, IN_FIELD)
    assert (found.minimum_gy, found.mean_gy, found.maximum_gy, found.d95_gy) == pytest.approx((70, 70, 70, 70))
    assert found.warnings == () and found.share_range == (1.0, 1.0) and found.category_holds
    assert found.volume_cm3 == pytest.approx(4 * 400 * 0.7 * 0.7 * 5 / 1000)


@settings(max_examples=40, deadline=None)
@given(st.floats(-3, 3), st.floats(0.2, 1.2), st.floats(0.2, 1.2))
def test_more_dose_never_covers_less(gy_per_mm, isodose, other):
    dose = np.abs(ramp(60, gy_per_mm, 0)) + 1
    low, high = sorted((isodose, other))
    shares = [in_field(dose, DOSE_TO_RAS, CUBE, MASK_TO_RAS, 70.0, isodose=share).share_within for share in (low, high)]
    assert shares[0] >= shares[1]
    more = in_field(dose + 5, DOSE_TO_RAS, CUBE, MASK_TO_RAS, 70.0, isodose=low)
    assert more.share_within >= shares[0]


def test_outside_the_dose_grid_is_not_covered_and_is_told():
    cut = DOSE_TO_RAS.copy()
    cut[0, 3] = 13.65 + 7.0 + 1.25  # the grid's border, half a voxel before its first center, cuts the cube in half
    found = in_field(np.full(SHAPE, 70.0), cut, CUBE, MASK_TO_RAS, 70.0)
    assert found.share_within == pytest.approx(0.5, abs=0.03) and found.outside_grid == pytest.approx(0.5, abs=0.03)
    assert found.d95_gy == 0 and found.minimum_gy == pytest.approx(70)
    assert any("does not hold the whole recurrence" in sentence for sentence in found.warnings)


def test_a_dose_far_away_is_refused():
    """As of another frame of reference in a format that does not tell it: "out-field" would be wrong."""
    far = DOSE_TO_RAS.copy()
    far[:3, 3] = 1000
    with pytest.raises(InputError, match="the dose grid holds nothing of the recurrence"):
        in_field(np.full(SHAPE, 70.0), far, CUBE, MASK_TO_RAS, 70.0)


def test_a_transform_brings_the_dose_to_the_mask():
    angle = np.radians(20)
    moved = np.eye(4)
    moved[:2, :2] = [[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]]
    moved[:3, 3] = 4, -3, 6
    dose = ramp(50, 0.6, 2) + ramp(0, 0.3, 0)
    plain = in_field(dose, DOSE_TO_RAS, CUBE, MASK_TO_RAS, 70.0)
    elsewhere = np.linalg.inv(moved) @ DOSE_TO_RAS
    found = in_field(dose, elsewhere, CUBE, MASK_TO_RAS, 70.0, dose_to_mask_ras=moved)
    assert found.share_within == plain.share_within and found.mean_gy == pytest.approx(plain.mean_gy)
    assert 0 < plain.share_within < 1


def test_frames_of_reference():
    dose = np.full(SHAPE, 70.0)
    with pytest.raises(InputError, match=r"another frame of reference.*transform"):
        in_field(dose, DOSE_TO_RAS, CUBE, MASK_TO_RAS, 70.0, dose_frame_uid="1.2.3", mask_frame_uid="1.2.4")
    for options in (
        {"dose_frame_uid": "1.2.3", "mask_frame_uid": "1.2.3"},
        {"dose_frame_uid": "1.2.3"},
        {"dose_frame_uid": "1.2.3", "mask_frame_uid": "1.2.4", "dose_to_mask_ras": np.eye(4)},
    ):
        assert in_field(dose, DOSE_TO_RAS, CUBE, MASK_TO_RAS, 70.0, **options).category == IN_FIELD


@pytest.mark.parametrize(
    ("dose", "prescription_gy", "words"),
    [
        (np.full(SHAPE, 7000.0), 70.0, "in cGy"),
        (np.full(SHAPE, 70.0), 7000.0, "in cGy"),
        (np.full(SHAPE, 40.0), 70.0, "57% of the prescription"),
        (np.full(SHAPE, 140.0), 70.0, "200% of the prescription"),
        (np.where(np.indices(SHAPE)[0] == 0, -1.0, 70.0), 70.0, "negative"),
        (np.where(np.indices(SHAPE)[0] == 18, np.nan, 70.0), 70.0, "not a number in 1600 voxels"),
        (ramp(66.5 - 10 * 13.9, 10, 0), 70.0, "shift of 2 mm"),
    ],
)
def test_doubtful_doses_are_told(dose, prescription_gy, words):
    found = in_field(dose, DOSE_TO_RAS, CUBE, MASK_TO_RAS, prescription_gy)
    assert any(words in sentence for sentence in found.warnings), found.warnings
    assert np.isfinite(found.share_within)


def test_a_missing_dose_counts_as_not_covered():
    dose = np.where(np.indices(SHAPE)[2] < 16, np.nan, 70.0)  # R below 20 mm, with the neighbor that is interpolated
    found = in_field(dose, DOSE_TO_RAS, CUBE, MASK_TO_RAS, 70.0)
    assert found.share_within == pytest.approx((27.65 - 20) / 14, abs=0.03)
    assert found.outside_grid == pytest.approx(1 - found.share_within)


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({"mask": CUBE & False}, "GTVr is empty"),
        ({"mask": np.ones((3, 3))}, "axes"),
        ({"dose": np.zeros(SHAPE)}, "nowhere above zero"),
        ({"dose": np.full(SHAPE, np.nan)}, "nowhere above zero"),
        ({"prescription": 0}, "prescription"),
        ({"prescription": float("nan")}, "prescription"),
        ({"prescription": "70"}, "prescription"),
        ({"isodose": 95}, "share"),
    ],
)
def test_what_cannot_be_checked_is_refused(changed, words):
    given = {"dose": np.full(SHAPE, 70.0), "mask": CUBE, "prescription": 70.0, "isodose": 0.95, **changed}
    with pytest.raises(InputError, match=words):
        in_field(
            given["dose"],
            DOSE_TO_RAS,
            given["mask"],
            MASK_TO_RAS,
            given["prescription"],
            isodose=given["isodose"],
        )
