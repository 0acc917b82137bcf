"""Facts of arterial spin labeling as the Brain Imaging Data Structure (BIDS) tells them: sidecars and aslcontext.tsv.

BIDS gives times in seconds. ``PostLabelingDelay`` and ``LabelingDuration`` are one number, or one per volume with 0
where it does not apply. For pulsed labeling the delay is the inversion time; the bolus lasts until the first cut-off.

dcm2niix up to 2024 (98ecd0be) copies the label duration of a DICOM file, (0018,9258), into ``PostLabelingDelay``, and
may write this key twice. So a delay in a sidecar that it wrote and nobody completed is not taken.
"""

import csv
import io
import json
import math
from collections.abc import Mapping, Sequence
from pathlib import Path

from ..asl_series import AslRole, LabelingType
from ..errors import InputError
from .asl_images import Fact, check_role_count, role_from_word
from .sidecars import data_set_folders, repeated_values, stem_of

# No label or delay is as long as this, and none in milliseconds is shorter.
LONGEST_TIME_S = 20.0
_VOLUME_TYPE = "volume_type"
# Volumes that BIDS knows and quantification has no use for.
_UNUSED = ("norf", "n/a")
# Keys that a person or a curating tool adds; dcm2niix itself writes none of them.
_CURATED = ("BackgroundSuppression", "BackgroundSuppressionNumberPulses", "LabelingLocationDescription")
_DELAY, _DURATION = "PostLabelingDelay", "LabelingDuration"
# Of pulsed labeling; the second names are dcm2niix's, for Siemens' own sequences.
_PULSED_DELAY, _BOLUS = "InversionTime", ("BolusCutOffDelayTime", "BolusDuration")
_SOURCE = "{key} in the sidecar"


