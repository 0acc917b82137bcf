"""One slice as a radiologist expects to see it: patient's right on the left, anterior (or superior) up, true aspect."""

from dataclasses import dataclass

import numpy as np

# The letters of the two ends of each RAS axis: toward negative, toward positive.
AXIS_LETTERS = ("LR", "PA", "IS")
# Which way right and down point on the screen, in RAS, for a slice whose normal is mainly along R, A or S.
SCREEN_RIGHT_AND_DOWN = {
    0: (np.array([0.0, -1.0, 0.0]), np.array([0.0, 0.0, -1.0])),  # sagittal: anterior left, superior up
    1: (np.array([-1.0, 0.0, 0.0]), np.array([0.0, 0.0, -1.0])),  # coronal: right left, superior up
    2: (np.array([-1.0, 0.0, 0.0]), np.array([0.0, -1.0, 0.0])),  # axial: right left, anterior up
}
PLANE_NAMES = {0: "sagittal", 1: "coronal", 2: "axial"}
# A second letter is added to an edge mark when the slice is tilted by more than some 20 degrees.
SECOND_LETTER_COMPONENT = 0.35


@dataclass(frozen=True)
class SliceView:
    """How the slices of a volume are turned for display. Make it with :meth:`of`.

    Attributes:
        transposed: rows and columns change places.
        flipped: whether (rows, columns) are then reversed.
        pixel_mm: height and width of a displayed pixel.
        marks: letters at the (left, right, top, bottom) edges.
        plane: "axial", "coronal" or "sagittal", the nearest of the three.
    """

    transposed: bool
    flipped: tuple[bool, bool]
    pixel_mm: tuple[float, float]
    marks: tuple[str, str, str, str]
    plane: str

    @classmethod
    def of(cls, ijk_to_ras: np.ndarray) -> "SliceView":
        """The view of the (j, i) slices of a volume with this 4x4 index-to-RAS matrix (mm)."""
        columns = np.asarray(ijk_to_ras, dtype=np.float64)[:3, :3]
        lengths = np.linalg.norm(columns, axis=0)
        directions = columns / lengths
        normal = int(np.argmax(np.abs(np.cross(directions[:, 0], directions[:, 1]))))
        right, down = SCREEN_RIGHT_AND_DOWN[normal]
        transposed = abs(directions[:, 1] @ right) > abs(directions[:, 0] @ right)
        across, along = (1, 0) if transposed else (0, 1)  # index axis shown along the screen's x, and y
        flip_columns, flip_rows = directions[:, across] @ right < 0, directions[:, along] @ down < 0
        to_right = directions[:, across] * (-1 if flip_columns else 1)
        to_bottom = directions[:, along] * (-1 if flip_rows else 1)
        return cls(
            transposed=bool(transposed),
            flipped=(bool(flip_rows), bool(flip_columns)),
            pixel_mm=(float(lengths[along]), float(lengths[across])),
            marks=(_letters(-to_right), _letters(to_right), _letters(-to_bottom), _letters(to_bottom)),
            plane=PLANE_NAMES[normal],
        )

    def show(self, slice_ji: np.ndarray) -> np.ndarray:
        """A (row j, column i) slice turned for display with the origin at the upper left; a view, not a copy."""
        shown = slice_ji.T if self.transposed else slice_ji
        return shown[:: -1 if self.flipped[0] else 1, :: -1 if self.flipped[1] else 1]


def _letters(direction_ras: np.ndarray) -> str:
    """The anatomical direction as one letter, or two if it is oblique ("RA")."""
    strength = np.abs(direction_ras)
    order = [axis for axis in np.argsort(-strength, kind="stable") if strength[axis] > SECOND_LETTER_COMPONENT]
    return "".join(AXIS_LETTERS[axis][int(direction_ras[axis] > 0)] for axis in order[:2])


@dataclass(frozen=True)
class Window:
    """A rectangle of a displayed slice: rows [top, bottom), columns [left, right)."""

    top: int
    bottom: int
    left: int
    right: int

    def cut(self, shown: np.ndarray) -> np.ndarray:
        return shown[self.top : self.bottom, self.left : self.right]


def whole_window(shown: np.ndarray) -> Window:
    return Window(0, shown.shape[0], 0, shown.shape[1])


def window_around(mask: np.ndarray, pixel_mm: tuple[float, float], margin_mm: float, *, square: bool = False) -> Window:
    """The rectangle around a displayed mask with a margin, inside the image; optionally square in millimeters.

    An empty mask gives the whole image.
    """
    if not mask.any():
        return whole_window(mask)
    bounds = []
    for axis in (0, 1):
        hit = np.flatnonzero(mask.any(axis=1 - axis))
        bounds.append((hit[0] * pixel_mm[axis] - margin_mm, (hit[-1] + 1) * pixel_mm[axis] + margin_mm))
    if square:
        side = max(high - low for low, high in bounds)
        bounds = [((low + high - side) / 2, (low + high + side) / 2) for low, high in bounds]
    cut = []
    for axis, (low, high) in enumerate(bounds):
        size = mask.shape[axis]
        first, last = round(low / pixel_mm[axis]), round(high / pixel_mm[axis])
        if square:  # pushed back into the image rather than clipped, so that all panels keep one shape
            shift = max(0, -first) - max(0, last - size)
            first, last = first + shift, last + shift
        cut += [max(0, first), min(size, last)]
    return Window(*cut)
