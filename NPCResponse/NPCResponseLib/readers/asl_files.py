"""An arterial spin labeling acquisition, or M0 images of their own, from NIfTI, NRRD or MetaImage files."""

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from ..asl_series import AslRole, LabelingType
from ..errors import InputError
from .asl_images import ROLE_WORDS, AslImages, Fact, check_role_count, names_of, typed_over_found
from .asl_marks import labeling_type_in_name
from .asl_sidecars import AslSidecar, find_context, read_context
from .asl_volumes import philips_flow_by_scale
from .file_discovery import FoundFiles
from .geometry import grid_difference
from .image_files import ImageFile, read_image_file
from .sidecars import sidecar_values, stem_of

# The last part of a file name that says what the image is, in BIDS and in common use.
_ROLE_IN_NAME = re.compile(r"(?:^|[_\-. ])(control|label|m0scan|m0|deltam|pwi|cbf)$", re.IGNORECASE)
_NAMED_ROLES = {"m0": AslRole.M0, "pwi": AslRole.DIFFERENCE}
_M0_NAME = re.compile(r"(?:^|[_\-. ])m0(scan)?$", re.IGNORECASE)
_ASL_NAME = re.compile(r"(?:^|[_\-. ])asl$", re.IGNORECASE)
_SUBJECT = re.compile(r"(?:^|_)sub-([A-Za-z0-9]+)")
_REMEDY = (
    "Add an aslcontext.tsv with one volume_type per volume, or name the role of each "
    "(control, label, m0scan, deltam, cbf)"
)


@dataclass(frozen=True)
class _File:
    """One image file with its sidecar and, if it has one, its context."""

    image: ImageFile
    sidecar: AslSidecar
    context: Path | None

    @property
    def path(self) -> Path:
        return self.image.path

    @property
    def n_volumes(self) -> int:
        return len(self.image.volumes)


def choose_files(found: FoundFiles) -> tuple[list[Path], tuple[Path, ...], tuple[str, ...]]:
    """Files of the acquisition, files with M0 images beside them, and warnings.

    Of a folder: the one file named ..._asl, else all images in it. M0 files are found by BIDS' names.

    Raises:
        InputError: several acquisitions in a folder.
    """
    paths, warnings = list(found.images), ()
    if found.from_folder:
        named = [path for path in paths if _ASL_NAME.search(stem_of(path))]
        if len(named) > 1:
            listed = ", ".join(path.name for path in named[:8])
            raise InputError(
                f"several acquisitions are in the folder: {listed}",
                where=f"folder {named[0].parent.name}",
                remedy="Name the files of one of them",
            )
        if named:
            m0_paths = _m0_beside(named[0])
            rest = [path.name for path in paths if path not in (*named, *m0_paths)]
            warnings = (f"Not used: {', '.join(rest[:8])}.",) if rest else ()
            return named, m0_paths, warnings
    m0_paths = [path for path in paths if _M0_NAME.search(stem_of(path))]
    if m0_paths and len(m0_paths) < len(paths):
        return [path for path in paths if path not in m0_paths], tuple(m0_paths), warnings
    if len(paths) == 1 and not m0_paths:
        return paths, _m0_beside(paths[0]), warnings
    return paths, (), warnings


def read_asl_files(paths: Sequence[Path], typed_roles: Sequence[AslRole] | None) -> AslImages:
    """The images of the acquisition in the order given.

    Raises:
        InputError: damaged files, other grids, images whose role nothing tells, facts that cannot be.
    """
    files = [_read(path) for path in paths]
    where = names_of(paths)
    _check_one_grid(files)
    volumes = tuple(volume for file in files for volume in file.image.volumes)
    roles, source, remarks = _roles(files, typed_roles, where)
    dropped = frozenset(n for n, role in enumerate(roles) if role is None)
    _check_real(files)
    facts, delays, warnings = _facts(files[0], roles, volumes[0].shape[0])
    warnings = remarks + warnings
    keep = [n for n in range(len(volumes)) if n not in dropped]
    if dropped:
        warnings += (f"{len(dropped)} volumes that aslcontext.tsv calls noRF or n/a are left out.",)
    labels = [label for file in files for label in _labels(file)]
    return AslImages(
        volumes=tuple(volumes[n] for n in keep),
        labels=tuple(_with_role(labels[n], roles[n]) for n in keep),
        roles=tuple(roles[n] for n in keep),
        roles_source=source,
        delays_ms=tuple(delays[n] for n in keep),
        ijk_to_ras=files[0].image.ijk_to_ras,
        where=where,
        facts=facts,
        name=stem_of(paths[0]),
        warnings=warnings,
    )


