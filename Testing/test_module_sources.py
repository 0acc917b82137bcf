"""What Slicer loads must parse on every supported Python and import nothing that Slicer does not bring along."""

import ast
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
MODULES = ("NPCResponse", "NPCRadiomicsRisk")
LIBRARIES = {f"{module}Lib" for module in MODULES}
IN_SLICER = {"slicer", "vtk", "qt", "ctk", "numpy", "scipy", "SimpleITK", "pydicom"}
SUPPORTED_PYTHONS = ((3, 10), (3, 11), (3, 12), (3, 13))
# Not loaded by the Slicer modules: the report and the command line need jinja2, matplotlib and typer.
OUTSIDE_SLICER = ("report", "commands")


def sources() -> list[Path]:
    return sorted(
        path
        for module in MODULES
        for path in (ROOT / module).rglob("*.py")
        if "__pycache__" not in path.parts and "Testing" not in path.parts
    )


def loaded_by_slicer() -> list[Path]:
    return [path for path in sources() if not set(OUTSIDE_SLICER) & set(path.parts) and path.name != "__main__.py"]


def parse(path: Path) -> ast.Module:
    return ast.parse(path.read_text(), str(path))


def imported_packages(nodes) -> set[str]:
    """Top-level names of absolute imports."""
    names = set()
    for node in nodes:
        if isinstance(node, ast.Import):
            names |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.level == 0:
            names.add(node.module.split(".")[0])
    return names


def run_at_import(tree: ast.AST):
    """Nodes that execute when the file is imported: everything outside of function bodies."""
    for child in ast.iter_child_nodes(tree):
        if not isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda):
            yield child
            yield from run_at_import(child)


@pytest.mark.parametrize("version", SUPPORTED_PYTHONS, ids=str)
def test_sources_parse_on_every_supported_python(version):
    assert sources()
    for path in sources():
        ast.parse(path.read_text(), str(path), feature_version=version)


@pytest.mark.parametrize("path", loaded_by_slicer(), ids=lambda path: path.relative_to(ROOT).as_posix())
def test_file_scope_imports_only_what_slicer_has(path):
    allowed = IN_SLICER | LIBRARIES | set(sys.stdlib_module_names)
    assert imported_packages(run_at_import(parse(path))) <= allowed


@pytest.mark.parametrize("path", sources(), ids=lambda path: path.relative_to(ROOT).as_posix())
def test_nothing_is_installed_at_import(path):
    calls = [node for node in run_at_import(parse(path)) if isinstance(node, ast.Call)]
    assert not [call for call in calls if "pip" in ast.unparse(call.func)]


def test_qt_stays_in_the_panel():
    """Logic that needs no Qt runs headless; the module files and the subfolder named widgets are the panel."""
    logic = [path for path in loaded_by_slicer() if "widgets" not in path.parts and path.stem not in MODULES]
    assert logic
    for path in logic:
        assert not imported_packages(ast.walk(parse(path))) & {"qt", "ctk"}, path


def test_module_file_stays_a_thin_front_end():
    """Most of it is the declaration of parameters; what grows is a method, and a method longer than a screen is logic
    in the wrong room. Half of mapBloodFlow, the longest, is its docstring."""
    for module in MODULES:
        for node in ast.walk(parse(ROOT / module / f"{module}.py")):
            if isinstance(node, ast.FunctionDef):
                length = node.end_lineno - node.lineno + 1
                assert length <= 46, f"{module}.py: {node.name} has {length} lines: logic in the wrong room?"


def test_visible_text_is_translated_before_it_is_formatted():
    """tr() refuses texts whose placeholders changed, so no f-string and no .format() inside _()."""
    for path in sources():
        for node in ast.walk(parse(path)):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "_":
                assert isinstance(node.args[0], ast.Constant), f"{path.name}:{node.lineno}"
