"""What the panel's boxes offer. Saved by name: never rename a member. Values are those that the library takes.

Imports nothing of it: the module file needs these at Slicer's start-up.
"""

import enum

from slicer.i18n import tr as _


class AlignMethod(enum.Enum):
    SEARCH = "search"
    GIVEN = "given"

    def label(self) -> str:
        return {AlignMethod.SEARCH: _("Search for it"), AlignMethod.GIVEN: _("Assess a given transform")}[self]


class AlignRegion(enum.Enum):
    GTV = "box around GTV"
    ROI = "markups ROI"
    WHOLE = "whole scans"

    def label(self) -> str:
        return {
            AlignRegion.GTV: _("Box around the GTV"),
            AlignRegion.ROI: _("Markups region of interest"),
            AlignRegion.WHOLE: _("Whole scans"),
        }[self]


class TransformUse(enum.Enum):
    ALIGN = "that of Align"
    CHOSEN = "chosen"
    NONE = "none"

    def label(self) -> str:
        return {
            TransformUse.ALIGN: _("The transform of tab Align"),
            TransformUse.CHOSEN: _("Another transform"),
            TransformUse.NONE: _("Nothing, it is in place"),
        }[self]


class Resampling(enum.Enum):
    CORRECTED = "corrected"
    TOOLBOX = "toolbox"
    NONE = "none"

    def label(self) -> str:
        return {
            Resampling.CORRECTED: _("Corrected"),
            Resampling.TOOLBOX: _("As the paper's toolbox"),
            Resampling.NONE: _("None"),
        }[self]


class Outliers(enum.Enum):
    THREE_SD = "3 sd"
    KEPT = "none"

    def label(self) -> str:
        return {Outliers.THREE_SD: _("Left out beyond 3 SD"), Outliers.KEPT: _("Kept")}[self]


class Quantization(enum.Enum):
    LLOYD = "lloyd"
    EQUAL = "equal"
    UNIFORM = "uniform"

    def label(self) -> str:
        return {
            Quantization.LLOYD: _("Lloyd-Max"),
            Quantization.EQUAL: _("Equal probability"),
            Quantization.UNIFORM: _("Equal width"),
        }[self]


class LevelsUse(enum.Enum):
    OWN = "own"
    SHARED = "shared"
    BOTH = "both"

    def label(self) -> str:
        return {
            LevelsUse.OWN: _("Each region"),
            LevelsUse.SHARED: _("All regions together"),
            LevelsUse.BOTH: _("Both, compared"),
        }[self]


class Weights(enum.Enum):
    TOOLBOX = "toolbox"
    IBSI = "ibsi"

    def label(self) -> str:
        return {Weights.TOOLBOX: _("By distance (toolbox)"), Weights.IBSI: _("All 1 (IBSI)")}[self]


class Dimensions(enum.Enum):
    THREE = 3
    TWO = 2

    def label(self) -> str:
        return {Dimensions.THREE: _("In three dimensions"), Dimensions.TWO: _("Within the slice")}[self]


class CohortTest(enum.Enum):
    BY_SHAPIRO = "by Shapiro"
    T = "t"
    WILCOXON = "wilcoxon"

    def label(self) -> str:
        return {
            CohortTest.BY_SHAPIRO: _("By Shapiro-Wilk (paper)"),
            CohortTest.T: _("Paired t-test"),
            CohortTest.WILCOXON: _("Wilcoxon signed-rank"),
        }[self]


class CohortCorrection(enum.Enum):
    BONFERRONI = "bonferroni"
    HOLM = "holm"
    BENJAMINI_HOCHBERG = "bh"

    def label(self) -> str:
        return {
            CohortCorrection.BONFERRONI: _("Bonferroni (paper)"),
            CohortCorrection.HOLM: _("Holm"),
            CohortCorrection.BENJAMINI_HOCHBERG: _("Benjamini-Hochberg"),
        }[self]


class MapModel(enum.Enum):
    PUBLISHED = "published"
    FILE = "file"

    def label(self) -> str:
        return {MapModel.PUBLISHED: _("Published directions"), MapModel.FILE: _("A trained model")}[self]
