"""The panels' .ui files against the code that uses them: names, signals, parameter types, scene connections, looks."""

import ast
import os
import re
import subprocess
import sys
import xml.etree.ElementTree as ElementTree
from pathlib import Path

import pytest

CANNOT_DRAW = 77  # exit code of Testing.render_panel without a usable Qt
ROOT = Path(__file__).resolve().parents[1]
MODULES = ("NPCResponse", "NPCRadiomicsRisk")
WIDGETS = {module: ROOT / module / f"{module}Lib" / "widgets" for module in MODULES}

# What slicer.parameterNodeWrapper can connect, as found by running it (type of the parameter: widget classes).
CONNECTABLE = {
    "float": {"QDoubleSpinBox", "ctkDoubleSpinBox", "ctkSliderWidget", "qMRMLSliderWidget", "qMRMLSpinBox"},
    "int": {"QSpinBox", "QSlider"},
    "bool": {"QCheckBox", "ctkCheckBox", "QPushButton"},
    "str": {"QLineEdit", "QTextEdit", "QLabel"},
    "enum": {"QComboBox", "ctkComboBox"},
    "node": {"qMRMLNodeComboBox"},
}
# Parameters without a widget of their own: selections of segments link theirs, the others are results.
LINKED_BY_HAND = {
    "NPCResponse": {
        "segmentation",
        "segmentId",
        "exclusionSegmentIds",
        "resultSource",
        "focusRas",
        "aslSegmentation",
        "aslSegmentId",
        "aslExclusionSegmentIds",
        "aslResultSource",
        "aslFocusRas",
        "diameterSegmentation",
        "diameterSegmentId",
        "diameterResultSource",
        "diameterResultKey",
        "diameterFocusRas",
        "responseTimePoints",
        "responseCurrent",
        "responseResultKey",
        "cohortSpecification",
        "cohortSpecificationName",
        "cohortColumns",
        "cohortTables",
        "cohortCharts",
        "cohortShownTable",
        "cohortShownChart",
        "cohortResultSource",
        "cohortResultKey",
    },
    "NPCRadiomicsRisk": {
        "gtvSegmentation",
        "gtvSegmentId",
        "gtvrSegmentation",
        "gtvrSegmentId",
        "alignResultFixed",
        "alignResultMoving",
        "alignReasons",
        "alignFocusRas",
        "divideResultGtv",
        "divideResultGtvr",
        "divideFocusRas",
        "featureSegmentation",
        "featureSegmentIds",
        "featureResultVolume",
        "stabilityResultVolume",
        "cohortTables",
        "cohortCharts",
        "cohortShownTable",
        "cohortResultSource",
        "mapModelText",
        "mapModelName",
        "mapResultVolume",
        "mapResultSegmentation",
        "mapFocusRas",
    },
}
SIGNALS = {
    "QPushButton": {"clicked(bool)", "clicked()", "toggled(bool)"},
    "QLineEdit": {"editingFinished()", "textChanged(QString)"},
    "QComboBox": {"currentIndexChanged(int)"},
    "QCheckBox": {"clicked(bool)"},
    "qMRMLCheckableNodeComboBox": {"checkedNodesChanged()"},
    "qMRMLSegmentSelectorWidget": {
        "currentNodeChanged(vtkMRMLNode*)",
        "currentSegmentChanged(QString)",
        "segmentSelectionChanged(QStringList)",
    },
}
PRESSABLE = ("ctkSlider", "QPushButton", "QComboBox", "QDoubleSpinBox", "QSpinBox", "QLineEdit", "QCheckBox", "qMRML")


def ui_file(module: str) -> Path:
    return ROOT / module / "Resources" / "UI" / f"{module}.ui"


def panel(module: str) -> ElementTree.Element:
    return ElementTree.parse(ui_file(module)).getroot()


def widget_classes(module: str) -> dict[str, str]:
    return {widget.get("name"): widget.get("class") for widget in panel(module).iter("widget")}


def module_tree(module: str) -> ast.Module:
    return ast.parse((ROOT / module / f"{module}.py").read_text())


def code_of_panel(module: str) -> list[ast.Module]:
    """The module file and what it wires its panel with."""
    library = sorted((ROOT / module / f"{module}Lib").glob("widgets/*.py"))
    return [module_tree(module), *(ast.parse(path.read_text()) for path in library)]


