"""Write each module's files into the two lists of its CMakeLists.txt: ``python -m Testing.update_cmake_lists``."""

import re

from Testing.test_packaging import MODULES, ROOT, module_resources, module_scripts


def main() -> None:
    for module in MODULES:
        path = ROOT / module / "CMakeLists.txt"
        text = path.read_text()
        for variable, files in (
            ("MODULE_PYTHON_SCRIPTS", module_scripts(module)),
            ("MODULE_PYTHON_RESOURCES", module_resources(module)),
        ):
            listed = "".join(f"\n  {file.replace(module, '${MODULE_NAME}')}" for file in sorted(files))
            text = re.sub(rf"set\({variable}\s.*?\)", f"set({variable}{listed}\n  )", text, flags=re.DOTALL)
        path.write_text(text)


if __name__ == "__main__":
    main()
