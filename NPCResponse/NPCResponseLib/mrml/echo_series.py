"""A multi-echo series between the scene and plain arrays.

A series is a sequence node, one multi-component volume (vector or multi-volume node), or a list with one scalar volume
per echo.
"""

import itertools
import math
from collections.abc import Iterator, Sequence

import numpy as np
import slicer
import slicer.util

from ..echo_series import EchoSeries
from ..errors import InputError
from . import echo_time_sources
from .dicom_facts import instance_facts
from .geometry import matrix_of, on_one_grid, set_matrix
from .hierarchy import place_beside

INDEX_NAME, INDEX_UNIT = "EchoTime", "ms"
# What a sequence node of ours remembers of the acquisition, beside its index.
FIELD_STRENGTH_ATTRIBUTE = "NPCResponse.FieldStrengthT"
SLICE_THICKNESS_ATTRIBUTE = "NPCResponse.SliceThicknessMm"
PHASE_ROLE = "NPCResponse.Phase"
DISPLAY_PERCENTILES = (1.0, 99.5)  # of the first echo, so that all echoes are seen in one window


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
    images, container = _images(nodes), _container(nodes)
    found = echo_time_sources.find_in_data(container, images)
    times_ms, source = echo_time_sources.decide(found, echo_times_ms, _count(images), describe(nodes))
    if found and len(images) > 1:
        images = [images[n] for n in found.image_order()]
    _check_one_grid(images)
    echoes, facts = tuple(_arrays(images)), instance_facts(images[0])
    conflict = echo_time_sources.disagreement(found, echo_times_ms)
    return EchoSeries(
        echoes=echoes,
        echo_times_ms=times_ms,
        echo_times_source=source,
        ijk_to_ras=matrix_of(images[0]),
        field_strength_t=_attribute_number(container, FIELD_STRENGTH_ATTRIBUTE) or facts.field_strength_t,
        slice_thickness_mm=_attribute_number(container, SLICE_THICKNESS_ATTRIBUTE) or facts.slice_thickness_mm,
        phases=_phases(container, len(echoes)),
        name=_series_name(nodes),
        warnings=(f"The typed echo times are used; {conflict}.",) if conflict else (),
    )


def find_echo_times(nodes, echo_times_ms: Sequence[float] | None = None) -> tuple[tuple[float, ...], str]:
    """Echo times (ms, increasing) and where they come from, without reading images.

    Typed ones win. Else the first that tells: the sequence's index, if its name says echo time; the frame labels of
    Slicer's multi-volume importer; the DICOM headers of the images, if the database has them.

    Raises:
        InputError: there are none, or they cannot be used.
    """
    images = _images(nodes)
    found = echo_time_sources.find_in_data(_container(nodes), images)
    return echo_time_sources.decide(found, echo_times_ms, _count(images), describe(nodes))


def reference_volume(nodes):
    """The volume node that gives geometry and parent transform: in the scene if there is one, else the first image."""
    images, container = _images(nodes), _container(nodes)
    if not container.IsA("vtkMRMLSequenceNode"):
        return images[0]
    proxy = proxy_volume(container)
    return proxy if proxy is not None and on_one_grid(images[0], proxy) else images[0]


def proxy_volume(sequence):
    """The volume in the scene that shows a sequence's current image, or None."""
    for browser in slicer.util.getNodesByClass("vtkMRMLSequenceBrowserNode", sequence.GetScene()):
        proxy = browser.GetProxyNode(sequence) if browser.IsSynchronizedSequenceNode(sequence, True) else None
        if proxy is not None and proxy.IsA("vtkMRMLScalarVolumeNode"):
            return proxy
    return None


def describe(nodes) -> str:
    """How a message names the series."""
    container = _container(nodes)
    if isinstance(nodes, (list, tuple)) and len(nodes) > 1:
        return f"volumes {nodes[0].GetName()} to {nodes[-1].GetName()}"
    return f"{'sequence' if container.IsA('vtkMRMLSequenceNode') else 'volume'} {container.GetName()}"


def _container(nodes):
    """The node that holds all echoes, or the first volume of a list."""
    if not isinstance(nodes, (list, tuple)):
        return nodes
    if not nodes:
        raise InputError(
            "no image was given", remedy="Give a sequence, a multi-component volume or one volume per echo"
        )
    return nodes[0]


def _series_name(nodes) -> str:
    if isinstance(nodes, (list, tuple)) and len(nodes) > 1:
        letters = zip(*(node.GetName() for node in nodes), strict=False)
        common = "".join(column[0] for column in itertools.takewhile(lambda column: len(set(column)) == 1, letters))
        return common.rstrip(" _-.([") or nodes[0].GetName()
    return _container(nodes).GetName()


