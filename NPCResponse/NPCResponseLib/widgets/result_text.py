"""A result as three short texts (HTML) for the panel: the number, the voxels behind it, and what to know about it."""

from html import escape

import numpy as np
import vtk
from slicer.i18n import tr as _

from ..echo_times import format_echo_times

STATUS_COLORS = {True: "#2E7D32", False: "#B26A00"}  # readable on light and dark panels


def outcomeText(result) -> str:
    """One line for the status label."""
    if result.roi is None:
        outcome = _("R2* map made.")
    else:
        outcome = _("R2* {mean:.1f} ± {se:.1f} Hz in {count} voxels.").format(
            mean=result.roi.mean, se=result.roi.mean_se, count=result.roi.n_used
        )
    count = len(uniqueWarnings(result))
    return outcome + (" " + _("Warnings: {count}, see Notes.").format(count=count) if count else "")


def regionText(result) -> str:
    """R2* of the region: mean with its standard error first, then spread."""
    roi = result.roi
    if roi is None:
        return _("No tumor segment was chosen: maps only.")
    number = _("{mean:.1f} ± {se:.1f} Hz").format(mean=roi.mean, se=roi.mean_se)
    slices = ", ".join(str(k + 1) for k in roi.slices_k)
    return "<br>".join(
        (
            f"<b>{escape(number)}</b> " + _("(mean ± standard error)"),
            _("SD {sd:.1f}, median {median:.1f}, quartiles {q1:.1f} to {q3:.1f} Hz").format(
                sd=roi.sd, median=roi.median, q1=roi.q1, q3=roi.q3
            ),
            _("{segment}, {rule}, slice {slices}, in {series}").format(
                segment=escape(result.segment_name),
                rule=escape(result.settings.slice_rule.label().lower()),
                slices=slices,
                series=escape(result.series.name),
            ),
        )
    )


def voxelsText(result) -> str:
    """Voxels used and excluded in the region, then the status of every voxel of the image."""
    lines = []
    if result.roi is not None:
        lines.append(_("{used} of {total} voxels used").format(used=result.roi.n_used, total=result.roi.n_roi))
        lines += [
            _("{count} excluded: {reason}").format(count=count, reason=escape(reason))
            for reason, count in result.roi.n_excluded.items()
        ]
    lines.append(wholeImageText(result.fit.status_counts()))
    return "<br>".join(lines)


def wholeImageText(counts) -> str:
    """Shares of the statuses (StatusCode: number of voxels) among all voxels; code 0 is ok."""
    total = max(1, sum(counts.values()))
    whole = ", ".join(
        f'<span style="color:{STATUS_COLORS[status == 0]}">{status.label()} {_share(count / total)}</span>'
        for status, count in counts.items()
        if count
    )
    return _("Whole image: {statuses}").format(statuses=whole)


def _share(fraction: float) -> str:
    """As a percentage that never calls a few voxels none."""
    return "&lt;0.1 %" if fraction < 0.001 else f"{100 * fraction:.1f} %"


def notesText(result) -> str:
    """Method, echo times, what was assumed, and every warning."""
    fit = result.fit
    facts = (
        _("Method: {method} ({reason})").format(method=fit.method.label(), reason=escape(fit.method_reason)),
        _("Echo times: {times} ({source})").format(
            times=format_echo_times(result.series.echo_times_ms), source=escape(result.series.echo_times_source)
        ),
    )
    remarks = [escape(text) for text in (result.gradient_correction, *result.assumptions) if text]
    warnings = [f"• {escape(warning)}" for warning in uniqueWarnings(result)]
    return "<br>".join((*facts, *remarks, *(warnings or [_("No warnings.")])))


def uniqueWarnings(result) -> list[str]:
    """Every warning of reading, fitting and measuring, once, in that order."""
    every = (
        *result.series.warnings,
        *result.fit.warnings,
        *(result.roi.warnings if result.roi else ()),
        *result.warnings,
    )
    return list(dict.fromkeys(every))


def centerOfRegionRas(mask, mapNode) -> list[float]:
    """Middle of a measured region (KJI mask on the grid of a map, or None) in world coordinates (RAS, mm), transforms
    included; empty without a region."""
    if mask is None or not mask.any():
        return []
    k, j, i = np.argwhere(mask).mean(axis=0)
    ijkToRas = vtk.vtkMatrix4x4()
    mapNode.GetIJKToRASMatrix(ijkToRas)
    pointWorld = [0.0, 0.0, 0.0]
    mapNode.TransformPointToWorld(ijkToRas.MultiplyPoint((i, j, k, 1.0))[:3], pointWorld)
    return pointWorld


def bullets(sentences, isFirstBold: bool = False) -> str:
    """One sentence per line (HTML)."""
    lines = [f"• {escape(sentence)}" for sentence in sentences]
    if lines and isFirstBold:
        lines[0] = f"<b>{escape(sentences[0])}</b>"
    return "<br>".join(lines)
