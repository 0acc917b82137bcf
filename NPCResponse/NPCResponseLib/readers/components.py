"""Which part of the complex signal an image shows, from the words in its header."""

import enum
import re
from collections.abc import Iterable


class Component(enum.Enum):
    MAGNITUDE = "magnitude"
    PHASE = "phase"
    REAL = "real"
    IMAGINARY = "imaginary"
    DERIVED = "derived"  # maps, projections, subtractions, fat or water images: never an echo


_WORDS = {
    Component.MAGNITUDE: re.compile(r"M|MAG|MAGNITUDE|M_(FFE|SE|IR|PCA|TFE|UNSPECIFIED)"),
    Component.PHASE: re.compile(r"P|PHASE|PHASE MAP|P_(FFE|SE|IR|TFE)"),
    Component.REAL: re.compile(r"R|REAL|R_(FFE|SE|IR)"),
    Component.IMAGINARY: re.compile(r"I|IMAG|IMAGINARY|I_(FFE|SE|IR)"),
}
# Words that say "computed from the echoes". Whole words, since T2_STAR alone is a weighting (enhanced DICOM has it as a
# flavor of the echoes themselves) while T2_STAR MAP is a map.
_DERIVED = re.compile(
    r".*[ _]MAP|MAP|[RT][12]\*.*|(?![MPRI]_)\w+_UNSPECIFIED|[WF]_(FFE|SE|TFE)|MPR|MIP|MINIP|MNIP|.*PROJECTION.*|"
    r"SUBTRACTION|SUB|SWI|QSM|MEAN|STD.*|ADC|FA|TRACE.*|DIFFUSION_ANISO.*|W|F|WATER|FAT|FF|FAT_FRAC.*|PDFF|VELOCITY.*|"
    r"FIELD_?MAP|CBF|RCB[FV]|MTT|PERFUSION.*|SPECTRO.*|METABOLITE.*|TEMPERATURE|MOSAIC|VFRAME"
)


def from_word(word: str) -> Component | None:
    """What one word of a header (ComplexImageComponent, Image Type) says; None if it says nothing."""
    text = str(word).strip().upper()
    for component, pattern in _WORDS.items():
        if pattern.fullmatch(text):
            return component
    return Component.DERIVED if _DERIVED.fullmatch(text) else None


def from_image_type(image_type: Iterable[str]) -> Component | None:
    """What Image Type (0008,0008) says; its first two values (original or derived, primary or secondary) say nothing.

    A map wins over anything else: Siemens marks T2* maps DERIVED\\PRIMARY\\M\\T2_STAR MAP.
    """
    said = [from_word(word) for word in list(image_type)[2:]]
    if Component.DERIVED in said:
        return Component.DERIVED
    return next((component for component in said if component), None)


def from_philips_type(word: str) -> Component | None:
    """What Philips' private image type (2005,1011) says: M, P, R, I, or the name of a map (T2, R2, ADC)."""
    text = str(word).strip()
    return (from_word(text) or Component.DERIVED) if text else None


def from_ge_type(number) -> Component | None:
    """What GE's private image type (0043,102F) says."""
    types = (Component.MAGNITUDE, Component.PHASE, Component.REAL, Component.IMAGINARY)
    return types[number] if isinstance(number, int) and 0 <= number < len(types) else None
