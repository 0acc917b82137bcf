"""A real MRML scene without the Slicer application, on the ``slicer-core`` wheel.

``start()`` does what the desktop application does before modules load: a scene with colors, units and subject
hierarchy, data input and output, and one logic per module. All of it is Slicer's own; only ``slicer.app`` is a
stand-in.
"""

import colorsys
import tempfile
import types
import weakref
from pathlib import Path

import slicer

LOGIC_CLASSES = {
    "Colors": "vtkSlicerColorLogic",
    "Units": "vtkSlicerUnitsLogic",
    "SubjectHierarchy": "vtkSlicerSubjectHierarchyModuleLogic",
    "Transforms": "vtkSlicerTransformLogic",
    "Volumes": "vtkSlicerVolumesLogic",
    "Segmentations": "vtkSlicerSegmentationsModuleLogic",
    "Sequences": "vtkSlicerSequencesLogic",
    "Tables": "vtkSlicerTablesLogic",
    "Plots": "vtkSlicerPlotsLogic",
    "Markups": "vtkSlicerMarkupsLogic",
    "Models": "vtkSlicerModelsLogic",
    "Texts": "vtkSlicerTextsLogic",
    "CropVolume": "vtkSlicerCropVolumeLogic",
    # Not used here, but they register the nodes that a scene saved by the application holds.
    "Cameras": "vtkSlicerCamerasModuleLogic",
    "SceneViews": "vtkSlicerSceneViewsModuleLogic",
    "VolumeRendering": "vtkSlicerVolumeRenderingLogic",
}


def start():
    """The scene to work in: the application's own, or a new one, made once.

    Afterwards ``slicer.mrmlScene``, ``slicer.modules.<name>.logic()`` and what ``slicer.util`` needs of ``slicer.app``
    work as in the application.
    """
    scene = getattr(slicer, "mrmlScene", None)
    if scene is None:
        slicer.app = _Application()
        slicer.modules = slicer.app.modules
        scene = slicer.mrmlScene = slicer.app.scene
    return scene


def write_label_colors(folder: Path) -> None:
    """The table that label maps refer to by name; the wheel has none. In the application its own one answers."""
    rows = ["0 background 0 0 0 0"]
    for label in range(1, 65):
        red, green, blue = colorsys.hsv_to_rgb(label * 0.618 % 1, 0.6, 0.9)
        rows.append(f"{label} region_{label} {red * 255:.0f} {green * 255:.0f} {blue * 255:.0f} 255")
    folder.mkdir(parents=True)
    (folder / "GenericColors.txt").write_text("\n".join(rows) + "\n")


class _Application:
    """Owns scene and logics, which Python would otherwise collect, and answers for ``slicer.app``."""

    def __init__(self):
        home = tempfile.TemporaryDirectory(prefix="npc-slicer-")
        weakref.finalize(self, home.cleanup)  # at the end of Python, too
        self.temporaryPath = home.name
        self.scene = slicer.vtkMRMLScene()
        self._logic = slicer.vtkSlicerApplicationLogic()
        self._logic.SetHomeDirectory(home.name)
        self._logic.SetShareDirectory("share")
        self._logic.SetTemporaryPath(home.name)
        write_label_colors(Path(home.name) / "share" / "ColorFiles")
        self._connect_data_io()
        self._logic.SetMRMLScene(self.scene)
        self.modules = types.SimpleNamespace()
        for name, logic_class in LOGIC_CLASSES.items():
            self._add_module(name, getattr(slicer, logic_class)())

    def _connect_data_io(self) -> None:
        """Without a cache folder a scene bundle (.mrb) cannot be read back."""
        self._remote_io, self._data_io = slicer.vtkMRMLRemoteIOLogic(), slicer.vtkDataIOManagerLogic()
        cache = self._remote_io.GetCacheManager()
        cache.CreateSentinelFileInDirectory(self.temporaryPath)  # marks it as a cache that may be cleaned
        cache.SetRemoteCacheDirectory(self.temporaryPath)
        self._data_io.SetMRMLApplicationLogic(self._logic)
        self._data_io.SetAndObserveDataIOManager(self._remote_io.GetDataIOManager())
        self._logic.SetMRMLSceneDataIO(self.scene, self._remote_io, self._data_io)

    def _add_module(self, name: str, logic) -> None:
        if name == "Colors":  # before it gets the scene, so that the default colors are made once
            self._logic.SetColorLogic(logic)
        logic.SetMRMLApplicationLogic(self._logic)
        logic.SetMRMLScene(self.scene)
        self._logic.SetModuleLogic(name, logic)
        setattr(self.modules, name.lower(), types.SimpleNamespace(logic=lambda: logic))

    def applicationLogic(self):
        return self._logic

    def mrmlScene(self):
        return self.scene

    def layoutManager(self):
        return None

    def processEvents(self) -> None:
        """There is no event loop."""

    def pauseRender(self) -> None:
        """There is no view."""

    resumeRender = pauseRender

    def testingEnabled(self) -> bool:
        return True  # no message boxes
