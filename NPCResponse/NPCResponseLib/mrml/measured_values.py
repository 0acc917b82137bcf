"""The one number of a result that a response is judged by, and how a result table remembers it in the scene."""

import json
from dataclasses import asdict, replace

import numpy as np

from ..diameters import DiameterMeasurement, Plane
from ..time_points import BLOOD_FLOW_UNIT, HERTZ, LesionMeasurement, LesionStatus, MeasuredValue

VALUE_ATTRIBUTE = "NPCResponse.MeasuredValue"
QUANTITY_ATTRIBUTE = "NPCResponse.Quantity"
R2STAR, TBF, DIAMETERS = "r2star", "tbf", "diameters"


def r2star_value(result) -> MeasuredValue | None:
    """Mean R2* (Hz) of an R2StarResult; None without a region."""
    roi = result.roi
    if roi is None:
        return None
    return MeasuredValue(
        value=roi.mean,
        standard_error=roi.mean_se if roi.n_used > 1 else None,
        unit=HERTZ,
        n_used=roi.n_used,
        roi_rule=_roi_rule(result.settings),
        method=result.fit.method.value,
        field_strength_t=result.series.field_strength_t,
        degrees_of_freedom=_degrees_of_freedom(roi.n_used),
    )


def tbf_value(result) -> MeasuredValue | None:
    """Mean tumor blood flow (mL/100g/min) of a TbfResult by the rule of its settings; None without a region."""
    if result.roi is None:
        return None
    return MeasuredValue(
        value=result.mean,
        standard_error=result.mean_se if result.roi.n_used > 1 else None,
        unit=BLOOD_FLOW_UNIT,
        n_used=result.roi.n_used,
        roi_rule=_roi_rule(result.settings),
        method=result.perfusion.model.value,
        field_strength_t=result.series.field_strength_t,
        post_labeling_delay_ms=_one_delay(result),
        degrees_of_freedom=max(result.degrees_of_freedom, 1.0),
    )


def lesion_measurement(
    told: LesionMeasurement, diameters: DiameterMeasurement, enhancing: DiameterMeasurement | None = None
) -> LesionMeasurement:
    """A lesion with the diameters of its segment; what a person told wins.

    RECIST's longest diameter is the axial one, as it is read on axial slices; the diameters of all planes are kept for
    the papers' maximum diameter.

    Args:
        told: name, organ, kind, and any typed diameter.
        enhancing: diameters of the enhancing part, for mRECIST.
    """
    axial = diameters.longest_in_plane.get(Plane.AXIAL) or diameters.mptd
    short_axis = diameters.short_axis
    by_plane = {plane.value: found.length_mm for plane, found in diameters.longest_in_plane.items()}
    if told.longest_mm is not None:
        by_plane[Plane.AXIAL.value] = told.longest_mm
    return replace(
        told,
        longest_mm=axial.length_mm if told.longest_mm is None else told.longest_mm,
        short_axis_mm=short_axis.length_mm if told.short_axis_mm is None and short_axis else told.short_axis_mm,
        diameter_se_mm=None if told.is_manual else axial.standard_error_mm,
        diameters_by_plane=by_plane,
        enhancing_mm=enhancing.longest_in_plane[Plane.AXIAL].length_mm if enhancing else told.enhancing_mm,
        is_manual=told.is_manual or any(found.manual for found in diameters.longest_in_plane.values()),
    )


def _roi_rule(settings) -> str:
    """The slice rule's word, which published rules know, and what makes it another rule."""
    eroded = f", eroded by {settings.erosion_mm:g} mm" if settings.erosion_mm else ""
    return settings.slice_rule.value + eroded


def _degrees_of_freedom(n_used: int) -> float:
    return float(max(n_used - 1, 1))


def _one_delay(result) -> float | None:
    """The post-labeling delay of a single-delay measurement."""
    typed = result.settings.perfusion.post_labeling_delay_ms
    delays = (
        {delay for delay in result.series.post_labeling_delays_ms if delay} if typed is None else {*np.ravel(typed)}
    )
    return float(delays.pop()) if len(delays) == 1 else None


# -- remembered by table nodes --


def remember_value(table, quantity: str, value: MeasuredValue | None) -> None:
    """Let a result table carry the value it stands for, also in a saved scene."""
    table.SetAttribute(QUANTITY_ATTRIBUTE, quantity)
    text = None if value is None else json.dumps({**asdict(value), "degrees_of_freedom": str(value.degrees_of_freedom)})
    table.SetAttribute(VALUE_ATTRIBUTE, text)


def remembered_value(table, quantity: str) -> MeasuredValue | None:
    """The value of a table of ours; None if it has none, or is of another quantity."""
    text = table.GetAttribute(VALUE_ATTRIBUTE) if table.GetAttribute(QUANTITY_ATTRIBUTE) == quantity else None
    if not text:
        return None
    try:
        stored = json.loads(text)
        return MeasuredValue(**{**stored, "degrees_of_freedom": float(stored["degrees_of_freedom"])})
    except (ValueError, TypeError, KeyError):
        return None  # edited by hand, or by another version


def remember_lesion(table, lesion: LesionMeasurement) -> None:
    """Let a diameter table carry its lesion."""
    table.SetAttribute(QUANTITY_ATTRIBUTE, DIAMETERS)
    table.SetAttribute(VALUE_ATTRIBUTE, json.dumps({**asdict(lesion), "status": lesion.status.value}))


def remembered_lesion(table) -> LesionMeasurement | None:
    """The lesion of a diameter table of ours, or None."""
    text = table.GetAttribute(VALUE_ATTRIBUTE) if table.GetAttribute(QUANTITY_ATTRIBUTE) == DIAMETERS else None
    if not text:
        return None
    try:
        stored = json.loads(text)
        status = LesionStatus(stored["status"])
        return LesionMeasurement(**{**stored, "status": status})
    except (ValueError, TypeError, KeyError):
        return None
