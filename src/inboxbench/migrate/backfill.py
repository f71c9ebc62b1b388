"""Filling a column of a live table: keyset batches, each its own transaction, resumable exactly where it stopped.

A batch is three statements of one transaction: find where it ends, lock its rows in key order, write.
Locking comes first and by itself because under READ COMMITTED only a statement that begins after the lock was
granted sees what concurrent writers of those rows committed; in one statement with the UPDATE the values would
come from a snapshot older than the lock. FOR NO KEY UPDATE leaves foreign key checks of new messages alone.

The record in `backfill_progress` moves in the same transaction as the rows, so a crash loses or repeats nothing.
Rows born after the start are the triggers' affair: the last key is fixed when the backfill begins.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, replace
from typing import LiteralString

from psycopg import sql

from inboxbench.database import first_row, with_names
from inboxbench.migrate import facts, online
from inboxbench.migrate.session import RETRIED, Progress, Session, short_transaction
from inboxbench.sqlfile import read_sections

_FIRST_BATCH, _SMALLEST_BATCH, _LARGEST_BATCH = 500, 10, 10_000
_SQL = read_sections(__file__)
_ROUGH_GROWTH = 2.0  # a batch may at most double, or halve, from one to the next


@dataclass(frozen=True, slots=True)
class Backfill:
    """What to fill.

    name: key of its record. table: whose rows are walked and locked, by `key` (bigint).
    only: condition of the rows worth locking. write: statements that get the locked keys as %(ids)s and write
    only rows that differ; the rows they change are counted. A percent sign is doubled in all of them.
    """

    name: str
    table: str
    write: tuple[LiteralString, ...]
    only: LiteralString = "true"
    key: LiteralString = "id"


@dataclass(slots=True)
class _Walk:
    """Where a backfill stands. first: key before the first one; started: monotonic, of this run."""

    first: int
    last: int
    target: int
    rows: int
    batch: int = _FIRST_BATCH
    started: float = 0.0
    written_now: int = 0
    start_key: int = 0


def create_progress_table(db: Session) -> None:
    """The record of every backfill; a finished one stays, as evidence and so that it is not run again."""
    online.create_table(db, "backfill_progress", _SQL["table"])


def fill(db: Session, backfill: Backfill) -> int:
    """Run or resume to the end; rows written in all, earlier runs included."""
    create_progress_table(db)
    db.step(f"backfill {backfill.name}")
    walk = _begin(db, backfill)
    while walk.last < walk.target:
        began = time.monotonic()
        held = short_transaction(db, f"backfill {backfill.name}", lambda: _batch(db, backfill, walk))
        walk.batch = _next_batch(walk.batch, held, db.settings.batch_ms)
        db.listener(_progress(db, backfill, walk))
        time.sleep(db.settings.pause_share * (time.monotonic() - began))
    _finish(db, backfill)
    if walk.written_now:
        _make_room(db, backfill.table)
    db.listener(replace(_progress(db, backfill, walk), share=1.0, eta_s=0.0, finished=True))
    return walk.rows


def finished(db: Session, name: str) -> bool:
    """Return whether a backfill of that name has run to its end."""
    if not facts.table_exists(db.connection, "backfill_progress"):
        return False
    query = "SELECT 1 FROM backfill_progress WHERE name = %s AND finished_at IS NOT NULL"
    return db.connection.execute(query, (name,)).fetchone() is not None


def forget(db: Session, name: str) -> None:
    """Remove the record (for a downgrade), so that the next upgrade fills again."""
    if facts.table_exists(db.connection, "backfill_progress"):
        db.connection.execute("DELETE FROM backfill_progress WHERE name = %s", (name,))


def _begin(db: Session, backfill: Backfill) -> _Walk:
    """Make or read the record. The target is the highest key that is visible now."""
    db.connection.execute(with_names(_SQL["begin"], backfill.key, backfill.table), {"name": backfill.name})
    query = "SELECT first_key, last_key, target_key, rows FROM backfill_progress WHERE name = %s"
    first, last, target, rows = first_row(db.connection, query, (backfill.name,))
    return _Walk(first, last, target, rows, started=time.monotonic(), start_key=last)


def _batch(db: Session, backfill: Backfill, walk: _Walk) -> float:
    """One batch; milliseconds from its first row lock. `walk` moves only when the last statement has run."""
    upto = _end_of_batch(db, backfill, walk)
    locked_at = time.monotonic()
    try:
        ids = _lock(db, backfill, walk.last, upto)
    except RETRIED:
        # Somebody holds one of these rows for long: a smaller batch makes fewer others wait with us.
        walk.batch = max(_SMALLEST_BATCH, walk.batch // 2)
        raise
    rows = sum(db.connection.execute(write, {"ids": ids}).rowcount for write in backfill.write) if ids else 0
    db.connection.execute(
        "UPDATE backfill_progress SET last_key = %s, rows = rows + %s WHERE name = %s", (upto, rows, backfill.name)
    )
    walk.last, walk.rows, walk.written_now = upto, walk.rows + rows, walk.written_now + rows
    return (time.monotonic() - locked_at) * 1000


def _end_of_batch(db: Session, backfill: Backfill, walk: _Walk) -> int:
    bounds = (walk.last, walk.target, walk.batch)
    (end,) = first_row(db.connection, with_names(_SQL["end of batch"], backfill.key, backfill.table), bounds)
    return walk.target if end is None else int(end)


def _lock(db: Session, backfill: Backfill, after: int, upto: int) -> list[int]:
    """Lock the rows worth writing, in key order, so that two batches cannot deadlock with each other."""
    statement = with_names(_SQL["lock"], backfill.key, backfill.table, sql.SQL(backfill.only))
    return [key for (key,) in db.connection.execute(statement, (after, upto))]


def _next_batch(size: int, held_ms: float, target_ms: float) -> int:
    """Return the size that would have held its locks for the target time, at most doubled or halved at once."""
    factor = min(_ROUGH_GROWTH, max(1 / _ROUGH_GROWTH, target_ms / max(held_ms, 0.001)))
    return max(_SMALLEST_BATCH, min(_LARGEST_BATCH, round(size * factor)))


def _finish(db: Session, backfill: Backfill) -> None:
    db.connection.execute(
        "UPDATE backfill_progress SET finished_at = clock_timestamp() WHERE name = %s AND finished_at IS NULL",
        (backfill.name,),
    )


def _make_room(db: Session, table: str) -> None:
    """Every row written has left its old version behind, and autovacuum comes late or not at all.

    The next backfill of the table reuses the room instead of growing it, and the planner learns what was written.
    SHARE UPDATE EXCLUSIVE holds up neither reads nor writes; giving pages back would, hence TRUNCATE false.
    """
    db.step(f"vacuum {table}")
    db.connection.execute(with_names("VACUUM (ANALYZE, TRUNCATE false) {}", table))


def _progress(db: Session, backfill: Backfill, walk: _Walk) -> Progress:
    """Share and rate by keys, since only rows that differ are written."""
    elapsed = max(time.monotonic() - walk.started, 1e-9)
    share = (walk.last - walk.first) / max(walk.target - walk.first, 1)
    keys_per_s = (walk.last - walk.start_key) / elapsed
    eta = (walk.target - walk.last) / keys_per_s if keys_per_s else 0.0
    rate = walk.written_now / elapsed
    return Progress(db.revision, backfill.name, walk.rows, share, rate, eta, walk.batch)
