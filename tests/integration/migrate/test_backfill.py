"""Batches that lock before they look, stop anywhere and go on exactly there."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import TYPE_CHECKING

import psycopg
import pytest

from inboxbench.migrate import backfill
from inboxbench.migrate.session import Event, LockRefused, LockUnavailable, Progress, Session

if TYPE_CHECKING:
    from tests.conftest import Database
    from tests.integration.migrate.conftest import Events

    from inboxbench.database import Connection

DOUBLE = backfill.Backfill(
    name="things.a", table="things", only="a < 100", write=("UPDATE things SET a = a + 100 WHERE id = ANY(%(ids)s)",)
)
RECORD = "SELECT last_key, target_key, rows, finished_at IS NOT NULL FROM backfill_progress WHERE name = 'things.a'"


def _progress(events: Events) -> list[Progress]:
    return [event for event in events.seen if isinstance(event, Progress)]


def _values(db: Session) -> list[tuple[int, ...]]:
    return db.connection.execute("SELECT min(a), max(a), count(*) FROM things").fetchall()


def test_it_fills_every_row_once_in_batches(db: Session, events: Events) -> None:
    assert backfill.fill(db, DOUBLE) == 1000
    assert _values(db) == [(100, 109, 1000)]
    assert db.connection.execute(RECORD).fetchall() == [(1000, 1000, 1000, True)]
    first, *_, last = _progress(events)
    assert (first.rows, first.finished) == (500, False)
    assert (last.rows, last.share, last.eta_s, last.finished) == (1000, 1.0, 0.0, True)


def test_a_finished_one_is_not_run_again(db: Session) -> None:
    backfill.fill(db, DOUBLE)
    db.connection.execute("UPDATE things SET a = 1 WHERE id = 1")
    assert backfill.fill(db, DOUBLE) == 1000
    assert db.connection.execute("SELECT a FROM things WHERE id = 1").fetchone() == (1,)
    assert backfill.finished(db, "things.a")


def test_a_forgotten_one_is(db: Session) -> None:
    backfill.fill(db, DOUBLE)
    backfill.forget(db, "things.a")
    assert not backfill.finished(db, "things.a")
    db.connection.execute("UPDATE things SET a = 1 WHERE id = 1")
    assert backfill.fill(db, DOUBLE) == 1


def test_a_table_without_rows(db: Session) -> None:
    db.connection.execute("TRUNCATE things")
    assert backfill.fill(db, DOUBLE) == 0


def test_keys_may_have_gaps_and_be_negative(db: Session) -> None:
    db.connection.execute("DELETE FROM things WHERE id BETWEEN 100 AND 900")
    db.connection.execute("INSERT INTO things (id, a) VALUES (-7, 1), (9000000000, 1)")
    assert backfill.fill(db, DOUBLE) == 201
    assert _values(db) == [(100, 109, 201)]


def test_rows_born_after_the_start_are_left_to_the_triggers(db: Session, database: Database, events: Events) -> None:
    def insert(event: Event) -> None:
        if isinstance(event, Progress) and not event.finished:
            with database.connect() as other:
                other.execute("INSERT INTO things (id, a) SELECT max(id) + 1, 7 FROM things")

    assert backfill.fill(replace(db, listener=insert), DOUBLE) == 1000
    assert db.connection.execute("SELECT DISTINCT a FROM things WHERE id > 1000").fetchall() == [(7,)]


def test_a_batch_that_fails_is_undone_whole_and_taken_up_again(db: Session) -> None:
    """A rule breaks on row 777: its whole batch and the record's step go back together."""
    db.connection.execute("ALTER TABLE things ADD CONSTRAINT breaks CHECK (id <> 777 OR a < 100)")
    with pytest.raises(psycopg.errors.CheckViolation):
        backfill.fill(db, DOUBLE)
    assert db.connection.execute(RECORD).fetchall() == [(500, 1000, 500, False)]
    assert db.connection.execute("SELECT count(*), max(id) FROM things WHERE a >= 100").fetchall() == [(500, 500)]
    db.connection.execute("ALTER TABLE things DROP CONSTRAINT breaks")
    assert backfill.fill(db, DOUBLE) == 1000
    assert _values(db) == [(100, 109, 1000)]


