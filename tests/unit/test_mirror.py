"""tests/unit and tests/integration mirror src path for path, so that a module's tests are found without a search."""

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
    name = path.stem.removeprefix("test_")
    package = (folder / name / "__init__.py").is_file()
    mirrored = package or any(folder.glob(f"{name}.*")) or any(folder.glob(f"templates/{name}.*"))
    assert mirrored or name in OF_THE_HOUSE, (
        f"{path.relative_to(ROOT)}: {folder.relative_to(ROOT)} has no {name}; name the file after what it tests"
    )


def test_the_walk_sees_the_tests() -> None:
    assert len(TESTS) > 100
