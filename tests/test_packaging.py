"""What is installed is what the repository has, under one name."""

from __future__ import annotations

import shutil
import subprocess
import sys
import tarfile
import tomllib
import zipfile
from pathlib import Path
from typing import Any

import pytest
import setuptools

import greenroom

ROOT = Path(__file__).parent.parent
NOT_PACKAGES = {"tests", "build", "dist"}

project: dict[str, Any] = tomllib.loads((ROOT / "pyproject.toml").read_text())


def folders_with_init() -> list[str]:
    found = ["greenroom"]
    for init in ROOT.glob("*/**/__init__.py"):
        parts = init.parent.relative_to(ROOT).parts
        if parts[0] not in NOT_PACKAGES and not parts[0].startswith("."):
            found.append(".".join(("greenroom", *parts)))
    return sorted(found)


def test_every_package_is_listed() -> None:
    assert sorted(project["tool"]["setuptools"]["packages"]) == folders_with_init()


def test_every_folder_of_modules_is_a_package() -> None:
    modules = {
        file.parent
        for name in ("actors", "supervisor", "adapters")
        for file in (ROOT / name).rglob("*.py")
    }

    assert [folder for folder in modules if not (folder / "__init__.py").exists()] == []


def test_nothing_else_lies_at_the_root() -> None:
    """Every module there is shipped, and may hide one of the standard library."""
    public = {"__init__.py", "__main__.py", "testing.py", "web.py"}
    assert public == {file.name for file in ROOT.glob("*.py")}


def test_the_version_is_one() -> None:
    assert project["project"]["version"] == greenroom.__version__


@pytest.mark.parametrize("package", folders_with_init()[1:])
def test_a_package_is_not_imported_by_another_name(package: str) -> None:
    """From the root of the repository, `import actors` would be a second copy of everything."""
    name = package.removeprefix("greenroom.")
    init = ROOT.joinpath(*name.split("."), "__init__.py")

    with pytest.raises(ImportError, match=f"{name} is part of the package greenroom"):
        exec(compile(init.read_text(), init, "exec"), {"__name__": name})


BUILD = """
import setuptools.build_meta as backend, sys
print(getattr(backend, "build_" + sys.argv[1])(sys.argv[2]))
"""


def build(kind: str, source: Path, target: Path) -> Path:
    """Build without a network: with the setuptools that is there."""
    done = subprocess.run(
        [sys.executable, "-P", "-c", BUILD, kind, str(target)],
        cwd=source,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return target / done.stdout.splitlines()[-1]


@pytest.mark.skipif(
    int(setuptools.__version__.split(".")[0]) < 80, reason="needs setuptools 80 to build"
)
def test_a_wheel_built_from_the_sdist_has_the_package_and_nothing_else(tmp_path: Path) -> None:
    source = tmp_path / "source"
    unwanted = shutil.ignore_patterns(".*", "build", "dist", "*.egg-info", "__pycache__")
    shutil.copytree(ROOT, source, ignore=unwanted)
    modules = {file.relative_to(source) for file in source.rglob("*.py")}
    pages = {file.relative_to(source) for file in source.glob("adapters/web/pages/*.*")}

    with tarfile.open(build("sdist", source, tmp_path)) as sdist:
        # Python 3.11.0 to 3.11.3 have no filters; 3.12 and 3.13 warn if none is chosen.
        sdist.extraction_filter = getattr(tarfile, "data_filter", lambda member, _: member)
        sdist.extractall(tmp_path / "sdist")
    (unpacked,) = (tmp_path / "sdist").iterdir()
    with zipfile.ZipFile(build("wheel", unpacked, tmp_path)) as wheel:
        names = {name for name in wheel.namelist() if ".dist-info/" not in name}

    shipped = {f"greenroom/{file}" for file in modules | pages if file.parts[0] != "tests"}
    assert names == shipped | {"greenroom/py.typed"}
