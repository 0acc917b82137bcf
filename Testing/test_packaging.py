"""The extension as a package: what CMake installs, what the extensions index reads, and one version everywhere."""

import json
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from NPCResponseLib import __version__

ROOT = Path(__file__).resolve().parents[1]
MODULES = ("NPCResponse", "NPCRadiomicsRisk")
NOT_PACKAGED = {"__pycache__"}
SCHEMA_1_0_2_FIELDS = {
    "$schema",
    "category",
    "scm_url",
    "scm_revision",
    "scm_type",
    "build_dependencies",
    "dicom_support_rule",
    "build_subdirectory",
    "enabled",
    "tier",
}
EXTENSION_SETTINGS = ("HOMEPAGE", "CONTRIBUTORS", "DESCRIPTION", "ICONURL", "SCREENSHOTURLS", "DEPENDS")


def cmake_list(module: str, variable: str) -> list[str]:
    text = (ROOT / module / "CMakeLists.txt").read_text()
    body = re.search(rf"set\({variable}\s(.*?)\)", text, re.DOTALL).group(1)
    return body.replace("${MODULE_NAME}", module).split()


def files_below(folder: Path) -> set[Path]:
    return {path for path in folder.rglob("*") if path.is_file() and not NOT_PACKAGED & set(path.parts)}


def relative(module: str, paths) -> set[str]:
    return {path.relative_to(ROOT / module).as_posix() for path in paths}


def module_scripts(module: str) -> set[str]:
    scripts = {ROOT / module / f"{module}.py"} | files_below(ROOT / module / f"{module}Lib")
    return relative(module, (path for path in scripts if path.suffix == ".py"))


def module_resources(module: str) -> set[str]:
    library_data = {path for path in files_below(ROOT / module / f"{module}Lib") if path.suffix != ".py"}
    return relative(module, files_below(ROOT / module / "Resources") | library_data)


REMEDY = "run: python -m Testing.update_cmake_lists"


@pytest.mark.parametrize("module", MODULES)
def test_every_script_of_a_module_is_installed(module):
    assert set(cmake_list(module, "MODULE_PYTHON_SCRIPTS")) == module_scripts(module), REMEDY


@pytest.mark.parametrize("module", MODULES)
def test_every_resource_of_a_module_is_installed(module):
    assert set(cmake_list(module, "MODULE_PYTHON_RESOURCES")) == module_resources(module), REMEDY


@pytest.mark.parametrize("module", MODULES)
def test_no_file_is_listed_twice(module):
    listed = cmake_list(module, "MODULE_PYTHON_SCRIPTS") + cmake_list(module, "MODULE_PYTHON_RESOURCES")
    assert len(listed) == len(set(listed))


def test_installed_files_of_all_modules_have_different_paths():
    installed = [
        path
        for module in MODULES
        for variable in ("MODULE_PYTHON_SCRIPTS", "MODULE_PYTHON_RESOURCES")
        for path in cmake_list(module, variable)
    ]
    assert len(installed) == len(set(installed)), "modules install flat into one folder"


def test_resource_names_carry_the_name_of_this_extension():
    for module in MODULES:
        for path in cmake_list(module, "MODULE_PYTHON_RESOURCES"):
            if path.startswith("Resources/"):
                assert Path(path).name.startswith("NPC"), f"{path} may collide with another extension's resource"


def test_only_the_module_file_lies_beside_the_module():
    for module in MODULES:
        beside = {path.name for path in (ROOT / module).glob("*.py")}
        assert beside == {f"{module}.py"}, "Slicer loads every .py there as a module"


def test_top_cmake_adds_both_modules_and_needs_nothing_but_slicer():
    text = (ROOT / "CMakeLists.txt").read_text()
    assert re.findall(r"add_subdirectory\((\w+)\)", text) == list(MODULES)
    assert re.findall(r"find_package\((\w+)", text) == ["Slicer"]


@pytest.mark.parametrize("setting", EXTENSION_SETTINGS)
def test_extension_settings_stand_on_one_line(setting):
    text = (ROOT / "CMakeLists.txt").read_text()
    assert len(re.findall(rf'^set\(EXTENSION_{setting} "[^"\n]+"\)', text, re.MULTILINE)) == 1


def test_extension_images_are_in_the_repository():
    text = (ROOT / "CMakeLists.txt").read_text()
    base = "https://raw.githubusercontent.com/NPCImaging/SlicerNPCImaging/main/"
    urls = re.findall(r'set\(EXTENSION_(?:ICONURL|SCREENSHOTURLS) "([^"]+)"\)', text)
    for url in " ".join(urls).split():
        assert url.startswith(base)
        assert (ROOT / url.removeprefix(base)).is_file(), url


