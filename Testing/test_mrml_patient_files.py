"""Files of a patient in the scene: contours, transforms and landmarks land where they belong."""

import json

import numpy as np
import pytest
import SimpleITK
import slicer

from NPCRadiomicsRiskLib.mrml import patient_files
from NPCRadiomicsRiskLib.mrml.alignment import points_by_name
from NPCResponseLib.errors import InputError
from NPCResponseLib.mrml.segments import native_mask
from NPCResponseLib.phantom import PhantomGrid
from Testing.subregion_files import write_image

pytestmark = pytest.mark.usefixtures("scene")
GRID = PhantomGrid.axial((6, 12, 10), (4.0, 1.5, 1.0), center_ras=(3, -4, 8), tilt_deg=(8, -5, 3))
LPS = np.diag([-1.0, -1.0, 1.0, 1.0])


def rotation_about_s(degrees: float, translation=(0.0, 0.0, 0.0)) -> np.ndarray:
    c, s = np.cos(np.radians(degrees)), np.sin(np.radians(degrees))
    matrix = np.eye(4)
    matrix[:2, :2], matrix[:3, 3] = [[c, -s], [s, c]], translation
    return matrix


FIRST = rotation_about_s(10, (5.0, -3.0, 2.0))
SECOND = rotation_about_s(-25, (-1.0, 7.0, 4.0))


def write_itk(path, transform):
    SimpleITK.WriteTransform(transform, str(path))
    return path


# -- transforms --


@pytest.mark.parametrize("name", ["t.tfm", "t.txt", "t.h5"])
def test_transform_comes_back_as_it_was_written(name, tmp_path):
    patient_files.write_linear_transform(FIRST, tmp_path / name)
    np.testing.assert_allclose(patient_files.read_linear_transform(tmp_path / name), FIRST, atol=1e-9)


def test_transform_of_a_registration_in_itk_takes_the_moving_point_to_the_fixed_one(tmp_path):
    """ITK's own direction: points of the fixed image, LPS, to the moving one; about a center."""
    euler = SimpleITK.Euler3DTransform((10.0, 20.0, 30.0), 0.1, -0.2, 0.3, (4.0, 5.0, 6.0))
    matrix = patient_files.read_linear_transform(write_itk(tmp_path / "t.tfm", euler))
    fixed_lps = np.array([12.0, -7.0, 3.0])
    moving_lps = np.array(euler.TransformPoint(fixed_lps.tolist()))
    moved = matrix @ LPS @ [*moving_lps, 1.0]
    np.testing.assert_allclose(moved, LPS @ [*fixed_lps, 1.0], atol=1e-9)


@pytest.mark.parametrize(
    "transform",
    [
        SimpleITK.TranslationTransform(3, (1.0, 2.0, 3.0)),
        SimpleITK.VersorRigid3DTransform((0, 0, 1), 0.3, (1, 2, 3)),
        SimpleITK.Similarity3DTransform(1.1, (0, 0, 1), 0.3, (1, 2, 3)),
        SimpleITK.CompositeTransform([SimpleITK.Euler3DTransform((0, 0, 0), 0.1, 0, 0), SimpleITK.AffineTransform(3)]),
    ],
    ids=["translation", "rigid", "similarity", "composite"],
)
def test_every_kind_of_linear_transform_is_read(transform, tmp_path):
    matrix = patient_files.read_linear_transform(write_itk(tmp_path / "t.tfm", transform))
    point = np.array([1.0, 2.0, 3.0])
    there = np.array(transform.TransformPoint(point.tolist()))
    np.testing.assert_allclose(LPS @ matrix @ LPS @ [*there, 1.0], [*point, 1.0], atol=1e-9)


def test_slicer_writes_what_is_read(tmp_path):
    node = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLLinearTransformNode")
    node.SetMatrixTransformToParent(patient_files.as_vtk_matrix(FIRST))
    storage = slicer.vtkMRMLTransformStorageNode()
    storage.SetFileName(str(tmp_path / "t.tfm"))
    assert storage.WriteData(node)
    np.testing.assert_allclose(patient_files.read_linear_transform(tmp_path / "t.tfm"), FIRST, atol=1e-6)


