"""A lock is kept for long, whoever was there to wait for it, measured by the size of the table that it is on."""

from __future__ import annotations

from collections.abc import Iterator

from inboxbench.dryrun.rules.checks import blocked, head, worst_stall
from inboxbench.dryrun.rules.facts import LONG_MS, Facts, InForce
from inboxbench.dryrun.rules.rule import Hit, Rule
from inboxbench.units import millis

_NOTICED_MS = 250.0
_MANY_ROWS = 100_000


def _check(facts: Facts) -> Iterator[Hit]:
    """Yield the longest lock of each transaction, by the statement that took it."""
    longest: dict[int, InForce] = {}
    for statement in facts.run.statements:
        for force in facts.own(statement):
            before = longest.get(statement.transaction)
            if _is_long(facts, force) and (before is None or force.lock.held_ms > before.lock.held_ms):
                longest[statement.transaction] = force
    for force in longest.values():
        yield Hit(force.owner, force.lock.relation, _what(facts, force))


def _is_long(facts: Facts, force: InForce) -> bool:
    rows, expected = facts.rows(force.lock.relation), facts.expected_ms(force)
    return expected >= LONG_MS or (force.lock.held_ms >= _NOTICED_MS and rows >= _MANY_ROWS)


def _what(facts: Facts, force: InForce) -> str:
    rows, expected = facts.rows(force.lock.relation), facts.expected_ms(force)
    of = f", a table of {rows:,} rows" if rows else ""
    grown = f" With the rows of production it is {millis(expected)}." if expected > force.lock.held_ms else ""
    return f"{head(force.owner)} blocked {blocked(force)}{of}.{grown}{worst_stall(facts, force.owner)}"


RULE = Rule(
    id="long-lock",
    group="transaction",
    severity="warning",
    condition=f"a lock kept readers or writers out of a table for {millis(LONG_MS)} or longer, as it was measured or, "
    f"with --rows, as the rows of production make it; or for {millis(_NOTICED_MS)} on a table of "
    f"{_MANY_ROWS:,} rows or more; and no other rule says why",
    effect="requests that need the table wait; on a table that large there are such requests",
    remedy="let the transaction be shorter: what is slow in it belongs before the lock or after its release.",
    bad="BEGIN;\nALTER TABLE orders ADD COLUMN c int;\n-- something slow\nCOMMIT;",
    good="-- the slow part in a transaction of its own",
    check=_check,
    last_resort=True,
)
