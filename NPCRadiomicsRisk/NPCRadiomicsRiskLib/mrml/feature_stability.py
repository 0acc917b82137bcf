"""How stable the features of a divided tumor are: a volume and the segments of a division in, a table out."""

from collections.abc import Callable, Generator
from dataclasses import dataclass, fields, replace

import numpy as np

from NPCResponseLib.errors import InputError
from NPCResponseLib.mrml.assessment_nodes import check_one_patient
from NPCResponseLib.mrml.result_nodes import check_outputs, removed_on_failure
from NPCResponseLib.mrml.segments import segment_mask

from ..background import steps_of
from ..robustness.stability import PatientStability, feature_stability
from ..subregions.division import GTV, GTVR
from ..texture.panel47 import TextureSettings
from .images import read_image
from .subregions import GTVR_OUTSIDE
from .tables import write_table


@dataclass
class StabilityOutputs:
    """Result nodes: before a run those to update, after it all of the result."""

    table: object = None

    def nodes(self) -> list:
        return [node for node in (getattr(self, field.name) for field in fields(self)) if node is not None]


@dataclass(frozen=True, eq=False)
class StabilityResult:
    stability: PatientStability
    outputs: StabilityOutputs


class StabilityJob:
    """Measures one patient again and again, with outlines and settings a little changed.

    Args:
        volume: the pre-treatment scan.
        segmentation: as ``SubRegionsJob`` writes it: GTV, GTVr and, if there is one, the part of GTVr outside.
        n: perturbations of each kind.

    Raises:
        InputError: anything that cannot be used; the sentence says what, where and what to do.
    """

    def __init__(
        self,
        volume,
        segmentation,
        settings: TextureSettings | None = None,
        *,
        n: int = 5,
        seed: int = 0,
        different_patients: bool = False,
    ):
        if not different_patients:
            check_one_patient({"the scan": [volume], "the segmentation": [segmentation]})
        self._volume, self._image = volume, read_image(volume)
        self._settings, self._n, self._seed = settings or TextureSettings(), n, seed
        masks = {name: _mask(segmentation, name, volume) for name in (GTV, GTVR, GTVR_OUTSIDE)}
        if masks[GTV] is None or masks[GTVR] is None:
            raise InputError(
                "it has no segments GTV and GTVr",
                where=f"segmentation {segmentation.GetName()}",
                remedy="Choose the result of dividing a tumor",
            )
        outside = masks[GTVR_OUTSIDE]
        self._gtv = masks[GTV]
        self._gtvr = masks[GTVR] if outside is None else masks[GTVR] | outside
        self._stability: PatientStability | None = None

    def steps(self) -> Generator[float, None, None]:
        """Compute, yielding the fraction done. Touches no node."""
        self._stability = yield from steps_of(
            lambda progress: feature_stability(
                self._image.array,
                self._gtv,
                self._gtvr,
                self._image.spacing_mm_kji,
                self._settings,
                n=self._n,
                seed=self._seed,
                progress=progress,
            )
        )
        yield 1.0

    def run(
        self, outputs: StabilityOutputs | None = None, progress: Callable[[float], None] | None = None
    ) -> StabilityResult:
        """All steps, then :meth:`finish`."""
        for fraction in self.steps():
            if progress:
                progress(fraction)
        return self.finish(outputs)

    def finish(self, outputs: StabilityOutputs | None = None) -> StabilityResult:
        """Write the table.

        Raises:
            InputError: an output is also an input.
        """
        outputs = replace(outputs) if outputs else StabilityOutputs()
        check_outputs(outputs.nodes(), [self._volume])
        header, *rows = self._stability.rows()
        columns = {title: [row[n] for row in rows] for n, title in enumerate(header)}
        with removed_on_failure():
            outputs.table = write_table(columns, f"{self._image.name} stability", outputs.table, self._volume)
        return StabilityResult(self._stability, outputs)


def _mask(segmentation, name: str, volume) -> np.ndarray | None:
    """A segment by its name on a volume's grid; None if there is none."""
    segment_id = segmentation.GetSegmentation().GetSegmentIdBySegmentName(name)
    return segment_mask(segmentation, segment_id, volume, allow_empty=name == GTVR_OUTSIDE).mask if segment_id else None
