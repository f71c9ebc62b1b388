"""Rows are changed in bulk in the transaction that has locked a table: no statement of it is bad alone."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator

from inboxbench.dryrun.model import Statement
from inboxbench.dryrun.row_work import modifies, rows_changed
from inboxbench.dryrun.rules.checks import blocked, head, short, within, worst_stall
from inboxbench.dryrun.rules.facts import FEW_ROWS, Facts, InForce, held_by_others, held_meanwhile, is_work, rows_read
from inboxbench.dryrun.rules.rule import Hit, Rule
from inboxbench.units import millis


def backfills(facts: Facts) -> Iterator[Hit]:
    """Also for the rule about other work of a transaction, which leaves these to this one."""
    small: dict[int, list[Statement]] = defaultdict(list)
    large: set[int] = set()
    for statement in filter(modifies, facts.run.statements):
        if not is_work(statement):
            small[statement.transaction].append(statement)
        elif held := held_meanwhile(facts, statement):
            large.add(statement.transaction)
            rows = max(rows_changed(statement), rows_read(statement), statement.times)
            text = f"{head(statement)} went over {rows:,} rows{within(statement)} ({millis(statement.duration_ms)})"
            yield _hit(facts, statement, held, text, facts.proposal(statement))
    for transaction in small.keys() - large:
        yield from _together(facts, small[transaction])


def _together(facts: Facts, statements: list[Statement]) -> Iterator[Hit]:
    """Yield one hit for small writes of a transaction that are many: the lock is kept until the last of them."""
    if sum(max(statement.dead_tuples, statement.times) for statement in statements) < FEW_ROWS:
        return
    under = [statement for statement in statements if held_by_others(facts, statement)]
    rows = sum(max(statement.dead_tuples, statement.times) for statement in under)
    if rows >= FEW_ROWS:
        largest = max(under, key=lambda statement: max(statement.dead_tuples, statement.times))
        count, lasted = sum(statement.times for statement in under), sum(statement.duration_ms for statement in under)
        text = f"{count:,} small writes such as {head(largest)} changed {rows:,} rows ({millis(lasted)})"
        yield _hit(facts, largest, held_by_others(facts, largest), text, "")


def _hit(facts: Facts, statement: Statement, held: list[InForce], text: str, code: str) -> Hit:
    worst = max(held, key=lambda force: force.lock.blocks_reads)
    what = (
        f"{text} in the transaction in which {head(worst.owner)} had locked {short(worst.lock.relation)}: it blocked "
        f"{blocked(worst)}.{worst_stall(facts, statement, worst.owner)}"
    )
    return Hit(statement, worst.lock.relation, what, code)


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
