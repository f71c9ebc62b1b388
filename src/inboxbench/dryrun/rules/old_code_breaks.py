"""Requests of code that is deployed already are refused by the new schema."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator

from inboxbench.dryrun.model import Problem, Statement
from inboxbench.dryrun.rules.checks import head
from inboxbench.dryrun.rules.facts import Facts
from inboxbench.dryrun.rules.remedies import TWO_RELEASES
from inboxbench.dryrun.rules.rule import Hit, Rule
from inboxbench.sqltree.commands import Command

_NAMED = re.compile(r'(?:column|relation|table|constraint|function|type) "?([\w$.]+)"?', re.IGNORECASE)
_CONSTRAINT = re.compile(r'constraint "([^"]+)"')
# What PostgreSQL calls one that a statement gives no name.
_UNNAMED = {"unique": "_key", "foreign key": "_fkey", "primary key": "_pkey", "exclude": "_excl", "check": "_check"}
# A deadlock or a serialization failure, a lock that was taken, a server that went away; a row that was there already,
# or was not any more: these come to requests without any migration.
_OF_THE_MOMENT = ("40", "55", "57", "08", "53")
_BY_ROWS = ("23505", "23503", "23514", "23P01")
_NO_VALUE = "23502"  # for a column that is NOT NULL
_RAISED, _RAISES = "P0001", {"trigger", "function", "procedure"}
_OPAQUE = ("do", "call", "select")  # their text says little of what they change
_REMOVES = {"drop", "rename", "null", "constraint", "type"}


def _check(facts: Facts) -> Iterator[Hit]:
    for traffic in facts.run.traffic:
        refused = [problem for problem in traffic.problems if _refused(facts, problem)]
        if refused:
            cause = _cause(facts, refused[0].error)
            by = f" after {head(cause)}" if cause else ""
            count = sum(problem.requests for problem in refused)
            what = f"{count:,} of {traffic.requests:,} requests of {traffic.name} failed{by}: {refused[0].error}."
            table = cause.locks[0].relation if cause and cause.locks else None
            yield Hit(cause, table, what, instead=TWO_RELEASES if refused[0].state == _NO_VALUE else "")


def _refused(facts: Facts, problem: Problem) -> bool:
    """By the schema as the migration has made it: not by another request, and not before it had done a thing."""
    begun = min((statement.started_ms for statement in facts.run.statements if statement.locks), default=math.inf)
    if problem.at_ms < begun or (problem.state or "")[:2] in _OF_THE_MOMENT:
        return False
    if problem.state == _RAISED:
        return any(_RAISES & statement.parsed.words for statement in facts.run.statements if not statement.error)
    return problem.state not in _BY_ROWS or _by_migration(facts, problem.error)


def _by_migration(facts: Facts, error: str) -> bool:
    """Return whether the constraint that the error names is one that the migration has made."""
    name = next(iter(_CONSTRAINT.findall(error)), "")
    return bool(name) and any(_makes(statement, name) for statement in facts.run.statements)


def _makes(statement: Statement, constraint: str) -> bool:
    tables = [lock.relation.rpartition(".")[2] for lock in statement.locks if lock.kind == "table"]
    if constraint in statement.parsed.words:
        return True
    kinds = (kind for kind in _UNNAMED if any(command.constrains(kind) for command in statement.parsed.commands))
    ends = tuple(_UNNAMED[kind] for kind in kinds)
    return any(constraint.startswith(f"{table}_") and constraint.endswith(ends) for table in tables)


def _cause(facts: Facts, error: str) -> Statement | None:
    """Return the statement that took away what the error names."""
    names = {name.rpartition(".")[2] for name in _NAMED.findall(error)}
    changes = [statement for statement in facts.run.statements if not statement.error and _takes_away(statement)]
    named = [(len(names & statement.parsed.words), -statement.number, statement) for statement in changes]
    best = max(named, key=lambda candidate: candidate[:2], default=None)
    return best[2] if best and best[0] else None


def _takes_away(statement: Statement) -> bool:
    if any(map(_restricts, statement.parsed.commands)):
        return True
    return statement.parsed.has(*_OPAQUE) and bool(_REMOVES & statement.parsed.words)


def _restricts(command: Command) -> bool:
    """Return whether it drops, renames or narrows something."""
    if command.kind.startswith(("drop ", "rename", "alter enum", "alter domain", "alter object schema")):
        return True
    narrows = command.does("drop column", "drop constraint", "set not null", "alter column type", "add constraint",
                           "column default", "drop not null", "drop expression", "drop identity")  # fmt: skip
    return narrows or command.constrains("not null")


RULE = Rule(
    id="old-code-breaks",
    group="outcome",
    severity="error",
    condition="requests of the traffic, which is the code as it was before the history, were refused by the new schema",
    effect="errors in the application from this revision until the new code is deployed everywhere",
    remedy="expand first, deploy code that needs neither, contract last.",
    bad="ALTER TABLE orders RENAME COLUMN note TO remark;",
    good="-- 1. add remark, kept alike  2. deploy code that uses remark  3. drop note",
    check=_check,
    squawk=("ban-drop-column", "renaming-column", "renaming-table", "adding-required-field"),
    needs_traffic=True,
)
