"""What sizes alone do to features, and what is left of a difference beyond that."""

import math
from dataclasses import dataclass, field

import numpy as np
import pytest

from NPCRadiomicsRiskLib.heterogeneity.comparison import compare_subregions
from NPCRadiomicsRiskLib.robustness.size_control import excess_values, random_divisions, size_control
from NPCResponseLib.errors import InputError

SPACING = (5.0, 1.0, 1.0)


@dataclass
class Region:
    values: dict
    refused: dict = field(default_factory=dict)


def panel(volume, regions, spacing, settings):
    """A feature of size only, one of tissue only, one of both, and one that is refused."""
    return {
        name: Region(
            {
                "size": 100 / math.sqrt(mask.sum()),
                "tissue": float(volume[mask].mean()),
                "both": float(volume[mask].mean()) + 500 / math.sqrt(mask.sum()),
                "never": math.nan,
            },
            {"never": "never defined"},
        )
        for name, mask in regions.items()
    }


def patient(seed, step=0.0):
    """(volume, GTV, GTVr): GTVr is a tenth to a third of the tumor, brighter by ``step``."""
    rng = np.random.default_rng(seed)
    shape = (8, 40, 40)
    z, y, x = np.meshgrid(
        *[(np.arange(n) - (n - 1) / 2) * s for n, s in zip(shape, SPACING, strict=True)], indexing="ij"
    )
    gtv = z**2 + y**2 + x**2 < 17**2
    gtvr = gtv & (x > np.quantile(x[gtv], 1 - rng.uniform(0.1, 0.33)))
    return 100 + rng.normal(0, 5, shape) + step * gtvr, gtv, gtvr


def controlled(step=0.0, n_patients=12, n=20):
    found = {}
    for seed in range(n_patients):
        volume, gtv, gtvr = patient(seed, step)
        found[f"P{seed}"] = size_control(volume, gtv, gtvr, SPACING, panel=panel, n=n, seed=seed)
    return found


def test_random_parts_have_the_size_of_the_recurrent_one_and_are_in_one_piece():
    _, gtv, gtvr = patient(0)
    parts = list(random_divisions(gtv, gtvr, SPACING, n=8, seed=3))
    assert len(parts) == 8
    for part in parts:
        assert part.sum() == gtvr.sum() and not (part & ~gtv).any()
    centers = np.array([np.argwhere(part).mean(axis=0) * SPACING for part in parts])
    middle = np.argwhere(gtv).mean(axis=0) * SPACING
    for one, other in zip(centers[::2] - middle, centers[1::2] - middle, strict=True):  # opposite pairs
        assert one @ other / np.linalg.norm(one) / np.linalg.norm(other) < -0.9
    again = list(random_divisions(gtv, gtvr, SPACING, n=8, seed=3))
    assert all((a == b).all() for a, b in zip(parts, again, strict=True))


def test_a_part_is_what_a_plane_cuts_off():
    _, gtv, gtvr = patient(2)  # a ball, so the normal of the plane points to the middle of the part
    middle = np.argwhere(gtv).mean(axis=0) * SPACING
    for part in random_divisions(gtv, gtvr, SPACING, n=6):
        inside, outside = (np.argwhere(mask) * SPACING - middle for mask in (part, gtv & ~part))
        normal = inside.mean(axis=0) / np.linalg.norm(inside.mean(axis=0))
        height = (inside @ normal).min()
        assert np.mean(outside @ normal > height + 1.0) < 0.02
        assert height > 1.0


def test_size_alone_is_expected_and_tissue_is_not():
    found = controlled(step=20.0)
    for each in found.values():
        size, tissue, _, never = each.features
        assert size.excess == pytest.approx(0, abs=1e-9) and size.difference == pytest.approx(size.expected)
        assert tissue.excess == pytest.approx(tissue.difference - tissue.expected) and tissue.excess > 10
        assert tissue.p == 1 / 21
        assert never.excess is None and never.difference is None and never.n == 0
    drawn = np.array([each.differences[1] for each in found["P0"].divided])
    assert found["P0"].features[1].expected == pytest.approx(drawn.mean())
    assert (found["P0"].features[1].low, found["P0"].features[1].high) == pytest.approx(
        tuple(np.quantile(drawn, [0.025, 0.975]))
    )
    columns = found["P0"].columns()
    assert columns["feature"] == ["size", "tissue", "both", "never"] and {len(c) for c in columns.values()} == {4}


def test_a_cohort_of_one_tissue_has_false_findings_until_sizes_are_controlled():
    plain = {}
    for seed in range(12):
        volume, gtv, gtvr = patient(seed)
        features = panel(volume, {"r": gtvr, "n": gtv & ~gtvr}, SPACING, None)
        plain[f"P{seed}"] = (features["r"].values, features["n"].values)
    names = ("size", "tissue", "both", "never")
    assert compare_subregions(plain, names).significant == ("size", "both")
    analysis = compare_subregions(excess_values(controlled()))
    assert analysis.significant == ()
    assert {each.feature for each in analysis.missing} == {"never"}
    assert analysis.missing[0].reason == "GTVnr: never defined"
    assert any("excess" in warning for warning in analysis.warnings)
    assert compare_subregions(excess_values(controlled(step=20.0))).significant == ("tissue", "both")


def test_few_divisions_give_no_p_and_failures_are_told():
    volume, gtv, gtvr = patient(1)

    def fails(volume, regions, spacing, settings):
        if not (regions["GTVr"] == gtvr).all():
            raise InputError("no such region")
        return panel(volume, regions, spacing, settings)

    told = []
    few = size_control(volume, gtv, gtvr, SPACING, panel=panel, n=4, progress=told.append)
    assert few.features[1].p is None and few.features[1].excess is not None
    assert told == sorted(told) and told[-1] == 1 and len(told) == 5
    none = size_control(volume, gtv, gtvr, SPACING, panel=fails, n=2)
    assert none.features[1].expected is None and none.features[1].n == 0
    assert none.warnings == ("2 of 2 random divisions gave no features: no such region.",)


@pytest.mark.parametrize(
    ("gtvr", "n", "message"),
    [
        (np.zeros((3, 3, 3)), 4, "must hold both"),
        (np.ones((3, 3, 3)), 4, "must hold both"),
        (np.eye(3)[None].repeat(3, 0), 0, "0 random"),
    ],
)
def test_bad_input_is_one_sentence(gtvr, n, message):
    with pytest.raises(InputError, match=message):
        random_divisions(np.ones((3, 3, 3)), gtvr, SPACING, n=n)
    with pytest.raises(InputError, match="no patient"):
        excess_values({})
