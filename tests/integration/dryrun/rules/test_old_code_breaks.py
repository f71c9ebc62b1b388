"""Rules about what traffic met and what a chain leaves, on one history under traffic; each rule fires somewhere."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from random import Random
from typing import Any

import pytest
from psycopg import sql
from tests.integration.dryrun.test_rules import BAD
from tests.integration.dryrun.tools.test_alembic import history

from inboxbench.database import connect, scratch_database
from inboxbench.dryrun.model import DryRun, Finding
from inboxbench.dryrun.output.annotations import as_github, as_sarif
from inboxbench.dryrun.rewrites.compare import with_rewrites
from inboxbench.dryrun.rules import RULES, find
from inboxbench.dryrun.rules.revision_failed import remedy
from inboxbench.dryrun.run import rehearse
from inboxbench.dryrun.tools.alembic import Alembic
from inboxbench.dryrun.tools.base import Tool
from inboxbench.dryrun.under_traffic import Load
from inboxbench.server import Server
from inboxbench.traffic.engine import RequestClass

_DATA = """
    CREATE TABLE orders (id int, note text, quantity int);
    INSERT INTO orders SELECT n, 'note', nullif(n, 7) FROM generate_series(1, 20000) AS n;
    CREATE TABLE customers (id int PRIMARY KEY, email text);
    INSERT INTO customers VALUES (1, 'a@example.org'), (2, 'a@example.org');
    CREATE TABLE carts (id int); CREATE TABLE items (id int);
"""


def _nothing(_random: Random) -> dict[str, Any]:
    return {}


# Deployed code: it reads a note, writes an order, counts customers for half a second, walks from items to carts.
_OLD_CODE = (
    RequestClass("note", "read", 2, ("SELECT note FROM orders WHERE id = 7",), _nothing),
    RequestClass("order", "write", 2, ("INSERT INTO orders (id) VALUES (0)",), _nothing, undo=True),
    RequestClass("count", "read", 1, ("SELECT pg_sleep(0.5) FROM customers LIMIT 1",), _nothing),
    RequestClass("walk", "read", 2, ("SELECT FROM items", "SELECT FROM carts"), _nothing, pause_s=0.1),
)
# Takes both tables the other way round, again and again: who dies of a deadlock is chance, that somebody does is not.
_CROSSED = """
    SET LOCAL deadlock_timeout = '150ms';
    DO $$ BEGIN FOR turn IN 1..25 LOOP BEGIN
        LOCK TABLE carts; PERFORM pg_sleep(0.03); LOCK TABLE items; RAISE SQLSTATE 'P0099';
    EXCEPTION WHEN SQLSTATE 'P0099' OR deadlock_detected THEN NULL; END; END LOOP; END $$