def calls_and_names(module: str):
    for tree in code_of_panel(module):
        yield from ast.walk(tree)


def text_property(widget: ElementTree.Element, name: str) -> str:
    return widget.findtext(f"property[@name='{name}']/string") or ""


def parameter_widgets(module: str) -> dict[str, str]:
    """Parameter name: class of the widget that carries it."""
    carriers = {}
    for widget in panel(module).iter("widget"):
        parameter = text_property(widget, "SlicerParameterName")
        if parameter:
            assert parameter not in carriers, f"{parameter} is on two widgets"
            carriers[parameter] = widget.get("class")
    return carriers


def parameter_node_class(module: str) -> ast.ClassDef:
    for node in module_tree(module).body:
        if isinstance(node, ast.ClassDef) and node.name == f"{module}ParameterNode":
            return node
    raise AssertionError(f"{module}ParameterNode is gone")


def parameter_types(module: str) -> dict[str, str]:
    """Parameter name: annotation as written in the module's parameter node."""
    body = parameter_node_class(module).body
    return {item.target.id: ast.unparse(item.annotation) for item in body if isinstance(item, ast.AnnAssign)}


def own_connectors() -> dict[str, str]:
    """Data type: widget class, of the connectors in connectors.py."""
    found = {}
    for node in ast.walk(ast.parse((WIDGETS["NPCResponse"] / "connectors.py").read_text())):
        if isinstance(node, ast.ClassDef):
            values = {}
            for item in node.body:
                if isinstance(item, ast.Assign):
                    targets, value = item.targets[0], item.value
                    names = [t.id for t in targets.elts] if isinstance(targets, ast.Tuple) else [targets.id]
                    parts = value.elts if isinstance(value, ast.Tuple) else [value]
                    values |= {name: ast.unparse(part).strip("'") for name, part in zip(names, parts, strict=True)}
            if {"widgetClass", "dataType"} <= set(values):
                found[values["dataType"].replace("slicer.", "")] = values["widgetClass"]
    return found


def kind_of(annotation: str) -> str:
    plain = re.sub(r"^Annotated\[(\w+),.*\]$", r"\1", annotation)
    if plain in CONNECTABLE:
        return plain
    if re.fullmatch(r"vtkMRML\w+( \| vtkMRML\w+)* \| None", plain):
        return "node"
    if re.fullmatch(r"[A-Z]\w+", plain):
        return "enum"
    return plain


@pytest.mark.parametrize("module", MODULES)
def test_widget_names_are_unique(module):
    names = [widget.get("name") for widget in panel(module).iter("widget")]
    assert len(names) == len(set(names))


@pytest.mark.parametrize("module", MODULES)
def test_every_widget_used_in_code_is_in_the_ui_file(module):
    used = {
        node.attr
        for node in calls_and_names(module)
        if isinstance(node, ast.Attribute) and re.fullmatch(r"(self\.)?ui", ast.unparse(node.value))
    }
    assert used, "the module uses no widget"
    assert used <= set(widget_classes(module))


@pytest.mark.parametrize("module", MODULES)
def test_widgets_that_are_used_by_a_composed_name_are_in_the_ui_file(module):
    texts = [
        parameter
        for parameter in parameter_types(module)
        if parameter.endswith("Text") and parameter not in LINKED_BY_HAND[module]
    ]
    codes = [path.read_text() for path in sorted(WIDGETS[module].glob("*_section.py"))]
    others = [name for code in codes for name in re.findall(r'"(\w+(?:CollapsibleButton|Button|Selector))"', code)]
    rows = [row for code in codes for row in re.findall(r'showRow\(\s*"(\w+)",[^()]*\(([^()]*)\)\)', code)]
    names = {f"{text}{suffix}" for text in texts for suffix in ("Title", "Label")} | set(others)
    names |= {f"{stem}{ending}" for stem, endings in rows for ending in re.findall(r'"(\w+)"', endings)}
    assert len(names) >= 22
    assert names <= set(widget_classes(module))


