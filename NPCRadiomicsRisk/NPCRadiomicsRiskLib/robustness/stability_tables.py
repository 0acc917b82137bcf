"""Agreement of features under perturbed contours as plain tables."""

from ..heterogeneity.tables import NotedTable, noted_table, of, yes_no
from .cohort_stability import CohortStability


def stability_tables(found: CohortStability) -> tuple[NotedTable, ...]:
    """Intraclass correlations of each feature, and those of its difference by kind of perturbation."""
    return (
        noted_table("stability", *_stability(found)),
        noted_table("stability_by_kind", *_stability_by_kind(found)),
    )


def _stability(found: CohortStability):
    columns = ["feature", "n", "without"]
    for what in ("gtvr", "gtvnr", "difference"):
        columns += [f"icc_{what}", f"icc_{what}_low", f"icc_{what}_high", f"grade_{what}", f"grade_of_low_{what}"]
    columns += ["icc_quantization", "patients_same_sign", "significant", "share_significant"]
    form = ("value", "low", "high", "grade", "grade_of_low")
    rows = [
        (each.name, each.n, each.n_without, *of(each.recurrent, *form), *of(each.nonrecurrent, *form),
         *of(each.difference, *form), *of(each.quantization, "value"), each.n_same_sign, yes_no(each.significant),
         each.share_significant)
        for each in found.features
    ]  # fmt: skip
    return "Agreement of features under perturbed contours", columns, rows, (*found.method, *found.warnings)


def _stability_by_kind(found: CohortStability):
    columns = ("feature", *(kind.replace(" ", "_") for kind in found.kinds))
    rows = [
        (each.name, *(each.by_kind[kind].value if kind in each.by_kind else None for kind in found.kinds))
        for each in found.features
    ]
    return "ICC(2,1) of the difference by kind of perturbation", columns, rows
