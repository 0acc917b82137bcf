"""Principal components: R's prcomp, and the defining properties."""

import json
from dataclasses import asdict

import numpy as np
import pytest

from NPCResponseLib.errors import InputError
from NPCResponseLib.statistics.pca import principal_components, project
from Testing.statistics_reference import cases, check, table

(CASE,) = cases("pca")
COLUMNS = {name: table(CASE["data"])[name] for name in CASE["x"]}


@pytest.mark.parametrize("kind", ["scaled", "unscaled"])
def test_components_are_prcomp_s(kind):
    found, expected = principal_components(COLUMNS, scaled=kind == "scaled"), CASE[kind]
    check("pca", found.sdev, expected["sdev"])
    check("pca", found.explained, expected["explained"])
    check("pca", found.center, expected["center"])
    check("pca", found.loadings, expected["rotation_by_pc"])
    check("pca", found.scores[:3], expected["scores_first_3_rows"])
    if kind == "scaled":
        check("pca", found.scale, expected["scale"])
        assert found.kaiser_components == CASE["kaiser_components"]


def test_arrows_of_the_biplot_are_correlations_with_the_components():
    found = principal_components(COLUMNS)
    scores = np.array(found.scores)
    for name, arrow in zip(found.variables, found.biplot_arrows, strict=True):
        assert arrow == pytest.approx([np.corrcoef(COLUMNS[name], scores[:, i])[0, 1] for i in (0, 1)])


def test_projecting_the_same_patients_repeats_their_scores():
    found = principal_components(COLUMNS)
    np.testing.assert_allclose(project(found, COLUMNS), found.scores, atol=1e-12)
    gap = {name: [np.nan if name == "x1" else 0.0] for name in COLUMNS}
    assert np.isnan(project(found, gap)).all()
    with pytest.raises(InputError, match='"x1"'):
        project(found, {"x2": [1.0]})


def test_more_variables_than_patients_leave_fewer_components():
    rng = np.random.default_rng(1)
    found = principal_components({f"v{i}": rng.normal(size=6) for i in range(9)})
    assert len(found.sdev) == 5
    assert found.cumulative[-1] == pytest.approx(1)
    assert any("only 5 of 9" in warning for warning in found.warnings)


def test_patients_with_gaps_are_counted_and_the_rows_kept_are_named():
    columns = {name: column.copy() for name, column in COLUMNS.items()}
    columns["x2"][4] = np.nan
    found = principal_components(columns)
    assert (found.n, found.n_missing) == (40, 1)
    assert 4 not in found.used_rows


def test_a_constant_column_cannot_be_scaled_but_centered():
    columns = COLUMNS | {"flat": np.ones(41)}
    with pytest.raises(InputError, match="constant: flat"):
        principal_components(columns)
    assert principal_components(columns, scaled=False).sdev[-1] == pytest.approx(0, abs=1e-12)


def test_too_little_is_refused():
    with pytest.raises(InputError, match="two columns"):
        principal_components({"x": [1, 2, 3]})
    with pytest.raises(InputError, match="1 complete"):
        principal_components({"x": [1, np.nan], "y": [1, 2]})


def test_components_can_be_written_as_json():
    assert '"loadings"' in json.dumps(asdict(principal_components(COLUMNS)))


def test_columns_that_do_not_vary_have_no_components():
    with pytest.raises(InputError, match="no column varies"):
        principal_components({"a": [1, 1, 1], "b": [2, 2, 2]}, scaled=False)
