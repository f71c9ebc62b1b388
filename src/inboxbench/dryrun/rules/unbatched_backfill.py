"""One statement changes very many rows."""

from __future__ import annotations

from collections.abc import Iterator

from inboxbench.dryrun.model import Lock, Statement
from inboxbench.dryrun.row_work import modifies
from inboxbench.dryrun.rules.checks import head, within, worst_stall
from inboxbench.dryrun.rules.facts import Facts, held_meanwhile
from inboxbench.dryrun.rules.rule import Hit, Rule
from inboxbench.units import millis

_MANY_ROWS = 10_000  # row locks that one transaction should not gather


def _check(facts: Facts) -> Iterator[Hit]:
    ends = {transaction.number: transaction.finished_ms for transaction in facts.run.transactions}
    for statement in facts.run.statements:
        rows = statement.dead_tuples if statement.rows_at_once is None else statement.rows_at_once
        if rows < _MANY_ROWS or not modifies(statement) or held_meanwhile(facts, statement):
            continue
        if _only_its_own(statement):
            continue
        kept_ms = ends[statement.transaction] - statement.started_ms
        what = (
            f"{head(statement)} changed {rows:,} rows in one transaction{within(statement)}: each stayed locked "
            f"against other updates for up to {millis(kept_ms)}, and as many dead rows were left behind."
            f"{worst_stall(facts, statement)}"
        )
        yield Hit(statement, _table(statement), what, facts.proposal(statement))


def _written(statement: Statement) -> list[Lock]:
    return [lock for lock in statement.locks if lock.kind == "table" and lock.mode == "ROW EXCLUSIVE"]


def _only_its_own(statement: Statement) -> bool:
    """Return whether all that it wrote to is its own transaction's or session's, so that nobody waits for its rows."""
    written = _written(statement)
    return bool(written) and all(lock.created or lock.relation.startswith("pg_temp") for lock in written)


def _table(statement: Statement) -> str | None:
    names = (*(lock.relation for lock in _written(statement)), *(scan.relation for scan in statement.scans))
    return next(iter(names), None)


RULE = Rule(
    id="unbatched-backfill",
    group="transaction",
    severity="warning",
    condition=f"one statement changed {_MANY_ROWS:,} rows or more",
    effect="updates of each of these rows wait until COMMIT; dead rows and WAL come all at once",
    remedy="change them in batches by key, each in a transaction of its own.",
    bad="UPDATE orders SET total = quantity * 2;",
    good="-- until no row is left, committing each:\nUPDATE orders SET … WHERE id IN (SELECT id … LIMIT 5000);",
    check=_check,
)
