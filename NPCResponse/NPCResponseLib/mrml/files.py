"""Nodes and scenes from and to files, through Slicer's storage nodes. Nothing half-written ever has its final name."""

import contextlib
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import SimpleITK
import slicer
import vtk

from ..errors import InputError
from ..image_integrity import check_image_file
from ..whole_file import written_aside

VOLUME_ENDINGS = (".nrrd", ".nhdr", ".nii", ".nii.gz", ".mha", ".mhd")
SEGMENTATION_ENDINGS = (".nrrd", ".nhdr", ".nii", ".nii.gz")


def load_volume(path: Path | str, name: str = ""):
    """Read a scalar image (NRRD, NIfTI, MetaImage) into a new volume node.

    The node remembers no file name, so that none gets into a saved scene; ``name`` defaults to the file's stem.

    Raises:
        InputError: the file is missing, of another kind, damaged or truncated.
    """
    path = _existing_file(path, VOLUME_ENDINGS, "image")
    node = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLScalarVolumeNode", name or _stem(path))
    storage = slicer.vtkMRMLVolumeArchetypeStorageNode()
    storage.SetSingleFile(True)
    _read(storage, node, path, "image")
    node.CreateDefaultDisplayNodes()
    return node


def load_segmentation(path: Path | str, name: str = ""):
    """Read a segmentation (.seg.nrrd) or a label image (NRRD, NIfTI; one segment per label) into a new node.

    The node remembers no file name; ``name`` defaults to the file's stem.

    Raises:
        InputError: the file is missing, of another kind, damaged or truncated, no label image, or holds no segment.
    """
    path = _existing_file(path, SEGMENTATION_ENDINGS, "segmentation")
    _refuse_fractions(path)
    node = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLSegmentationNode", name or _stem(path))
    _read(slicer.vtkMRMLSegmentationStorageNode(), node, path, "segmentation")
    if not node.GetSegmentation().GetNumberOfSegments():
        slicer.mrmlScene.RemoveNode(node)
        raise InputError("the segmentation is empty", where=str(path), remedy="Save one with at least one segment")
    node.CreateDefaultDisplayNodes()
    return node


def save_node(node, path: Path | str) -> None:
    """Write a node in the format that the file's ending names; its own storage in the scene is left alone.

    Raises:
        InputError: the file cannot be written there, or not in that format.
    """
    path = Path(path)
    storage = node.CreateDefaultStorageNode() if node.IsA("vtkMRMLStorableNode") else None
    if storage is None:
        raise InputError(f"{node.GetName()} cannot be saved as a file", remedy="Save the scene instead")
    if not _can_write(storage, node, path.name.lower()):
        raise InputError(
            f"{node.GetName()} cannot be saved in this format", where=str(path), remedy="Choose another ending"
        )
    storage.SetUseCompression(True)
    with written_aside(path) as aside, _quiet():
        storage.SetFileName(str(aside))
        _check_written(storage.WriteData(node), path)


def save_scene(path: Path | str) -> None:
    """Write the scene with all its data as one bundle (.mrb).

    Raises:
        InputError: the file cannot be written there, or is no .mrb.
    """
    path = Path(path)
    if path.suffix != ".mrb":
        raise InputError("a scene is saved as .mrb", where=str(path), remedy="Give the file that ending")
    with written_aside(path) as aside, _quiet():
        _check_written(slicer.mrmlScene.WriteToMRB(str(aside)), path)


def _read(storage, node, path: Path, kind: str) -> None:
    """Fill a node from a file, or remove it again."""
    storage.SetFileName(str(path))
    with _quiet():
        success = storage.ReadData(node)
    if not success or not _has_data(node):
        slicer.mrmlScene.RemoveNode(node)
        raise InputError(
            f"the {kind} cannot be read", where=str(path), remedy="It may be damaged or cut off; copy it again"
        )


def _can_write(storage, node, file_name: str) -> bool:
    if node.IsA("vtkMRMLVolumeNode"):  # its storage leaves the question to ITK
        return file_name.endswith(VOLUME_ENDINGS)
    return bool(storage.GetSupportedFileExtension(file_name, False, True))


def _has_data(node) -> bool:
    return not node.IsA("vtkMRMLVolumeNode") or node.GetImageData() is not None


def _existing_file(path: Path | str, endings: tuple[str, ...], kind: str) -> Path:
    path = Path(path)
    if not path.is_file():
        raise InputError("no such file", where=str(path), remedy="Check the path")
    if not path.name.lower().endswith(endings):
        raise InputError(f"this is no {kind} file", where=str(path), remedy=f"Give one of {', '.join(endings)}")
    check_image_file(path, where=str(path), kind=kind, trial_read=True)
    return path


def _refuse_fractions(path: Path) -> None:
    """Slicer would cut a soft mask (0 to 1) down to the voxels that reach 1, without a word."""
    if path.name.lower().endswith((".seg.nrrd", ".seg.nhdr")):
        return
    values = SimpleITK.GetArrayFromImage(SimpleITK.ReadImage(str(path)))
    if values.dtype.kind == "f" and np.any(values != np.round(values)):
        raise InputError(
            "its values are no whole numbers, so it is no label image",
            where=str(path),
            remedy="Save it with whole numbers, as by a threshold",
        )


def _stem(path: Path) -> str:
    """The file's name without its ending, also a double one."""
    for ending in (".seg.nrrd", ".seg.nhdr", ".nii.gz"):
        if path.name.lower().endswith(ending):
            return path.name[: -len(ending)]
    return path.stem


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Nothing on the console: a failure is told by an exception, a remark of a reader to nobody."""
    window = vtk.vtkOutputWindow.GetInstance()
    vtk.vtkOutputWindow.SetInstance(vtk.vtkStringOutputWindow())
    try:
        yield
    finally:
        vtk.vtkOutputWindow.SetInstance(window)


def _check_written(success: bool, path: Path) -> None:
    if not success:
        raise InputError("cannot be written", where=str(path), remedy="Check the free space")
