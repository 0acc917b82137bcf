"""A multi-echo series between the scene and plain arrays.

A series is a sequence node, one multi-component volume (vector or multi-volume node), or a list with one scalar volume
per echo.
"""

from collections.abc import Sequence

import numpy as np

from ..echo_series import EchoSeries
from . import echo_time_sources
from .dicom_facts import instance_facts
from .geometry import matrix_of
from .image_series import (
    SequenceIndex,
    add_sequence,
    arrays_of,
    attribute_number,
    check_one_grid,
    container_of,
    count_images,
    describe,
    images_of,
    series_name,
    set_number,
    show_sequence,
    storable,
)

INDEX = SequenceIndex("EchoTime", "ms", "TE {} ms")
# What a sequence node of ours remembers of the acquisition, beside its index.
FIELD_STRENGTH_ATTRIBUTE = "NPCResponse.FieldStrengthT"
SLICE_THICKNESS_ATTRIBUTE = "NPCResponse.SliceThicknessMm"
PHASE_ROLE = "NPCResponse.Phase"


# -- nodes to values --


def echo_series_from_nodes(nodes, echo_times_ms: Sequence[float] | None = None) -> EchoSeries:
    """The images, echo times and facts that nodes hold.

    Arrays are those of the nodes where possible, not copies, and read-only. The geometry is that of the volumes,
    without their parent transform. A list of volumes that tell their own echo times (DICOM) may be in any order.

    Args:
        nodes: a sequence, multi-component or multi-volume node, or a list of scalar volume nodes.
        echo_times_ms: typed by the user, in the order of the images; they override what the data say.

    Raises:
        InputError: echo times that cannot be used; echoes that are missing, of differing geometry or, in a list, under
            different parent transforms.
    """
    images, container = images_of(nodes), container_of(nodes)
    found = echo_time_sources.find_in_data(container, images)
    times_ms, source = echo_time_sources.decide(found, echo_times_ms, count_images(images), describe(nodes))
    if found and len(images) > 1:
        images = [images[n] for n in found.image_order()]
    check_one_grid(images)
    echoes, facts = tuple(arrays_of(images)), instance_facts(images[0])
    conflict = echo_time_sources.disagreement(found, echo_times_ms)
    return EchoSeries(
        echoes=echoes,
        echo_times_ms=times_ms,
        echo_times_source=source,
        ijk_to_ras=matrix_of(images[0]),
        field_strength_t=attribute_number(container, FIELD_STRENGTH_ATTRIBUTE) or facts.field_strength_t,
        slice_thickness_mm=attribute_number(container, SLICE_THICKNESS_ATTRIBUTE) or facts.slice_thickness_mm,
        phases=_phases(container, len(echoes)),
        name=series_name(nodes),
        warnings=(f"The typed echo times are used; {conflict}.",) if conflict else (),
    )


def find_echo_times(nodes, echo_times_ms: Sequence[float] | None = None) -> tuple[tuple[float, ...], str]:
    """Echo times (ms, increasing) and where they come from, without reading images.

    Typed ones win. Else the first that tells: the sequence's index, if its name says echo time; the frame labels of
    Slicer's multi-volume importer; the DICOM headers of the images, if the database has them.

    Raises:
        InputError: there are none, or they cannot be used.
    """
    images = images_of(nodes)
    found = echo_time_sources.find_in_data(container_of(nodes), images)
    return echo_time_sources.decide(found, echo_times_ms, count_images(images), describe(nodes))


def _phases(container, n_echoes: int) -> tuple[np.ndarray, ...]:
    sequence = container.GetNodeReference(PHASE_ROLE)
    if sequence is None or sequence.GetNumberOfDataNodes() != n_echoes:
        return ()
    return tuple(arrays_of(images_of(sequence)))


# -- values to nodes --


def add_echo_series_to_scene(series: EchoSeries):
    """A new sequence node with one volume per echo, indexed by echo time, and a browser that shows it.

    Field strength, slice thickness, the source of the echo times and phase images stay with it, also in a saved scene.
    Warnings do not: they may name files.

    Returns:
        vtkMRMLSequenceNode.

    Raises:
        InputError: the series has no usable echo times.
    """
    times_ms = echo_time_sources.validate_echo_times(series.echo_times_ms, len(series.echoes), series.name)
    sequence = _add_echoes(series.name, series.echoes, times_ms, series.ijk_to_ras)
    set_number(sequence, FIELD_STRENGTH_ATTRIBUTE, series.field_strength_t)
    set_number(sequence, SLICE_THICKNESS_ATTRIBUTE, series.slice_thickness_mm)
    if series.echo_times_source:
        sequence.SetAttribute(echo_time_sources.SOURCE_ATTRIBUTE, series.echo_times_source)
    if series.phases:
        phase = _add_echoes(f"{series.name} phase", series.phases, times_ms, series.ijk_to_ras)
        sequence.SetNodeReferenceID(PHASE_ROLE, phase.GetID())
    show_sequence(sequence, storable(series.echoes[0]))
    return sequence


def _add_echoes(name: str, arrays: Sequence[np.ndarray], times_ms: Sequence[float], ijk_to_ras: np.ndarray):
    return add_sequence(name, arrays, INDEX, [repr(float(time_ms)) for time_ms in times_ms], ijk_to_ras)
