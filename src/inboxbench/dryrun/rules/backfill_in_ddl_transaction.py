"""Rows are changed in bulk in the transaction that has locked a table: no statement of it is bad alone."""

from __future__ import annotations

from collections.abc import Iterator

from inboxbench.dryrun.rules.checks import blocked, head, short, worst_stall
from inboxbench.dryrun.rules.facts import Facts, held_by_others, is_work, modifies, rows_read
from inboxbench.dryrun.rules.rule import Hit, Rule
from inboxbench.units import millis


def backfills(facts: Facts) -> Iterator[Hit]:
    """Also for the rule about other work of a transaction, which leaves these to this one."""
    for statement in facts.run.statements:
        held = held_by_others(facts, statement) if is_work(statement) and modifies(statement) else []
        if not held:
            continue
        worst = max(held, key=lambda force: force.lock.blocks_reads)
        rows = max(statement.dead_tuples, rows_read(statement))
        what = (
            f"{head(statement)} went over {rows:,} rows ({millis(statement.duration_ms)}) in the transaction in which "
            f"{head(worst.owner)} had locked {short(worst.lock.relation)}: it blocked {blocked(worst)}."
            f"{worst_stall(facts, statement, worst.owner)}"
        )
        yield Hit(statement, worst.lock.relation, what, facts.proposal(statement))


RULE = Rule(
    id="backfill-in-ddl-transaction",
    group="transaction",
    severity="error",
    condition="rows were changed or read in bulk in a transaction that had locked a table before",
    effect="whoever the lock is in the way of waits for the whole backfill; no statement of it is bad on its own",
    remedy="let the DDL commit first, and backfill in batches, each in a transaction of its own.",
    bad="ALTER TABLE orders ADD COLUMN total int;\nUPDATE orders SET total = quantity * 2;",
    good="-- revision 1\nALTER TABLE orders ADD COLUMN total int;\n-- revision 2\nUPDATE …;  -- in batches",
    check=backfills,
    replaces="transaction",
)
