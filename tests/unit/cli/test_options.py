"""Settings that are wrong, wherever they stand and whichever command is called: one line that names file and key."""

from __future__ import annotations

from pathlib import Path

import pytest

from inboxbench.cli.ending import run

# No command of these reaches a server.
COMMANDS = {
    "seed": ["seed", "tiny"],
    "bench": ["bench", "--profile", "tiny"],
    "gate": ["gate"],
    "dryrun": ["dryrun"],
    "server": ["server", "status"],
    "dataset": ["dataset", "list"],
    "schema": ["schema", "check"],
}


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def _written(folder: Path, table: str) -> Path:
    path = folder / "pyproject.toml"
    path.write_text(f"[tool.inboxbench]\n{table}\n", encoding="utf-8")
    return path


@pytest.mark.parametrize("command", COMMANDS)
def test_a_bad_server_is_named_by_its_file_and_key(
    folder: Path, command: str, capsys: pytest.CaptureFixture[str]
) -> None:
    path = _written(folder, 'server = "postgresql://bob:s3c/ret@db/x@y"')
    assert run(COMMANDS[command]) == 2
    said = capsys.readouterr().err
    assert said.startswith(f"inboxbench: error: {path} [tool.inboxbench] server is malformed")
    assert "s3c" not in said


@pytest.mark.parametrize("command", COMMANDS)
def test_what_nobody_reads_of_a_project_is_named(
    folder: Path, command: str, capsys: pytest.CaptureFixture[str]
) -> None:
    path = _written(folder, 'row-source = "nope"')
    assert run(COMMANDS[command]) == 2
    assert f"{path} [tool.inboxbench] row-source: what belongs to a project is not read" in capsys.readouterr().err


@pytest.mark.parametrize("command", ["explain", "seed", "gate"])
@pytest.mark.parametrize("size", ["-1GB", "many", ""])
def test_a_size_that_is_none_is_refused_by_every_command(
    folder: Path, command: str, size: str, capsys: pytest.CaptureFixture[str]
) -> None:
    path = _written(folder, f'cache_limit = "{size}"')
    assert run(COMMANDS.get(command, [command])) == 2
    assert f"{path} [tool.inboxbench] cache_limit: '{size}' is not a size" in capsys.readouterr().err
