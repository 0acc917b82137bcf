"""Files in and out: what was saved comes back, damage is refused by name, and nothing half-written is left."""

import gzip
import os
import subprocess
import sys
import zipfile
from pathlib import Path

import numpy as np
import pytest
import slicer
import slicer.util

from NPCResponseLib.errors import InputError
from NPCResponseLib.mrml import files
from NPCResponseLib.mrml.geometry import matrix_of
from NPCResponseLib.mrml.segments import segment_mask
from Testing import scene_nodes as build

VOXELS = np.random.default_rng(0).normal(size=build.SHAPE).astype(np.float32)
IMAGE_ENDINGS = (".nrrd", ".nii.gz", ".nii", ".mha")


@pytest.fixture
def image(scene):
    return build.add_volume(VOXELS, "image")


@pytest.mark.parametrize("ending", IMAGE_ENDINGS)
def test_an_image_comes_back_in_its_place(image, tmp_path, ending):
    path = tmp_path / f"map{ending}"
    files.save_node(image, path)
    node = files.load_volume(path)
    assert np.array_equal(slicer.util.arrayFromVolume(node), VOXELS)
    assert np.allclose(matrix_of(node), build.OBLIQUE, atol=1e-4)
    assert node.GetName() == "map"
    assert build.names_in(tmp_path) == [path.name]


def test_a_label_map_keeps_its_bytes(scene, tmp_path):
    labels = build.add_volume(build.box().astype(np.uint8), "labels", node_class="vtkMRMLLabelMapVolumeNode")
    files.save_node(labels, tmp_path / "labels.nii.gz")
    read = slicer.util.arrayFromVolume(files.load_volume(tmp_path / "labels.nii.gz"))
    assert read.dtype == np.uint8
    assert np.array_equal(read > 0, build.box())


def test_a_segmentation_comes_back_with_names(image, tmp_path):
    air = build.box(i=slice(0, 3))
    files.save_node(build.add_segmentation(image, tumor=build.box(), air=air), tmp_path / "regions.seg.nrrd")
    node = files.load_segmentation(tmp_path / "regions.seg.nrrd")
    segmentation = node.GetSegmentation()
    assert node.GetName() == "regions"
    for name, mask in (("tumor", build.box()), ("air", air)):
        found = segment_mask(node, segmentation.GetSegmentIdBySegmentName(name), image)
        assert np.array_equal(found.mask, mask), name


@pytest.mark.parametrize("ending", [".nrrd", ".nii.gz"])
def test_each_label_of_a_label_image_becomes_a_segment(image, tmp_path, ending):
    labels = build.box().astype(np.uint8) + 3 * build.box(i=slice(0, 3)).astype(np.uint8)
    path = tmp_path / f"labels{ending}"
    files.save_node(build.add_volume(labels, node_class="vtkMRMLLabelMapVolumeNode"), path)
    node = files.load_segmentation(path, name="drawn elsewhere")
    segmentation = node.GetSegmentation()
    assert node.GetName() == "drawn elsewhere"
    assert segmentation.GetNumberOfSegments() == 2
    masks = [segment_mask(node, segmentation.GetNthSegmentID(n), image).mask for n in range(2)]
    assert np.array_equal(masks[0], labels == 1)
    assert np.array_equal(masks[1], labels == 3)


def test_names_of_files_do_not_get_into_a_saved_scene(image, tmp_path):
    files.save_node(image, tmp_path / "Doe^John.nrrd")
    files.save_node(build.add_segmentation(image, tumor=build.box()), tmp_path / "Doe^John.seg.nrrd")
    slicer.mrmlScene.Clear()
    files.load_volume(tmp_path / "Doe^John.nrrd", name="field map")
    files.load_segmentation(tmp_path / "Doe^John.seg.nrrd", name="segmentation")
    files.save_scene(tmp_path / "scene.mrb")
    with zipfile.ZipFile(tmp_path / "scene.mrb") as bundle:
        assert len(bundle.namelist()) > 2
        for name in bundle.namelist():
            assert "Doe" not in name
            assert b"Doe" not in bundle.read(name)