def _images(nodes) -> list:
    """One volume node per echo, or the one that holds all of them as components."""
    container = _container(nodes)
    if container.IsA("vtkMRMLSequenceNode"):
        images = [container.GetNthDataNode(n) for n in range(container.GetNumberOfDataNodes())]
    else:
        images = list(nodes) if isinstance(nodes, (list, tuple)) else [nodes]
    if not images:
        raise InputError("the sequence is empty", where=describe(nodes), remedy="Load its images")
    for image in images:
        if image is None:  # an item of a sequence whose file could not be read
            raise InputError("an image is missing", where=describe(nodes), remedy="Load it again")
        if not image.IsA("vtkMRMLScalarVolumeNode") or image.GetImageData() is None:
            raise InputError("there is no image in it", where=f"node {image.GetName()}", remedy="Load it again")
        if len(images) > 1 and image.GetImageData().GetNumberOfScalarComponents() > 1:
            raise InputError(
                "it has several components", where=f"volume {image.GetName()}", remedy="Give one scalar image per echo"
            )
    if len(set(images)) < len(images):
        raise InputError("the same volume is given twice", where=describe(nodes), remedy="Give each echo once")
    return images


def _count(images: Sequence) -> int:
    return len(images) if len(images) > 1 else images[0].GetImageData().GetNumberOfScalarComponents()


def _arrays(images: Sequence) -> Iterator[np.ndarray]:
    """KJI arrays, read-only so that nothing here can write into a user's node."""
    for image in images:
        array = slicer.util.arrayFromVolume(image)
        parts = [array] if array.ndim == 3 else [np.ascontiguousarray(array[..., n]) for n in range(array.shape[3])]
        for part in parts:
            view = part.view()
            view.flags.writeable = False
            yield view


def _phases(container, n_echoes: int) -> tuple[np.ndarray, ...]:
    sequence = container.GetNodeReference(PHASE_ROLE)
    if sequence is None or sequence.GetNumberOfDataNodes() != n_echoes:
        return ()
    return tuple(_arrays(_images(sequence)))


def _attribute_number(node, name: str) -> float | None:
    try:
        value = float(node.GetAttribute(name) or "nan")
    except ValueError:
        return None
    return value if math.isfinite(value) and value > 0 else None


def _check_one_grid(images: Sequence) -> None:
    first = images[0]
    for image in images[1:]:
        if not on_one_grid(first, image):
            raise InputError(
                f"its geometry (size, spacing, position or orientation) differs from that of {first.GetName()}",
                where=f"volume {image.GetName()}",
                remedy="Give images of one series, or resample it",
            )
        if image.GetParentTransformNode() is not first.GetParentTransformNode():
            raise InputError(
                f"it is under another parent transform than {first.GetName()}",
                where=f"volume {image.GetName()}",
                remedy="Put all echoes under the same transform, or none",
            )


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
    sequence = _add_sequence(series.name, series.echoes, times_ms, series.ijk_to_ras)
    _set_number(sequence, FIELD_STRENGTH_ATTRIBUTE, series.field_strength_t)
    _set_number(sequence, SLICE_THICKNESS_ATTRIBUTE, series.slice_thickness_mm)
    if series.echo_times_source:
        sequence.SetAttribute(echo_time_sources.SOURCE_ATTRIBUTE, series.echo_times_source)
    if series.phases:
        phase = _add_sequence(f"{series.name} phase", series.phases, times_ms, series.ijk_to_ras)
        sequence.SetNodeReferenceID(PHASE_ROLE, phase.GetID())
    _show(sequence, _storable(series.echoes[0]))
    return sequence


def _add_sequence(name: str, arrays: Sequence[np.ndarray], times_ms: Sequence[float], ijk_to_ras: np.ndarray):
    sequence = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLSequenceNode", slicer.mrmlScene.GenerateUniqueName(name))
    sequence.SetIndexName(INDEX_NAME)
    sequence.SetIndexUnit(INDEX_UNIT)
    for array, time_ms in zip(arrays, times_ms, strict=True):
        volume = slicer.vtkMRMLScalarVolumeNode()
        volume.SetName(f"{sequence.GetName()} TE {time_ms:g} ms")
        slicer.util.updateVolumeFromArray(volume, _storable(array))
        set_matrix(volume, ijk_to_ras)
        sequence.SetDataNodeAtValue(volume, repr(float(time_ms)))
    return sequence


def _storable(array: np.ndarray) -> np.ndarray:
    """VTK knows no booleans, half floats or 64-bit integers; bytes must be in the machine's order."""
    kind, size = array.dtype.kind, array.dtype.itemsize
    if kind == "b" or (kind == "f" and size == 2) or (kind in "iu" and size == 8):
        return array.astype(np.float32)
    return np.ascontiguousarray(array, dtype=array.dtype.newbyteorder("="))


def _set_number(node, name: str, value: float | None) -> None:
    if value:
        node.SetAttribute(name, repr(float(value)))


def _show(sequence, first_echo: np.ndarray) -> None:
    """A browser with its proxy volume, in a window that suits the first echo and then all others."""
    browser = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLSequenceBrowserNode", f"{sequence.GetName()} browser")
    browser.SetAndObserveMasterSequenceNodeID(sequence.GetID())
    slicer.modules.sequences.logic().UpdateProxyNodesFromSequences(browser)
    proxy = browser.GetProxyNode(sequence)
    proxy.CreateDefaultDisplayNodes()
    finite = first_echo[np.isfinite(first_echo)] if first_echo.dtype.kind == "f" else first_echo
    if finite.size:
        low, high = np.percentile(finite, DISPLAY_PERCENTILES)
        proxy.GetDisplayNode().AutoWindowLevelOff()
        proxy.GetDisplayNode().SetWindowLevelMinMax(float(low), float(max(high, low + 1)))
    place_beside(proxy, None)
