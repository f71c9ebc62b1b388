"""The sentences of findings: what blocks what, and for how long, with figures as people read them."""

from __future__ import annotations

from inboxbench import units
from inboxbench.dryrun.model import Stall, Statement
from inboxbench.dryrun.rules.facts import Facts, InForce
from inboxbench.sqltree import parse

_LONGEST = 72


def short(relation: str) -> str:
    """Without the schema that everybody uses."""
    return relation.removeprefix("public.")


def head(statement: Statement) -> str:
    return head_of(statement.sql)


def head_of(sql: str) -> str:
    """On one line, what is quoted too, cut.

    >>> head_of("UPDATE t\\nSET a = 'b\\n\\nc'")
    "UPDATE t SET a = 'b c'"
    """
    text = " ".join(parse(sql).flat.split())
    return text if len(text) <= _LONGEST else text[: _LONGEST - 1].rstrip() + "…"


def blocked(force: InForce) -> str:
    who = "all reads and writes" if force.blocks_reads else "inserts, updates and deletes"
    return f"{who} of {short(force.lock.relation)} for {units.millis(force.lock.held_ms)} ({force.lock.mode})"


def worst_stall(facts: Facts, *statements: Statement) -> str:
    """A sentence about the traffic, if it was held up."""
    worst = facts.worst_stall(*statements)
    return f" Worst stall: {worst[0]}, {units.millis(worst[1].duration_ms)}{_queued(worst[1])}." if worst else ""


def _queued(stall: Stall) -> str:
    return ", in the queue behind it" if stall.queued else ""
