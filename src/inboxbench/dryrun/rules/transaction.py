"""Rules about a transaction: locks that are held while other work goes on, and the wait for them."""

from __future__ import annotations

import re
from collections.abc import Iterator

from inboxbench.dryrun.model import Statement
from inboxbench.dryrun.observe.log_statements import bare
from inboxbench.dryrun.rewrites.operation import NAME, flat, unquoted
from inboxbench.dryrun.rewrites.steps import Step, as_code, in_python
from inboxbench.dryrun.rules.facts import Facts, InForce, is_work, rows_read
from inboxbench.dryrun.rules.messages import blocked, felt, head, short
from inboxbench.dryrun.rules.rule import Hit, Rule
from inboxbench.units import millis

_DML = re.compile(r"(UPDATE|INSERT|DELETE|MERGE|WITH)\b", re.IGNORECASE)
_LETS_GO = re.compile(r"(DROP TABLE|TRUNCATE|ALTER TABLE .*\bDROP (CONSTRAINT|COLUMN))\b", re.IGNORECASE | re.DOTALL)
_MANY_ROWS = 10_000  # row locks that one transaction should not gather
_LONG_MS = 1_000.0  # a lock held longer is felt by people
_QUEUED_MS = 50.0


def _is_dml(statement: Statement) -> bool:
    return _DML.match(flat(statement.sql)) is not None


def _held_by_others(facts: Facts, statement: Statement) -> list[InForce]:
    return [one for one in facts.in_force(statement) if one.owner is not statement]


def _touched(statement: Statement) -> str | None:
    written = (lock.relation for lock in statement.locks if lock.kind == "table" and lock.mode == "ROW EXCLUSIVE")
    scanned = (scan.relation for scan in statement.scans)
    return next(iter((*written, *scanned)), None)


def _unseen(statement: Statement) -> bool:
    """Whether all that it wrote to is its own transaction's or session's, so that nobody waits for its rows."""
    written = [lock for lock in statement.locks if lock.kind == "table" and lock.mode == "ROW EXCLUSIVE"]
    return bool(written) and all(lock.created or lock.relation.startswith("pg_temp") for lock in written)


def _backfills(facts: Facts) -> Iterator[Hit]:
    """ADD COLUMN, UPDATE of all rows, SET NOT NULL in one transaction: no statement of it is bad alone."""
    for one in facts.run.statements:
        held = _held_by_others(facts, one)
        if not (_is_dml(one) and is_work(one) and held):
            continue
        worst = max(held, key=lambda force: force.blocks_reads)
        rows = max(one.dead_tuples, rows_read(one))
        what = (
            f"{head(one)} went over {rows:,} rows ({millis(one.duration_ms)}) in the transaction in which "
            f"{head(worst.owner)} had locked {short(worst.lock.relation)}: it blocked {blocked(worst)}."
            f"{felt(facts, one, worst.owner)}"
        )
        yield Hit(one, worst.lock.relation, what, facts.proposal(one))


def _works(facts: Facts) -> Iterator[Hit]:
    """A transaction with a backfill in it is told of once, and split as a whole."""
    told = {hit.statement.transaction for hit in _backfills(facts) if hit.statement}
    for one in facts.run.statements:
        held = [force for force in _held_by_others(facts, one) if force.blocks_reads]
        if one.transaction in told or _is_dml(one) or one.error or not is_work(one) or not held:
            continue
        worst = held[0]
        what = (
            f"{head(one)} ({millis(one.duration_ms)}) ran while {head(worst.owner)} of the same transaction still "
            f"blocked {blocked(worst)}.{felt(facts, one, worst.owner)}"
        )
        yield Hit(one, worst.lock.relation, what, _split(worst.owner, one))


def _split(first: Statement, second: Statement) -> str:
    return (
        f"# one revision:\nop.execute({in_python(bare(first.sql))})\n"
        f"# the next:\nop.execute({in_python(bare(second.sql))})"
    )


