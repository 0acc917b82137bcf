"""A multi-echo series from NIfTI, NRRD or MetaImage files: one file per echo, or one file with all of them."""

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import SimpleITK

from ..echo_series import EchoSeries
from ..errors import InputError
from .checks import check_magnitudes
from .components import Component
from .echo_order import EchoTimes, resolve_echo_times
from .file_discovery import FoundFiles, natural_key
from .geometry import grid_difference
from .image_files import ImageFile, read_image_file
from .phase import RADIANS, magnitude_and_phase, phases_in_radians
from .sidecars import SidecarFacts, echo_times_ms, read_sidecar_facts, stem_of

# What a file name says of its content, in BIDS (part-phase) and in dcm2niix's words (_e2_ph, _real, _imaginary).
_PART_IN_NAME = {
    Component.PHASE: re.compile(r"(^|[_\-. ])(part-)?(phase|ph|pha)\d*(?=$|[_\-. ])", re.IGNORECASE),
    Component.REAL: re.compile(r"(^|[_\-. ])(part-)?real\d*(?=$|[_\-. ])", re.IGNORECASE),
    Component.IMAGINARY: re.compile(r"(^|[_\-. ])(part-)?imag(inary)?\d*(?=$|[_\-. ])", re.IGNORECASE),
    Component.MAGNITUDE: re.compile(r"(^|[_\-. ])(part-)?mag(nitude)?\d*(?=$|[_\-. ])", re.IGNORECASE),
}
_ECHO_IN_NAME = re.compile(r"(^|[_\-. ])(echo|e|te)[\-_ ]?\d+([._]\d+)?(ms)?(?=$|[_\-. ])", re.IGNORECASE)


@dataclass(frozen=True)
class _Image:
    """One volume of one file."""

    path: Path
    volume: np.ndarray
    ijk_to_ras: np.ndarray
    component: Component
    facts: SidecarFacts
    label: str
    echo_time_ms: float | None
    source: str


def read_image_series(
    found: FoundFiles, typed_ms: Sequence[float] | None, slice_thickness_mm: float | None
) -> EchoSeries:
    """The series in the files found; see ``read_echo_series`` for arguments and errors."""
    paths, left_out = _choose(found)
    images, headers = _load(paths, bool(typed_ms))
    magnitudes, phases, warnings = _magnitudes_and_phases(images)
    magnitudes = _in_order(magnitudes)
    where = _where(paths)
    _check_one_grid(magnitudes)
    times = resolve_echo_times([image.echo_time_ms for image in magnitudes], magnitudes[0].source, typed_ms, where)
    warnings += times.warnings + left_out + _order_warning(magnitudes, found, typed_ms)
    warnings += check_magnitudes([image.volume for image in magnitudes], [image.label for image in magnitudes], where)
    radians, phase_warning = _phases(phases, magnitudes, times, headers)
    facts = [image.facts for image in magnitudes]
    return EchoSeries(
        echoes=tuple(image.volume for image in magnitudes),
        echo_times_ms=times.times_ms,
        echo_times_source=times.source,
        ijk_to_ras=magnitudes[0].ijk_to_ras,
        field_strength_t=_shared(fact.field_strength_t for fact in facts)
        or headers[0].number("NPCResponse.FieldStrengthT"),
        slice_thickness_mm=slice_thickness_mm
        or _shared(fact.slice_thickness_mm for fact in facts)
        or headers[0].number("NPCResponse.SliceThicknessMm"),
        phases=radians,
        name=_series_key(magnitudes[0].path) or "BOLD",
        warnings=tuple(dict.fromkeys(warnings + phase_warning)),
    )


def component_in_name(path: Path) -> Component | None:
    stem = stem_of(path)
    return next((component for component, word in _PART_IN_NAME.items() if word.search(stem)), None)


# -- which files --


def _choose(found: FoundFiles) -> tuple[list[Path], tuple[str, ...]]:
    """All named files; of a folder, the one group of files that differ only in echo and part."""
    if not found.from_folder:
        return found.images, ()
    groups: dict[str, list[Path]] = {}
    for path in found.images:
        groups.setdefault(_series_key(path), []).append(path)
    if len(groups) == 1:
        return found.images, ()
    several = [paths for paths in groups.values() if _n_echoes(paths) > 1]
    if not several:  # names that follow no rule, such as first.nii and second.nii
        return found.images, ()
    if len(several) > 1:
        listed = ", ".join(f"{paths[0].name} ({_n_echoes(paths)} echoes)" for paths in several)
        raise InputError(
            f"several series are in the folder: {listed}",
            where=f"folder {found.images[0].parent.name}",
            remedy="Name the files of one series",
        )
    others = [path.name for path in found.images if path not in several[0]]
    return several[0], (f"Not used, since they are no echoes of this series: {', '.join(others)}.",)


