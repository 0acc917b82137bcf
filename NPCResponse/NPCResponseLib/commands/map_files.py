"""The files of every command that maps one series: its segmentation; maps, measurements, report, scene, index."""

from collections.abc import Callable, Mapping
from pathlib import Path

from ..measurement import write_measurements
from ..mrml import files, segments
from .map_request import MapRequest
from .results import write_index


def load_region(request: MapRequest) -> dict:
    """The segmentation as a node, with IDs of the segments; as a job takes it.

    Raises:
        InputError: no such segment, or a file that cannot be read.
    """
    if request.segmentation is None:
        return {}
    # An empty name means: the file's, which would stand in the scene.
    segmentation = files.load_segmentation(request.segmentation, "" if request.show_file_names else "regions")
    return {
        "segmentation": segmentation,
        "segment_id": segments.segment_id_by_name(segmentation, request.segment),
        "exclusion_ids": tuple(segments.segment_id_by_name(segmentation, name) for name in request.exclude),
    }


def save_maps(maps: Mapping[str, object], request: MapRequest, folder: Path, progress, interruption) -> None:
    """Volume nodes by file name; None for a map that was not computed."""
    for number, (name, node) in enumerate(maps.items()):
        if node is not None:
            files.save_node(node, folder / f"{name}.{request.map_format}")
        interruption.check()
        progress("Writing maps", 0.6 + 0.1 * (number + 1) / len(maps))


def save_measurements(measurements, folder: Path) -> None:
    """As CSV and as TSV; nothing where nothing was measured."""
    if measurements:
        write_measurements(measurements, folder / "measurements.csv")
        write_measurements(measurements, folder / "measurements.tsv")


def save_report_and_scene(
    write_report: Callable[[Path], None], summary: dict, folder: Path, index_name: str, progress, interruption
) -> None:
    """The report, the scene, and last the index, which tells every file."""
    progress("Writing the report", 0.72)
    write_report(folder / "report.html")
    interruption.check()
    progress("Writing the scene", 0.85)
    files.save_scene(folder / "scene.mrb")
    interruption.check()
    write_index(summary, folder, index_name)
