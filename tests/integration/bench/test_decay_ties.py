"""Rows that a query leaves open may be others after VACUUM than before it, and those that it does not may not."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace

import pytest
from tests.schemas import check_document, undocumented

from inboxbench.bench import Decay, run_decay
from inboxbench.bench.decay import DecayedCell
from inboxbench.bench.execute.ties import Judgement
from inboxbench.bench.workload.churn import Churn
from inboxbench.database import connect, scratch_database
from inboxbench.project import Loose
from inboxbench.server import Server

# The index shows rows of a moment by falling id, the table by rising id. The write makes the table so much longer that
# hardly a page of it is known to be visible to all, and an index-only scan is dear until VACUUM.
SCHEMA = """
    CREATE TABLE entries (id int PRIMARY KEY, grp int NOT NULL, moment int NOT NULL, note text NOT NULL);
    INSERT INTO entries SELECT g, g % 10, g / 100, repeat('note ', 100) FROM generate_series(1, 1000) g;
    CREATE INDEX entries_grp ON entries (grp, moment, id DESC)
"""
ADDED = """
    INSERT INTO entries SELECT m + g, 11, 0, repeat('note ', 100)
    FROM (SELECT max(id) AS m FROM entries) AS last, generate_series(1, 9000) AS g
"""
QUERIES = {
    "latest": "SELECT id FROM entries WHERE grp < 5 ORDER BY moment LIMIT 250",
    "gathered": "SELECT array_agg(id) FROM entries WHERE grp < 5",
    "closed": "SELECT id FROM entries WHERE grp < 5 ORDER BY moment, id LIMIT 250",
}


@pytest.fixture(scope="module")
def aged(server: Server, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Decay]:
    folder = tmp_path_factory.mktemp("decay")
    (folder / "writes").mkdir()
    (folder / "writes" / "add.sql").write_text(ADDED, encoding="utf-8")
    for name, text in QUERIES.items():
        (folder / f"{name}.sql").write_text(f"-- order: ordered\n{text}\n", encoding="utf-8")
    with scratch_database(server, "decay_ties") as name:
        with connect(server.conninfo(name)) as connection:
            connection.execute(SCHEMA.encode())
        yield run_decay(server, name, Loose(folder, folder / "indexes.toml"), Churn({"add": 1}), as_is=True)


def cell(aged: Decay, query: str) -> DecayedCell:
    return next(cell for cell in aged.cells if cell.case.query.name == query)


@pytest.mark.parametrize("query", ["latest", "gathered"])
def test_any_row_that_a_query_leaves_open_is_right(aged: Decay, query: str) -> None:
    measured = cell(aged, query)
    assert measured.churned.answer != measured.vacuumed.answer, (measured.churned.plan, measured.vacuumed.plan)
    assert measured.failure is None
    assert measured.ties
    assert (
        f"{measured.name}: other rows after VACUUM than before it, and any is right, for {measured.ties}" in aged.notes
    )


def test_what_leaves_nothing_open_gives_the_same_rows(aged: Decay) -> None:
    measured = cell(aged, "closed")
    assert (measured.judged, measured.ties, measured.failure) == (None, None, None)
    aged.require_sound()


@pytest.mark.parametrize(
    ("judged", "failure"),
    [
        (Judgement("second wrong"), "other rows after VACUUM than before it"),
        (Judgement("first wrong"), "other rows after VACUUM than before it"),
        (
            Judgement("unsure", "it uses random()"),
            "other rows after VACUUM than before it, and it cannot be decided whether both are right: it uses random()",
        ),
    ],
)
def test_rows_that_are_wrong_or_cannot_be_judged_fail(aged: Decay, judged: Judgement, failure: str) -> None:
    measured = replace(cell(aged, "closed"), judged=judged)
    assert (measured.failure, measured.ties) == (failure, None)


def test_the_record_says_why(aged: Decay) -> None:
    document = json.loads(json.dumps({"schema_version": 1, "decay": aged.to_json()}))
    check_document("decay", document)
    assert undocumented("decay", document) == []
    assert {row["query"] for row in document["decay"]["cells"] if row["ties"]} == {"latest", "gathered"}
