"""Creates the project's virtual environment and installs the locked versions into it. Standard library only.

Debian ships python3 without the pieces that ``python3 -m venv`` needs, so the ways to get an environment are tried in
turn, and the last word is one sentence that says what to install.
"""

import argparse
import os
import shutil
import subprocess
import sys
from pathlib import Path

SUPPORTED = ((3, 10), (3, 13))


def run(command: list[str], **options) -> bool:
    return subprocess.run(command, **options).returncode == 0


def quietly(command: list[str]) -> bool:
    return run(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def environment_works(python: Path) -> bool:
    return python.exists() and quietly([str(python), "-m", "pip", "--version"])


def install_debian_venv() -> bool:
    """As root on Debian or Ubuntu the missing venv package is one command away; anyone else is told about it."""
    if not hasattr(os, "geteuid") or os.geteuid() != 0 or not shutil.which("apt-get"):
        return False
    version = f"{sys.version_info.major}.{sys.version_info.minor}"
    print(f"python3 has no venv module here: installing Debian's python{version}-venv", flush=True)
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    return run(["apt-get", "update", "-qq"], env=environment) and run(
        ["apt-get", "install", "-y", "-qq", "--no-install-recommends", f"python{version}-venv"],
        env=environment,
        stdout=subprocess.DEVNULL,
    )


def create(folder: Path) -> Path:
    """Returns the environment's python, creating the environment if it is missing or broken."""
    python = folder / "bin" / "python"
    if environment_works(python):
        return python
    attempts = [
        [sys.executable, "-m", "venv", "--clear", str(folder)],
        [sys.executable, "-m", "virtualenv", str(folder)],
    ]
    for attempt in attempts:
        if quietly(attempt) and environment_works(python):
            return python
    if install_debian_venv() and run(attempts[0]) and environment_works(python):
        return python
    sys.exit(
        f"No virtual environment could be made with {sys.executable}: "
        "install its venv module (Debian, Ubuntu: apt-get install python3-venv) and run make again."
    )


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("folder", type=Path)
    arguments.add_argument("lock", type=Path)
    arguments.add_argument("--stamp", default=".ready")
    options = arguments.parse_args()
    if not SUPPORTED[0] <= sys.version_info[:2] <= SUPPORTED[1]:
        sys.exit(
            f"Python {sys.version.split()[0]} is not supported: use Python 3.10 to 3.13 (make PYTHON=python3.12 ...)."
        )
    python = str(create(options.folder))
    pip = [python, "-m", "pip", "--disable-pip-version-check", "install", "--quiet"]
    subprocess.check_call([*pip, "--requirement", str(options.lock)])
    subprocess.check_call([*pip, "--no-deps", "--no-build-isolation", "--editable", "."])
    (options.folder / options.stamp).touch()


if __name__ == "__main__":
    main()
