"""Work that grows with its table runs while a lock of an earlier statement keeps everybody out."""

from __future__ import annotations

from collections.abc import Iterator

from inboxbench.dryrun.rewrites.enum_values import REMEDY
from inboxbench.dryrun.rewrites.steps import Step
from inboxbench.dryrun.row_work import modifies
from inboxbench.dryrun.rules.backfill_in_ddl_transaction import backfills
from inboxbench.dryrun.rules.checks import blocked, head, worst_stall
from inboxbench.dryrun.rules.facts import Facts, held_by_others, is_work
from inboxbench.dryrun.rules.rule import Hit, Rule
from inboxbench.units import millis


def _check(facts: Facts) -> Iterator[Hit]:
    """A transaction with a backfill in it is reported once, and split as a whole."""
    reported = {hit.statement.transaction for hit in backfills(facts) if hit.statement}
    for statement in facts.run.statements:
        if statement.transaction in reported or statement.error or not is_work(statement) or modifies(statement):
            continue
        worst = next((force for force in held_by_others(facts, statement) if force.lock.blocks_reads), None)
        if worst is None:
            continue
        lasted = millis(statement.duration_ms)
        what = (
            f"{head(statement)} ({lasted}) ran while {head(worst.owner)} of the same transaction still "
            f"blocked {blocked(worst)}.{worst_stall(facts, statement, worst.owner)}"
        )
        first = Step(worst.owner.parsed.bare, note="one revision:")
        second = Step(statement.parsed.bare, note="the next:")
        if values := facts.added_values(statement):
            yield Hit(statement, worst.lock.relation, what, facts.render(*values), REMEDY)
        else:
            yield Hit(statement, worst.lock.relation, what, facts.render(first, second))


RULE = Rule(
    id="lock-held-across-work",
    group="transaction",
    severity="error",
    condition="a statement that grows with its table ran while ACCESS EXCLUSIVE of an earlier one was held",
    effect="reads and writes of the locked table wait for work that may not even concern it",
    remedy="split the transaction: the lock-taking statement in a revision of its own.",
    bad="ALTER TABLE orders ADD COLUMN c int;\nALTER TABLE customers VALIDATE CONSTRAINT ck;",
    good="-- revision 1\nALTER TABLE orders ADD COLUMN c int;\n"
    "-- revision 2\nALTER TABLE customers VALIDATE CONSTRAINT ck;",
    check=_check,
    replaces="transaction",
)