def _unbatched(facts: Facts) -> Iterator[Hit]:
    for one in facts.run.statements:
        if not _is_dml(one) or one.dead_tuples < _MANY_ROWS or _held_by_others(facts, one) or _unseen(one):
            continue
        end = next(t for t in facts.run.transactions if t.number == one.transaction)
        kept = end.finished_ms - one.started_ms
        table = _touched(one)
        what = (
            f"{head(one)} changed {one.dead_tuples:,} rows in one transaction: each stayed locked against other "
            f"updates for up to {millis(kept)}, and as many dead rows were left behind.{felt(facts, one)}"
        )
        yield Hit(one, table, what, facts.proposal(one))


def _one_transaction(facts: Facts) -> Iterator[Hit]:
    if not facts.run.one_transaction:
        return
    forces = [force for one in facts.run.statements for force in facts.in_force(one) if force.owner is one]
    worst = max(forces, key=lambda force: force.lock.held_ms, default=None)
    if worst is None or not (worst.lock.held_ms >= _LONG_MS or any(is_work(one) for one in facts.run.statements)):
        return
    done = len(facts.run.revisions)
    what = (
        f"all {done} revisions ran in one transaction: no lock was let go before the last of them, and "
        f"{head(worst.owner)} blocked {blocked(worst)}."
    )
    yield Hit(worst.owner, worst.lock.relation, what, _PER_MIGRATION)


_PER_MIGRATION = """# env.py
context.configure(connection=connection, target_metadata=target_metadata, transaction_per_migration=True)"""


def _queued(facts: Facts) -> Iterator[Hit]:
    """While it waited, everybody who came after it waited too."""
    for one in facts.run.statements:
        waited = max(one.locks, key=lambda lock: lock.waited_ms, default=None)
        if waited is None or waited.created or waited.waited_ms < _QUEUED_MS or facts.guarded(one):
            continue
        if waited.mode not in ("ACCESS EXCLUSIVE", "EXCLUSIVE", "SHARE ROW EXCLUSIVE", "SHARE"):
            continue
        what = (
            f"{head(one)} waited {millis(waited.waited_ms)} for {waited.mode} on {short(waited.relation)} without a "
            f"lock_timeout; whoever came after it waited behind it.{felt(facts, one)}"
        )
        yield Hit(one, waited.relation, what, as_code((Step(bare(one.sql), retry=True),)))


def _parents(facts: Facts) -> Iterator[Hit]:
    """ACCESS EXCLUSIVE on a table that the statement does not name: foreign keys pull locks over.

    That is where a table or its key goes; what else locks more than it names are partitions and children, as it is
    meant to. Under a lock_timeout nobody queues behind it for long.
    """
    for one in facts.run.statements:
        mine = [force for force in facts.in_force(one) if force.owner is one and force.blocks_reads]
        if not mine or one.error or not _LETS_GO.match(flat(one.sql)) or facts.guarded(one):
            continue
        words = {unquoted(name) for name in NAME.findall(one.sql)}
        for force in mine:
            if force.lock.relation.partition(".")[2] not in words and not facts.child(force.lock.relation):
                what = f"{head(one)} blocked {blocked(force)}, which it does not name.{felt(facts, one)}"
                yield Hit(one, force.lock.relation, what)


def _long(facts: Facts) -> Iterator[Hit]:
    for one in facts.run.statements:
        worst = facts.worst_stall(one)
        forces = [force for force in facts.in_force(one) if force.owner is one and force.lock.held_ms >= _LONG_MS]
        if forces and worst and worst[1].duration_ms >= _LONG_MS:
            force = forces[0]
            what = f"{head(one)} blocked {blocked(force)}.{felt(facts, one)}"
            yield Hit(one, force.lock.relation, what)


