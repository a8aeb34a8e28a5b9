"""Says in one sentence what this machine lacks before anything is installed; silent and 0 when it has all.

Standard library only and any Python 3: it runs before the environment exists, with the Python it is to be made from.
pydensecrf2 is distributed as source only, so a C and a C++ compiler and Python's headers are needed.
"""

from __future__ import annotations

import importlib.util
import os
import shlex
import shutil
import sys
import sysconfig

DEBIAN, FEDORA = "Debian, Ubuntu: apt install", "Fedora: dnf install"


def compiler(variable: str) -> str:
    """What building an extension calls: the program in CC or CXX, else the one this Python was built with."""
    words = shlex.split(os.environ.get(variable) or str(sysconfig.get_config_var(variable) or ""))
    return words[0] if words else {"CC": "gcc", "CXX": "g++"}[variable]


def python_header() -> str:
    """Where extensions look for Python.h."""
    return os.path.join(sysconfig.get_paths()["include"], "Python.h")


def problem() -> str | None:
    """What is missing and how to get it, or None."""
    version = f"{sys.version_info.major}.{sys.version_info.minor}"
    if not all(importlib.util.find_spec(module) for module in ("venv", "ensurepip")):
        return f"{sys.executable} cannot make a virtual environment: install it ({DEBIAN} python{version}-venv)."
    lacking = [name for name in (compiler("CC"), compiler("CXX")) if shutil.which(name) is None]
    if lacking:
        return (
            f"pydensecrf2 is compiled at installation and there is no compiler {' and no '.join(lacking)}: "
            f"install it ({DEBIAN} build-essential; {FEDORA} gcc gcc-c++), or name yours in CC and CXX."
        )
    header = python_header()
    if not os.path.isfile(header):
        return (
            f"pydensecrf2 is compiled at installation and there is no header {header}: "
            f"install it ({DEBIAN} python{version}-dev; {FEDORA} python{version}-devel)."
        )
    return None


if __name__ == "__main__":
    sys.exit(problem())
