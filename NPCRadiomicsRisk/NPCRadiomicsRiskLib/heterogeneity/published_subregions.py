"""What the sub-region study printed (Akram et al. 2020, table 2), read from ``published_subregions.json``."""

import functools
import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from NPCResponseLib.statistics.number_checks import CheckResult

FILE = Path(__file__).with_name("published_subregions.json")


@dataclass(frozen=True)
class PublishedFeature:
    """One row of table 2; differences are recurrent - non-recurrent.

    Attributes:
        mean, sd: of the differences, in the units of the paper's software.
        p: as printed ("<0.0001"); test: its name.
        mean_text, sd_text: as printed.
    """

    name: str
    mean: float
    sd: float
    p: str
    test: str
    mean_text: str
    sd_text: str

    @property
    def direction(self) -> int:
        """1 if larger in the recurrent region, -1 if smaller."""
        return 1 if self.mean > 0 else -1

    @property
    def cohens_dz(self) -> float:
        """Mean / SD of the differences: free of units, so it compares where the means do not."""
        return self.mean / self.sd


@dataclass(frozen=True)
class PublishedSubRegions:
    """Attributes:
    features: in the order of the table.
    threshold: the printed, rounded one; alpha / n_features is the exact one.
    pca_explained: shares of the first two components.
    correlated: features whose differences are printed as positively correlated with each other.
    remarks: ours.
    """

    citation: str
    doi: str
    n_patients: int
    n_features: int
    alpha: float
    threshold: float
    features: tuple[PublishedFeature, ...]
    pca_explained: tuple[float, float]
    correlated: tuple[str, ...]
    remarks: tuple[str, ...]

    def feature(self, name: str) -> PublishedFeature | None:
        return next((each for each in self.features if each.name == name), None)


@functools.cache
def published_subregions() -> PublishedSubRegions:
    document = json.loads(FILE.read_text(encoding="utf-8"))
    features = tuple(
        PublishedFeature(
            row["name"], float(row["mean"]), float(row["sd"]), row["p"], row["test"], row["mean"], row["sd"]
        )
        for row in document["features"]
    )
    return PublishedSubRegions(
        citation=document["paper"]["citation"],
        doi=document["paper"]["doi"],
        n_patients=document["n_patients"],
        n_features=document["n_features"],
        alpha=float(document["alpha"]),
        threshold=float(document["threshold"]),
        features=features,
        pca_explained=tuple(float(share.rstrip("%")) / 100 for share in document["pca"]["explained"]),
        correlated=tuple(document["correlations"]["together"]),
        remarks=tuple(document["remarks"]),
    )


def consistency() -> "dict[str, CheckResult]":
    """Whether each printed p value of a t-test follows from the printed mean, SD and number of patients."""
    from NPCResponseLib.statistics.number_checks import run_check  # brings scipy.stats, which start-up goes without

    published = published_subregions()
    return {
        each.name: run_check(
            {"check": "paired_t", "mean": each.mean_text, "sd": each.sd_text, "n": published.n_patients, "p": each.p}
        )
        for each in published.features
        if each.test == "paired t-test"
    }