@pytest.mark.parametrize("module", MODULES)
def test_every_button_does_something(module):
    classes = widget_classes(module)
    wired = set()
    for node in calls_and_names(module):
        if isinstance(node, ast.Call) and re.fullmatch(r"self\.ui\.\w+\.connect", ast.unparse(node.func)):
            name, signal = node.func.value.attr, node.args[0].value
            assert signal in SIGNALS[classes[name]], f"{name} ({classes[name]}) has no signal {signal}"
            wired.add(name)
        if isinstance(node, ast.Call) and ast.unparse(node.func) == "self.connectButton":
            wired.add(ast.unparse(node.args[0]).removeprefix("ui."))
        if isinstance(node, ast.Call) and ast.unparse(node.func) == "self.connectWidget":
            name, signal = ast.unparse(node.args[0]).removeprefix("ui."), node.args[1]
            if name in classes:
                assert signal.value in SIGNALS[classes[name]], f"{name} ({classes[name]}) has no signal {signal.value}"
    named = {"applyName", "showName", "previousName"}  # by class attributes, and connected by a base class
    wired = {name for name in wired if not re.fullmatch(r"self\._applyButton|getattr\(.*\)", name)}
    wired |= {name for attribute, name in _class_attributes(module) if attribute in named and name}
    buttons = {name for name, widget_class in classes.items() if widget_class == "QPushButton"}
    assert buttons == wired


def _class_attributes(module: str) -> list[tuple[str, str]]:
    """Names and values of the text attributes of the sections' classes."""
    found = []
    for path in sorted(WIDGETS[module].glob("*section.py")):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Assign):
                targets = node.targets[0].elts if isinstance(node.targets[0], ast.Tuple) else [node.targets[0]]
                values = node.value.elts if isinstance(node.value, ast.Tuple) else [node.value] * len(targets)
                pairs = zip(targets, values, strict=False)
                found += [(ast.unparse(t), v.value) for t, v in pairs if isinstance(getattr(v, "value", 0), str)]
    return found


@pytest.mark.parametrize("module", MODULES)
def test_names_that_a_section_sets_are_in_the_ui_file(module):
    classes, found = widget_classes(module), []
    for attribute, widget_class in (
        ("applyName", "QPushButton"),
        ("showName", "QPushButton"),
        ("previousName", "QPushButton"),
        ("progressName", "QProgressBar"),
        ("statusName", "QLabel"),
        ("resultsName", "ctkCollapsibleButton"),
    ):
        names = {name for named, name in _class_attributes(module) if named == attribute and name}
        assert {classes[name] for name in names} <= {widget_class}
        found += names
    assert len(found) >= 12


def test_segment_selection_uses_signals_of_the_segment_selector():
    text = (WIDGETS["NPCResponse"] / "segment_selection.py").read_text()
    assert set(re.findall(r'_CHANGED = "([^"]+)"', text)) == SIGNALS["qMRMLSegmentSelectorWidget"]
    for module, fewest in (("NPCResponse", 5), ("NPCRadiomicsRisk", 3)):
        code = "".join(path.read_text() for path in sorted(WIDGETS[module].glob("*_section.py")))
        used = re.findall(r"\bui\.(\w+Segments?Selector)\b", code)
        assert len(used) >= fewest
        assert {widget_classes(module)[name] for name in used} == {"qMRMLSegmentSelectorWidget"}


@pytest.mark.parametrize("module", MODULES)
def test_every_parameter_is_on_one_widget_or_linked_by_hand(module):
    assert set(parameter_widgets(module)) == set(parameter_types(module)) - LINKED_BY_HAND[module]


@pytest.mark.parametrize("module", MODULES)
def test_every_parameter_has_a_widget_that_can_show_its_type(module):
    own, types = own_connectors(), parameter_types(module)
    for parameter, widget_class in parameter_widgets(module).items():
        annotation = types[parameter]
        allowed = {own[annotation]} if annotation in own else CONNECTABLE[kind_of(annotation)]
        assert widget_class in allowed, f"{parameter}: {annotation} on a {widget_class}"


@pytest.mark.parametrize("module", MODULES)
def test_every_parameter_is_explained_in_the_docstring(module):
    docstring = ast.get_docstring(parameter_node_class(module))
    ranges = {"t2starMap", "s0Map", "standardErrorMap"}  # "r2starMap to rSquaredMap"
    for parameter in set(parameter_types(module)) - ranges:
        assert re.search(rf"\b{parameter}\b", docstring), f"{parameter} is not explained"