def read_m0_files(paths: Sequence[Path]) -> AslImages:
    """M0 images of their own: all volumes of the files, unless a context tells which are.

    Raises:
        InputError: damaged files, other grids among them, no M0 image in the context.
    """
    files = [_read(path) for path in paths]
    _check_one_grid(files)
    _check_real(files)
    where, chosen = names_of(paths), []
    for file in files:
        roles = read_context(file.context, file.n_volumes) if file.context else (AslRole.M0,) * file.n_volumes
        chosen += [volume for volume, role in zip(file.image.volumes, roles, strict=True) if role is AslRole.M0]
    if not chosen:
        raise InputError("its context names no M0 image", where=where, remedy="Give the M0 images alone")
    sidecar = files[0].sidecar
    facts = {"manufacturer": Fact(sidecar.manufacturer, "Manufacturer in the sidecar")} if sidecar.manufacturer else {}
    time = sidecar.m0_repetition_time((AslRole.M0,) * len(chosen))
    if time:
        facts["m0_repetition_time_ms"] = replace(time, source=f"{time.source} of the M0 images")
    return AslImages(
        volumes=tuple(chosen),
        labels=tuple(f"M0 image {n + 1}" for n in range(len(chosen))),
        roles=(AslRole.M0,) * len(chosen),
        roles_source="M0 images of their own",
        delays_ms=(None,) * len(chosen),
        ijk_to_ras=files[0].image.ijk_to_ras,
        where=where,
        facts=facts,
    )


def check_one_subject(paths: Sequence[Path]) -> None:
    """Raise InputError if BIDS names tell different subjects, without naming them."""
    found = {match[1] for path in paths if (match := _SUBJECT.search(path.name))}
    if len(found) > 1:
        raise InputError("the files are of different subjects (sub- in their names)", remedy="Give one subject's files")


# -- files --


def _read(path: Path) -> _File:
    context = find_context(path)
    return _File(read_image_file(path), AslSidecar(path, sidecar_values(path), context is not None), context)


def _m0_beside(asl_path: Path) -> tuple[Path, ...]:
    """Files ..._m0scan in the same folder that are intended for the image, or share its name up to the suffix."""
    candidates = [
        path
        for path in sorted(asl_path.parent.iterdir())
        if path.is_file()
        and re.search(r"\.(nii(\.gz)?|nrrd|nhdr|mha|mhd)$", path.name, re.IGNORECASE)
        and stem_of(path).lower().endswith("_m0scan")
    ]
    intended = [path for path in candidates if _is_intended_for(path, asl_path)]
    if intended:
        return tuple(intended)
    base = re.sub(r"_asl$", "", stem_of(asl_path), flags=re.IGNORECASE)
    return tuple(path for path in candidates if stem_of(path)[: -len("_m0scan")] == base)


def _is_intended_for(m0_path: Path, asl_path: Path) -> bool:
    """By IntendedFor, a path relative to the subject's folder or a BIDS URI; the file name decides."""
    targets = sidecar_values(m0_path).get("IntendedFor") or []
    targets = targets if isinstance(targets, list) else [targets]
    return any(str(target).replace("\\", "/").rsplit("/", 1)[-1] == asl_path.name for target in targets)


def _check_real(files: Sequence[_File]) -> None:
    for file in files:
        if any(volume.dtype.kind == "c" for volume in file.image.volumes):
            raise InputError("it holds complex numbers", where=file.path.name, remedy="Give magnitude images")


def _check_one_grid(files: Sequence[_File]) -> None:
    first = files[0].image
    for file in files[1:]:
        image = file.image
        difference = grid_difference(first.volumes[0].shape, first.ijk_to_ras, image.volumes[0].shape, image.ijk_to_ras)
        if difference:
            raise InputError(
                f"its geometry differs from that of {first.path.name}: {difference}",
                where=file.path.name,
                remedy="Give images of one acquisition, or resample it",
            )


def _labels(file: _File) -> list[str]:
    n = file.n_volumes
    return [file.path.name] if n == 1 else [f"volume {k + 1} of {file.path.name}" for k in range(n)]


def _with_role(label: str, role: AslRole | None) -> str:
    return f"{label} ({ROLE_WORDS[role]})" if role else label


# -- roles --


