"""Which differences between the sub-regions of a cohort remain beyond what the sizes of the regions give by themselves.

In each patient the tumor is also divided at random, in the same sizes (``size_control``). What GTVr - GTVnr exceeds the
mean of those divisions by is compared with 0, with the same test and correction as the differences. Beyond the paper.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from ..heterogeneity.comparison import FeatureComparison, HeterogeneityAnalysis, compare_subregions
from ..heterogeneity.tables import NotedTable, yes_no
from .size_control import SizeControl, excess_values

TABLE_NAME = "size_control"


@dataclass(frozen=True)
class CohortSizeControl:
    """Attributes:
    differences: the comparison of GTVr with GTVnr; excess: the same of what exceeds random divisions.
    n_divisions: of each tumor.
    """

    differences: HeterogeneityAnalysis
    excess: HeterogeneityAnalysis
    n_divisions: int

    @property
    def beyond_size(self) -> tuple[str, ...]:
        """Features whose difference is significant, and its excess over random divisions too, in one direction."""
        return tuple(name for name in self.differences.significant if self._direction(name) > 0)

    @property
    def opposite(self) -> tuple[str, ...]:
        """Features whose difference is significant and, beyond size, significantly the other way round."""
        return tuple(name for name in self.differences.significant if self._direction(name) < 0)

    @property
    def size_alone(self) -> tuple[str, ...]:
        """The other significant features."""
        return tuple(name for name in self.differences.significant if self._direction(name) == 0)

    def beyond(self, name: str) -> str:
        """For a table: "yes", "no" or "opposite"; "" for a feature whose difference is not significant."""
        if name not in self.differences.significant:
            return ""
        return {1: "yes", 0: "no", -1: "opposite"}[self._direction(name)]

    def _direction(self, name: str) -> int:
        """1 or -1 of a significant excess relative to the difference; else 0."""
        difference, excess = self.differences.feature(name), self.excess.feature(name)
        if not excess.significant:
            return 0
        return 1 if difference.difference.mean * excess.difference.mean > 0 else -1

    def table(self) -> NotedTable:
        """A row per feature; expected is the mean over patients of the mean over random divisions."""
        columns = (
            "feature", "n", "mean_difference", "mean_expected_by_size", "mean_excess", "sd_excess", "ci_low", "ci_high",
            "test", "statistic", "statistic_value", "p", "p_bonferroni", "p_holm", "p_benjamini_hochberg",
            "cohens_dz", "cohens_dz_low", "cohens_dz_high", "difference_significant", "excess_significant",
            "beyond_size",
        )  # fmt: skip
        rows = tuple(self._row(each) for each in self.excess.features)
        notes = (
            f"{self.n_divisions} random divisions of each tumor into parts as large as GTVr and GTVnr, by "
            "planes. Excess: GTVr - GTVnr less the mean of the same difference between the random parts.",
        )
        return NotedTable(TABLE_NAME, "Differences beyond the sizes of the regions", columns, rows, notes)

    def _row(self, each: FeatureComparison) -> tuple:
        size, found = each.effect_size, each.difference
        return (
            each.name, each.n, each.recurrent and each.recurrent.mean, each.nonrecurrent and each.nonrecurrent.mean,
            found and found.mean, found and found.sd, each.difference_low, each.difference_high, each.method,
            each.statistic_name, each.statistic, each.p, each.p_bonferroni, each.p_holm, each.p_benjamini_hochberg,
            *((size.value, size.low, size.high) if size else (None,) * 3),
            yes_no(self.differences.feature(each.name).significant), yes_no(each.significant), self.beyond(each.name),
        )  # fmt: skip


def cohort_size_control(patients: Mapping[str, SizeControl], differences: HeterogeneityAnalysis) -> CohortSizeControl:
    """Compare with the choices of an analysis.

    Args:
        patients: label to ``size_control``.
        differences: the comparison of the same patients.

    Raises:
        InputError: no patient, or patients with different features.
    """
    excess = compare_subregions(
        excess_values(patients),
        alpha=differences.alpha,
        correction=differences.correction,
        test=differences.test,
        confidence=differences.confidence,
    )
    return CohortSizeControl(differences, excess, max(len(each.divided) for each in patients.values()))
