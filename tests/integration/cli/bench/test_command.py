"""`inboxbench bench`: tables and JSON, exit codes, one clear line for bad input."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result
from tests.schemas import check_document, undocumented

from inboxbench.cli.bench.command import command
from inboxbench.errors import ForeignDatabaseError, InboxbenchError, SubjectFailed, UsageError
from inboxbench.project import Project
from inboxbench.report import checked_run
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


@pytest.fixture
def drive(server: Server, filled: str) -> Invoke:
    """`bench load` likewise."""

    def run(*arguments: str) -> Result:
        given = ("load", "--server", server.url("postgres"), "--database", filled, *arguments)
        return CliRunner().invoke(command, given)

    return run


def _error(result: Result) -> InboxbenchError:
    assert isinstance(result.exception, InboxbenchError), result.output
    return result.exception


def test_text_is_worst_first_and_ends_with_the_verdict(invoke: Invoke) -> None:
    result = invoke(*QUICK)
    assert result.exit_code == 0, result.output
    lines = result.stdout.splitlines()
    rows = [
        re.findall(r"([\d,]+) · ", line)
        for line in lines
        if line.strip().startswith(("list_all [", "thread_")) and "]" in line
    ]
    buffers = [[int(figure.replace(",", "")) for figure in row] for row in rows]
    assert {len(row) for row in buffers} == {2}
    spread = [max(pair) / max(min(pair), 1) for pair in buffers]
    assert spread == sorted(spread, reverse=True)
    assert spread[0] > 2
    assert any(line.startswith("Choose ") for line in lines)
    assert "Each set at the mix list 66%, thread 34%, the costliest first" in result.stdout
    assert "client overhead: a row by its key takes" in result.stdout


@pytest.fixture(scope="module")
def whole(server: Server, filled: str, tmp_path_factory: pytest.TempPathFactory) -> tuple[Result, dict[str, Any]]:
    """A run with writes and their throughput, as Markdown, and its record."""
    path = tmp_path_factory.mktemp("bench") / "bench.json"
    given = ("--server", server.url("postgres"), "--database", filled, "--format", "markdown", "--output", str(path))
    chosen = ("--sets", "baseline,recommended", "--queries", "list_all,thread_latest")
    asked = ("--mix", "list=2,thread=1,writes=1", "--rounds", "3", "--throughput-seconds", "1")
    result = CliRunner().invoke(command, [*given, *chosen, *asked])
    assert result.exit_code == 0, result.output
    return result, json.loads(path.read_text(encoding="utf-8"))


def test_the_record_follows_its_schema_to_the_last_key(whole: tuple[Result, dict[str, Any]]) -> None:
    _result, document = whole
    check_document("matrix", document)
    assert undocumented("matrix", document) == []
    assert checked_run(document)["verdict"]["mix"]["text"] == "list 50%, thread 25%, writes 25%"


def test_the_record_says_where_and_when(whole: tuple[Result, dict[str, Any]], server: Server) -> None:
    _result, document = whole
    assert document["server"]["version"] == server.version
    assert document["machine"]["cores"] >= 1
    assert document["started_at"] <= document["finished_at"]


def test_reads_writes_speed_and_overhead_are_all_there(whole: tuple[Result, dict[str, Any]]) -> None:
    _result, document = whole
    client = document["matrix"]["client"]
    assert client["ratio"] > 0
    assert client["executions"] == 5 * 2 * 200
    for one in document["matrix"]["sets"]:
        assert {write["family"] for write in one["writes"]} == {"insert", "update"}
        assert {lane["family"] for lane in one["throughput"] if lane["transactions"]} == {"insert", "update"}
    timed = [cell for cell in document["matrix"]["cells"] if cell["client_ms"] is not None]
    clear = [cell for cell in timed if abs(cell["client_ms"] - client["floor_ms"]) > 0.001]
    assert clear
    assert all(cell["below_floor"] == (cell["client_ms"] < client["floor_ms"]) for cell in clear)


def test_cost_is_what_the_mix_and_the_counters_say(whole: tuple[Result, dict[str, Any]]) -> None:
    """The figures of the Pareto table, reckoned again from the cells and the writes."""
    _result, document = whole
    matrix, verdict = document["matrix"], document["verdict"]
    for row in verdict["pareto"]:
        pages = {name: _worst(matrix, name, row["set"]) for name in ("list_all", "thread_latest")}  # weights of mix.md
        (made,) = (one for one in matrix["sets"] if one["name"] == row["set"])
        writes = [write["buffers"] + write["wal_bytes"] / 512 for write in made["writes"]]
        cost = 0.5 * pages["list_all"] + 0.25 * pages["thread_latest"] + 0.25 * sum(writes) / len(writes)
        assert row["cost"] == pytest.approx(cost, rel=0.01)
    costs = {row["set"]: row["cost"] for row in verdict["pareto"]}
    assert verdict["recommended"] == min(costs, key=lambda name: costs[name])


def _worst(matrix: dict[str, Any], query: str, index_set: str) -> float:
    """Pages, a tenth of the rows visited, two for a temporary page, and the buffers of planning."""
    cells = [cell for cell in matrix["cells"] if (cell["query"], cell["set"]) == (query, index_set)]
    weights = {"buffers": 1.0, "planning": 1.0, "visited": 0.1, "temporary": 2.0}
    return max(sum(weight * float(cell[name]) for name, weight in weights.items()) for cell in cells)


def test_markdown_is_verdict_sets_and_every_cell(whole: tuple[Result, dict[str, Any]]) -> None:
    result, document = whole
    cells = document["matrix"]["cells"]
    lines = result.stdout.splitlines()
    assert "| query \\[class\\] | baseline | recommended |" in lines
    assert all(f"{cell['buffers']:,} · " in result.stdout for cell in cells)
    assert sum(" \\[" in line and line.startswith("| ") for line in lines) == len(cells) / 2 + 1
    assert "Choose" in result.stdout


@pytest.mark.parametrize(
    ("mix", "message"),
    [
        ("lst=1", "unknown query, write or family 'lst'"),
        ("search=1", "unknown query, write or family 'search'"),
        ("80:20", "there are no writes to weigh; leave out --no-writes"),
        ("list=x", "list=x is no weight"),
    ],
)
def test_a_mix_of_what_is_not_measured_is_refused_before_the_work(invoke: Invoke, mix: str, message: str) -> None:
    error = _error(invoke(*QUICK, "--mix", mix))
    assert isinstance(error, UsageError)
    assert message in str(error)


def test_load_has_throughput_closed_and_percentiles_open(drive: Invoke, tmp_path: Path) -> None:
    path = tmp_path / "load.json"
    chosen = ("--sets", "recommended", "--operations", "thread", "--seconds", "1", "--clients", "2", "--rate", "200")
    result = drive(*chosen, "--output", str(path))
    assert result.exit_code == 0, result.output
    document = json.loads(path.read_text(encoding="utf-8"))
    check_document("load", document)
    assert undocumented("load", document) == []
    (cell,) = document["load"]["cells"]
    assert (cell["kind"], cell["rate"], cell["failure"]) == ("read", 200.0, None)
    latency = cell["latency"]
    assert 0 < latency["p50_ms"] <= latency["p90_ms"] <= latency["p99_ms"] <= latency["p999_ms"] <= latency["max_ms"]
    assert latency["lag_ms"] <= latency["max_ms"]
    assert sum(case["requests"] for case in cell["cases"]) == latency["requests"]
    assert {case["name"].split()[0] for case in cell["cases"]} <= {"thread_latest", "thread_older"}


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--operations", "thred"), "unknown operation 'thred'; did you mean 'thread'?"),
        (("--operations", "thread", "--sets", "lean"), "unknown index set 'lean'"),
    ],
)
def test_load_says_what_is_wrong(drive: Invoke, arguments: tuple[str, ...], message: str) -> None:
    assert message in str(_error(drive(*arguments)))


def test_load_of_what_never_ends_is_exit_code_3_with_its_name(drive: Invoke) -> None:
    result = drive("--sets", "baseline", "--operations", "list", "--seconds", "1", "--timeout", "0.001")
    error = _error(result)
    assert isinstance(error, SubjectFailed)
    assert "list under baseline: " in str(error)


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
