"""Whole runs repeat: seeded data migrated anew, by batches of another size each time, gives the same counters."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from inboxbench.bench import Matrix, run_matrix
from inboxbench.bench.cache.outcomes import Cache
from inboxbench.bench.cache.store import Store
from inboxbench.bench.sets.template import lay_out, strip
from inboxbench.database import connect, scratch_database
from inboxbench.migrate import runner
from inboxbench.migrate.session import read_settings
from inboxbench.project import Project
from inboxbench.seed import load_dataset
from inboxbench.server import Server

QUERIES = ["list_all", "list_mine", "thread", "unread_page"]
SETS = ["baseline", "recommended"]


@dataclass(frozen=True)
class Rebuild:
    """lying: ids of conversations and messages as they lie after the migration."""

    lying: tuple[int, ...]
    matrix: Matrix
    cache: Cache
    told: tuple[str, ...]


def _lying(server: Server, name: str) -> tuple[int, ...]:
    with connect(server.conninfo(name)) as connection:
        tables = ("conversations", "messages")
        rows = [connection.execute(f"SELECT id FROM {table} ORDER BY ctid").fetchall() for table in tables]
    return tuple(number for table in rows for (number,) in table)


def _rebuilds(server: Server, project: Project, folder: Path) -> Iterator[Rebuild]:
    dataset = load_dataset(server, "tiny", 61, scale=0.1, project=project)
    for batch_ms in (1, 8, 50):
        cache, told = Cache(Store(folder), dataset.fingerprint), list[str]()
        settings = read_settings({}, batch_ms=batch_ms, pause_share=0)
        with scratch_database(server, "again", dataset.name) as name:
            runner.upgrade(server.conninfo(name), project, settings=settings)
            matrix = run_matrix(
                server,
                name,
                project,
                sets=SETS,
                queries=QUERIES,
                writes=False,
                rounds=1,
                cache=cache if batch_ms != 8 else None,
                progress=lambda _done, _total, text, told=told: told.append(text),  # type: ignore[misc]
            )
            yield Rebuild(_lying(server, name), matrix, cache, tuple(told))


@pytest.fixture(scope="module")
def rebuilds(server: Server, project: Project, tmp_path_factory: pytest.TempPathFactory) -> list[Rebuild]:
    return list(_rebuilds(server, project, tmp_path_factory.mktemp("cells")))


def _figures(matrix: Matrix) -> list[tuple[object, ...]]:
    plans = [(cell, cell.plan) for cell in matrix.cells if cell.plan]
    return [(cell.name, plan.buffers, plan.rows, plan.line, cell.answer) for cell, plan in plans]


def test_counters_are_the_same_to_the_last_buffer(rebuilds: list[Rebuild]) -> None:
    figures = [
        [
            (cell.name, cell.plan.buffers, cell.plan.rows, cell.plan.line, cell.answer)
            for cell in one.matrix.cells
            if cell.plan
        ]
        for one in rebuilds
    ]
    assert len(figures[0]) == len(rebuilds[0].matrix.cells) > 20
    assert figures[0] == figures[1] == figures[2]
    assert len({tuple(one.bytes for one in each.matrix.sets) for each in rebuilds}) == 1


def test_rows_lay_elsewhere_each_time(rebuilds: list[Rebuild]) -> None:
    """Or the test above would prove nothing."""
    assert len({one.lying for one in rebuilds}) > 1
    assert any(list(one.lying) != sorted(one.lying) for one in rebuilds)


def test_a_rebuild_is_known_again_and_nothing_is_built(rebuilds: list[Rebuild]) -> None:
    first, _second, third = rebuilds
    assert (first.cache.reused, third.cache.measured) == (0, 0)
    assert third.cache.reused == len(third.matrix.cells)
    assert [text for text in first.told if "building" in text]
    assert not [text for text in third.told if "building" in text]


def test_only_what_lies_out_of_order_is_rewritten(server: Server, filled: str) -> None:
    with scratch_database(server, "laid", filled) as name, connect(server.conninfo(name)) as connection:
        strip(connection, as_is=True)
        connection.execute("UPDATE contacts SET name = name || ' ' WHERE id % 7 = 0")
        assert ("public", "contacts") in lay_out(connection)
        assert lay_out(connection) == ()
        rows = connection.execute("SELECT id FROM contacts ORDER BY ctid").fetchall()
        assert rows == sorted(rows)