BACKFILL_IN_DDL = Rule(
    id="backfill-in-ddl-transaction",
    severity="error",
    condition="rows were changed or read in bulk in a transaction that had locked a table before",
    effect="whoever the lock is in the way of waits for the whole backfill; no statement of it is bad on its own",
    workaround="let the DDL commit first, and backfill in batches, each in a transaction of its own.",
    bad="ALTER TABLE orders ADD COLUMN total int;\nUPDATE orders SET total = quantity * 2;",
    good="-- revision 1\nALTER TABLE orders ADD COLUMN total int;\n-- revision 2\nUPDATE …;  -- in batches",
    check=_backfills,
)
LOCK_HELD = Rule(
    id="lock-held-across-work",
    severity="error",
    condition="a statement that grows with its table ran while ACCESS EXCLUSIVE of an earlier one was held",
    effect="reads and writes of the locked table wait for work that may not even concern it",
    workaround="split the transaction: the lock-taking statement in a revision of its own.",
    bad="ALTER TABLE orders ADD COLUMN c int;\nALTER TABLE customers VALIDATE CONSTRAINT ck;",
    good="-- revision 1\nALTER TABLE orders ADD COLUMN c int;\n"
    "-- revision 2\nALTER TABLE customers VALIDATE CONSTRAINT ck;",
    check=_works,
)
UNBATCHED = Rule(
    id="unbatched-backfill",
    severity="warning",
    condition=f"one statement changed {_MANY_ROWS:,} rows or more",
    effect="updates of each of these rows wait until COMMIT; dead rows and WAL come all at once",
    workaround="change them in batches by key, each in a transaction of its own.",
    bad="UPDATE orders SET total = quantity * 2;",
    good="-- until no row is left, committing each:\nUPDATE orders SET … WHERE id IN (SELECT id … LIMIT 5000);",
    check=_unbatched,
)
ONE_TRANSACTION = Rule(
    id="one-transaction",
    severity="error",
    condition="the chain ran as a single transaction and did work that takes the longer the larger the tables are, or "
    "kept a lock for a second",
    effect="every lock of every revision is held until the last one is done",
    workaround="have Alembic commit after each revision.",
    bad="context.configure(connection=connection)",
    good="context.configure(connection=connection, transaction_per_migration=True)",
    check=_one_transaction,
)
QUEUED = Rule(
    id="no-lock-timeout",
    severity="warning",
    condition=f"a statement waited {millis(_QUEUED_MS)} or longer for a lock, and its session had set no lock_timeout",
    effect="everybody who comes after it waits in the queue behind it, although nothing has been changed yet",
    workaround="give up soon and try again: lock_timeout with retries.",
    bad="ALTER TABLE orders ADD COLUMN c int;",
    good="SET lock_timeout = '100ms';  -- and try again when it strikes\nALTER TABLE orders ADD COLUMN c int;",
    check=_queued,
    felt=True,
    squawk=("require-lock-timeout",),
)
PARENT = Rule(
    id="parent-locked",
    severity="warning",
    condition="ACCESS EXCLUSIVE was taken on a table that the statement does not name, by way of a foreign key, and "
    "no lock_timeout was in force",
    effect="reads and writes of the parent wait; drops of several tables deadlock with readers",
    workaround="drop the foreign key first in a transaction of its own, with a short lock_timeout, then the table.",
    bad="DROP TABLE order_items;",
    good="SET lock_timeout = '100ms';\nALTER TABLE order_items DROP CONSTRAINT order_items_order_id_fkey;\n"
    "-- next transaction:\nDROP TABLE order_items;",
    check=_parents,
    squawk=("ban-drop-table",),
)
LONG_STALL = Rule(
    id="long-stall",
    severity="error",
    condition="traffic stood still for a second or longer because of a statement's lock",
    effect="requests pile up; pools run dry",
    workaround="let the transaction be shorter, or the lock be weaker.",
    bad="BEGIN; ALTER TABLE orders …; -- something slow; COMMIT;",
    good="-- the slow part in a transaction of its own",
    check=_long,
    felt=True,
)
RULES = (BACKFILL_IN_DDL, LOCK_HELD, UNBATCHED, ONE_TRANSACTION, QUEUED, PARENT, LONG_STALL)