def test_chain_is_applied_in_the_order_of_the_files(tmp_path):
    for name, matrix in (("a.tfm", FIRST), ("b.tfm", SECOND)):
        patient_files.write_linear_transform(matrix, tmp_path / name)
    node = patient_files.load_transform([tmp_path / "a.tfm", tmp_path / "b.tfm"], "chain")
    found = slicer.util.arrayFromTransformMatrix(node)
    np.testing.assert_allclose(found, SECOND @ FIRST, atol=1e-9)
    assert not np.allclose(found, FIRST @ SECOND)


def warp(_folder):
    field = SimpleITK.Image((4, 4, 4), SimpleITK.sitkVectorFloat64)
    return SimpleITK.DisplacementFieldTransform(field)


def spline(_folder):
    return SimpleITK.BSplineTransform(3, 3)


def flat(_folder):
    return SimpleITK.Euler2DTransform()


def singular(_folder):
    transform = SimpleITK.AffineTransform(3)
    transform.SetMatrix([1, 0, 0, 0, 1, 0, 1, 1, 0])
    return transform


@pytest.mark.parametrize(
    ("make", "fragment"), [(warp, "not linear"), (spline, "not linear"), (flat, "transform"), (singular, "inver")]
)
def test_transform_that_cannot_be_used_is_refused(make, fragment, tmp_path):
    path = write_itk(tmp_path / ("t.h5" if make in (warp, spline) else "t.tfm"), make(tmp_path))
    with pytest.raises(InputError, match=fragment):
        patient_files.read_linear_transform(path)


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"nonsense",
        b"#Insight Transform File V1.0\n#Transform 0\nTransform: AffineTransform_double_3_3\n"
        b"Parameters: nan 0 0 0 1 0 0 0 1 0 0 0\nFixedParameters: 0 0 0\n",
    ],
)
def test_damaged_transform_file(content, tmp_path):
    (tmp_path / "t.tfm").write_bytes(content)
    with pytest.raises(InputError):
        patient_files.read_linear_transform(tmp_path / "t.tfm")


# -- landmarks --

POINTS = {"clivus": (1.5, -20.25, 30.0), "pterygoid left": (-21.0, 3.0, -4.5), "pterygoid right": (22.0, 2.5, -4.0)}


def write_csv(path, **options):
    lines = ["name,r,a,s", *(f"{name},{r},{a},{s}" for name, (r, a, s) in POINTS.items())]
    path.write_text("\n".join(lines) + "\n", **options)


def write_markups(path, storage_class):
    node = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLMarkupsFiducialNode", "someone's name")
    for name, point in POINTS.items():
        node.AddControlPoint(*point, name)
    storage = storage_class()
    storage.SetFileName(str(path))
    assert storage.WriteData(node)
    slicer.mrmlScene.RemoveNode(node)


@pytest.mark.parametrize("name", ["points.csv", "points.mrk.json", "points.fcsv"])
def test_landmarks_of_every_kind_of_file_are_where_they_were(name, tmp_path):
    path = tmp_path / name
    if name.endswith(".csv"):
        write_csv(path)
    else:
        fcsv = name.endswith(".fcsv")
        write_markups(path, slicer.vtkMRMLMarkupsFiducialStorageNode if fcsv else slicer.vtkMRMLMarkupsJsonStorageNode)
    node = patient_files.load_landmarks(path, "landmarks before")
    found = points_by_name(node)
    assert set(found) == set(POINTS)
    for label, point in POINTS.items():
        np.testing.assert_allclose(found[label], point, atol=1e-3)
    assert node.GetName() == "landmarks before" and node.GetStorageNode() is None


def test_landmarks_in_lps_as_slicer_writes_json_are_turned(tmp_path):
    """The file holds LPS: a reader that takes it for RAS would mirror the points."""
    write_markups(tmp_path / "p.mrk.json", slicer.vtkMRMLMarkupsJsonStorageNode)
    stored = json.loads((tmp_path / "p.mrk.json").read_text())["markups"][0]
    assert stored["coordinateSystem"] == "LPS"
    assert stored["controlPoints"][0]["position"][0] == pytest.approx(-1.5)