def test_a_killed_session_loses_and_repeats_nothing(db: Session, database: Database) -> None:
    def kill(event: Event) -> None:
        if isinstance(event, Progress):
            with database.connect() as other:
                other.execute("SELECT pg_terminate_backend(%s, 10000)", (db.connection.info.backend_pid,))

    with pytest.raises(psycopg.OperationalError):
        backfill.fill(replace(db, listener=kill), DOUBLE)
    with database.connect() as connection:
        again = replace(db, connection=connection)
        assert connection.execute(RECORD).fetchall() == [(500, 1000, 500, False)]
        assert backfill.fill(again, DOUBLE) == 1000
        assert _values(again) == [(100, 109, 1000)]


def test_it_sees_what_a_writer_committed_while_the_batch_waited_for_its_lock(
    db: Session, database: Database, events: Events
) -> None:
    """Copying a + 100 into b: were lock and UPDATE one statement, b would come from before the writer's commit."""
    copy = backfill.Backfill(
        name="things.b", table="things", write=("UPDATE things SET b = (a + 100)::text WHERE id = ANY(%(ids)s)",)
    )
    patient = replace(db, settings=replace(db.settings, lock_timeout_ms=60_000, lock_budget_s=60))
    with database.connect() as writer, ThreadPoolExecutor(1) as pool:
        writer.autocommit = False
        writer.execute("UPDATE things SET a = 4242 WHERE id = 30")
        filling = pool.submit(backfill.fill, patient, copy)
        with database.connect() as referee:
            _wait_until_it_waits(referee, db.connection.info.backend_pid)
        writer.commit()
        filling.result()
    assert db.connection.execute("SELECT b FROM things WHERE id = 30").fetchone() == ("4342",)


def _wait_until_it_waits(referee: Connection, pid: int) -> None:
    query = "SELECT wait_event_type = 'Lock' FROM pg_stat_activity WHERE pid = %s"
    while referee.execute(query, (pid,)).fetchone() != (True,):
        pass


def test_a_row_that_is_held_makes_the_batch_smaller_and_then_the_error_names_the_holder(
    db: Session, database: Database, events: Events
) -> None:
    with database.connect(application_name="an import") as writer, writer.transaction():
        writer.execute("UPDATE things SET b = '' WHERE id = 300")
        with pytest.raises(LockUnavailable, match=r"backfill things\.a: no lock within 0.5 s .* held by .*an import"):
            backfill.fill(db, DOUBLE)
    assert any(isinstance(event, LockRefused) for event in events.seen)
    assert backfill.fill(db, DOUBLE) == 1000


def test_rows_that_need_nothing_are_neither_locked_nor_counted(db: Session, database: Database) -> None:
    db.connection.execute("UPDATE things SET a = 100 + a WHERE id % 2 = 0")
    with database.connect() as writer, writer.transaction():
        writer.execute("UPDATE things SET b = '' WHERE id = 300")
        assert backfill.fill(db, DOUBLE) == 500


def test_foreign_key_checks_go_on_during_a_batch(db: Session, database: Database) -> None:
    """FOR NO KEY UPDATE: a message for a conversation of the batch is inserted meanwhile."""
    db.connection.execute("CREATE TABLE parts (thing_id bigint REFERENCES things)")
    with db.connection.transaction():
        db.connection.execute("SELECT id FROM things ORDER BY id FOR NO KEY UPDATE")
        with database.connect(lock_timeout="1s") as other:
            other.execute("INSERT INTO parts VALUES (5)")


def test_several_statements_share_the_batch(db: Session) -> None:
    db.connection.execute("CREATE TABLE parts (thing_id bigint PRIMARY KEY)")
    both = backfill.Backfill(
        name="parts",
        table="things",
        only="mod(id, 10) = 0",
        write=(
            "INSERT INTO parts SELECT unnest(%(ids)s::bigint[]) ON CONFLICT DO NOTHING",
            "UPDATE things SET b = 'parted' WHERE id = ANY(%(ids)s)",
        ),
    )
    assert backfill.fill(db, both) == 200
    assert db.connection.execute("SELECT count(*) FROM parts").fetchone() == (100,)