# -- damage --


def damage_by_cutting(whole: bytes) -> bytes:
    return whole[: len(whole) * 2 // 3]


DAMAGE = {
    "cut off": damage_by_cutting,
    "empty": lambda _whole: b"",
    "something else": lambda _whole: b"this is no image\n" * 100,
    "head only": lambda whole: whole[:200],
}


@pytest.mark.parametrize("damage", DAMAGE.values(), ids=DAMAGE)
@pytest.mark.parametrize("ending", IMAGE_ENDINGS)
def test_a_damaged_image_is_refused_by_name(scene, image, tmp_path, ending, damage):
    path = tmp_path / f"broken{ending}"
    files.save_node(image, path)
    path.write_bytes(damage(path.read_bytes()))
    nodes = scene.GetNumberOfNodes()
    with pytest.raises(InputError, match=f"broken{ending}: the (image cannot be read|file is empty)"):
        files.load_volume(path)
    assert scene.GetNumberOfNodes() == nodes


@pytest.mark.parametrize("damage", DAMAGE.values(), ids=DAMAGE)
@pytest.mark.parametrize("ending", [".seg.nrrd", ".nii.gz"])
def test_a_damaged_segmentation_is_refused_by_name(scene, image, tmp_path, ending, damage):
    path = tmp_path / f"broken{ending}"
    if ending == ".seg.nrrd":
        files.save_node(build.add_segmentation(image, tumor=build.box()), path)
    else:
        files.save_node(image, path)
    path.write_bytes(damage(path.read_bytes()))
    nodes = scene.GetNumberOfNodes()
    with pytest.raises(InputError, match=f"broken{ending}: the (segmentation cannot be read|file is empty)"):
        files.load_segmentation(path)
    assert scene.GetNumberOfNodes() == nodes


def test_nifti_that_ends_one_byte_early_is_refused(image, tmp_path):
    """ITK would fill the rest with zeros."""
    files.save_node(image, tmp_path / "whole.nii")
    whole = (tmp_path / "whole.nii").read_bytes()
    (tmp_path / "short.nii").write_bytes(whole[:-1])
    (tmp_path / "short.nii.gz").write_bytes(gzip.compress(whole[:-1]))
    for name in ("short.nii", "short.nii.gz"):
        with pytest.raises(InputError, match="cannot be read"):
            files.load_volume(tmp_path / name)


def test_an_uncompressed_file_that_is_named_gz_is_read(image, tmp_path):
    files.save_node(image, tmp_path / "plain.nii")
    (tmp_path / "plain.nii").rename(tmp_path / "plain.nii.gz")
    assert np.array_equal(slicer.util.arrayFromVolume(files.load_volume(tmp_path / "plain.nii.gz")), VOXELS)


def test_reading_says_nothing_on_the_console(image, tmp_path, capfd):
    files.save_node(
        build.add_volume(build.box().astype(np.uint8), node_class="vtkMRMLLabelMapVolumeNode"), tmp_path / "l.nrrd"
    )
    files.load_segmentation(tmp_path / "l.nrrd")
    captured = capfd.readouterr()
    assert captured.out + captured.err == ""


def test_missing_and_foreign_files_are_refused(scene, tmp_path):
    (tmp_path / "notes.txt").write_text("hello")
    for load, name, told in (
        (files.load_volume, "none.nrrd", "no such file"),
        (files.load_segmentation, "none.seg.nrrd", "no such file"),
        (files.load_volume, "notes.txt", "this is no image file"),
        (files.load_segmentation, "notes.txt", "this is no segmentation file"),
    ):
        with pytest.raises(InputError, match=f"{name}: {told}"):
            load(tmp_path / name)


def test_a_label_image_without_labels_is_refused(scene, tmp_path):
    blank = build.add_volume(np.zeros(build.SHAPE, np.uint8), node_class="vtkMRMLLabelMapVolumeNode")
    files.save_node(blank, tmp_path / "blank.nrrd")
    with pytest.raises(InputError, match="the segmentation is empty"):
        files.load_segmentation(tmp_path / "blank.nrrd")


@pytest.mark.parametrize("ending", [".nrrd", ".nii.gz"])
def test_a_soft_mask_is_refused_instead_of_cut_down(scene, tmp_path, ending):
    soft = build.add_volume(build.box().astype(np.float32) * np.linspace(0.2, 1, build.SHAPE[2], dtype=np.float32))
    files.save_node(soft, tmp_path / f"soft{ending}")
    with pytest.raises(InputError, match="no whole numbers"):
        files.load_segmentation(tmp_path / f"soft{ending}")


def test_a_label_image_of_floats_is_read(scene, image, tmp_path):
    files.save_node(build.add_volume(build.box().astype(np.float32)), tmp_path / "labels.nii.gz")
    node = files.load_segmentation(tmp_path / "labels.nii.gz")
    assert np.array_equal(segment_mask(node, "Segment_1", image).mask, build.box())


# -- writing --


def test_a_failed_write_leaves_the_old_file_and_nothing_else(image, tmp_path, monkeypatch):
    path = tmp_path / "map.nrrd"
    path.write_text("old")
    monkeypatch.setattr(files, "_check_written", lambda *_arguments: (_ for _ in ()).throw(InputError("full")))
    with pytest.raises(InputError, match="full"):
        files.save_node(image, path)
    assert path.read_text() == "old"
    assert build.names_in(tmp_path) == ["map.nrrd"]


@pytest.mark.parametrize("name", ["missing/map.nrrd", "missing/scene.mrb"])
def test_a_place_that_does_not_exist_is_refused_by_name(image, tmp_path, name):
    save = files.save_scene if name.endswith(".mrb") else lambda path: files.save_node(image, path)
    with pytest.raises(InputError, match=f"{name}: cannot be written"):
        save(tmp_path / name)


def test_a_place_without_permission_is_refused(tmp_path):
    """As another user, since root may write everywhere."""
    if os.geteuid() != 0:
        pytest.skip("only root can become another user")
    code = (
        "import os; from pathlib import Path\n"
        "from NPCResponseLib import headless; headless.start()\n"
        "from NPCResponseLib.mrml import files\n"
        "from NPCResponseLib.errors import InputError\n"
        "os.seteuid(65534)\n"
        f"try: files.save_scene(Path({str(tmp_path)!r}) / 'scene.mrb')\n"
        "except InputError as error: print(error)\n"
        "os.seteuid(0)\n"
    )
    tmp_path.chmod(0o755)
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=120)
    assert "scene.mrb: cannot be written" in done.stdout
    assert build.names_in(tmp_path) == []