def test_a_bounded_number_has_the_range_of_its_widget():
    """Slicer gives the widget the parameter's range when it connects them; until then that of the file is seen."""
    types = parameter_types("NPCRadiomicsRisk")
    for widget in panel("NPCRadiomicsRisk").iter("widget"):
        parameter = text_property(widget, "SlicerParameterName")
        found = re.search(r"WithinRange\(([^,]+), ([^)]+)\)", types.get(parameter, ""))
        if found:
            limits = [float(widget.find(f"property[@name='{name}']")[0].text) for name in ("minimum", "maximum")]
            assert limits == [float(text) for text in found.groups()], parameter


@pytest.mark.parametrize("module", MODULES)
def test_every_mrml_widget_gets_the_scene(module):
    root = panel(module)
    top = root.find("widget")
    assert top.get("class") == "qMRMLWidget"
    connected = {
        connection.findtext("receiver")
        for connection in root.iter("connection")
        if connection.findtext("sender") == top.get("name")
        and connection.findtext("signal") == "mrmlSceneChanged(vtkMRMLScene*)"
        and connection.findtext("slot") == "setMRMLScene(vtkMRMLScene*)"
    }
    children = {
        name
        for name, widget_class in widget_classes(module).items()
        if widget_class.startswith("qMRML") and name != top.get("name")
    }
    assert connected == children


@pytest.mark.parametrize("module", MODULES)
def test_custom_widgets_are_declared(module):
    declared = {element.text for element in panel(module).iterfind(".//customwidget/class")}
    used = {c for c in widget_classes(module).values() if c.startswith(("qMRML", "ctk"))}
    assert used <= declared


@pytest.mark.parametrize("module", MODULES)
def test_everything_to_press_or_fill_in_has_a_tool_tip(module):
    for widget in panel(module).iter("widget"):
        if widget.get("class").startswith(PRESSABLE) and widget is not panel(module).find("widget"):
            if widget.get("name").endswith("Panel"):
                continue
            assert len(text_property(widget, "toolTip")) > 15, widget.get("name")


@pytest.mark.parametrize("module", MODULES)
def test_panel_says_research_use_only(module):
    texts = [text_property(widget, "text") for widget in panel(module).iter("widget")]
    assert "Research use only, not for diagnosis." in texts


UNITS = {"Mm": " mm", "Mm3": " mm³", "Gy": " Gy", "Percent": " %"}


@pytest.mark.parametrize("module", MODULES)
def test_numbers_with_a_unit_show_it(module):
    for widget in panel(module).iter("widget"):
        parameter = text_property(widget, "SlicerParameterName")
        unit = next((unit for ending, unit in UNITS.items() if parameter.endswith(ending)), None)
        if unit and widget.get("class") == "QLineEdit":
            label = panel(module).find(f".//widget[@name='{parameter}Label']")
            assert f"({unit.strip()})" in text_property(label, "text")
        elif unit:
            assert text_property(widget, "suffix") == unit, parameter
        if parameter.endswith("Ms"):
            label = panel(module).find(".//widget[@name='echoTimesLabel']")
            assert "(ms)" in text_property(label, "text")


def test_disabled_buttons_say_why():
    for module in MODULES:
        for widget in panel(module).iter("widget"):
            if widget.findtext("property[@name='enabled']/bool") == "false":
                assert re.search(r"first|not|no ", text_property(widget, "toolTip")), widget.get("name")


@pytest.mark.parametrize("module", MODULES)
def test_panel_can_be_drawn(module, tmp_path):
    picture = tmp_path / f"{module}.png"
    command = [sys.executable, "-m", "Testing.render_panel", str(ui_file(module)), str(picture)]
    done = subprocess.run(
        command,
        cwd=ROOT,
        env={**os.environ, "QT_QPA_PLATFORM": "offscreen"},
        capture_output=True,
        text=True,
        timeout=120,
    )
    if done.returncode == CANNOT_DRAW or "could not load the Qt platform plugin" in done.stderr.lower():
        pytest.skip(f"Qt cannot draw on this machine: {done.stderr.strip().splitlines()[-1]}")
    assert done.returncode == 0, done.stderr
    assert "QObject::connect" not in done.stderr, done.stderr
    header = picture.read_bytes()[:24]
    width, height = int.from_bytes(header[16:20], "big"), int.from_bytes(header[20:24], "big")
    assert width == 420
    assert height > 100
