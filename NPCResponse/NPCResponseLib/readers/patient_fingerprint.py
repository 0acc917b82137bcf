"""Whether images are of one patient, without keeping who it is."""

import hashlib
import secrets
from collections.abc import Iterable
from pathlib import Path

from ..errors import InputError
from .dicom_files import patient_id
from .file_discovery import find_files

# A key of this process only: fingerprints cannot be compared with those of another run, nor be looked up.
_KEY = secrets.token_bytes(32)


def patient_fingerprint(paths: Path | str | Iterable[Path | str], key: bytes | None = None) -> str | None:
    """A keyed hash of the PatientID in DICOM files: equal for images of one patient, and nothing else can be told.

    The issuer of the number is left out: exports drop it, and one patient's images would seem to be of two.

    Args:
        paths: files or folders of any images.
        key: secret of the caller (up to 64 bytes), to compare fingerprints of different runs; else they are comparable
            within one run.

    Returns:
        None where nothing tells the patient: other files than DICOM, or an empty PatientID.

    Raises:
        InputError: files that cannot be read, or images of several patients.
    """
    found = {number for path in find_files(paths).dicom if (number := patient_id(path))}
    if len(found) > 1:
        raise InputError(
            "the images are of different patients (PatientID differs)", remedy="Give images of one patient at a time"
        )
    if not found:
        return None
    return hashlib.blake2b(found.pop().encode(), key=key or _KEY, digest_size=16).hexdigest()
