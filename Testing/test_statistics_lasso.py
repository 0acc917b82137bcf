"""LASSO: glmnet's path and cross-validation, and the conditions that an optimum must meet."""

import json
import warnings
from dataclasses import asdict

import numpy as np
import pytest

from NPCResponseLib.errors import InputError
from NPCResponseLib.statistics.lasso import CvMeasure, FoldPaths, lasso_cv, lasso_path, make_folds, predict_lasso
from Testing.statistics_reference import cases, check, table

(CASE,) = cases("lasso")
COLUMNS = table(CASE["data"])
PREDICTORS = {name: COLUMNS[name] for name in CASE["predictors"]}
Y, FOLDS = COLUMNS[CASE["outcome"]], COLUMNS[CASE["foldid"]].astype(int)


def test_the_path_of_penalties_is_glmnet_s():
    found = lasso_path(PREDICTORS, Y)
    assert found.n == CASE["n"]
    assert found.events == CASE["n_pos"]
    assert list(found.df) == CASE["path_df"]
    check("lasso", found.lambdas, CASE["path_lambda"], rtol=1e-8, atol=0)
    check("lasso", found.dev_ratio, CASE["path_dev_ratio"])
    check("lasso", found.null_deviance, CASE["nulldev"])


@pytest.mark.parametrize("expected", CASE["fixed_lambda"], ids=lambda one: str(one["lambda"]))
def test_coefficients_at_a_penalty_are_glmnet_s(expected):
    found = lasso_path(PREDICTORS, Y, lambdas=[expected["lambda"]])
    coefficients = (found.intercepts[0], *found.coefficients[0])
    check("lasso", coefficients, list(expected["coef"].values()), rtol=0, atol=1e-5)
    check("lasso", found.dev_ratio[0], expected["dev_ratio"])


@pytest.mark.parametrize(
    ("key", "options"),
    [
        ("cv_deviance", {}),
        ("cv_deviance_same_lambda_all_folds", {"fold_paths": FoldPaths.SHARED}),
        ("cv_deviance_default_thresh", {}),
        ("cv_auc", {"measure": CvMeasure.AUC}),
        ("cv_class", {"measure": "class"}),
    ],
)
def test_cross_validation_is_cv_glmnet_s(key, options):
    expected = CASE[key]
    found = lasso_cv(PREDICTORS, Y, fold_ids=FOLDS, **options)
    check("lasso", (found.lambda_min, found.lambda_1se), (expected["lambda_min"], expected["lambda_1se"]), rtol=1e-8)
    if "index_min" in expected:
        assert (found.index_min + 1, found.index_1se + 1) == (expected["index_min"], expected["index_1se"])
    if "selected_min" in expected:
        assert list(found.model_min.selected) == expected["selected_min"]
        assert list(found.model_1se.selected) == expected["selected_1se"]
    if "cvm" in expected:
        to_min = slice(found.index_min + 1)  # beyond, folds are nearly separated and R stops on its own criteria
        check("lasso", found.cvm[to_min], expected["cvm"][to_min], rtol=0, atol=1e-5)
        check("lasso", found.cvsd[to_min], expected["cvsd"][to_min], rtol=0, atol=1e-5)
    if "type_measure_used" in expected:
        assert found.measure == expected["type_measure_used"]
        assert bool(found.warnings) is bool(expected["warnings"])


def test_the_chosen_models_are_glmnet_s():
    found = lasso_cv(PREDICTORS, Y, fold_ids=FOLDS)
    expected = CASE["cv_deviance"]
    for model, end in ((found.model_min, "min"), (found.model_1se, "1se")):
        check(
            "lasso", (model.intercept, *model.coefficients), list(expected[f"coef_{end}"].values()), rtol=0, atol=1e-5
        )
        check("lasso", model.fitted, expected[f"prob_{end}"])
        assert predict_lasso(model, PREDICTORS) == pytest.approx(np.array(model.fitted), rel=1e-12)
    check("lasso", found.path.df, expected["nzero"])


def random_problem(n, p, seed):
    rng = np.random.default_rng(seed)
    matrix = rng.normal(size=(n, p)) + rng.normal(size=(n, 1))
    y = (rng.random(n) < 1 / (1 + np.exp(-matrix[:, 0]))).astype(float)
    return {f"x{i}": matrix[:, i] for i in range(p)}, y


