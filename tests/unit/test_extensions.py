"""What a project brings is found by its pyproject.toml, and what is wrong there is one line with file and key."""

from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner

from inboxbench.cli import application
from inboxbench.cli.options import _commands
from inboxbench.errors import UsageError
from inboxbench.extensions import extension, project_commands
from inboxbench.project import Project


def _project(folder: Path, table: str) -> Project:
    (folder / "pyproject.toml").write_text(table, encoding="utf-8")
    return Project(folder)


def test_a_named_object_is_imported(tmp_path: Path) -> None:
    project = _project(tmp_path, '[tool.inboxbench]\nrow-source = "json:dumps"\n')
    assert extension(project, "row-source") is __import__("json").dumps
    assert extension(project, "race-families") is None
    assert extension(Project(tmp_path / "nowhere"), "row-source") is None


@pytest.mark.parametrize(
    ("target", "message"),
    [
        ("json", "expected module:attribute, found 'json'"),
        ("json:", "expected module:attribute"),
        (":dumps", "expected module:attribute"),
        ("no_such_module_here:x", "cannot import no_such_module_here"),
        ("json:no_such_name", "json has no no_such_name"),
    ],
)
def test_a_wrong_target_names_file_and_key(tmp_path: Path, target: str, message: str) -> None:
    project = _project(tmp_path, f'[tool.inboxbench]\nrow-source = "{target}"\n')
    with pytest.raises(UsageError, match="row-source") as raised:
        extension(project, "row-source")
    assert str(project.pyproject) in str(raised.value)
    assert message in str(raised.value)


@pytest.mark.parametrize(
    "table",
    [
        'commands = "bench"',
        '[tool.inboxbench.commands]\n"bench x" = "json:dumps"',
        '[tool.inboxbench.commands]\n"bench x" = { target = "json:dumps" }',
        '[tool.inboxbench.commands]\n"bench x" = { target = "json:dumps", help = 5 }',
    ],
)
def test_a_wrong_table_of_commands_names_its_file(tmp_path: Path, table: str) -> None:
    project = _project(tmp_path, f"[tool.inboxbench]\n{table}\n")
    with pytest.raises(UsageError, match="commands") as raised:
        project_commands(project)
    assert str(project.pyproject) in str(raised.value)


def test_a_project_without_commands_offers_none_of_the_messengers(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _commands.cache_clear()
    shipped = CliRunner().invoke(application, ["bench", "--help"]).output
    assert "counters" in shipped
    assert "pages" in shipped
    _commands.cache_clear()
    monkeypatch.setenv("INBOXBENCH_PROJECT", str(tmp_path))
    own = CliRunner().invoke(application, ["bench", "--help"]).output
    _commands.cache_clear()
    assert "drop-one" in own
    assert "counters" not in own


def test_a_module_that_fails_and_a_command_that_is_none_are_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "leaving.py").write_text("import sys; sys.exit(0)")
    monkeypatch.syspath_prepend(str(tmp_path))
    project = _project(
        tmp_path,
        '[tool.inboxbench]\nlabs = "leaving:LABS"\n[tool.inboxbench.commands]\n'
        '"bench x" = { target = "json:dumps", help = "" }\n"y" = { target = "json:dumps", help = "" }',
    )
    with pytest.raises(UsageError, match="labs: cannot import leaving: SystemExit"):
        extension(project, "labs")
    monkeypatch.setenv("INBOXBENCH_PROJECT", str(tmp_path))
    _commands.cache_clear()
    for words in (["bench", "x"], ["y"]):
        result = CliRunner().invoke(application, words)
        assert isinstance(result.exception, UsageError)
        assert "json:dumps is no click command" in str(result.exception)
    _commands.cache_clear()
