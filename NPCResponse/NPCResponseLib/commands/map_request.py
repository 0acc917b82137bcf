"""What the commands that make maps of one series are asked for alike: images, a region, the form of the results."""

import math
from dataclasses import dataclass
from pathlib import Path

from ..errors import InputError
from .options import check_paths


@dataclass(frozen=True, kw_only=True)
class MapRequest:
    """Parsed, and checked as far as it can be without reading anything."""

    inputs: tuple[Path, ...]
    output: Path
    segmentation: Path | None = None
    segment: str = ""
    exclude: tuple[str, ...] = ()
    keep_doubtful: bool = True
    roi: str
    erode_mm: float = 0.0
    map_format: str = "nii.gz"
    show_file_names: bool = False

    def check(self) -> None:
        """Refuse what no file can mend, before anything slow is loaded.

        Raises:
            InputError: a file that is not there, a number out of range, region options without a segmentation.
        """
        check_paths(*(path for path, _ in self.labeled_paths()))
        if not (math.isfinite(self.erode_mm) and self.erode_mm >= 0):
            raise InputError(f"--erode-mm must not be negative, found {self.erode_mm:g}")
        if self.segmentation is None and (self.segment or self.exclude or self.erode_mm or not self.keep_doubtful):
            raise InputError(
                "--segment, --exclude, --leave-out-doubtful and --erode-mm need a segmentation",
                remedy="Add --segmentation FILE",
            )

    def region_parameters(self) -> list[tuple[str, str]]:
        """The options that chose the voxels."""
        if self.segmentation is None:
            return []
        shown = [("--segment", self.segment)] if self.segment else []
        shown += [("--exclude", name) for name in self.exclude]
        shown += [] if self.keep_doubtful else [("--leave-out-doubtful", "")]
        shown += [("--roi", self.roi)]
        shown += [("--erode-mm", f"{self.erode_mm:g}")] if self.erode_mm else []
        return shown

    def labeled_paths(self) -> list[tuple[Path, str]]:
        """Input files with the neutral names under which reports speak of them."""
        labeled = numbered(self.inputs, "image")
        return [*labeled, (self.segmentation, "segmentation")] if self.segmentation else labeled


def numbered(paths: tuple[Path, ...], label: str) -> list[tuple[Path, str]]:
    return [(path, f"{label} {n}" if len(paths) > 1 else label) for n, path in enumerate(paths, start=1)]
