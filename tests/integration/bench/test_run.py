"""The engine on a filled messenger: equal rows, counters that repeat, outcomes that are named, nothing left behind."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from tests.integration.bench.conftest import Lab

from inboxbench.bench import Matrix, run_matrix
from inboxbench.bench.sets.indexset import build
from inboxbench.bench.workload.queries import Case
from inboxbench.database import connect, list_databases
from inboxbench.errors import ServerError, SubjectFailed, UsageError
from inboxbench.project import Project
from inboxbench.server import Server
from inboxbench.sqlfile import as_psycopg

HEADER = """-- name: {0}
-- title: {0}
-- family: list
-- params: account bigint
-- classes: huge
-- order: {1}

{2}
"""


@pytest.fixture(scope="module")
def measured(server: Server, filled: str, project: Project) -> Matrix:
    """Every query under every default set, and under keys only: the truth that needs no index."""
    sets = ["primary_keys", "baseline", "owners", "chatwoot", "recommended", "recommended_substring"]
    return run_matrix(server, filled, project, sets=sets, rounds=2)


def add_query(project: Project, name: str, text: str, order: str = "ordered") -> None:
    path = project.bench / "queries" / f"{name}.sql"
    path.write_text(HEADER.format(name, order, text), encoding="utf-8")


def names(server: Server) -> set[str]:
    return {info.name for info in list_databases(server)}


def buffers(matrix: Matrix, index_set: str) -> dict[str, tuple[int, int, str]]:
    cells = (cell for cell in matrix.cells if cell.index_set == index_set and cell.plan)
    return {cell.case.name: (cell.plan.buffers, cell.plan.rows, cell.plan.line) for cell in cells if cell.plan}


def test_every_set_gives_the_same_rows(measured: Matrix) -> None:
    assert measured.failures == ()
    measured.require_sound()
    assert all(cell.same_rows for cell in measured.cells)
    assert len(measured.cells) == len(measured.sets) * len(measured.workload.cases)


def test_families_and_classes_are_all_measured(measured: Matrix) -> None:
    families = {cell.case.query.family for cell in measured.cells}
    assert families == {"list", "count", "queue", "lookup", "unread", "search", "thread"}
    drawn = {case.parameter_class.name for case in measured.workload.cases}
    assert {"huge", "median", "tiny", "longest", "frequent_ru", "middle_ru", "rare_en", "absent", "anywhere"} <= drawn
    for found in measured.workload.classes:  # what this data has no values for is named
        assert found.name in drawn or any(found.title in line for line in measured.workload.skipped), found.name


def test_figures_are_there(measured: Matrix) -> None:
    for cell in measured.cells:
        assert cell.plan is not None
        assert cell.timing is not None
        assert cell.plan.buffers > 0
        assert 0 < cell.timing.median_ms <= cell.timing.p95_ms
        assert cell.steady, cell.name
    assert measured.settings["max_parallel_workers_per_gather"] == "0"
    assert measured.settings["plan_cache_mode"] == "force_custom_plan"


def test_recommended_reads_pages_and_not_accounts(measured: Matrix) -> None:
    """C7: with the whole order in the index the first page takes about one buffer a row."""
    for query in ("list_all", "list_assigned", "list_deep_keyset"):
        plan = measured.cell(query, "huge", "recommended").plan
        floor = measured.cell(query, "huge", "owners").plan
        assert plan is not None
        assert floor is not None
        assert not plan.sorts
        assert plan.buffers <= 40
        assert floor.sorts


def test_writes_cost_what_the_indexes_ask(measured: Matrix) -> None:
    wal = {one.index_set.name: one.wal_bytes("insert") or 0.0 for one in measured.sets}
    assert wal["primary_keys"] < wal["baseline"] < wal["recommended"] < wal["owners"]
    assert wal["recommended"] < wal["recommended_substring"]
    sizes = {one.index_set.name: one.bytes for one in measured.sets}
    assert sizes["primary_keys"] < sizes["baseline"] < sizes["recommended"] < sizes["chatwoot"]


def test_hot_updates_are_lost_where_the_list_order_is_indexed(measured: Matrix) -> None:
    """C7: a message moves last_activity_at; an index that holds it takes part in every such update."""
    hot = {(one.index_set.name, write.name): write.hot_share for one in measured.sets for write in one.writes}
    assert hot["recommended", "insert_message"] == 0.0
    assert (hot["owners", "insert_message"] or 0) > 0.9
    assert (hot["primary_keys", "assign"] or 0) > 0.9
    assert hot["owners", "assign"] == 0.0
    for one in measured.sets:
        assert (hot[one.index_set.name, "mark_read"] or 0) > 0.9


def test_an_index_that_sets_share_is_built_once(measured: Matrix) -> None:
    built = [
        (index.bytes, index.build_s)
        for one in measured.sets
        for index in one.built
        if index.index.name == "messages_body_trgm_idx" and one.index_set.name in ("owners", "chatwoot")
    ]
    assert len(built) == 2
    assert len(set(built)) == 1


def test_indexes_come_out_in_the_order_of_the_set(measured: Matrix) -> None:
    for one in measured.sets:
        assert [built.index.name for built in one.built] == [index.name for index in one.index_set.indexes]


def test_two_rebuilds_give_identical_counters(server: Server, filled: str, project: Project, measured: Matrix) -> None:
    """Counters do not depend on luck: template, clones, statistics and indexes made anew give the same buffers."""
    again = run_matrix(server, filled, project, sets=["primary_keys", "owners", "recommended"], rounds=2)
    for index_set in ("primary_keys", "owners", "recommended"):
        assert buffers(again, index_set) == buffers(measured, index_set)
    before = {one.index_set.name: one for one in measured.sets}
    for one in again.sets:
        other = before[one.index_set.name]
        assert one.bytes == other.bytes
        assert [write.hot_share for write in one.writes] == [write.hot_share for write in other.writes]
        assert one.wal_bytes("insert") == pytest.approx(other.wal_bytes("insert"), rel=0.01)


def test_offset_and_cursor_reach_the_same_page(measured: Matrix, server: Server, filled: str) -> None:
    offset = next(case for case in measured.workload.cases if case.name == "list_deep_offset [huge]")
    keyset = next(case for case in measured.workload.cases if case.name == "list_deep_keyset [huge]")
    with connect(server.conninfo(filled)) as connection:
        pages = [connection.execute(_with(case), case.values).fetchall() for case in (offset, keyset)]
    assert pages[0] == pages[1]
    assert len(pages[0]) == 25


def _with(case: Case) -> bytes:
    return as_psycopg(case.query.text).encode()


def _rows(server: Server, name: str, text: str, values: Any = None) -> list[tuple[Any, ...]]:
    with connect(server.conninfo(name)) as connection:
        return connection.execute(text.encode(), values).fetchall()


def test_search_finds_what_a_plain_loop_finds(measured: Matrix, server: Server, filled: str) -> None:
    """M3: newest first, in one account, without deleted messages: computed here without SQL's search."""
    case = next(case for case in measured.workload.cases if case.name == "search_substring [frequent_ru]")
    account, term = case.values["account"], case.values["term"]
    everything = _rows(
        server,
        filled,
        "SELECT id, conversation_id, created_at, body, content_attributes FROM messages WHERE account_id = %s",
        (account,),
    )
    matching = [row for row in everything if term in row[3].lower() and not row[4].get("deleted")]
    assert any(term in row[3].lower() and row[4].get("deleted") for row in everything)
    expected = sorted(((row[2], row[0], row[1]) for row in matching), reverse=True)[:15]
    found = _rows(server, filled, _with(case).decode(), case.values)
    assert [(at, number, conversation) for number, conversation, at in found] == expected


