"""The hazard catalogue: what the observer says of each operation is what PostgreSQL does.

The catalogue is `hazards.toml`; the observer looks no operation up. `make prove-hazards` does the same on a million
rows, and on 15; on a tenth of them, here, everything locks, rewrites and scans alike.
"""

from __future__ import annotations

import json
import os
import threading
import time
import tomllib
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from pathlib import Path

import psycopg
import pytest

from inboxbench.database import Connection, connect, scratch_database
from inboxbench.dryrun.model import MODES, Lock, Statement
from inboxbench.dryrun.observe.observer import observed
from inboxbench.dryrun.observe.sampler import bystander
from inboxbench.server import Server

_MANY = 1_000_000 if "INBOXBENCH_HAZARDS" in os.environ else 100_000
_FEW = _MANY // 5
_SNAPSHOT_S = 0.4
_ROWS = {"orders": _MANY, "customers": _FEW, "spare": _FEW, "doomed": _FEW}
_SHORT = {
    "ACCESS EXCLUSIVE": "AE", "EXCLUSIVE": "E", "SHARE ROW EXCLUSIVE": "SRE", "SHARE": "S",
    "SHARE UPDATE EXCLUSIVE": "SUE", "ROW EXCLUSIVE": "RE", "ROW SHARE": "RS", "ACCESS SHARE": "AS",
}  # fmt: skip
_DATA = f"""
    CREATE TYPE mood AS ENUM ('sad');
    CREATE TABLE customers (
        id bigint PRIMARY KEY, email text NOT NULL, country varchar(20) NOT NULL, extra text NOT NULL
    );
    INSERT INTO customers SELECT n, 'customer' || n || '@example.org', 'country' || n % 50, '{{"n": 1}}'
    FROM generate_series(1, {_FEW}) AS n;
    CREATE TABLE spare AS SELECT * FROM customers;
    CREATE TABLE orders (
        id bigint PRIMARY KEY, customer_id bigint NOT NULL, status varchar(50) NOT NULL, note text,
        amount numeric(10,2) NOT NULL, quantity int NOT NULL, placed_at timestamptz NOT NULL
    );
    INSERT INTO orders SELECT n, n % {_FEW} + 1, 'placed', 'leave it with the neighbours', n % 9000 / 100.0, n % 7 + 1,
        '2026-01-01'::timestamptz + n * interval '10 seconds'
    FROM generate_series(1, {_MANY}) AS n;
"""
_PROBES = {
    "reads": "SELECT 1 FROM {0} WHERE ctid = '(0,1)'",  # by its place: a probe must not scan
    "inserts": "INSERT INTO {0} SELECT * FROM {0} WHERE false",
    "updates": "UPDATE {0} SET {1} = {1} WHERE ctid = '(0,1)'",
}
_WRITTEN = {"orders": "status"}
_CASES = tomllib.loads(Path(__file__).with_name("hazards.toml").read_text(encoding="utf-8"))["hazard"]


@dataclass(frozen=True)
class Truth:
    """What was seen or is expected of one operation, in the words of hazards.toml."""

    locks: str
    rewritten: str
    scans: str
    blocks: str
    error: str


Catalogue = dict[str, tuple[Statement, Truth]]


def _ordered(text: str, mark: str) -> str:
    return f"{mark} ".join(sorted(part.strip() for part in text.split(mark) if part.strip()))


def _expected(case: dict[str, str]) -> Truth:
    return Truth(
        locks=_ordered(case.get("locks", ""), ","),
        rewritten=" ".join(sorted(case.get("rewritten", "").split())),
        scans=_ordered(case.get("scans", ""), ","),
        blocks=_ordered(case.get("blocks", ""), ";"),
        error=case.get("error", ""),
    )


def _probe(probing: Connection, table: str, statement: str) -> bool:
    """Whether it had to wait. Whatever else is wrong with it is no lock."""
    try:
        with probing.transaction(force_rollback=True):
            probing.execute(statement.format(table, _WRITTEN.get(table, "email")).encode())
    except psycopg.errors.LockNotAvailable:
        return True
    except psycopg.errors.UndefinedTable:
        return False
    return False


def _blocked(probing: Connection) -> str:
    found = []
    for table in _ROWS:
        kinds = [kind for kind, statement in _PROBES.items() if _probe(probing, table, statement)]
        found += [f"{table} {' '.join(kinds)}"] if kinds else []
    return "; ".join(sorted(found))


def _run(case: dict[str, str], connection: Connection, probing: Connection) -> str:
    """The operation; what it blocked."""
    sql = f"/* hazard {case['id']} */ {case['sql']}".encode()
    blocked = ""
    with suppress(psycopg.Error):
        if case.get("run") == "alone" and "CONCURRENTLY" in case["sql"]:
            with _old_snapshot(probing):
                connection.execute(sql)
        elif case.get("run") == "alone":
            connection.execute(sql)
        else:
            with connection.transaction(force_rollback=case.get("run") != "commit"):
                connection.execute(sql)
                blocked = _blocked(probing)
    return blocked