@pytest.mark.parametrize(("n", "p"), [(60, 8), (40, 200)])
def test_every_point_of_a_path_meets_the_conditions_of_an_optimum(n, p):
    predictors, y = random_problem(n, p, seed=n)
    path = lasso_path(predictors, y)
    matrix = np.column_stack(list(predictors.values()))
    standard = (matrix - matrix.mean(axis=0)) / matrix.std(axis=0)
    for penalty, intercept, row in zip(path.lambdas, path.intercepts, path.coefficients, strict=True):
        beta = np.array(row)
        residual = y - 1 / (1 + np.exp(-(intercept + matrix @ beta)))
        slope = standard.T @ residual / n
        assert abs(residual.mean()) < 1e-8
        np.testing.assert_allclose(slope[beta != 0], penalty * np.sign(beta[beta != 0]), atol=1e-7)
        assert np.abs(slope).max() <= penalty + 1e-7


def test_scikit_learn_finds_the_same_coefficients():
    from sklearn.linear_model import LogisticRegression

    predictors, y = random_problem(80, 6, seed=1)
    matrix = np.column_stack(list(predictors.values()))
    standard = (matrix - matrix.mean(axis=0)) / matrix.std(axis=0)
    settings = {"C": 1 / (80 * 0.03), "solver": "saga", "tol": 1e-9, "max_iter": 100_000}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # scikit-learn before and since 1.8 want the penalty said in different words
        peer = LogisticRegression(penalty="l1", l1_ratio=1, **settings).fit(standard, y)
    found = lasso_path(predictors, y, lambdas=[0.03])
    assert np.array(found.coefficients[0]) * matrix.std(axis=0) == pytest.approx(peer.coef_[0], abs=1e-6)


def test_constant_and_repeated_columns_are_never_selected_and_said():
    predictors, y = random_problem(50, 4, seed=2)
    predictors |= {"again": predictors["x0"] * 3 + 1, "mirror": -predictors["x1"], "flat": np.ones(50)}
    found = lasso_cv(predictors, y, folds=5)
    assert not {"again", "mirror", "flat"} & set(found.model_min.selected)
    assert any("constant" in warning and "flat" in warning for warning in found.warnings)
    assert any("again, mirror" in warning for warning in found.warnings)


def test_a_separated_path_ends_when_everything_is_explained():
    predictors, _ = random_problem(50, 10, seed=3)
    path = lasso_path(predictors, predictors["x0"] > 0)
    assert 0.999 < path.dev_ratio[-1] < 1
    assert len(path.lambdas) < 100


def test_folds_are_seeded_stratified_and_recorded():
    y = np.repeat([1.0, 0.0], [17, 38])
    folds = make_folds(y, 5, seed=7)
    assert (folds == make_folds(y, 5, seed=7)).all()
    assert (folds != make_folds(y, 5, seed=8)).any()
    assert np.ptp(np.bincount(folds)[1:]) <= 1
    assert np.ptp(np.bincount(folds[y == 1])[1:]) <= 1
    predictors, y = random_problem(40, 5, seed=4)
    found = lasso_cv(predictors, y, folds=4, seed=11)
    again = lasso_cv(predictors, y, fold_ids=found.fold_ids)
    assert (found.seed, again.seed) == (11, None)
    assert again.cvm == found.cvm
    assert "seed 11" in found.method


def test_auc_is_used_when_folds_are_large_enough():
    predictors, y = random_problem(100, 3, seed=5)
    found = lasso_cv(predictors, y, folds=5, measure=CvMeasure.AUC)
    assert found.measure == "auc"
    assert found.cvm[found.index_min] == max(found.cvm)
    assert found.lambda_1se >= found.lambda_min


def test_patients_with_gaps_are_left_out_and_their_fold_ids_with_them():
    predictors, y = random_problem(60, 4, seed=6)
    predictors["x1"] = predictors["x1"].copy()
    predictors["x1"][[3, 20]] = np.nan
    found = lasso_cv(predictors, y, fold_ids=np.arange(60) % 5)
    assert found.path.n == len(found.fold_ids) == 58
    assert any("2 of 60" in warning for warning in found.warnings)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"fold_ids": [1, 2] * 20}, "fewer than three folds"),
        ({"folds": 2}, "2 folds"),
        ({"fold_ids": [1, 2, 3]}, "3 fold numbers"),
        ({"lambdas": [0.1, -1]}, "penalties must be positive"),
    ],
)
def test_impossible_wishes_are_refused(change, message):
    predictors, y = random_problem(40, 3, seed=8)
    with pytest.raises(InputError, match=message):
        lasso_cv(predictors, y, **change)


def test_a_fold_that_takes_all_events_is_refused():
    predictors, _ = random_problem(30, 3, seed=9)
    y = np.repeat([1.0, 0.0], [3, 27])
    folds = np.where(y == 1, 1, np.arange(30) % 3 + 2)
    with pytest.raises(InputError, match="only one class is left"):
        lasso_cv(predictors, y, fold_ids=folds)


def test_a_choice_can_be_written_as_json():
    predictors, y = random_problem(40, 3, seed=10)
    assert '"fold_ids"' in json.dumps(asdict(lasso_cv(predictors, y, folds=4)))