def test_unread_is_what_a_plain_loop_counts(measured: Matrix, server: Server, filled: str) -> None:
    """C6: incoming messages after the last look of any agent; never looked at, all of them."""
    case = next(case for case in measured.workload.cases if case.name == "unread_page [huge]")
    chosen = case.values["conversations"]
    seen = dict(_rows(server, filled, "SELECT id, agent_last_seen_at FROM conversations WHERE id = ANY(%s)", (chosen,)))
    messages = _rows(
        server,
        filled,
        "SELECT conversation_id, created_at FROM messages WHERE conversation_id = ANY(%s) AND direction = 'incoming'",
        (chosen,),
    )
    expected = dict.fromkeys(chosen, 0)
    for conversation, at in messages:
        expected[conversation] += seen[conversation] is None or at > seen[conversation]
    assert dict(_rows(server, filled, _with(case).decode(), case.values)) == expected
    assert any(expected.values())


def test_word_classes_are_what_they_say(measured: Matrix, server: Server, filled: str) -> None:
    """Document frequencies in the largest account: frequent is far above rare, absent is none."""
    counts = {}
    for case in measured.workload.cases:
        if case.query.name == "search_substring" and case.parameter_class.name != "elsewhere":
            text = "SELECT count(*) FROM messages WHERE account_id = %s AND body ILIKE '%%' || %s || '%%'"
            values = (case.values["account"], case.values["term"])
            counts[case.parameter_class.name] = _rows(server, filled, text, values)[0][0]
    assert counts["absent"] == 0
    for language in ("ru", "en"):
        assert 1 <= counts[f"rare_{language}"] <= 6
        assert counts[f"frequent_{language}"] > 50