@contextmanager
def _old_snapshot(session: Connection) -> Iterator[None]:
    """Keeps a snapshot for a while, which what is done CONCURRENTLY waits for with its locks: a small index is built
    between two looks of an observer that a busy machine keeps waiting."""
    session.execute("BEGIN ISOLATION LEVEL REPEATABLE READ")
    session.execute("SELECT 1")
    timer = threading.Timer(_SNAPSHOT_S, session.execute, ("ROLLBACK",))
    timer.start()
    try:
        yield
    finally:
        timer.join()


def _around(case: dict[str, str], when: str, connection: Connection) -> None:
    if when in case:
        connection.execute(case[when].encode())


def _left_out(lock: Lock, statement: Statement) -> bool:
    """On an index, what stands in nobody's way, and what is seen or not as the poll happens to look."""
    weak = MODES.index(lock.mode) < MODES.index("SHARE UPDATE EXCLUSIVE")
    return lock.kind == "index" and (weak or ("CONCURRENTLY" in statement.sql and lock.seen == "poll"))


def _seen(statement: Statement, blocks: str) -> Truth:
    def name(relation: str) -> str:
        return relation.removeprefix("public.")

    mine = [
        one
        for one in statement.locks
        if not one.created and one.relation.startswith("public.") and not _left_out(one, statement)
    ]
    scans = [(name(one.relation), one.rows) for one in statement.scans if name(one.relation) in _ROWS]
    return Truth(
        locks=", ".join(sorted(f"{name(one.relation)} {_SHORT[one.mode]}" for one in mine if not statement.error)),
        rewritten=" ".join(sorted(name(one.relation) for one in statement.rewrites if "public." in one.relation)),
        scans=", ".join(sorted(f"{table} {round(rows / _ROWS[table], 2):g}" for table, rows in scans)),
        blocks=blocks,
        error=statement.error or "",
    )


@pytest.fixture(scope="module")
def cases(server: Server) -> list[dict[str, str]]:
    return [case for case in _CASES if case.get("since", 0) <= server.version // 10_000]


@pytest.fixture(scope="module")
def catalogue(server: Server, cases: list[dict[str, str]]) -> Iterator[Catalogue]:
    with scratch_database(server, "hazards") as name:
        with connect(server.conninfo(name)) as loading:
            loading.execute("SET synchronous_commit = off")
            loading.execute(_DATA)
            loading.execute("VACUUM ANALYZE")
        undone = [case for case in cases if "run" not in case]
        found = _together(server, name, undone)
        for case in cases:
            if "run" in case:
                found |= _together(server, name, [case])
    yield found
    _keep(server, found)


def _together(server: Server, name: str, cases: list[dict[str, str]]) -> Catalogue:
    """Operations one after the other under one observer. One that is alone is prepared before it begins to look."""
    alone = len(cases) == 1
    with bystander(server, name, "probe") as probing, _session(server, name) as preparing:
        probing.execute("SET lock_timeout = '10ms'")
        if alone:
            _around(cases[0], "before", preparing)
        blocked = {}
        with observed(server, name) as observer, _session(server, name) as connection:
            for case in cases:
                if not alone:
                    _around(case, "before", connection)
                blocked[case["id"]] = _run(case, connection, probing)
                time.sleep(0.005)  # the log's clock has whole milliseconds
                if not alone:
                    _around(case, "after", connection)
            connection.execute("SELECT pg_stat_force_next_flush()")  # or its rows are the next operation's
        if alone:
            _around(cases[0], "after", preparing)
    statements = {one.sql[10:13]: one for one in observer.observed()[0] if one.sql.startswith("/* hazard ")}
    return {key: (one, _seen(one, blocked[key])) for key, one in statements.items()}


def _session(server: Server, name: str) -> Connection:
    return connect(server.conninfo(name), timezone="UTC", synchronous_commit="off")


def _keep(server: Server, found: Catalogue) -> None:
    """For bench/proofs/prove_hazards.py."""
    if path := os.environ.get("INBOXBENCH_HAZARDS"):
        rows = {
            key: asdict(truth) | {"ms": one.duration_ms, "wal": one.wal_bytes} for key, (one, truth) in found.items()
        }
        Path(path).write_text(json.dumps({"server": server.label, "seen": rows}), encoding="utf-8")


@pytest.mark.parametrize("case", _CASES, ids=lambda case: f"{case['id']} {case['title']}")
def test_hazard(case: dict[str, str], cases: list[dict[str, str]], catalogue: Catalogue) -> None:
    if case not in cases:
        pytest.skip(f"new in PostgreSQL {case['since']}")
    _, seen = catalogue[case["id"]]
    expected = _expected(case)
    assert expected.error in seen.error
    assert bool(expected.error) == bool(seen.error)
    assert (seen.locks, seen.rewritten, seen.scans, seen.blocks) == (
        expected.locks,
        expected.rewritten,
        expected.scans,
        expected.blocks,
    )


def test_the_catalogue_is_as_large_as_promised(cases: list[dict[str, str]]) -> None:
    assert len({case["id"] for case in cases}) == len(cases) >= 40
