"""Series of images as nodes: a sequence, one multi-component volume, or a list of scalar volumes; read and written."""

import itertools
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import slicer
import slicer.util

from ..errors import InputError
from .geometry import on_one_grid, set_matrix
from .hierarchy import place_beside

DISPLAY_PERCENTILES = (1.0, 99.5)  # of the first image, so that all are seen in one window


@dataclass(frozen=True)
class SequenceIndex:
    """What the items of a sequence are told apart by; ``label`` names an item after its index value."""

    name: str
    unit: str
    label: str
    type: int = slicer.vtkMRMLSequenceNode.NumericIndex


# -- nodes to values --


def reference_volume(nodes):
    """The volume node that gives geometry and parent transform: in the scene if there is one, else the first image."""
    images, container = images_of(nodes), container_of(nodes)
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
    container = container_of(nodes)
    if isinstance(nodes, (list, tuple)) and len(nodes) > 1:
        return f"volumes {nodes[0].GetName()} to {nodes[-1].GetName()}"
    return f"{'sequence' if container.IsA('vtkMRMLSequenceNode') else 'volume'} {container.GetName()}"


def container_of(nodes):
    """The node that holds all images, or the first volume of a list."""
    if not isinstance(nodes, (list, tuple)):
        return nodes
    if not nodes:
        raise InputError("no image was given", remedy="Give a sequence, a multi-component volume or a list of volumes")
    return nodes[0]


def series_name(nodes) -> str:
    """The name of the series: its node's, or what the names of its volumes begin with."""
    if isinstance(nodes, (list, tuple)) and len(nodes) > 1:
        letters = zip(*(node.GetName() for node in nodes), strict=False)
        common = "".join(column[0] for column in itertools.takewhile(lambda column: len(set(column)) == 1, letters))
        return common.rstrip(" _-.([") or nodes[0].GetName()
    return container_of(nodes).GetName()


def images_of(nodes) -> list:
    """One volume node per image, or the one that holds all of them as components."""
    container = container_of(nodes)
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
                "it has several components", where=f"volume {image.GetName()}", remedy="Give scalar images"
            )
    if len(set(images)) < len(images):
        raise InputError("the same volume is given twice", where=describe(nodes), remedy="Give each image once")
    return images


def count_images(images: Sequence) -> int:
    """How many images volume nodes hold, components counted."""
    return len(images) if len(images) > 1 else images[0].GetImageData().GetNumberOfScalarComponents()


def arrays_of(images: Sequence) -> Iterator[np.ndarray]:
    """KJI arrays, read-only so that nothing here can write into a user's node."""
    for image in images:
        array = slicer.util.arrayFromVolume(image)
        parts = [array] if array.ndim == 3 else [np.ascontiguousarray(array[..., n]) for n in range(array.shape[3])]
        for part in parts:
            view = part.view()
            view.flags.writeable = False
            yield view


def attribute_number(node, name: str) -> float | None:
    """A positive number that a node remembers, or None."""
    try:
        value = float(node.GetAttribute(name) or "nan")
    except ValueError:
        return None
    return value if math.isfinite(value) and value > 0 else None


def check_one_grid(images: Sequence) -> None:
    """Raise InputError unless all volumes have the first one's voxels and parent transform."""
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
                remedy="Put all images under the same transform, or none",
            )


# -- values to nodes --


def add_sequence(
    name: str, arrays: Sequence[np.ndarray], index: SequenceIndex, values: Sequence[str], ijk_to_ras: np.ndarray
):
    """A new sequence node with one volume per array, at index values given as text."""
    sequence = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLSequenceNode", slicer.mrmlScene.GenerateUniqueName(name))
    sequence.SetIndexName(index.name)
    sequence.SetIndexUnit(index.unit)
    sequence.SetIndexType(index.type)
    for array, value in zip(arrays, values, strict=True):
        volume = slicer.vtkMRMLScalarVolumeNode()
        volume.SetName(f"{sequence.GetName()} {index.label.format(value)}")
        slicer.util.updateVolumeFromArray(volume, storable(array))
        set_matrix(volume, ijk_to_ras)
        sequence.SetDataNodeAtValue(volume, value)
    return sequence


def storable(array: np.ndarray) -> np.ndarray:
    """VTK knows no booleans, half floats or 64-bit integers; bytes must be in the machine's order."""
    kind, size = array.dtype.kind, array.dtype.itemsize
    if kind == "b" or (kind == "f" and size == 2) or (kind in "iu" and size == 8):
        return array.astype(np.float32)
    return np.ascontiguousarray(array, dtype=array.dtype.newbyteorder("="))


def set_number(node, name: str, value: float | None) -> None:
    """Let a node remember a number; None and 0 are not kept."""
    if value:
        node.SetAttribute(name, repr(float(value)))


def show_sequence(sequence, first_image: np.ndarray) -> None:
    """A browser with its proxy volume, in a window that suits the first image and then all others."""
    browser = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLSequenceBrowserNode", f"{sequence.GetName()} browser")
    browser.SetAndObserveMasterSequenceNodeID(sequence.GetID())
    slicer.modules.sequences.logic().UpdateProxyNodesFromSequences(browser)
    proxy = browser.GetProxyNode(sequence)
    proxy.CreateDefaultDisplayNodes()
    finite = first_image[np.isfinite(first_image)] if first_image.dtype.kind == "f" else first_image
    if finite.size:
        low, high = np.percentile(finite, DISPLAY_PERCENTILES)
        proxy.GetDisplayNode().AutoWindowLevelOff()
        proxy.GetDisplayNode().SetWindowLevelMinMax(float(low), float(max(high, low + 1)))
    place_beside(proxy, None)
