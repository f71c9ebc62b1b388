"""Rows that a statement without a plan read: never those that others read of the same table."""

from __future__ import annotations

from collections import Counter
from typing import Any

import pytest

from inboxbench.dryrun.observe.log_statements import Draft, TriggerEvent
from inboxbench.dryrun.observe.sampler import Catalogue, Relation
from inboxbench.dryrun.observe.scan_count import counted_scans, silent_scans

TABLE, ROWS = 1, 150_000


def draft(sql: str, own: int = 0, everyone: int = 0) -> Draft:
    """A statement whose session read so many rows of the table, and everybody so many that were reported meanwhile."""
    made: dict[str, Any] = {"tag": "", "at": 0.0, "wal": 0, "locks": (), "concerned": None, "lock_timeout": 0.0}
    counts = [{TABLE: (7, 0, 900, ROWS)}, {TABLE: (7 + own, 0, 900 + everyone, ROWS)}]
    events = [TriggerEvent("ddl_command_start", counted=counted, **made) for counted in counts]
    return Draft(7, "3/1", sql, 0.0, 1.0, events=events if own else [])


@pytest.mark.parametrize(
    ("sql", "own", "everyone", "rebuilt", "read"),
    [
        ("ALTER TABLE orders ALTER n SET NOT NULL", ROWS, 700_000, 0, ROWS),
        ("ALTER TABLE orders ADD CHECK (n > 0)", ROWS, 1, 0, ROWS),
        ("CREATE INDEX i ON orders (n)", ROWS, 731_385, 0, ROWS),
        ("CREATE INDEX i ON orders (n)", 60_000, 90_000, 0, ROWS),  # its worker read the rest
        ("CREATE INDEX i ON orders (n)", 60_000, 731_385, 0, ROWS),
        ("CREATE INDEX i ON orders (n)", 60_000, 0, 0, ROWS),  # what its worker read had not arrived
        ("REINDEX TABLE orders", 261_093, 0, 3, 3 * ROWS),
        ("CREATE INDEX CONCURRENTLY i ON orders (n)", ROWS, 731_385, 0, 2 * ROWS),
        ("REINDEX TABLE orders", 2 * ROWS, 731_385, 3, 3 * ROWS),
        ("ALTER TABLE orders ALTER n TYPE bigint", ROWS, 0, 2, ROWS),
        ("ALTER TABLE orders ALTER n TYPE bigint", ROWS, 731_385, 2, 3 * ROWS),
    ],
)
def test_no_more_than_it_alone_can_have(sql: str, own: int, everyone: int, rebuilt: int, read: int) -> None:
    assert counted_scans(draft(sql, own, everyone), Counter({TABLE: rebuilt})) == {TABLE: read}


@pytest.mark.parametrize(
    ("sql", "rewritten", "times"),
    [
        ("VACUUM FULL orders", ["a.orders", "a.i1", "a.i2"], 3),
        ("CLUSTER orders USING i1", ["a.orders", "a.i1", "a.i2"], 2),
        ("REINDEX TABLE orders", ["a.i1", "a.i2"], 2),
        ("REINDEX INDEX CONCURRENTLY i1", ["a.i1"], 2),
        ("VACUUM FULL orders", [], 0),
    ],
)
def test_what_fires_no_event_is_counted_by_what_it_left_in_the_catalogue(
    sql: str, rewritten: list[str], times: int
) -> None:
    relations = (
        Relation(TABLE, "a", "orders", "r", 5, rows=ROWS),
        Relation(2, "a", "i1", "i", 6, table=TABLE),
        Relation(3, "a", "i2", "i", 7, table=TABLE),
    )
    after = Catalogue(0.0, {relation.oid: relation for relation in relations})
    assert silent_scans(draft(sql), rewritten, after) == ({"a.orders": times * ROWS} if times else {})