class AslSidecar:
    """What the sidecars of one image say of labeling. Every method raises InputError for a value that cannot be."""

    def __init__(self, image_path: Path, values: Mapping, has_context: bool):
        self.path, self.values, self.where = image_path, values, stem_of(image_path) + ".json"
        self._is_dcm2niix = "dcm2niix" in str(values.get("ConversionSoftware") or "").lower()
        self._is_curated = has_context or any(key in values for key in _CURATED)

    @property
    def manufacturer(self) -> str:
        return str(self.values.get("Manufacturer") or "")

    def labeling_type(self) -> Fact | None:
        word = str(self.values.get("ArterialSpinLabelingType") or "").strip().upper()
        if not word:
            return None
        try:
            return Fact(LabelingType(word), _source("ArterialSpinLabelingType"))
        except ValueError as error:
            known = ", ".join(kind.value for kind in LabelingType)
            raise InputError(
                f"ArterialSpinLabelingType “{word[:20]}” is not known",
                where=self.where,
                remedy=f"Correct the sidecar to {known}",
            ) from error

    def delays_ms(
        self, labeling_type: LabelingType | None, roles: Sequence[AslRole | None]
    ) -> tuple[tuple[float | None, ...], str, tuple[str, ...]]:
        """Delay of each volume, the source, and warnings."""
        is_pulsed = labeling_type is LabelingType.PASL
        nothing, key = (None,) * len(roles), _PULSED_DELAY if is_pulsed and _DELAY not in self.values else _DELAY
        times = self._times_ms(key)
        if not times:
            return nothing, "", ()
        doubt = self._doubt_of_delay() if key == _DELAY else ""
        if doubt:
            return nothing, "", (doubt,)
        if len(times) == 1:
            times = times * len(roles)
        if len(times) != len(roles):
            raise InputError(
                f"{key} has {len(times)} values for {len(roles)} volumes",
                where=self.where,
                remedy="Give one value, or one per volume",
            )
        delays = tuple(
            None if role in (AslRole.M0, AslRole.FLOW) else time for time, role in zip(times, roles, strict=True)
        )
        return delays, _source(key), self._remark_on_delay()

    def label_duration(self, labeling_type: LabelingType | None, roles: Sequence[AslRole | None]) -> Fact | None:
        if labeling_type is LabelingType.PASL:
            return self._bolus_duration()
        key = _DURATION
        times = self._times_ms(key)
        if len(times) == len(roles) > 1:
            times = tuple(time for time, role in zip(times, roles, strict=True) if role is not AslRole.M0)
        used = sorted({time for time in times if time})
        if len(used) > 1:
            listed = ", ".join(f"{time:g}" for time in used)
            raise InputError(
                f"{key} differs between volumes ({listed} ms)",
                where=self.where,
                remedy="Give volumes of one label duration at a time",
            )
        return Fact(used[0], _source(key)) if used else None

    def _bolus_duration(self) -> Fact | None:
        """None where the bolus is not cut off: then nothing tells how long it lasts."""
        if self.values.get("BolusCutOffFlag") is False:
            return None
        for key in _BOLUS:
            times = self._times_ms(key)
            if times and times[0]:
                return Fact(times[0], _source(key))  # of Q2TIPS the first of two
        return None

    def m0_repetition_time(self, roles: Sequence[AslRole | None]) -> Fact | None:
        """Of the volumes that are M0 images.

        What dcm2niix calls RepetitionTime is, of Philips' dynamics, the time of all shots together.
        """
        keys = ["RepetitionTimePreparation", "RepetitionTimeExcitation"]
        if not self.manufacturer.upper().startswith("PHILIPS"):
            keys.append("RepetitionTime")
        if self._is_dcm2niix and _exceeds(self.values.get(keys[0])):
            keys.pop(0)  # written in milliseconds
        key = next((key for key in keys if key in self.values), None)
        if key is None or AslRole.M0 not in roles:
            return None
        times = self._times_ms(key)
        if len(times) == len(roles) > 1:
            times = tuple(time for time, role in zip(times, roles, strict=True) if role is AslRole.M0)
        used = {time for time in times if time}
        return Fact(used.pop(), _source(key)) if len(used) == 1 else None

    def slice_times(self, n_slices: int) -> Fact | None:
        """Delays after the first slice read, in the order of k."""
        key = "SliceTiming"
        if str(self.values.get("MRAcquisitionType") or "").upper() == "3D" or key not in self.values:
            return None
        times = self._times_ms(key, zero_for_none=False)
        if len(times) != n_slices:
            raise InputError(
                f"{key} has {len(times)} values for {n_slices} slices", where=self.where, remedy="Correct the sidecar"
            )
        if str(self.values.get("SliceEncodingDirection") or "").strip() == "k-":
            times = times[::-1]
        return Fact(tuple(round(time - min(times), 6) for time in times), _source(key))

    def n_pulses(self) -> Fact | None:
        """Number of background suppression pulses; 0 where there is no suppression."""
        if self.values.get("BackgroundSuppression") is False:
            return Fact(0, _source("BackgroundSuppression"))
        key = "BackgroundSuppressionNumberPulses"
        number = self.values.get(key)
        if number is None:
            times = self.values.get("BackgroundSuppressionPulseTime")
            if isinstance(times, list) and times:
                return Fact(len(times), _source("BackgroundSuppressionPulseTime"))
            return None
        if not _is_number(number) or number < 0 or number != int(number):
            raise self._wrong(key, "a whole number")
        return Fact(int(number), _source(key))

    def labeling_efficiency(self) -> Fact | None:
        key = "LabelingEfficiency"
        value = self.values.get(key)
        if value is None:
            return None
        if not _is_number(value) or not 0 < value <= 1:
            raise self._wrong(key, "a number between 0 and 1")
        return Fact(float(value), _source(key))

    def field_strength(self) -> Fact | None:
        key = "MagneticFieldStrength"
        value = self.values.get(key)
        if value is None:
            return None
        if not _is_number(value) or not value > 0:
            raise self._wrong(key, "a positive number")
        return Fact(float(value), _source(key))

    def m0_type(self) -> str:
        return str(self.values.get("M0Type") or "").strip().lower()

    def image_types(self) -> tuple[str, ...]:
        words = self.values.get("ImageType")
        return tuple(str(word).upper() for word in words[2:]) if isinstance(words, list) else ()

    def number(self, key: str) -> float | None:
        value = self.values.get(key)
        return float(value) if _is_number(value) else None

    # -- the trap --

    def _doubt_of_delay(self) -> str:
        """Why the delay is not taken; "" if it is."""
        if not self._is_dcm2niix:
            return ""
        found = repeated_values(self.path, _DELAY)
        if any(value != found[0] for value in found):
            listed = " and ".join(json.dumps(value)[:20] for value in found)
            return f"{self.where} gives two post-labeling delays, {listed} s: neither is taken, type the right one."
        maker, duration = self.manufacturer.upper(), self.values.get(_DURATION)
        is_ge = maker.startswith("GE") and duration is not None  # taken from Inversion Time
        is_before_xa = maker.startswith("SIEMENS") and "XA" not in str(self.values.get("SoftwareVersions")).upper()
        if self._is_curated or len(found) > 1 or is_ge or is_before_xa:
            return ""
        return (
            f"The PostLabelingDelay of {json.dumps(self.values[_DELAY])[:40]} s in {self.where} may be the label "
            "duration, which dcm2niix copies into it: it is not taken, type delay and label duration."
        )

    def _remark_on_delay(self) -> tuple[str, ...]:
        delay, duration = self.values.get(_DELAY), self.values.get(_DURATION)
        if self._is_dcm2niix and _is_number(delay) and delay == duration:
            return (f"Delay and label duration in {self.where} are both {delay:g} s: check that neither is a copy.",)
        return ()

    # -- values --

    def _times_ms(self, key: str, zero_for_none: bool = True) -> tuple[float, ...]:
        value = self.values.get(key)
        if value is None:
            return ()
        times = value if isinstance(value, list) else [value]
        if zero_for_none:
            times = [0.0 if time == "n/a" else time for time in times]
        if not times or not all(_is_number(time) and time >= 0 for time in times):
            raise self._wrong(key, "a number of seconds, or a list of such")
        if max(times) > LONGEST_TIME_S:
            raise InputError(
                f"{key} {max(times):g} looks like milliseconds, a BIDS sidecar gives seconds",
                where=self.where,
                remedy="Correct the sidecar",
            )
        return tuple(round(float(time) * 1000, 6) for time in times)

    def _wrong(self, key: str, wanted: str) -> InputError:
        return InputError(
            f"{key} must be {wanted}, found {json.dumps(self.values.get(key))[:60]}",
            where=self.where,
            remedy="Correct the sidecar",
        )


