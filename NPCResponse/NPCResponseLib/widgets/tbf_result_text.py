"""Blood flow as short texts (HTML) for the panel: what was found, the number, the voxels, and what to know about it."""

from collections.abc import Iterable
from html import escape

import numpy as np
from slicer.i18n import tr as _

from ..asl_series import AslRole, AslSeries
from ..mrml.asl_series import ROLES_SOURCE
from ..perfusion import PerfusionStatus
from ..perfusion_parameters import Parameter
from .result_text import wholeImageText


def imagesText(series: AslSeries) -> str:
    """How many images of each role, and where that is from."""
    words = {
        AslRole.M0: _("M0"),
        AslRole.CONTROL: _("control"),
        AslRole.LABEL: _("label"),
        AslRole.DIFFERENCE: _("difference"),
        AslRole.FLOW: _("flow map"),
    }
    counts = ", ".join(f"{len(series.indices(role))} {word}" for role, word in words.items() if series.indices(role))
    return _("{images} (roles: {source})").format(images=counts, source=escape(series.sources[ROLES_SOURCE]))


def parameterLines(parameters: Iterable[Parameter]) -> list[str]:
    """Numbers with their sources; what was merely assumed comes last, under that heading."""
    known = [_parameterText(parameter) for parameter in parameters if not parameter.assumed]
    assumed = [_parameterText(parameter) for parameter in parameters if parameter.assumed]
    lines = ["; ".join(known)] if known else []
    if assumed:
        lines.append("<i>" + _("Assumed:") + "</i> " + "; ".join(assumed))
    return lines


def _parameterText(parameter: Parameter) -> str:
    number = f"{parameter.value:.4g} {parameter.unit}".strip()
    return escape(f"{parameter.name} {number} ({parameter.source})")


def outcomeText(result) -> str:
    """One line for the status label."""
    if result.mean is None:
        outcome = _("TBF map made.")
    else:
        outcome = _("TBF {number} in {count} voxels.").format(number=_number(result), count=result.roi.n_used)
    count = len(uniqueWarnings(result))
    return outcome + (" " + _("Warnings: {count}, see Notes.").format(count=count) if count else "")


def _number(result) -> str:
    if result.mean_se is None or not np.isfinite(result.mean_se):
        return _("{mean:.1f} mL/100g/min").format(mean=result.mean)
    return _("{mean:.1f} ± {se:.1f} mL/100g/min").format(mean=result.mean, se=result.mean_se)


def regionText(result) -> str:
    """Blood flow of the region: mean with its standard error first, then by slice and spread."""
    if result.roi is None:
        return _("No tumor segment was chosen: maps only.")
    roi, rule = result.roi, result.settings.slice_rule.label().lower()
    average = _("fit of the slices' mean signals") if result.region_flow else result.settings.average.label().lower()
    slices = ", ".join(str(k + 1) for k in roi.slices_k)
    return "<br>".join(
        (
            f"<b>{escape(_number(result))}</b> ({escape(average)})",
            _("All voxels: SD {sd:.1f}, median {median:.1f}, quartiles {q1:.1f} to {q3:.1f}").format(
                sd=roi.sd, median=roi.median, q1=roi.q1, q3=roi.q3
            ),
            _("{segment}, {rule}, slice {slices}, in {series}").format(
                segment=escape(result.segment_name),
                rule=escape(rule),
                slices=slices,
                series=escape(result.series.name),
            ),
        )
    )


def voxelsText(result) -> str:
    """Voxels used and left out in the region, the status of all voxels, and the quality of the images."""
    lines = []
    if result.roi is not None:
        lines.append(_("{used} of {total} voxels used").format(used=result.roi.n_used, total=result.roi.n_roi))
        lines += [
            _("{count} excluded: {reason}").format(count=count, reason=escape(reason))
            for reason, count in result.roi.n_excluded.items()
        ]
    status = result.perfusion.status
    lines.append(wholeImageText({code: int(np.count_nonzero(status == code)) for code in PerfusionStatus}))
    quality = result.perfusion.quality
    lines.append(
        _("Control-label pairs: {count}, left out {dropped}").format(
            count=quality.n_pairs, dropped=quality.n_pairs_dropped
        )
    )
    if quality.temporal_snr is not None:
        lines.append(_("Signal to noise over time: {snr:.2g}").format(snr=quality.temporal_snr))
    return "<br>".join(lines)


def notesText(result) -> str:
    """Model and numbers with their sources, registration, and every warning."""
    perfusion = result.perfusion
    lines = [_("Model: {model}").format(model=escape(perfusion.model.label()))]
    lines += parameterLines(perfusion.parameters)
    if result.registration is not None:
        lines.append(
            _("Registered to the anatomy: moved by {shift:.1f} mm, turned by {turn:.1f}°").format(
                shift=result.registration.translation_mm, turn=result.registration.rotation_deg
            )
        )
    if perfusion.model_bias is not None:
        lines.append(escape(perfusion.model_bias.sentence))
    warnings = [f"• {escape(warning)}" for warning in uniqueWarnings(result)]
    return "<br>".join((*lines, *(warnings or [_("No warnings.")])))


def uniqueWarnings(result) -> list[str]:
    """Every warning of reading, quantifying and measuring, once, in that order."""
    every = (
        *result.series.warnings,
        *result.perfusion.warnings,
        *(result.roi.warnings if result.roi else ()),
        *result.warnings,
    )
    return list(dict.fromkeys(every))