def test_table_of_landmarks_from_a_spreadsheet_program_is_read(tmp_path):
    """Byte-order mark, capitals, semicolons and decimal commas."""
    text = "Name;R;A;S\r\nclivus;1,5;-20,25;30\r\n"
    (tmp_path / "p.csv").write_text(text, encoding="utf-8-sig", newline="")
    found = points_by_name(patient_files.load_landmarks(tmp_path / "p.csv", "x"))
    np.testing.assert_allclose(found["clivus"], (1.5, -20.25, 30.0))


@pytest.mark.parametrize(
    ("name", "content", "fragment"),
    [
        ("p.csv", "name,r,a\nx,1,2\n", "column s is missing"),
        ("p.csv", "name,r,a,s\nx,1,2,far\n", "line 2"),
        ("p.csv", "name,r,a,s\nx,1,2\n", "line 2"),
        ("p.csv", "name,r,a,s\nx,1,2,nan\n", "line 2"),
        ("p.csv", "name,r,a,s\n,1,2,3\n", "line 2"),
        ("p.csv", "name,r,a,s\n", "no point"),
        ("p.csv", "", "column"),
        ("p.csv", b"\xff\xfe\x00n", "UTF-8"),
        ("p.mrk.json", "{}", "no points"),
        ("p.mrk.json", "nonsense", "no points"),
        ("p.fcsv", "", "no points"),
        ("p.txt", "name,r,a,s\nx,1,2,3\n", "landmarks are"),
    ],
)
def test_landmarks_that_cannot_be_used(name, content, fragment, tmp_path):
    path = tmp_path / name
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    n_before = slicer.mrmlScene.GetNumberOfNodes()
    with pytest.raises(InputError, match=fragment):
        patient_files.load_landmarks(path, "landmarks")
    assert slicer.mrmlScene.GetNumberOfNodes() == n_before


# -- contours --


def test_mask_becomes_a_segment_on_the_grid_of_an_oblique_image():
    mask = np.zeros(GRID.shape_kji, bool)
    mask[2:4, 3:9, 2:7] = True
    volume = patient_files.add_image(np.zeros(GRID.shape_kji, np.float32), GRID.ijk_to_ras, "image")
    found = native_mask(*patient_files.add_segment(mask, volume, "GTV"))
    points = [
        sorted(map(tuple, np.round(np.argwhere(m)[:, ::-1] @ t[:3, :3].T + t[:3, 3], 3).tolist()))
        for m, t in ((mask, GRID.ijk_to_ras), (found.mask, found.ijk_to_ras))
    ]
    np.testing.assert_allclose(points[0], points[1], atol=2e-3)


def test_segment_of_a_label_image_is_chosen_by_its_label(tmp_path):
    labels = np.zeros(GRID.shape_kji, np.uint8)
    labels[2, 3:9, 2:5], labels[3, 3:9, 5:7] = 1, 2
    path = write_image(tmp_path / "labels.nrrd", labels, GRID.ijk_to_ras)
    volumes = []
    for label in ("1", "2"):
        node, segment_id = patient_files.load_segment(path, label, "GTV")
        volumes.append(int(native_mask(node, segment_id).mask.sum()))
    assert volumes == [18, 12]


def test_one_segment_of_several_must_be_named(tmp_path):
    labels = np.zeros(GRID.shape_kji, np.uint8)
    labels[2, 3, 2], labels[3, 3, 5] = 1, 2
    path = write_image(tmp_path / "labels.nrrd", labels, GRID.ijk_to_ras)
    with pytest.raises(InputError, match="several"):
        patient_files.load_segment(path, "", "GTV")
    with pytest.raises(InputError, match="liver"):
        patient_files.load_segment(path, "liver", "GTV")


def test_loaded_nodes_remember_no_file(tmp_path):
    labels = np.zeros(GRID.shape_kji, np.uint8)
    labels[2, 3:6, 2:5] = 1
    path = write_image(tmp_path / "DOE_JANE.nrrd", labels, GRID.ijk_to_ras)
    node, _ = patient_files.load_segment(path, "", "GTV")
    assert node.GetName() == "GTV" and node.GetStorageNode() is None
    assert "DOE" not in node.GetSegmentation().GetNthSegment(0).GetName()