def find_context(image_path: Path) -> Path | None:
    """The aslcontext.tsv that belongs to an image: beside it by name, or inherited within its BIDS data set."""
    stem = stem_of(image_path)
    if stem.lower().endswith("m0scan"):
        return None  # what lies beside it is of the labeling images
    base = stem[: -len("_asl")] if stem.lower().endswith("_asl") else stem
    for name in (f"{base}_aslcontext.tsv", f"{stem}_aslcontext.tsv"):
        if (image_path.parent / name).is_file():
            return image_path.parent / name
    entities = set(base.split("_"))
    for folder in data_set_folders(image_path):
        for path in sorted(folder.glob("*aslcontext.tsv")):
            wanted = [part for part in path.stem.split("_")[:-1] if part]
            if set(wanted) <= entities:
                return path
    return None


def read_context(path: Path, n_volumes: int) -> tuple[AslRole | None, ...]:
    """One role per volume; None for those that quantification has no use for.

    Raises:
        InputError: no such column, an unknown word, another number of rows than of volumes.
    """
    try:
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise InputError("it cannot be read", where=path.name, remedy="Check the file") from error
    rows = [row for row in csv.reader(io.StringIO(text), delimiter="\t") if any(cell.strip() for cell in row)]
    header = [cell.strip().lower() for cell in rows[0]] if rows else []
    if _VOLUME_TYPE not in header:
        raise InputError(f"it has no column {_VOLUME_TYPE}", where=path.name, remedy="Add it, one row per volume")
    column = header.index(_VOLUME_TYPE)
    words = [row[column].strip().lower() if column < len(row) else "" for row in rows[1:]]
    roles = tuple(None if word in _UNUSED else role_from_word(word, path.name) for word in words)
    check_role_count(len(roles), n_volumes, path.name, "rows")
    return roles


def _source(key: str) -> str:
    return _SOURCE.format(key=key)


def _exceeds(value) -> bool:
    return _is_number(value) and value > LONGEST_TIME_S


def _is_number(value) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value)
