"""tests/unit and tests/integration mirror src path for path, so that a module's tests are found without a search.

A module's tests may be several files: test_lifecycle.py, test_lifecycle_muting.py.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from inboxbench.project import find_project

ROOT = find_project().root
PACKAGE = ROOT / "src" / "inboxbench"
# Tests of the house itself, which belong to no module.
OF_THE_HOUSE = {"action", "docs", "examples", "layers", "makefile", "mirror", "readme", "wheel", "words"}

TESTS = sorted(path for kind in ("unit", "integration") for path in (ROOT / "tests" / kind).rglob("test_*.py"))


@pytest.mark.parametrize("path", TESTS, ids=lambda path: str(path.relative_to(ROOT / "tests")))
def test_a_test_lies_where_its_module_does(path: Path) -> None:
    folder = PACKAGE / path.parent.relative_to(ROOT / "tests").relative_to(path.relative_to(ROOT / "tests").parts[0])
    words = path.stem.removeprefix("test_").split("_")
    names = ["_".join(words[:count]) for count in range(1, len(words) + 1)]
    assert any(_exists(folder, name) for name in names) or names[0] in OF_THE_HOUSE, (
        f"{path.relative_to(ROOT)}: {folder.relative_to(ROOT)} has no {names[-1]}; name the file after what it tests"
    )


def _exists(folder: Path, name: str) -> bool:
    package = (folder / name / "__init__.py").is_file()
    return package or any(folder.glob(f"{name}.*")) or any(folder.glob(f"templates/{name}.*"))


def test_the_walk_sees_the_tests() -> None:
    assert len(TESTS) > 100
