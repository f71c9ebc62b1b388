"""Cells of an earlier run: used where nothing that they depend on has changed, and nowhere else."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from inboxbench.bench import Matrix, run_matrix
from inboxbench.bench.cache.outcomes import Cache
from inboxbench.bench.cache.store import Store
from inboxbench.database import connect, scratch_database
from inboxbench.project import Project
from inboxbench.server import Server

SETS = ["primary_keys", "baseline"]
QUERIES = ["list_all", "thread_latest"]
Run = Callable[..., tuple[Matrix, Cache, list[str]]]


@pytest.fixture(scope="module")
def kept(server: Server, filled: str, project: Project, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with everything of two queries under two sets."""
    folder = tmp_path_factory.mktemp("kept")
    _run(server, filled, project, Cache(Store(folder)), writes=True)
    return folder


def _run(
    server: Server, filled: str, project: Project, cache: Cache, **options: Any
) -> tuple[Matrix, Cache, list[str]]:
    told = list[str]()
    wanted: dict[str, Any] = {"sets": SETS, "queries": QUERIES, "rounds": 1, "writes": False} | options
    matrix = run_matrix(
        server, filled, project, cache=cache, progress=lambda _done, _total, text: told.append(text), **wanted
    )
    return matrix, cache, told


@pytest.fixture
def again(server: Server, filled: str, project: Project, kept: Path) -> Run:
    def run(other: Project | None = None, *, data: str | None = None, fresh: bool = False, **options: Any) -> Any:
        return _run(server, filled, other or project, Cache(Store(kept, fresh=fresh), data), **options)

    return run


def test_what_is_known_is_neither_measured_nor_built(again: Run) -> None:
    matrix, cache, told = again(writes=True)
    assert (cache.measured, cache.reused) == (0, len(matrix.cells))
    assert not [text for text in told if "building" in text or "writing" in text]
    assert f"{cache.reused} of {cache.reused} cells were measured before" in str(cache)
    once_more, _cache, _told = again(writes=True)
    assert once_more.to_json() == matrix.to_json()
    assert all(one.built and one.writes for one in matrix.sets if one.index_set.name == "baseline")
    assert all(cell.same_rows for cell in matrix.cells)


def test_a_changed_query_is_measured_and_its_neighbours_are_not(again: Run, own_project: Project) -> None:
    path = own_project.bench / "queries" / "list_all.sql"
    path.write_text(path.read_text(encoding="utf-8").replace("LIMIT 25", "LIMIT 24"), encoding="utf-8")
    matrix, cache, _told = again(own_project, writes=True)
    changed = [cell for cell in matrix.cells if cell.case.query.name == "list_all"]
    assert cache.measured == len(changed) > 0
    assert max(cell.plan.rows for cell in changed if cell.plan) == 24


def test_a_changed_index_is_built_and_measured_for_its_set_alone(again: Run, own_project: Project) -> None:
    path = own_project.schema / "indexes.toml"
    text = path.read_text(encoding="utf-8")
    path.write_text(text.replace('"conversations (status)"', '"conversations (status, id)"'), encoding="utf-8")
    matrix, cache, told = again(own_project)
    assert cache.measured == cache.reused == len(matrix.cells) / 2
    assert [text for text in told if "building" in text]
    assert not [text for text in told if "building" in text and "keys" in text]


@pytest.mark.parametrize("options", [{"data": "tiny of another seed"}, {"timeout_s": 13.0}, {"rounds": 2}])
def test_other_data_or_other_limits_share_nothing(again: Run, options: dict[str, Any]) -> None:
    matrix, cache, _told = again(queries=["thread_latest"], sets=["baseline"], **options)
    assert (cache.reused, cache.measured) == (0, len(matrix.cells))


def test_other_rows_in_a_named_database_share_nothing(
    server: Server, filled: str, project: Project, kept: Path
) -> None:
    """Without a fingerprint the rows themselves tell: a single one that differs is other data."""
    with scratch_database(server, "other", filled) as name:
        with connect(server.conninfo(name)) as connection:
            connection.execute("UPDATE messages SET body = body || '!' WHERE id = (SELECT max(id) FROM messages)")
        _matrix, cache, _told = _run(server, name, project, Cache(Store(kept)), sets=["baseline"])
    assert cache.reused == 0


def test_fresh_measures_everything_again(again: Run) -> None:
    matrix, cache, _told = again(fresh=True, sets=["baseline"])
    assert (cache.reused, cache.measured) == (0, len(matrix.cells))


def test_a_run_that_is_interrupted_goes_on_where_it_was(
    server: Server, filled: str, project: Project, tmp_path: Path
) -> None:
    def interrupt(_done: int, _total: int, text: str) -> None:
        if text.endswith("thread_latest [typical]"):
            raise KeyboardInterrupt

    options: dict[str, Any] = {"sets": ["baseline"], "queries": QUERIES, "writes": False, "rounds": 1}
    with pytest.raises(KeyboardInterrupt):
        run_matrix(server, filled, project, cache=Cache(Store(tmp_path)), progress=interrupt, **options)
    matrix, cache, _told = _run(server, filled, project, Cache(Store(tmp_path)), **options)
    before = [cell.case.name for cell in matrix.cells].index("thread_latest [typical]")
    assert cache.reused == before > 0
    assert cache.measured == len(matrix.cells) - before


def test_a_damaged_file_is_said_and_measured_again(
    server: Server, filled: str, project: Project, tmp_path: Path
) -> None:
    options: dict[str, Any] = {"sets": ["baseline"]}
    whole, _cache, _told = _run(server, filled, project, Cache(Store(tmp_path)), **options)
    files = sorted(tmp_path.rglob("*.json"))
    cells = [path for path in files if '"query"' in path.read_text(encoding="utf-8")]
    for path, sound, damaged in zip(
        cells, ("{", '"buffers": ', '"steady": true'), ("", '"buffers": "x', '"steady": 1.5'), strict=False
    ):
        path.write_text(path.read_text(encoding="utf-8").replace(sound, damaged), encoding="utf-8")
    matrix, cache, _told = _run(server, filled, project, Cache(Store(tmp_path)), **options)
    assert cache.measured >= 3  # two classes may come to the same values, and then share their cell
    assert cache.reused > 0
    assert len(cache.store.problems) == 3
    assert all("cannot be read as an outcome; measured again" in one for one in cache.store.problems)
    assert [cell.plan and cell.plan.buffers for cell in matrix.cells] == [
        cell.plan and cell.plan.buffers for cell in whole.cells
    ]
    repaired = _run(server, filled, project, Cache(Store(tmp_path)), **options)[1]
    assert (repaired.measured, repaired.store.problems) == (0, [])
