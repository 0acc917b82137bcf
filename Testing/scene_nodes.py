"""Small nodes on the real scene for the tests of the MRML layer: oblique, thick-sliced, of known decay."""

import numpy as np
import slicer
import slicer.util
import vtk

from NPCResponseLib.mrml.geometry import as_vtk_matrix, set_matrix

ECHO_TIMES_MS = (6.71, 13.42, 20.13, 26.84, 33.55)
SHAPE = (4, 24, 20)  # slices, rows, columns


def rotation(axis: str, degrees: float) -> np.ndarray:
    """4x4."""
    transform = vtk.vtkTransform()
    {"x": transform.RotateX, "y": transform.RotateY, "z": transform.RotateZ}[axis](degrees)
    return np.array([[transform.GetMatrix().GetElement(i, j) for j in range(4)] for i in range(4)])


def translation(*offset_mm: float) -> np.ndarray:
    matrix = np.eye(4)
    matrix[:3, 3] = offset_mm
    return matrix


# Tilted about two axes, 1.2 x 1.5 mm in the plane, slices 6 mm apart, and far from the origin.
OBLIQUE = translation(-12, 25, 40) @ rotation("x", 17) @ rotation("z", -11) @ np.diag([1.2, 1.5, 6.0, 1.0])


def true_r2star(shape=SHAPE) -> np.ndarray:
    """20 to 80 Hz, different in every voxel."""
    return np.linspace(20, 80, np.prod(shape)).reshape(shape)


def echoes(times_ms=ECHO_TIMES_MS, r2star_hz=None) -> list[np.ndarray]:
    """Noise-free decays from 1000, float32."""
    rate = true_r2star() if r2star_hz is None else r2star_hz
    return [(1000 * np.exp(-rate * time / 1000)).astype(np.float32) for time in times_ms]


def add_volume(array, name="image", ijk_to_ras=OBLIQUE, node_class="vtkMRMLScalarVolumeNode"):
    node = slicer.mrmlScene.AddNewNodeByClass(node_class, name)
    slicer.util.updateVolumeFromArray(node, array)
    set_matrix(node, ijk_to_ras)
    return node


def add_volumes(times_ms=ECHO_TIMES_MS, **options) -> list:
    """One volume per echo."""
    return [add_volume(echo, f"BOLD echo {n}", **options) for n, echo in enumerate(echoes(times_ms), start=1)]


def add_vector_volume(times_ms=ECHO_TIMES_MS):
    """All echoes as components of one volume, without a word about echo times."""
    return add_volume(np.stack(echoes(times_ms), axis=-1), "BOLD components", node_class="vtkMRMLVectorVolumeNode")


def add_sequence(index_name="EchoTime", unit="ms", values=ECHO_TIMES_MS, times_ms=ECHO_TIMES_MS):
    """A sequence without a browser; ``values`` are what its index says."""
    sequence = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLSequenceNode", "BOLD")
    sequence.SetIndexName(index_name)
    sequence.SetIndexUnit(unit)
    for echo, value in zip(echoes(times_ms), values, strict=True):
        volume = slicer.vtkMRMLScalarVolumeNode()
        slicer.util.updateVolumeFromArray(volume, echo)
        set_matrix(volume, OBLIQUE)
        sequence.SetDataNodeAtValue(volume, str(value))
    return sequence


def add_transform(matrix: np.ndarray):
    node = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLLinearTransformNode")
    node.SetMatrixTransformToParent(as_vtk_matrix(matrix))
    return node


def move(node, matrix: np.ndarray):
    """Put a node under a new parent transform."""
    node.SetAndObserveTransformNodeID(add_transform(matrix).GetID())


def add_segmentation(volume, **masks):
    """A segmentation with the named masks on a volume's grid (None: an empty segment).

    The volume must not be under a transform: slicer.util, as of 5.13, would then apply that twice.
    """
    assert volume.GetParentTransformNode() is None
    node = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLSegmentationNode", "Regions")
    node.CreateDefaultDisplayNodes()
    for name, mask in masks.items():
        segment_id = node.GetSegmentation().AddEmptySegment(name, name)
        if mask is not None:
            slicer.util.updateSegmentBinaryLabelmapFromArray(mask.astype(np.uint8), node, segment_id, volume)
    return node


def box(k=slice(1, 3), j=slice(6, 16), i=slice(5, 15), shape=SHAPE) -> np.ndarray:
    mask = np.zeros(shape, dtype=bool)
    mask[k, j, i] = True
    return mask


def fingerprint(node) -> tuple:
    """What a user would see changed: voxels, their time stamp, geometry, display, transform, place."""
    images = [node]
    if node.IsA("vtkMRMLSequenceNode"):
        images = [node.GetNthDataNode(n) for n in range(node.GetNumberOfDataNodes())]
    found = []
    for image in images:
        if image.IsA("vtkMRMLVolumeNode"):
            matrix = vtk.vtkMatrix4x4()
            image.GetIJKToRASMatrix(matrix)
            geometry = tuple(matrix.GetElement(i, j) for i in range(4) for j in range(4))
            voxels = slicer.util.arrayFromVolume(image).tobytes()
            found.append((hash(voxels), image.GetImageData().GetMTime(), geometry))
    return (node.GetName(), node.GetMTime(), tuple(found))


def names_in(folder) -> list[str]:
    return sorted(entry.name for entry in folder.iterdir())