def test_source_is_only_read_and_nothing_is_left(server: Server, filled: str, project: Project) -> None:
    text = "SELECT count(*), (SELECT count(*) FROM messages) FROM pg_indexes WHERE schemaname = 'public'"
    indexes, before = _rows(server, filled, text), names(server)
    run_matrix(server, filled, project, sets=["baseline"], queries=["list_all"], rounds=1)
    assert _rows(server, filled, text) == indexes
    assert names(server) == before


def outcomes(matrix: Matrix) -> dict[str, str | None]:
    return {cell.case.query.name: cell.failure for cell in matrix.cells}


def test_queries_that_err_write_or_never_end_are_named_and_the_rest_goes_on(
    server: Server, filled: str, own_project: Project
) -> None:
    add_query(own_project, "errs", "SELECT 1 / (:account - :account)")
    add_query(own_project, "writes", "UPDATE accounts SET name = 'x' WHERE id = :account RETURNING id")
    add_query(own_project, "hides", "SELECT lo_create(0) WHERE :account > 0")
    add_query(own_project, "sleeps", "SELECT pg_sleep(60) WHERE :account > 0")
    queries = ["errs", "writes", "hides", "sleeps", "list_all"]
    before = names(server)
    matrix = run_matrix(
        server, filled, own_project, sets=["baseline"], queries=queries, writes=False, rounds=1, timeout_s=0.5
    )
    found = outcomes(matrix)
    assert found["errs"] == "division by zero"
    assert found["writes"] is None
    assert found["hides"] == "cannot execute lo_create() in a read-only transaction"
    assert found["sleeps"] == "stopped by statement_timeout"
    assert found["list_all"] is None
    assert len(matrix.failures) == 3
    with pytest.raises(SubjectFailed, match="and 2 more"):
        matrix.require_sound()
    assert names(server) == before


def test_a_wrong_table_is_named_with_its_query(server: Server, filled: str, own_project: Project) -> None:
    add_query(own_project, "lost", "SELECT 1 FROM nowhere WHERE :account > 0")
    matrix = run_matrix(server, filled, own_project, sets=["baseline"], queries=["lost"], writes=False, rounds=1)
    assert matrix.failures == ('lost [huge] under baseline: relation "nowhere" does not exist',)


def test_rows_that_a_query_leaves_open_are_a_remark(server: Server, filled: str, own_project: Project) -> None:
    """A query without a full order gives whatever its plan comes upon first."""
    add_query(
        own_project,
        "loose",
        "SELECT id FROM conversations WHERE account_id = :account AND status IN ('open', 'pending') LIMIT 5",
    )
    matrix = run_matrix(
        server,
        filled,
        own_project,
        sets=["primary_keys", "recommended"],
        queries=["loose", "list_all"],
        writes=False,
        rounds=1,
    )
    assert matrix.failures == ()
    (remark,) = matrix.ties
    assert remark.startswith(
        "loose [huge]: other rows under recommended than under primary_keys, and any of these rows"
    )
    assert all(cell.same_rows for cell in matrix.cells if cell.case.query.name == "list_all")


def _broken(project: Project, index: str) -> Project:
    path = project.schema / "indexes.toml"
    path.write_text(path.read_text() + index, encoding="utf-8")
    return project


@pytest.mark.parametrize(
    ("index", "message"),
    [
        (
            '[index.wrong]\ndefinition = "messages (no_such_column)"\n[set.try]\nindexes = ["wrong"]\n',
            '[index.wrong] definition: column "no_such_column" does not exist',
        ),
        (
            '[index.wrong]\ndefinition = "nowhere (id)"\n[set.try]\nindexes = ["wrong"]\n',
            '[index.wrong] definition: relation "nowhere" does not exist',
        ),
        (
            '[index.wrong]\ndefinition = "messages (id) WERE id > 0"\n[set.try]\nindexes = ["wrong"]\n',
            '[index.wrong] definition: syntax error at or near "WERE"',
        ),
        (
            '[index.wrong]\ndefinition = "messages (id)"\nneeds = ["no_ext"]\n[set.try]\nindexes = ["wrong"]\n',
            "[index.wrong] needs: extension 'no_ext'",
        ),
    ],
)
def test_wrong_definitions_are_named_before_anything_is_built(
    server: Server, filled: str, own_project: Project, index: str, message: str
) -> None:
    before, told = names(server), list[str]()
    with pytest.raises(UsageError) as caught:
        run_matrix(
            server,
            filled,
            _broken(own_project, index),
            sets=["baseline", "try"],
            progress=lambda _done, _total, text: told.append(text),
        )
    assert message in str(caught.value)
    assert not [text for text in told if "building" in text]
    assert names(server) == before


