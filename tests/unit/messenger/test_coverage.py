"""Every requirement id is delivered by what its row in schema/requirements.toml asks for."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import pytest

from inboxbench.errors import UsageError
from inboxbench.messenger.coverage import find_coverage, read_requirements
from inboxbench.project import Project


def test_every_requirement_is_delivered(project: Project) -> None:
    lacking = {row.requirement.id: row.missing for row in find_coverage(project) if row.missing}
    assert lacking == {}


def test_the_list_is_whole(project: Project) -> None:
    ids = {requirement.id for requirement in read_requirements(project.schema / "requirements.toml")}
    conversation = {f"C{number}" for number in range(1, 12)}
    message = {f"M{number}" for number in range(1, 11) if number != 9} | {"M9a", "M9b", "M9c"}
    patterns = {f"A{number}" for number in range(1, 7)} | {"P1.1", "P1.2", "P1.3", "P2.1a", "P2.1b", "P2.2", "P2.3"}
    assert ids == conversation | message | patterns | {"K1", "K2", "P3", "P4"}


def test_an_id_that_loses_its_revision_is_missing(project: Project, tmp_path: Path) -> None:
    for folder in ("schema", "migrations", "seeds", "bench", "tests", "src"):
        shutil.copytree(project.root / folder, tmp_path / folder, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(project.pyproject, tmp_path)
    path = next((tmp_path / "migrations" / "versions").glob("*_contract_message_length.py"))
    path.write_text(re.sub(r"^ids = .*$", "ids = ()", path.read_text(), flags=re.MULTILINE))
    lacking = {row.requirement.id: row.missing for row in find_coverage(Project(tmp_path)) if row.missing}
    assert lacking == {"M7": ("revision",), "P1.3": ("revision", "M7 revision")}


@pytest.mark.parametrize(
    ("text", "telling"),
    [
        ('[C1]\nneeds = ["test"]', r"\[C1\] title: missing"),
        ('[C1]\ntitle = "x"\nneeds = ["tset"]', "did you mean 'test'"),
        ('[C1]\ntitle = "x"\nneeds = []\nthrough = ["C9"]', "unknown id 'C9'"),
        ("[C1", "not TOML"),
    ],
)
def test_a_wrong_row_names_file_and_key(tmp_path: Path, text: str, telling: str) -> None:
    path = tmp_path / "requirements.toml"
    path.write_text(text)
    with pytest.raises(UsageError, match=telling) as raised:
        read_requirements(path)
    assert str(path) in str(raised.value)