def _series_key(path: Path) -> str:
    """The name without what distinguishes the echoes and parts of one series."""
    stem = stem_of(path)
    for pattern in (_ECHO_IN_NAME, *_PART_IN_NAME.values()):
        stem = pattern.sub("", stem)
    return stem.strip("_-. ")


def _n_echoes(paths: Sequence[Path]) -> int:
    """Volumes that are not phase, counted without reading pixels."""
    magnitudes = [path for path in paths if component_in_name(path) not in (Component.PHASE, Component.IMAGINARY)]
    return sum(_n_volumes(path) for path in magnitudes or paths)


def _n_volumes(path: Path) -> int:
    """From the header; a file that cannot be read counts as one, and is refused when it is its turn."""
    reader = SimpleITK.ImageFileReader()
    reader.SetFileName(str(path))
    try:
        reader.ReadImageInformation()
    except RuntimeError:
        return 1
    size = reader.GetSize()
    return int(np.prod(size[3:])) * reader.GetNumberOfComponents()


# -- images and what they show --


def _load(paths: Sequence[Path], typed: bool) -> tuple[list[_Image], list[ImageFile]]:
    images, headers = [], []
    for path in paths:
        facts, file = read_sidecar_facts(path), read_image_file(path)
        images += _images_of(file, facts, typed)
        headers.append(replace(file, volumes=()))
    return images, headers


def _images_of(file: ImageFile, facts: SidecarFacts, typed: bool) -> list[_Image]:
    component = facts.component or component_in_name(file.path) or Component.MAGNITUDE
    if component is Component.DERIVED:
        raise InputError("its sidecar says that it is a computed map, not an echo", where=file.path.name)
    n = len(file.volumes)
    times_ms, source = _times_of(file, facts, typed)
    labels = [file.path.name if n == 1 else f"volume {k + 1} of {file.path.name}" for k in range(n)]
    return [
        _Image(file.path, volume, file.ijk_to_ras, component, facts, label, time, source)
        for volume, label, time in zip(file.volumes, labels, times_ms, strict=True)
    ]


def _times_of(file: ImageFile, facts: SidecarFacts, typed: bool) -> tuple[tuple[float | None, ...], str]:
    """Echo times of a file's volumes, from its header, else from its sidecar.

    What cannot be right is refused, unless the user typed echo times: then it is as good as silent.
    """
    n, sidecar = len(file.volumes), stem_of(file.path) + ".json"
    times_ms, source = file.echo_times_ms()
    if not times_ms and facts.echo_times_s:
        try:
            times_ms, source = echo_times_ms(facts, sidecar), "EchoTime in the sidecar"
        except InputError:
            if not typed:
                raise
    if times_ms and len(times_ms) != n and not typed:
        one = "one echo time" if len(times_ms) == 1 else f"{len(times_ms)} echo times"
        raise InputError(
            f"{source} gives {one} for {n} volumes",
            where=file.path.name,
            remedy="Give one for each volume, or type them",
        )
    return (times_ms, source) if len(times_ms) == n else ((None,) * n, source)


def _magnitudes_and_phases(images: list[_Image]) -> tuple[list[_Image], list[_Image], tuple[str, ...]]:
    """Magnitude and phase images; from complex data both are computed."""
    if all(image.volume.dtype.kind == "c" for image in images):
        return _from_complex(images)
    if any(image.volume.dtype.kind == "c" for image in images):
        raise InputError("complex and real images are mixed", where=_where([image.path for image in images]))
    parts = {part: [image for image in images if image.component is part] for part in Component}
    real, imaginary = _in_order(parts[Component.REAL]), _in_order(parts[Component.IMAGINARY])
    if parts[Component.MAGNITUDE]:
        return parts[Component.MAGNITUDE], parts[Component.PHASE], ()
    if real and len(real) == len(imaginary):
        return _from_parts(real, imaginary)
    if parts[Component.PHASE] and not any(image.facts.component for image in images):
        # Only the names say phase, as in "arterial_phase": the check for negative values has the last word.
        return images, [], ()
    raise InputError(
        "there are no magnitude images", where=_where([image.path for image in images]), remedy="Give them, too"
    )