def test_wrong_endings_are_refused(image, tmp_path):
    table = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLTableNode", "table")
    chart = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLPlotChartNode", "chart")
    for node, name in ((image, "map.txt"), (table, "table.nrrd"), (chart, "chart.nrrd")):
        with pytest.raises(InputError, match="cannot be saved"):
            files.save_node(node, tmp_path / name)
    with pytest.raises(InputError, match=r"saved as \.mrb"):
        files.save_scene(tmp_path / "scene.zip")
    assert build.names_in(tmp_path) == []


def test_a_table_is_written_with_the_units_of_its_columns(scene, tmp_path):
    table = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLTableNode", "table")
    slicer.util.updateTableFromArray(table, np.array([1.5, 2.5]), "R2*")
    table.SetColumnUnitLabel("R2*", "Hz")
    files.save_node(table, tmp_path / "table.tsv")
    assert build.names_in(tmp_path) == ["table.schema.tsv", "table.tsv"]
    assert "Hz" in (tmp_path / "table.schema.tsv").read_text()


def test_a_scene_is_one_folder_of_its_own_name(image, tmp_path):
    files.save_scene(tmp_path / "patient.mrb")
    with zipfile.ZipFile(tmp_path / "patient.mrb") as bundle:
        assert {Path(name).parts[0] for name in bundle.namelist()} == {"patient"}
    assert build.names_in(tmp_path) == ["patient.mrb"]
