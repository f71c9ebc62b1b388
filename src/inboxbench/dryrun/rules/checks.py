"""Checks and phrases that several rules share; a check is given the statements that it is about."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from inboxbench import units
from inboxbench.dryrun.model import Stall, Statement
from inboxbench.dryrun.more import Inner
from inboxbench.dryrun.rewrites.catalogue import with_references
from inboxbench.dryrun.rewrites.enum_values import REMEDY
from inboxbench.dryrun.rules.facts import FEW_ROWS, Facts, InForce, rewritten_table, rows_read
from inboxbench.dryrun.rules.remedies import PARTITIONED, TWO_RELEASES, of_rewrite, of_scan
from inboxbench.dryrun.rules.rule import Check, Hit
from inboxbench.sqltree import parse
from inboxbench.sqltree.commands import Command
from inboxbench.sqltree.tokens import in_a_line
from inboxbench.units import size

_LONGEST = 72


def short(relation: str) -> str:
    """Without the schema that everybody uses."""
    return relation.removeprefix("public.")


def head(statement: Statement) -> str:
    return head_of(statement.sql, statement.times)


def head_of(sql: str, times: int = 1) -> str:
    """On one line, what is quoted too, cut. times: how many it stands for.

    >>> head_of("UPDATE t\\nSET a = 'b\\n\\nc'")
    "UPDATE t SET a = 'b c'"
    """
    return in_a_line(parse(sql).flat, _LONGEST, times)


def within(statement: Statement) -> str:
    """Return what wrote the most rows in the functions and triggers that it ran, "" for nothing."""
    largest = max((inner for inner in statement.inner if inner.writes), key=lambda inner: inner.rows, default=None)
    return f" (within it: {ran(largest)})" if largest and largest.rows else ""


def ran(inner: Inner) -> str:
    """Return what ran within a statement on one line, with how often and how many rows that made."""
    often = f" ×{inner.calls:,}" if inner.calls > 1 else ""
    rows = f", {inner.rows:,} row{'s' if inner.rows != 1 else ''}" if inner.rows or inner.writes else ""
    return f"{head_of(inner.sql)}{often}{rows}"


def blocked(force: InForce) -> str:
    return f"{force.lock.kept_out} for {units.millis(force.lock.held_ms)} ({force.lock.mode})"


def worst_stall(facts: Facts, *statements: Statement) -> str:
    """Return a sentence about the traffic, if it was held up."""
    worst = facts.worst_stall(*statements)
    return f" Worst stall: {worst[0]}, {units.millis(worst[1].duration_ms)}{_queued(worst[1])}." if worst else ""


def _queued(stall: Stall) -> str:
    return ", in the queue behind it" if stall.queued else ""


def adds_constraint(kind: str) -> Callable[[Command], bool]:
    """Statements that give a table, not a column as it is added, a constraint of this kind."""
    return lambda command: (
        command.kind == "alter table" and kind in {constraint.kind for constraint in command.constraints}
    )


def rewriting(*, with_default: bool) -> Check:
    """Statements that wrote every row of a table while a lock on it was in others' way: those that add a column with
    a default, or all others."""

    def check(facts: Facts) -> Iterator[Hit]:
        for statement in facts.run.statements:
            table = rewritten_table(statement)
            force = facts.on(statement, table) if table else None
            if table is None or force is None or _gives_default(statement) is not with_default:
                continue
            written = size(sum(rewrite.bytes for rewrite in statement.rewrites))
            what = (
                f"{head(statement)} rewrote every row of {short(table)} ({written}, "
                f"{size(statement.wal_bytes)} of WAL, {size(statement.peak_bytes)} of extra disk) and blocked "
                f"{blocked(force)}.{worst_stall(facts, statement)}"
            )
            if values := facts.added_values(statement):
                yield Hit(statement, table, what, facts.render(*values), REMEDY)
            else:
                yield Hit(statement, table, what, _code(facts, statement), of_rewrite(statement))

    return check


def _gives_default(statement: Statement) -> bool:
    actions = (action for command in statement.parsed.commands for action in command.actions)
    return any(action.column.has("default") for action in actions if action.kind == "add column" and action.column)


def scanning(of: Callable[[Command], bool], doing: str) -> Check:
    """Statements of that form that read a whole table while a lock on it, or on its partner, was in others' way."""

    def check(facts: Facts) -> Iterator[Hit]:
        for statement in facts.run.statements:
            forces = [] if statement.rewrites or statement.error or not statement.scans else facts.in_force(statement)
            read = [force for force in forces if rows_read(statement, force.lock.relation) >= FEW_ROWS]
            if read and any(map(of, statement.parsed.commands)):
                yield _scanned(facts, statement, read, doing)

    return check


def _scanned(facts: Facts, statement: Statement, forces: list[InForce], doing: str) -> Hit:
    first = max(forces, key=lambda force: rows_read(statement, force.lock.relation))
    table = first.lock.relation
    ways = " and ".join(blocked(force) for force in forces)
    what = (
        f"{head(statement)} {doing} {rows_read(statement, table):,} rows of {short(table)} and blocked {ways}."
        f"{worst_stall(facts, statement)}"
    )
    return Hit(statement, table, what, _code(facts, statement), _remedy(facts, statement, table))


def _remedy(facts: Facts, statement: Statement, table: str) -> str:
    """Return the remedy where it is not the rule's own; "" where it is."""
    if statement.parsed.has("create index") and facts.partitioned(table, statement):
        return PARTITIONED
    if statement.parsed.has("alter table") and (inline := of_scan(statement)):
        return inline
    refused = facts.refused_nulls(statement)
    return f"{TWO_RELEASES} Requests of the code of today gave no value here: {refused}." if refused else ""


def _code(facts: Facts, statement: Statement) -> str:
    if facts.refused_nulls(statement):
        return ""  # whatever spares the scan, the code of today would go on failing
    earlier = [other.sql for other in facts.earlier(statement) if other.revision == statement.revision]
    inline = with_references(earlier, statement.sql)
    return facts.render(*inline[1]) if inline else facts.proposal(statement)