"""
# By revision: its operations, one a line, and the rule that must speak of it.
_NAIVE: dict[str, tuple[tuple[str, ...], str]] = {
    "stall": (
        ("op.execute('ALTER TABLE orders ADD COLUMN a int')", "op.execute('SELECT pg_sleep(1.5)')"),
        "long-stall",
    ),
    "rename": (("op.execute('ALTER TABLE orders RENAME COLUMN note TO remark')",), "old-code-breaks"),
    "queue": (("op.execute('ALTER TABLE customers ADD COLUMN c int')",), "no-lock-timeout"),
    "cross": ((f"op.execute({' '.join(_CROSSED.split())!r})",), "deadlock"),
    "twins": (
        (
            "context = op.get_context().autocommit_block()",
            "with __import__('contextlib').suppress(sa.exc.IntegrityError), context:",
            "    op.execute('CREATE UNIQUE INDEX CONCURRENTLY customers_email ON customers (email)')",
        ),
        "invalid-index",
    ),
    "empty": (("op.execute('ALTER TABLE orders ALTER COLUMN quantity SET NOT NULL')",), "revision-failed"),
}
# The same aims, in ways that nobody has to wait for.
_SAFE: dict[str, tuple[str, ...]] = {
    "stall": ("op.execute('ALTER TABLE orders ADD COLUMN a int')",),
    "slow": ("op.execute('SELECT pg_sleep(1.5)')",),
    "rename": ("op.execute('ALTER TABLE orders ADD COLUMN remark text')",),
    "cross": ("op.execute('LOCK TABLE carts')",),
    "cross2": ("op.execute('LOCK TABLE items')",),
    "twins": (
        "with op.get_context().autocommit_block():",
        "    op.execute('CREATE INDEX CONCURRENTLY customers_email ON customers (email)')",
    ),
    "empty": ("op.execute('ALTER TABLE orders ALTER COLUMN id SET DEFAULT 0')",),
}
_ONE = {
    "first": ("op.execute('CREATE INDEX orders_id ON orders (id)')",),
    "second": ("op.execute('ALTER TABLE customers ADD COLUMN c int')",),
}


@pytest.fixture(scope="module")
def template(server: Server) -> Iterator[str]:
    if not server.owned or server.kind == "container":
        pytest.skip("the observer reads the log of a server of our own on this machine")
    with scratch_database(server, "felt") as name:
        with connect(server.conninfo(name)) as connection:
            connection.execute(_DATA)
        yield name


def _history(folder: Path, bodies: Mapping[str, tuple[str, ...]], *, each: bool = True) -> Tool:
    text = {revision: "\n    ".join(lines) for revision, lines in bodies.items()}
    return Alembic(script_location=history(folder, text, each=each))


def _rehearsed(server: Server, template: str, chain: Tool, traffic: tuple[RequestClass, ...]) -> DryRun:
    with scratch_database(server, "felt", template) as name:
        done = rehearse(server, name, chain, source="felt", begin=None, target="head", load=lambda _: Load(traffic, 70))
    return replace(done, findings=find(done, Alembic()))


@pytest.fixture(scope="module")
def naive(server: Server, template: str, tmp_path_factory: pytest.TempPathFactory) -> DryRun:
    bodies = {revision: lines for revision, (lines, _) in _NAIVE.items()}
    return _rehearsed(server, template, _history(tmp_path_factory.mktemp("naive"), bodies), _OLD_CODE)


def _of(run: DryRun, revision: str) -> Finding:
    rule = _NAIVE[revision][1]
    return next(one for one in run.findings if (one.rule, one.revision) == (rule, revision))


@pytest.mark.parametrize("revision", _NAIVE)
def test_the_rule_names_the_revision_and_the_line(naive: DryRun, revision: str) -> None:
    found = _of(naive, revision)
    statement = next(one for one in naive.statements if one.number == found.statement)
    assert Path(str(statement.file)).name == f"{revision}.py"
    lines = Path(str(statement.file)).read_text(encoding="utf-8").splitlines()
    assert "op.execute(" in lines[(statement.line or 0) - 1]
    assert found.instead == (remedy("23502") if revision == "empty" else RULES[found.rule].remedy)


def test_what_was_felt_is_in_the_words(naive: DryRun) -> None:
    said = {revision: _of(naive, revision).what for revision in _NAIVE}
    assert said["stall"].startswith("ALTER TABLE orders ADD COLUMN a int blocked all reads and writes of orders for ")
    assert said["rename"].endswith(
        'after ALTER TABLE orders RENAME COLUMN note TO remark: column "note" does not exist.'
    )
    assert " requests of note failed" in said["rename"]
    assert "for ACCESS EXCLUSIVE on customers without a lock_timeout; whoever came after it waited" in said["queue"]
    assert said["cross"].startswith("walk ran into ")
    assert "waits for ACCESS SHARE on public.carts, which statement" in said["cross"]
    assert said["twins"].startswith("index customers_email is invalid")
    assert "contains null values" in said["empty"]


def test_what_to_paste_has_the_users_own_names(naive: DryRun) -> None:
    queue, twins, empty = (_of(naive, revision).code for revision in ("queue", "twins", "empty"))
    assert "lock_timeout" in queue
    assert "ALTER TABLE customers ADD COLUMN c int" in queue
    assert "DROP INDEX CONCURRENTLY IF EXISTS customers_email" in twins
    assert not empty, "rows that are NULL today need a release in between; no code cures them"


def test_annotations_point_at_the_line(naive: DryRun) -> None:
    commands = as_github(naive).splitlines()
    results = as_sarif(naive)["runs"][0]["results"]
    assert len(commands) == len(results) == len(naive.findings)
    for revision in _NAIVE:
        found = _of(naive, revision)
        assert any(f"{revision}.py,line=" in one and found.rule in one for one in commands)
        assert any(f"{revision}.py" in json.dumps(one["locations"]) for one in results if one["ruleId"] == found.rule)


def test_a_reason_on_the_line_silences_each(naive: DryRun) -> None:
    before = {one.rule for one in naive.findings}
    for revision, (_, rule) in _NAIVE.items():
        file = next(Path(str(one.file)) for one in naive.statements if one.revision == revision and one.file)
        text = file.read_text(encoding="utf-8")
        lines = [
            f"{line}  # inboxbench: ignore {rule} nobody is up at that hour" if "op.execute(" in line else line
            for line in text.splitlines()
        ]
        file.write_text("\n".join(lines) + "\n", encoding="utf-8")
        try:
            again = replace(naive, findings=find(naive, Alembic()))
            assert _of(again, revision).suppressed == "nobody is up at that hour"
            assert {one.rule for one in again.findings} == before
        finally:
            file.write_text(text, encoding="utf-8")


def test_nothing_is_said_of_the_safe_way(server: Server, template: str, tmp_path: Path) -> None:
    """Without the walk and the long count, in whose way any lock is: what the rules would say there is true."""
    run = _rehearsed(server, template, _history(tmp_path, _SAFE), _OLD_CODE[:2])
    assert run.error is None
    assert [(one.revision, one.rule, one.what) for one in run.findings] == []
    assert all(felt.requests > 50 and not felt.errors for felt in run.traffic)


def test_lock_timeout_and_retries_beside_the_patient_way(naive: DryRun, server: Server, template: str) -> None:
    @contextmanager
    def at(_: str) -> Iterator[str]:
        with scratch_database(server, "felt", template) as name:
            yield name

    run = replace(naive, findings=(_of(naive, "queue"),))
    done = with_rewrites(run, server, at, Alembic(), lambda _: Load(_OLD_CODE[:2], 70))
    assert done.notes == naive.notes
    compared = done.findings[0].compared
    assert compared is not None
    assert compared.code == done.findings[0].code == _of(naive, "queue").code
    assert compared.original["queued_ms"] > 300  # somebody kept the table for half a second or longer
    assert 50 < compared.rewrite["queued_ms"] < compared.original["queued_ms"]  # tries that were refused count


@pytest.mark.parametrize("where", ["session", "database", "nowhere"])
def test_a_lock_timeout_is_seen_wherever_it_was_set(server: Server, template: str, tmp_path: Path, where: str) -> None:
    lines = ("op.execute('ALTER TABLE customers ADD COLUMN c int')",)
    own = ("op.execute(\"SET lock_timeout = '5s'\")",) if where == "session" else ()
    with scratch_database(server, "felt", template) as name:
        if where == "database":
            with connect(server.conninfo()) as connection:
                connection.execute(sql.SQL("ALTER DATABASE {} SET lock_timeout = '5s'").format(sql.Identifier(name)))
        chain = _history(tmp_path, {"queue": (*own, *lines)})
        load = Load(_OLD_CODE[2:3], 20)  # one count or another has the table at any time
        done = rehearse(server, name, chain, source="felt", begin=None, target="head", load=lambda _: load)
    altered = next(one for one in done.statements if one.sql.startswith("ALTER TABLE customers"))
    assert altered.lock_timeout_ms == (0 if where == "nowhere" else 5000)
    assert max(lock.waited_ms for lock in altered.locks) >= 50
    assert [one.rule for one in find(done, Alembic())] == (["no-lock-timeout"] if where == "nowhere" else [])


def test_a_chain_in_one_transaction(server: Server, template: str, tmp_path: Path) -> None:
    found = {}
    for each in (False, True):
        with scratch_database(server, "felt", template) as name:
            chain = _history(tmp_path / str(each), _ONE, each=each)
            found[each] = find(rehearse(server, name, chain, source="felt", begin=None, target="head"), Alembic())
    (one,) = [finding for finding in found[False] if finding.rule == "one-transaction"]
    assert one.what.startswith("all 2 revisions ran in one transaction: no lock was let go before the last of them")
    assert "transaction_per_migration=True" in one.code
    assert [finding.rule for finding in found[True]] == ["index-not-concurrent"]


def test_a_reason_silences_the_rule_of_one_transaction(server: Server, template: str, tmp_path: Path) -> None:
    lines = {revision: f"{text}  # inboxbench: ignore one-transaction at night" for revision, (text,) in _ONE.items()}
    with scratch_database(server, "felt", template) as name:
        chain = _history(tmp_path, {revision: (text,) for revision, text in lines.items()}, each=False)
        found = find(rehearse(server, name, chain, source="felt", begin=None, target="head"), Alembic())
    (one,) = [finding for finding in found if finding.rule == "one-transaction"]
    assert one.suppressed == "at night"


def test_every_rule_has_fired_on_a_real_database() -> None:
    """Those of test_rules.py, those above, the one of a chain in one transaction, and that of test_run.py."""
    fired = {rule for _, rules in BAD.values() for rule in rules} | {rule for _, rule in _NAIVE.values()}
    by_time = {"long-lock"}  # no test depends on how long something takes here; its unit test has the figures
    assert fired | {"one-transaction", "waits-for-itself"} | by_time == set(RULES)
