"""An upgrade rehearsed on real plans: the same database twice raises nothing, and a planted flip is seen."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from inboxbench.bench import run_matrix
from inboxbench.bench.servers import Side, contrast
from inboxbench.bench.upgrade import SAMPLES, Upgrade, sampled_plans, upgrade
from inboxbench.database import connect, scratch_database
from inboxbench.project import Loose
from inboxbench.server import Server

# Fewer rows than ANALYZE looks at, so that each sample is all of them, and what is seen is never chance.
ROWS = """
    CREATE TABLE events (id bigint PRIMARY KEY, kind int, at int, filler text);
    INSERT INTO events SELECT n, n % 40, n, repeat('x', 60) FROM generate_series(1, 8000) n;
    CREATE INDEX events_kind ON events (kind);
    CREATE INDEX events_at ON events (at);
    ANALYZE
"""
QUERIES = {
    "of_kind": "SELECT count(filler) FROM events WHERE kind = 7",
    "latest": "SELECT id FROM events WHERE kind = 3 ORDER BY at DESC LIMIT 30",
    "few": "SELECT filler FROM events WHERE at BETWEEN 10 AND 20",
}


@pytest.fixture(scope="module")
def events(server: Server) -> Iterator[str]:
    with scratch_database(server, "events") as name:
        with connect(server.conninfo(name)) as connection:
            connection.execute(ROWS)
        yield name


@pytest.fixture
def asked(tmp_path: Path) -> Loose:
    for name, text in QUERIES.items():
        (tmp_path / f"{name}.sql").write_text(text)
    return Loose(tmp_path, tmp_path / "indexes.toml")


def measured(server: Server, name: str, project: Loose, label: str) -> Side:
    matrix = run_matrix(server, name, project, writes=False, rounds=1, as_is=True)
    plans = sampled_plans(server, name, matrix, timeout_s=10, role=None)
    assert {len(found) for found in plans.values()} == {SAMPLES}
    return Side(label, server.version, matrix, plans)


def rehearsed(first: Side, second: Side) -> Upgrade:
    made = upgrade(contrast(first, second))
    assert made is not None
    return made


def test_the_same_raises_nothing_and_a_planted_flip_is_seen(server: Server, events: str, asked: Loose) -> None:
    first = measured(server, events, asked, "first")
    made = rehearsed(first, measured(server, events, asked, "again"))
    assert not made.raises, made.verdict
    with scratch_database(server, "events", events) as other:
        with connect(server.conninfo(other)) as connection:
            connection.execute(f'ALTER DATABASE "{other}" SET enable_bitmapscan = off')
            connection.execute(f'ALTER DATABASE "{other}" SET enable_indexscan = off')
        made = rehearsed(first, measured(server, other, asked, "planted"))
    flipped = {moved.change.before.case.query.name: moved for moved in made.moved if moved.other_plan}
    assert "few" in flipped
    assert flipped["few"].dearer
    assert "events_at" in made.idle
