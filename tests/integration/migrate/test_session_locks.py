"""A lock that cannot be had is asked for again, briefly each time; giving up names the holder and leaves nothing."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from threading import Event as Flag
from typing import TYPE_CHECKING

import psycopg
import pytest

from inboxbench.migrate import online
from inboxbench.migrate.session import Event, LockRefused, LockUnavailable, Session, blockers_of, short_transaction

if TYPE_CHECKING:
    from tests.conftest import Database
    from tests.integration.migrate.conftest import Events


def _refusals(events: Events) -> list[LockRefused]:
    return [event for event in events.seen if isinstance(event, LockRefused)]


def test_giving_up_names_the_holder_and_leaves_nothing(db: Session, database: Database, events: Events) -> None:
    with database.connect(application_name="a long report") as holder, holder.transaction():
        holder.execute("SELECT count(*) FROM things")
        with pytest.raises(LockUnavailable) as failure:
            online.add_column(db, "things", "c", "integer")
        pid = holder.info.backend_pid
    message = str(failure.value)
    assert message.startswith("0099: add column things.c: no lock within 0.5 s (")
    assert f"held by pid {pid} (a long report, idle in transaction, transaction open " in message
    assert "SELECT count(*) FROM things" in message
    assert "end that session or wait for it, then run the upgrade again" in message
    attempts = int(message.partition("no lock within 0.5 s (")[2].partition(" attempts")[0])
    assert attempts == len(_refusals(events)) + 1 >= 2  # of the last there is nothing to be said but this
    columns = db.connection.execute("SELECT attname FROM pg_attribute WHERE attname = 'c'").fetchall()
    assert columns == []


def test_it_goes_on_once_the_holder_has_gone(db: Session, database: Database, events: Events) -> None:
    """The holder ends at the first refusal that knows who it was: the second or, on a busy machine, a later one."""
    patient = replace(db.settings, lock_budget_s=60)
    with database.connect(application_name="a short report") as holder:
        holder.autocommit = False
        holder.execute("SELECT count(*) FROM things")

        def end_holder(event: Event) -> None:
            events(event)
            refusals = _refusals(events)
            if refusals and refusals[-1].blockers:
                holder.rollback()

        online.add_column(replace(db, settings=patient, listener=end_holder), "things", "c", "integer")
    first, *_, last = _refusals(events)
    assert (first.attempt, first.blockers) == (1, "")
    assert "a short report" in last.blockers
    assert last.pause_s > 0


def test_others_queue_no_longer_than_the_lock_timeout(db: Session, database: Database, events: Events) -> None:
    """Between two attempts the queue behind us is empty: a reader that came while we waited gets through."""
    patient = replace(db.settings, lock_budget_s=60)
    through = Flag()

    with database.connect() as holder, database.connect() as reader, ThreadPoolExecutor(1) as pool:
        holder.autocommit = False
        holder.execute("SELECT count(*) FROM things")
        upgrade = pool.submit(online.add_column, replace(db, settings=patient), "things", "c", "integer")
        while not _refusals(events):
            assert not upgrade.done()
        reader.execute("SELECT count(*) FROM things")
        through.set()
        assert not upgrade.done()
        holder.rollback()
        upgrade.result()
    assert through.is_set()


def test_a_deadlock_is_tried_again_too(db: Session, events: Events) -> None:
    attempts = 0

    def work() -> int:
        nonlocal attempts
        attempts += 1
        if attempts < 3:
            raise psycopg.errors.DeadlockDetected("deadlock detected")
        return attempts

    assert short_transaction(db, "a step", work) == 3


def test_what_an_attempt_did_before_its_lock_is_undone(db: Session, database: Database) -> None:
    with database.connect() as holder, holder.transaction():
        holder.execute("LOCK TABLE things IN ACCESS SHARE MODE")
        with pytest.raises(LockUnavailable):
            online.run(db, "two statements", "CREATE TABLE other (id int)", "ALTER TABLE things ADD COLUMN c int")
    assert db.connection.execute("SELECT to_regclass('other')").fetchone() == (None,)


def test_an_error_of_the_statement_is_not_tried_again(db: Session, events: Events) -> None:
    with pytest.raises(psycopg.errors.UndefinedTable):
        online.run(db, "a step", "ALTER TABLE nothing ADD COLUMN c int")
    assert _refusals(events) == []


def test_nobody_blocks_an_idle_session(db: Session, database: Database) -> None:
    with database.connect() as observer:
        assert blockers_of(observer, db.connection.info.backend_pid) == ""


def test_the_timeout_ends_with_its_transaction(db: Session) -> None:
    online.run(db, "a step", "CREATE TABLE other (id int)")
    assert db.connection.execute("SHOW lock_timeout").fetchone() == ("0",)
