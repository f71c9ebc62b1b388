"""`inboxbench bench`: tables and JSON, exit codes, one clear line for bad input."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from inboxbench.cli.bench import command
from inboxbench.errors import ForeignDatabaseError, InboxbenchError, SubjectFailed, UsageError
from inboxbench.project import Project
from inboxbench.server import Server

Invoke = Callable[..., Result]
QUICK = ("--sets", "baseline,recommended", "--queries", "list_all,thread", "--no-writes", "--rounds", "1")


@pytest.fixture
def invoke(server: Server, filled: str) -> Invoke:
    """The command on the filled messenger; errors of ours are in `exception`, as `main` would get them."""

    def run(*arguments: str) -> Result:
        given = ("--server", server.url("postgres"), "--database", filled, *arguments)
        return CliRunner().invoke(command, given)

    return run


def _error(result: Result) -> InboxbenchError:
    assert isinstance(result.exception, InboxbenchError), result.output
    return result.exception


def test_text_is_worst_first_and_ends_with_the_verdict(invoke: Invoke) -> None:
    result = invoke(*QUICK)
    assert result.exit_code == 0, result.output
    lines = result.stdout.splitlines()
    rows = [line.split("│") for line in lines if line.startswith("│") and "[" in line]
    buffers = [[int(cell.split("·")[0].replace(",", "")) for cell in row[2:4]] for row in rows]
    spread = [max(pair) / max(min(pair), 1) for pair in buffers]
    assert spread == sorted(spread, reverse=True)
    assert spread[0] > 2
    assert any(line.startswith("Choose ") for line in lines)
    assert "each set at the mix list 66%, thread 34%, the costliest first" in result.stdout
    assert "client overhead: a row by its key takes" in result.stdout


def test_json_holds_matrix_and_verdict_and_is_written_too(invoke: Invoke, tmp_path: Path) -> None:
    path = tmp_path / "bench.json"
    result = invoke(*QUICK, "--format", "json", "--output", str(path))
    assert result.exit_code == 0, result.output
    document = json.loads(result.stdout)
    assert json.loads(path.read_text(encoding="utf-8")) == document
    assert [one["name"] for one in document["matrix"]["sets"]] == ["baseline", "recommended"]
    assert document["verdict"]["recommended"] in ("baseline", "recommended")
    assert {cell["query"] for cell in document["matrix"]["cells"]} == {"list_all", "thread_latest", "thread_older"}


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--sets", "recomended"), "unknown index set 'recomended'; did you mean 'recommended'?"),
        (("--queries", "list_al"), "unknown query 'list_al'; did you mean 'list_all'?"),
        (("--sets", ","), "',' names nothing; give names with commas between"),
        (("--output", "/nowhere/at/all.json"), "the folder /nowhere/at does not exist"),
        (("--database", "inboxbench_missing"), "database 'inboxbench_missing' does not exist"),
    ],
)
def test_bad_input_is_one_line_and_exit_code_2(invoke: Invoke, arguments: tuple[str, str], message: str) -> None:
    error = _error(invoke(*QUICK, *arguments))
    assert isinstance(error, UsageError)
    assert error.exit_code == 2
    assert message in str(error)
    assert "\n" not in str(error)


def test_a_database_that_is_not_ours_is_refused(invoke: Invoke) -> None:
    assert isinstance(_error(invoke(*QUICK, "--database", "postgres")), ForeignDatabaseError)


def test_unknown_profile(server: Server) -> None:
    result = CliRunner().invoke(command, ["--server", server.url("postgres"), "--profile", "smal"])
    assert "unknown profile 'smal'; did you mean 'small'?" in str(_error(result))


def test_a_query_that_fails_is_exit_code_3_after_the_table(invoke: Invoke, own_project: Project) -> None:
    path = own_project.bench / "queries" / "list_all.sql"
    path.write_text(path.read_text(encoding="utf-8").replace("c.waiting_since", "1 / (c.id - c.id)"), encoding="utf-8")
    result = invoke(*QUICK, "--project", str(own_project.root))
    error = _error(result)
    assert isinstance(error, SubjectFailed)
    assert error.exit_code == 3
    assert "division by zero" in str(error)
    assert "thread_latest [longest]" in result.stdout
