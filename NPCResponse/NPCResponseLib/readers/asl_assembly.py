"""One labeling acquisition put together: what files say, what the user typed (which wins), and M0 images apart."""

import math
from collections.abc import Sequence
from dataclasses import fields, replace

import numpy as np

from ..asl_series import AslRole, AslSeries
from ..errors import InputError
from .asl_dicom import check_m0_grid
from .asl_facts import GE_SATURATION_SOURCE, GE_SATURATION_TIME_MS
from .asl_images import ROLE_WORDS, TYPED, AslImages, Fact, TypedFacts
from .checks import check_magnitudes

_MAGNITUDES = (AslRole.CONTROL, AslRole.LABEL, AslRole.M0)
_NO_DELAY = (AslRole.M0, AslRole.FLOW)
_M0_FACTS = ("m0_repetition_time_ms", "m0_is_saturation_recovery")
# What a sidecar says of M0 images in a file of their own.
_OWN_TIME = "RepetitionTimePreparation in the sidecar of the M0 images"
_FIELDS = {field.name for field in fields(AslSeries)}


def assemble(images: AslImages, m0: AslImages | None, typed: TypedFacts) -> AslSeries:
    """Values of a series with the source of each.

    Raises:
        InputError: no pair of control and label, M0 images on another grid, images that show no signal, typed values
            that do not fit.
    """
    warnings = list(images.warnings)
    if m0 is not None:
        images, remarks = _with_m0(images, m0)
        warnings += remarks
    images, remark = _with_ge_density(images)
    warnings += remark
    _check_roles(images)
    warnings += _check_signal(images)
    delays, facts = _typed_delays(images, typed)
    facts, remarks = _typed_facts(facts, typed)
    warnings += remarks
    sources = {name: fact.source for name, fact in facts.items()}
    values = {name: fact.value for name, fact in facts.items() if name in _FIELDS and fact.value is not None}
    return AslSeries(
        volumes=images.volumes,
        roles=images.roles,
        post_labeling_delays_ms=delays,
        ijk_to_ras=images.ijk_to_ras,
        sources={"roles": images.roles_source, **sources},
        name=images.name,
        warnings=tuple(dict.fromkeys(warnings)),
        **values,
    )


# -- M0 --


def _with_m0(images: AslImages, m0: AslImages) -> tuple[AslImages, list[str]]:
    """M0 images of their own come first, and replace those among the others."""
    check_m0_grid(images.volumes[0].shape, images.ijk_to_ras, m0.volumes[0].shape, m0.ijk_to_ras)
    keep = [n for n, role in enumerate(images.roles) if role is not AslRole.M0]
    remarks = list(m0.warnings)
    if len(keep) < len(images.roles):
        remarks.append(f"The M0 images given ({m0.where}) are used instead of those in {images.where}.")
    facts = {name: fact for name, fact in images.facts.items() if name not in _M0_FACTS}
    facts |= {name: fact for name, fact in m0.facts.items() if name in _M0_FACTS or name not in facts}
    n = len(m0.volumes)
    combined = AslImages(
        volumes=(*m0.volumes, *(images.volumes[k] for k in keep)),
        labels=(*m0.labels, *(images.labels[k] for k in keep)),
        roles=((AslRole.M0,) * n + tuple(images.roles[k] for k in keep)),
        roles_source=f"{images.roles_source}; {m0.roles_source}",
        delays_ms=(None,) * n + tuple(images.delays_ms[k] for k in keep),
        ijk_to_ras=images.ijk_to_ras,
        where=images.where,
        facts=facts,
        name=images.name,
    )
    return combined, remarks


def _with_ge_density(images: AslImages) -> tuple[AslImages, tuple[str, ...]]:
    """GE's product sequence gives a perfusion-weighted image; its M0 image is a saturation recovery.

    A repetition time that BIDS tells of M0 images in a file of their own is believed instead.
    """
    maker, known = images.facts.get("manufacturer"), images.facts.get("m0_repetition_time_ms")
    is_product = images.has(AslRole.DIFFERENCE) and images.has(AslRole.M0) and not images.has(AslRole.CONTROL)
    if not (is_product and maker and maker.value.upper().startswith("GE")):
        return images, ()
    if "m0_is_saturation_recovery" in images.facts or (known and _OWN_TIME in known.source):
        return images, ()
    recovery = {
        "m0_repetition_time_ms": Fact(GE_SATURATION_TIME_MS, GE_SATURATION_SOURCE),
        "m0_is_saturation_recovery": Fact(True, GE_SATURATION_SOURCE),
    }
    return replace(images, facts={**images.facts, **recovery}), (
        "The M0 image of GE's product sequence is taken as a saturation recovery of "
        f"{GE_SATURATION_TIME_MS / 1000:g} s, as the vendor makes it.",
    )


