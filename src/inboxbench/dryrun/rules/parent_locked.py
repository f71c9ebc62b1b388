"""A table that the statement does not name is locked, because a foreign key leads there."""

from __future__ import annotations

from collections.abc import Iterator

from inboxbench.dryrun.rules.checks import blocked, head, worst_stall
from inboxbench.dryrun.rules.facts import Facts
from inboxbench.dryrun.rules.rule import Hit, Rule
from inboxbench.sqltree.commands import Command


def _check(facts: Facts) -> Iterator[Hit]:
    """Yield each table that a drop or TRUNCATE locked without naming it; partitions and children are left out.

    Under a lock_timeout nobody queues behind such a statement for long.
    """
    for statement in facts.run.statements:
        forces = [force for force in facts.own(statement) if force.lock.blocks_reads and force.lock.kind == "table"]
        if not forces or statement.error or not any(map(_lets_go, statement.parsed.commands)):
            continue
        for force in [] if facts.guarded(statement) else forces:
            table = force.lock.relation
            if table.partition(".")[2] not in statement.parsed.words and not facts.child(table):
                what = f"{head(statement)} blocked {blocked(force)}, which it does not name."
                yield Hit(statement, table, what + worst_stall(facts, statement))


def _lets_go(command: Command) -> bool:
    """Return whether a table or a key of it goes."""
    return command.kind in ("drop table", "truncate") or command.does("drop constraint", "drop column")


RULE = Rule(
    id="parent-locked",
    group="transaction",
    severity="warning",
    condition="ACCESS EXCLUSIVE was taken on a table that the statement does not name, by way of a foreign key, and "
    "no lock_timeout was in force",
    effect="reads and writes of the parent wait; drops of several tables deadlock with readers",
    remedy="drop the foreign key first in a transaction of its own, with a short lock_timeout, then the table.",
    bad="DROP TABLE order_items;",
    good="SET lock_timeout = '100ms';\nALTER TABLE order_items DROP CONSTRAINT order_items_order_id_fkey;\n"
    "-- next transaction:\nDROP TABLE order_items;",
    check=_check,
    squawk=("ban-drop-table",),
)
