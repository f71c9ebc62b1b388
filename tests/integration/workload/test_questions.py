"""A workload becomes questions for the time of a block, whatever says what was asked."""

from __future__ import annotations

import csv
from pathlib import Path

import pytest
from tests.conftest import Database

from inboxbench.bench.workload.mix import project_weights
from inboxbench.bench.workload.queries import draw_cases, read_workload
from inboxbench.database import first_row
from inboxbench.errors import SubjectFailed, UsageError
from inboxbench.workload.model import Recorded
from inboxbench.workload.questions import Statements, checked, is_imported, questions, statements_of

ASKED = "SELECT id FROM orders WHERE customer_id = $1"


def test_questions_are_there_for_a_block_and_the_database_stays_as_it_is(shop: Database) -> None:
    dead = (
        "SELECT n_tup_ins, n_tup_upd, last_value FROM pg_stat_user_tables, customers_id_seq WHERE relname = 'customers'"
    )
    statements = Statements(
        (Recorded(ASKED, 9, 90.0), Recorded("INSERT INTO customers (email) VALUES ($1)", 1, 10.0)), "a test"
    )
    with shop.connect() as connection:
        before = first_row(connection, dead)
    with questions(shop.server, shop.name, statements) as asked:
        folder = asked.project.root
        names = {query.name: query for query in read_workload(asked.project).queries}
        assert project_weights(asked.project) == pytest.approx(
            {name: 90 if name.startswith("orders") else 10 for name in names}
        )
        with shop.connect() as connection:
            assert draw_cases(read_workload(asked.project), connection, asked.project).cases
        assert is_imported(folder)
    assert not folder.exists()
    with shop.connect() as connection:
        assert first_row(connection, dead) == before


def test_a_workload_that_cannot_be_run_leaves_no_folder(shop: Database) -> None:
    with (
        pytest.raises(SubjectFailed, match="no query of a test can be run: transaction control"),
        questions(shop.server, shop.name, Statements((Recorded("BEGIN", 1, 1.0),), "a test")),
    ):
        pass


def test_the_kind_of_a_file_is_seen_from_its_beginning(tmp_path: Path) -> None:
    export, log, csvlog = tmp_path / "export.txt", tmp_path / "server.csv.1", tmp_path / "log.csv"
    export.write_text(f"\ufeffcalls,query,total_exec_time\n3,{ASKED},1.5\n", encoding="utf-8")
    log.write_text(f"2026-11-30 10:00:00.123 UTC [1] LOG:  duration: 1.5 ms  statement: {ASKED.replace('$1', '7')}\n")
    with csvlog.open("w", newline="") as file:
        row = ["2026-11-30 10:00:00.123 UTC"] + ["x"] * 12
        csv.writer(file).writerow([*row, f"duration: 2.0 ms  statement: {ASKED.replace('$1', '7')}", *[""] * 12])
    (tmp_path / "sql").mkdir()
    (tmp_path / "sql" / "of_customer.sql").write_text(ASKED)
    found = {path.name: statements_of(str(path)).recorded[0] for path in (export, log, csvlog, tmp_path / "sql")}
    assert (found["export.txt"].calls, found["export.txt"].ms) == (3, 1.5)
    assert (found["server.csv.1"].ms, found["log.csv"].ms) == (1.5, 2.0)
    assert found["sql"].name == "of_customer"


@pytest.mark.parametrize("where", ["absent.log", "a\0b", "x" * 5000, "", "/nowhere/at/all"])
def test_what_is_no_workload_is_one_line(where: str) -> None:
    with pytest.raises(UsageError) as raised:
        statements_of(where)
    assert "\n" not in str(raised.value)
    assert len(str(raised.value)) < 400


def test_a_secret_that_is_mistaken_for_a_file_is_not_shown() -> None:
    with pytest.raises(UsageError) as raised:
        statements_of("postgres:geheim@db/shop")
    assert "geheim" not in str(raised.value)


@pytest.mark.parametrize(
    ("texts", "said"),
    [
        ((), "only: no statement; let the application work for a while first"),
        (
            ("SELECT 1 FROM pg_class", "SET a = 1"),
            "only: catalogue queries; settings of a session; let the application",
        ),
        (("<insufficient privilege>", "BEGIN"), "grant pg_read_all_stats to the role that reads it"),
    ],
)
def test_what_holds_no_query_is_said_before_anything_is_copied(texts: tuple[str, ...], said: str) -> None:
    with pytest.raises(SubjectFailed) as raised:
        checked(Statements(tuple(map(Recorded, texts)), "a test"))
    assert said in str(raised.value)