# -- checks --


def _check_roles(images: AslImages) -> None:
    if images.has(AslRole.DIFFERENCE, AslRole.FLOW):
        return
    for role in (AslRole.CONTROL, AslRole.LABEL):
        if not images.has(role):
            found = ", ".join(dict.fromkeys(ROLE_WORDS[role] for role in images.roles if role))
            raise InputError(
                f"there is no {ROLE_WORDS[role]} image (only {found})",
                where=images.where,
                remedy="Give the whole acquisition, or correct the roles",
            )


def _check_signal(images: AslImages) -> tuple[str, ...]:
    """Magnitudes must look like such; differences and flow may be negative, but not all zero."""
    chosen = [n for n, role in enumerate(images.roles) if role in _MAGNITUDES]
    others = [n for n in range(len(images.roles)) if n not in chosen]
    for n in others:
        volume = images.volumes[n]
        if not np.any(np.isfinite(volume) & (volume != 0)):
            raise InputError(
                f"{images.labels[n]} is zero everywhere", where=images.where, remedy="Export the series again"
            )
    if not chosen:
        return ()
    return check_magnitudes([images.volumes[n] for n in chosen], [images.labels[n] for n in chosen], images.where)


# -- typed --


def _typed_delays(images: AslImages, typed: TypedFacts) -> tuple[tuple[float | None, ...], dict[str, Fact]]:
    """Delay of each volume. One typed delay is that of all; several are one per volume, or one per volume but M0."""
    facts = dict(images.facts)
    known = facts.pop("post_labeling_delays_ms", None)
    if typed.delays_ms is None:
        return images.delays_ms, {**facts, "post_labeling_delays_ms": known} if known else facts
    applies = [role not in _NO_DELAY for role in images.roles]
    given = list(typed.delays_ms)
    if len(given) == 1:
        given = given * len(applies)
    if len(given) == sum(applies) != len(applies):
        rest = iter(given)
        given = [next(rest) if apply else 0.0 for apply in applies]
    if len(given) != len(applies):
        raise InputError(
            f"{len(given)} post-labeling delays for {len(applies)} volumes",
            where=images.where,
            remedy="Give one for all, or one per volume",
        )
    delays = tuple(
        _positive(delay, "post-labeling delay") if apply else None for delay, apply in zip(given, applies, strict=True)
    )
    said = sorted({delay for delay in images.delays_ms if delay is not None})
    source = TYPED
    if said and delays != images.delays_ms:
        source += f"; {known.source if known else 'the files'} said {', '.join(f'{delay:g}' for delay in said)} ms"
    return delays, {**facts, "post_labeling_delays_ms": Fact(None, source)}


def _typed_facts(facts: dict[str, Fact], typed: TypedFacts) -> tuple[dict[str, Fact], list[str]]:
    warnings = []
    for name in ("label_duration_ms", "perfusion_scale"):
        value = getattr(typed, name)
        if value is None:
            continue
        value, found, source = _positive(value, name.removesuffix("_ms").replace("_", " ")), facts.get(name), TYPED
        if found and not math.isclose(found.value, value, rel_tol=1e-6):
            source += f"; {found.source} said {found.value:g}"
            warnings.append(f"The typed {name.removesuffix('_ms').replace('_', ' ')} is used; {source.split('; ')[1]}.")
        facts = {**facts, name: Fact(value, source)}
    return facts, warnings


def numbers(values: float | Sequence[float] | None) -> tuple[float, ...] | None:
    """A typed number or several; nothing typed is None.

    Raises:
        InputError: something that is no number.
    """
    if values is None:
        return None
    single = isinstance(values, (int, float, str)) or np.ndim(values) == 0
    try:
        return tuple(float(value) for value in ([values] if single else values)) or None
    except (TypeError, ValueError) as error:
        raise InputError(f"post-labeling delays must be numbers, found {values}", remedy="Enter them in ms") from error


def _positive(value, name: str) -> float:
    try:
        number = float(value)
    except (TypeError, ValueError):
        number = math.nan
    if not (math.isfinite(number) and number > 0):
        raise InputError(f"the {name} must be a positive number, found {value}")
    return number