def _from_complex(images: list[_Image]) -> tuple[list[_Image], list[_Image], tuple[str, ...]]:
    magnitudes = [replace(image, volume=np.abs(image.volume)) for image in images]
    phases = [replace(image, volume=np.angle(image.volume), facts=SidecarFacts(units="rad")) for image in images]
    return magnitudes, phases, ("Magnitude and phase were computed from complex images.",)


def _from_parts(real: list[_Image], imaginary: list[_Image]) -> tuple[list[_Image], list[_Image], tuple[str, ...]]:
    _check_one_grid(real + imaginary)
    magnitudes, phases = [], []
    for one, other in zip(real, imaginary, strict=True):
        magnitude, phase = magnitude_and_phase(one.volume, other.volume)
        magnitudes.append(replace(one, volume=magnitude))
        phases.append(replace(one, volume=phase, facts=SidecarFacts(units="rad")))
    return magnitudes, phases, ("Magnitude and phase were computed from real and imaginary images.",)


def _phases(
    phases: list[_Image], magnitudes: list[_Image], times: EchoTimes, headers: list[ImageFile]
) -> tuple[tuple[np.ndarray, ...], tuple[str, ...]]:
    """Phase images in radians in the order of the magnitudes, or none and why."""
    if not phases:
        return (), ()
    phases, first = _in_order(phases), magnitudes[0]
    if len(phases) != len(magnitudes):
        return (), (f"{len(phases)} phase images for {len(magnitudes)} echoes: they are not used.",)
    if any(
        grid_difference(first.volume.shape, first.ijk_to_ras, image.volume.shape, image.ijk_to_ras) for image in phases
    ):
        return (), ("The phase images lie on another grid than the magnitude images and are not used.",)
    if not _same_times(phases, magnitudes):
        return (), ("The phase images have other echo times than the magnitude images and are not used.",)
    facts = phases[0].facts
    volumes, scaled = [image.volume for image in phases], ()
    stated = RADIANS if facts.units.lower() in ("rad", "radian", "radians") else None
    radians, problem = phases_in_radians(volumes, manufacturer=facts.manufacturer, stated=stated)
    if not radians:
        radians, scaled = _unscaled_radians(volumes, next(h for h in headers if h.path == phases[0].path))
    return radians, scaled or ((problem,) if problem else ())


def _unscaled_radians(volumes: list[np.ndarray], header: ImageFile) -> tuple[tuple[np.ndarray, ...], tuple[str, ...]]:
    """Some converters store radians as they are and leave the scanner's slope in the NIfTI header by mistake."""
    slope = header.nifti_slope()
    if slope == 1.0:
        return (), ()
    radians, problem = phases_in_radians([volume / np.float32(slope) for volume in volumes])
    if problem or max(float(np.nanmax(np.abs(volume))) for volume in volumes) > 3.2 * slope:
        return (), ()
    return radians, (f"The phase images are radians once the slope {slope:g} in their header is ignored; so it was.",)


def _same_times(phases: Sequence[_Image], magnitudes: Sequence[_Image]) -> bool:
    pairs = [(a.echo_time_ms, b.echo_time_ms) for a, b in zip(phases, magnitudes, strict=True)]
    return all(a is None or b is None or abs(a - b) < 0.01 for a, b in pairs)


# -- order and geometry --


def _in_order(images: list[_Image]) -> list[_Image]:
    """By their own echo times, if each has one; else by file name within the order given."""
    if images and all(image.echo_time_ms is not None for image in images):
        return sorted(images, key=lambda image: image.echo_time_ms)
    return images


def _order_warning(magnitudes: list[_Image], found: FoundFiles, typed_ms) -> tuple[str, ...]:
    files = list(dict.fromkeys(image.path for image in magnitudes))
    if not (typed_ms and found.from_folder and len(files) > 1) or magnitudes[0].echo_time_ms is not None:
        return ()
    names = ", ".join(path.name for path in sorted(files, key=natural_key))
    return (f"The files tell no echo times and were taken in the order of their names: {names}.",)


def _check_one_grid(images: Sequence[_Image]) -> None:
    first = images[0]
    for image in images[1:]:
        difference = grid_difference(first.volume.shape, first.ijk_to_ras, image.volume.shape, image.ijk_to_ras)
        if difference:
            raise InputError(
                f"its geometry differs from that of {first.path.name}: {difference}",
                where=image.path.name,
                remedy="Give images of one series, or resample it",
            )


def _shared(values) -> float | None:
    """The one value that all images agree on."""
    found = set(values)
    return found.pop() if len(found) == 1 else None


def _where(paths: Sequence[Path]) -> str:
    names = list(dict.fromkeys(path.name for path in paths))
    return names[0] if len(names) == 1 else f"{names[0]} to {names[-1]}"
