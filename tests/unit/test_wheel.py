"""What is built carries the project that commands read, and neither its proofs nor its results."""

from __future__ import annotations

import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest

from inboxbench.project import Project

_INSIDE = "inboxbench/messenger_project/"
# Of bench/, what no command reads; its README.md names these.
_IN_THE_REPOSITORY_ONLY = {
    "bench/README.md",
    "bench/bench_queries.py",
    "bench/conftest.py",
    "bench/proofs",
    "bench/results",
}


@pytest.fixture(scope="module")
def built(project: Project, tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[str]]:
    """Build the wheel and the sdist, and return the names in each."""
    folder = tmp_path_factory.mktemp("dist")
    command = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-t", "sdist", "-d", str(folder)]
    subprocess.run(command, cwd=project.root, check=True, capture_output=True)
    (wheel,) = folder.glob("*.whl")
    (sdist,) = folder.glob("*.tar.gz")
    with zipfile.ZipFile(wheel) as archive, tarfile.open(sdist) as source:
        return {"wheel": archive.namelist(), "sdist": [name.partition("/")[2] for name in source.getnames()]}


def _tracked(project: Project, *folders: str) -> set[str]:
    command = ["git", "ls-files", "--cached", "--others", "--exclude-standard", *folders]
    listed = subprocess.run(command, cwd=project.root, check=True, capture_output=True, text=True).stdout.split()
    return {name for name in listed if (project.root / name).is_file()}


def _read_by_commands(name: str) -> bool:
    return not any(name == place or name.startswith(f"{place}/") for place in _IN_THE_REPOSITORY_ONLY)


def test_the_wheel_carries_the_project_without_proofs_and_results(
    project: Project, built: dict[str, list[str]]
) -> None:
    carried = {name.removeprefix(_INSIDE) for name in built["wheel"] if name.startswith(_INSIDE)}
    tracked = _tracked(project, "schema", "migrations", "seeds", "bench", "pyproject.toml")
    assert {name for name in carried if "__pycache__" not in name} == {
        name for name in tracked if _read_by_commands(name)
    }


def test_the_wheel_carries_the_package(project: Project, built: dict[str, list[str]]) -> None:
    package = {name.removeprefix("src/") for name in _tracked(project, "src")}
    assert package <= set(built["wheel"])
    assert not [name for name in built["wheel"] if name.startswith(("tests/", "docs/", "examples/"))]


def test_the_sdist_carries_all_that_make_needs(project: Project, built: dict[str, list[str]]) -> None:
    needed = _tracked(project, "src", "tests", "docs", "examples", "schema", "migrations", "seeds", "bench", ".ci")
    needed |= {"Makefile", "uv.lock", "zensical.toml", "pyproject.toml", "README.md", "LICENSE", "CHANGELOG.md"}
    assert not needed - set(built["sdist"])


def test_carried_folders_end_up_where_the_project_is_looked_for(built: dict[str, list[str]]) -> None:
    for place in ("pyproject.toml", "schema/head.sql", "migrations/env.py", "seeds/tiny.toml", "bench/mix.toml"):
        assert f"{_INSIDE}{place}" in built["wheel"], Path(place)
