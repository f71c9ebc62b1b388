"""A lock keeps requests waiting for a second, and no other rule says why."""

from __future__ import annotations

from collections.abc import Iterator

from inboxbench.dryrun.row_work import modifies
from inboxbench.dryrun.rules.checks import blocked, head, short, within, worst_stall
from inboxbench.dryrun.rules.facts import LONG_MS, Facts
from inboxbench.dryrun.rules.rule import Hit, Rule
from inboxbench.units import millis

_OF_ROWS = ("transactionid", "tuple")  # locks that a request waits for to change a row


def _check(facts: Facts) -> Iterator[Hit]:
    ends = {transaction.number: transaction.finished_ms for transaction in facts.run.transactions}
    for statement in facts.run.statements:
        worst = facts.worst_stall(statement)
        if worst is None or worst[1].duration_ms < LONG_MS:
            continue
        force = next((force for force in facts.own(statement) if force.lock.held_ms >= LONG_MS), None)
        if force:
            what = f"{head(statement)} blocked {blocked(force)}.{worst_stall(facts, statement)}"
            yield Hit(statement, force.lock.relation, what)
        elif worst[1].wanted in _OF_ROWS and modifies(statement):
            relation, kept_ms = worst[1].relation, ends[statement.transaction] - statement.started_ms
            rows = f"rows of {short(relation)}" if relation else "rows"
            what = (
                f"{head(statement)} changed {rows}{within(statement)}, which stayed locked against other updates until "
                f"its transaction ended, {millis(kept_ms)} after its beginning.{worst_stall(facts, statement)}"
            )
            yield Hit(statement, relation, what)


RULE = Rule(
    id="long-stall",
    group="transaction",
    severity="error",
    condition="traffic stood still for a second or longer because of a statement's lock",
    effect="requests pile up; pools run dry",
    remedy="let the transaction be shorter, or the lock be weaker.",
    bad="BEGIN; ALTER TABLE orders …; -- something slow; COMMIT;",
    good="-- the slow part in a transaction of its own",
    check=_check,
    needs_traffic=True,
    last_resort=True,
    by_chance=True,
)
