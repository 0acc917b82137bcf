"""One patient in a line: alignment, volumes, dose; and all warnings."""


def overview_of(measured) -> dict:
    """Plain values by column, of a ``commands.patient_measurement.PatientMeasurement``."""
    regions, found = measured.subregions.regions, measured.subregions.in_field
    alignment = measured.alignment.alignment if measured.alignment else None
    return {
        "alignment": "not needed" if alignment is None else "reliable" if alignment.reliable else "not reliable",
        "gtv_cm3": regions.volumes_cm3["GTV"],
        "gtvr_cm3": regions.volumes_cm3["GTVr"],
        "gtvnr_cm3": regions.volumes_cm3["GTVnr"],
        "gtvr_outside_cm3": regions.gtvr_outside_cm3,
        "dose": found.category if found else None,
        "share_within_isodose": found.share_within if found else None,
    }


def warnings_of(measured) -> tuple[str, ...]:
    """Every sentence, once."""
    alignment = measured.alignment.alignment if measured.alignment else None
    every = [*measured.warnings]
    if alignment is not None:
        every += [] if alignment.reliable else [f"The alignment is NOT reliable: {' '.join(alignment.reasons)}"]
        every += alignment.warnings
    every += [*measured.subregions.regions.warnings, *measured.subregions.notes]
    every += measured.subregions.in_field.warnings if measured.subregions.in_field else ()
    every += measured.features.warnings
    every += measured.map.warnings if measured.map else ()
    every += measured.stability.warnings if measured.stability else ()
    every += measured.size_control.warnings if measured.size_control else ()
    return tuple(dict.fromkeys(every))
