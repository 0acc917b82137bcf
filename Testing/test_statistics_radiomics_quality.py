"""The radiomics quality score, and the dose conversions of the same reference set."""

import pytest

from NPCResponseLib.errors import InputError
from NPCResponseLib.statistics.radiomics_quality import radiomics_quality_score
from Testing.statistics_reference import cases, check


@pytest.mark.parametrize("case", cases("rqs"), ids=lambda case: case["case"])
def test_points_add_up_as_published(case):
    found = radiomics_quality_score(case["items"])
    check("rqs", (found.total, found.percent), (case["total"], case["percent"]))


@pytest.mark.parametrize(
    ("change", "message"),
    [({"validation": 1}, "1 points are not possible"), ({"luck": 3}, '"luck"'), ({"calibration": None}, "calibration")],
)
def test_items_that_the_score_does_not_know_are_refused(change, message):
    items = cases("rqs")[0]["items"] | change
    with pytest.raises(InputError, match=message):
        radiomics_quality_score({name: points for name, points in items.items() if points is not None})


@pytest.mark.parametrize("case", cases("dose"), ids=lambda case: case["case"])
def test_doses_convert_as_in_the_reference(case):
    dose = pytest.importorskip("NPCResponseLib.radiation_dose")
    given = {"n_fractions": case["fractions"], "alpha_beta_gy": case["alpha_beta"]}
    check("dose", dose.biologically_effective_dose_gy(case["total_dose"], **given), case["bed"])
    check("dose", dose.eqd2_gy(case["total_dose"], **given), case["eqd2"])
    check("dose", dose.fraction_dose_gy(case["total_dose"], case["fractions"], None), case["dose_per_fraction"])