def _roles(
    files: Sequence[_File], typed: Sequence[AslRole] | None, where: str
) -> tuple[tuple[AslRole | None, ...], str, tuple[str, ...]]:
    """Roles (None for volumes that are of no use), their source, and warnings."""
    if typed:
        return _typed_roles(files, typed, where)
    roles: list[AslRole | None] = []
    sources: list[str] = []
    for file in files:
        found, source = _roles_of(file)
        if not found:
            raise InputError("nothing tells which volumes are control, label and M0", where=where, remedy=_REMEDY)
        roles += found
        sources.append(source)
    return tuple(roles), ", ".join(dict.fromkeys(sources)), ()


def _typed_roles(
    files: Sequence[_File], typed: Sequence[AslRole], where: str
) -> tuple[tuple[AslRole, ...], str, tuple[str, ...]]:
    """They also help where an aslcontext.tsv is wrong."""
    check_role_count(len(typed), sum(file.n_volumes for file in files), where)
    found: list[AslRole | None] = []
    sources: list[str] = []
    for file in files:
        try:
            roles, source = _roles_of(file)
        except InputError:
            roles, source = (), ""
        found += roles or (None,) * file.n_volumes
        sources += [source] if source else []
    return typed_over_found(typed, found, ", ".join(dict.fromkeys(sources)))


def _roles_of(file: _File) -> tuple[tuple[AslRole | None, ...], str]:
    if file.context:
        return read_context(file.context, file.n_volumes), "aslcontext.tsv"
    in_name = _ROLE_IN_NAME.search(stem_of(file.path))
    if in_name:
        word = in_name[1].lower()
        return (_NAMED_ROLES.get(word) or AslRole(word),) * file.n_volumes, "the file names"
    role, source = _role_by_image_type(file.sidecar)
    return ((role,) * file.n_volumes, source) if role else ((), "")


def _role_by_image_type(sidecar: AslSidecar) -> tuple[AslRole | None, str]:
    words = set(sidecar.image_types())
    if "CBF" in words:
        return AslRole.FLOW, "ImageType in the sidecar: CBF"
    slope, scale = sidecar.number("PhilipsRescaleSlope"), sidecar.number("PhilipsScaleSlope")
    if sidecar.manufacturer.upper().startswith("PHILIPS") and "PERFUSION" in words and slope and scale:
        is_flow = philips_flow_by_scale(slope, scale)
        role = AslRole.FLOW if is_flow else AslRole.DIFFERENCE
        how = "the fixed slope of a quantified map" if is_flow else "a slope that fits its range, a subtraction"
        return role, f"ImageType in the sidecar: Philips PERFUSION with {how}"
    return None, ""


# -- facts --


def _facts(
    file: _File, roles: Sequence[AslRole | None], n_slices: int
) -> tuple[dict[str, Fact], tuple[float | None, ...], tuple[str, ...]]:
    """Facts by name of a field of AslSeries, the delay of each volume, and warnings."""
    sidecar = file.sidecar
    labeling_type = sidecar.labeling_type() or _named_type(file)
    kind: LabelingType | None = labeling_type.value if labeling_type else None
    delays, delay_source, warnings = sidecar.delays_ms(kind, roles)
    found = {
        "labeling_type": labeling_type,
        "label_duration_ms": sidecar.label_duration(kind, roles),
        "labeling_efficiency": sidecar.labeling_efficiency(),
        "field_strength_t": sidecar.field_strength(),
        "n_background_suppression_pulses": sidecar.n_pulses(),
        "slice_times_ms": sidecar.slice_times(n_slices),
        "m0_repetition_time_ms": sidecar.m0_repetition_time(roles),
        "manufacturer": Fact(sidecar.manufacturer, "Manufacturer in the sidecar") if sidecar.manufacturer else None,
        "post_labeling_delays_ms": Fact(None, delay_source) if delay_source else None,
    }
    warnings += _m0_remark(sidecar, roles)
    return {name: fact for name, fact in found.items() if fact}, delays, warnings


def _named_type(file: _File) -> Fact | None:
    for key in ("ProtocolName", "SeriesDescription"):
        labeling_type = labeling_type_in_name(str(file.sidecar.values.get(key) or ""))
        if labeling_type:
            return Fact(labeling_type, f"{key} in the sidecar, the name of the protocol")
    return None


def _m0_remark(sidecar: AslSidecar, roles: Sequence[AslRole | None]) -> tuple[str, ...]:
    if sidecar.m0_type() == "estimate":
        return ("M0Type is Estimate: a single number cannot replace the M0 image, and is not used.",)
    if sidecar.m0_type() == "included" and AslRole.M0 not in roles:
        return ("M0Type says that M0 images are included, but no volume is one.",)
    return ()