def test_parameters_that_the_data_does_not_have_are_named(server: Server, filled: str, own_project: Project) -> None:
    (own_project.bench / "draws" / "accounts.sql").write_text(
        "SELECT NULL::bigint AS huge, NULL::bigint AS median, NULL::bigint AS tiny"
    )
    matrix = run_matrix(server, filled, own_project, sets=["baseline"], queries=["list_all"], writes=False, rounds=1)
    assert matrix.cells == ()
    assert "list_all [huge]: this data has no account for the largest account" in matrix.notes


def test_draw_that_fails_is_named(server: Server, filled: str, own_project: Project) -> None:
    path: Path = own_project.bench / "draws" / "accounts.sql"
    path.write_text("SELECT id AS huge FROM acounts")
    with pytest.raises(SubjectFailed, match=r'accounts\.sql: relation "acounts" does not exist'):
        run_matrix(server, filled, own_project, sets=["baseline"], queries=["list_all"], writes=False)


def test_progress_counts_to_its_end(server: Server, filled: str, project: Project) -> None:
    seen: list[tuple[int, int]] = []
    run_matrix(
        server,
        filled,
        project,
        sets=["baseline"],
        queries=["list_all"],
        writes=False,
        rounds=1,
        progress=lambda done, total, _text: seen.append((done, total)),
    )
    done = [step for step, _total in seen]
    assert done == sorted(done)
    totals: Sequence[int] = [total for _step, total in seen if total]
    assert len(set(totals)) == 1
    assert done[-1] <= totals[0]


@pytest.mark.parametrize("moment", ["building", "list_all", "writing"])
def test_interruption_leaves_nothing_behind(server: Server, filled: str, project: Project, moment: str) -> None:
    def interrupt(_done: int, _total: int, text: str) -> None:
        if moment in text:
            raise KeyboardInterrupt

    before = names(server)
    with pytest.raises(KeyboardInterrupt):
        run_matrix(server, filled, project, sets=["recommended"], queries=["list_all"], progress=interrupt)
    assert names(server) == before


def test_full_disk_is_named_while_building(late_lab: Lab) -> None:
    """temp_file_limit stands in for a disk that is full: the sort of an index build runs into it."""
    index = late_lab.catalogue.indexes["messages_thread_covering_idx"]
    late_lab.connection.execute("SET LOCAL maintenance_work_mem = '1MB'; SET LOCAL temp_file_limit = 0")
    with pytest.raises(ServerError, match=f"index {index.name} could not be built: temporary file size"):
        build(late_lab.connection, [index], lambda _name: None)


def test_what_locks_or_changes_rows_is_measured_and_undone(server: Server, filled: str, own_project: Project) -> None:
    claim = "SELECT id FROM conversations WHERE account_id = :account ORDER BY id LIMIT 1 FOR UPDATE SKIP LOCKED"
    add_query(own_project, "locks", claim)
    add_query(own_project, "claims", f"WITH c AS ({claim}) UPDATE conversations t SET priority = 2 FROM c "
              "WHERE t.id = c.id RETURNING t.id")  # fmt: skip
    add_query(own_project, "changes", "UPDATE accounts SET name = name || 'x' WHERE id = :account")
    add_query(own_project, "unseen", "-- writes: yes\nSELECT lo_create(4711) > 0, :account")
    add_query(own_project, "reads", "SELECT name FROM accounts WHERE id = :account")
    names = ["locks", "claims", "changes", "unseen", "reads"]
    matrices = [
        run_matrix(server, filled, own_project, sets=["baseline"], queries=chosen, writes=False, rounds=3)
        for chosen in (names, ["reads"], names)
    ]
    assert not matrices[0].failures
    assert all(cell.plan and cell.plan.rows == 1 for cell in matrices[0].cells if cell.case.query.name != "changes")
    buffers = [
        {cell.case.query.name: cell.plan.buffers for cell in matrix.cells if cell.plan and cell.steady}
        for matrix in matrices
    ]
    assert buffers[0] == buffers[2]
    assert buffers[0]["reads"] == buffers[1]["reads"]
    assert buffers[0]["claims"] > buffers[0]["locks"]