def test_index_entry_follows_schema_1_0_2_and_names_this_project():
    path = ROOT / "NPCImaging.json"
    assert b"\r" not in path.read_bytes()
    entry = json.loads(path.read_text())
    assert {"$schema", "category", "scm_url"} <= set(entry) <= SCHEMA_1_0_2_FIELDS
    assert entry["$schema"].endswith("slicer-extension-catalog-entry-schema-v1.0.2.json#")
    assert entry["category"] == "Quantification"
    assert entry["build_dependencies"] == []
    assert 1 <= entry["tier"] <= 5
    project = re.search(r"^project\((\w+)\)", (ROOT / "CMakeLists.txt").read_text(), re.MULTILINE).group(1)
    assert path.stem == project
    assert entry["scm_url"].rsplit("/", 1)[1] == f"Slicer{project}"


def test_license_is_apache_2_in_full():
    text = (ROOT / "LICENSE").read_text()
    assert "Apache License" in text
    assert "Version 2.0, January 2004" in text
    assert "9. Accepting Warranty or Additional Liability" in text
    assert "END OF TERMS AND CONDITIONS" in text


def test_versions_agree():
    changelog = re.search(r"^## \[(\d+\.\d+\.\d+)\]", (ROOT / "CHANGELOG.md").read_text(), re.MULTILINE).group(1)
    citation = re.search(r"^version: (\S+)$", (ROOT / "CITATION.cff").read_text(), re.MULTILINE).group(1)
    assert {changelog, citation} == {__version__}


def test_citation_refers_to_the_paper_of_the_r2star_method():
    text = (ROOT / "CITATION.cff").read_text()
    assert "doi: 10.1186/s12880-023-01029-y" in text
    assert "journal: BMC Medical Imaging" in text


@pytest.mark.parametrize(
    "png", [*ROOT.glob("*/Resources/Icons/NPC*.png"), ROOT / "Resources" / "NPCImaging.png"], ids=str
)
def test_icons_have_the_size_that_slicer_shows(png):
    header = png.read_bytes()[:24]
    assert header[:8] == b"\x89PNG\r\n\x1a\n"
    size = int.from_bytes(header[16:20], "big"), int.from_bytes(header[20:24], "big")
    assert size == ((260, 280) if png.stem.endswith("Phantom") else (128, 128))


# -- CMake itself, with a stand-in for Slicer's macros that checks what they check --

STAND_IN_CONFIG = """
set(Slicer_USE_FILE "${CMAKE_CURRENT_LIST_DIR}/UseSlicer.cmake")
set(Slicer_EXTENSION_GENERATE_CONFIG "${CMAKE_CURRENT_LIST_DIR}/Generate.cmake")
set(Slicer_EXTENSION_CPACK "${CMAKE_CURRENT_LIST_DIR}/CPack.cmake")
"""
STAND_IN_MACROS = """
function(slicerMacroBuildScriptedModule)
  cmake_parse_arguments(MY "WITH_GENERIC_TESTS" "NAME" "SCRIPTS;RESOURCES" ${ARGN})
  if(MY_UNPARSED_ARGUMENTS OR NOT MY_NAME)
    message(FATAL_ERROR "bad arguments: ${MY_UNPARSED_ARGUMENTS}")
  endif()
  foreach(file ${MY_SCRIPTS} ${MY_RESOURCES})
    if(NOT EXISTS "${CMAKE_CURRENT_SOURCE_DIR}/${file}")
      message(FATAL_ERROR "${MY_NAME}: no file ${file}")
    endif()
    get_filename_component(folder "${file}" DIRECTORY)
    install(FILES "${file}" DESTINATION "qt-scripted-modules/${folder}")
  endforeach()
endfunction()
function(slicer_add_python_unittest)
  cmake_parse_arguments(MY "" "SCRIPT" "" ${ARGN})
  if(NOT EXISTS "${CMAKE_CURRENT_SOURCE_DIR}/${MY_SCRIPT}")
    message(FATAL_ERROR "no test ${MY_SCRIPT}")
  endif()
endfunction()
set(BUILD_TESTING ON)
"""


@pytest.mark.skipif(shutil.which("cmake") is None, reason="cmake is not installed")
def test_cmake_configures_and_installs_every_listed_file(tmp_path):
    slicer = tmp_path / "slicer"
    slicer.mkdir()
    (slicer / "SlicerConfig.cmake").write_text(STAND_IN_CONFIG)
    (slicer / "UseSlicer.cmake").write_text(STAND_IN_MACROS)
    (slicer / "Generate.cmake").write_text("")
    (slicer / "CPack.cmake").write_text("")
    build, target = tmp_path / "build", tmp_path / "installed"
    configure = ["cmake", "-S", ROOT, "-B", build, f"-DSlicer_DIR={slicer}", f"-DCMAKE_INSTALL_PREFIX={target}"]
    for command in (configure, ["cmake", "--install", build]):
        done = subprocess.run([str(part) for part in command], capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
    installed = relative_installed(target / "qt-scripted-modules")
    assert {"NPCResponse.py", "NPCRadiomicsRisk.py", "NPCResponseLib/__init__.py"} <= installed
    assert len(installed) == sum(
        len(cmake_list(module, variable))
        for module in MODULES
        for variable in ("MODULE_PYTHON_SCRIPTS", "MODULE_PYTHON_RESOURCES")
    )


def relative_installed(folder: Path) -> set[str]:
    return {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}
