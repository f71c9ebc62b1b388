"""The steps that a finding proposes instead of its statements, by what the catalogue says of their tables."""

from __future__ import annotations

import re
from collections.abc import Sequence

from inboxbench.database import Connection
from inboxbench.dryrun.model import Finding, Statement
from inboxbench.dryrun.observe.log_statements import bare
from inboxbench.dryrun.rewrites.catalogue import rewrite, with_references
from inboxbench.dryrun.rewrites.change_type import Dependents
from inboxbench.dryrun.rewrites.operation import Operation, flat, read_operation
from inboxbench.dryrun.rewrites.session_settings import connected
from inboxbench.dryrun.rewrites.steps import Step, Steps
from inboxbench.dryrun.rules.facts import is_work
from inboxbench.dryrun.schema.dependents import dependents
from inboxbench.dryrun.schema.primary_keys import primary_key
from inboxbench.server import Server

# Rules whose remedy concerns the whole transaction: it is split, and each of its statements rewritten.
SPLIT = ("backfill-in-ddl-transaction", "lock-held-across-work", "one-transaction")
QUEUED, FOREIGN_KEY = "no-lock-timeout", "foreign-key-validated"
_SETS_LOCAL = re.compile(r"SET\s+LOCAL\s+(?=(?P<name>[\w.]+))", re.IGNORECASE)
# What has a meaning only beside the rest of its transaction.
_TOGETHER = re.compile(
    r"^(LOCK|SAVEPOINT|RELEASE|ROLLBACK|DECLARE|FETCH|SET CONSTRAINTS|SET TRANSACTION)\b|\bON COMMIT\b|"
    r"\bFOR (NO KEY )?(UPDATE|SHARE)\b|\bset_config\(.*,\s*true\s*\)|_xact_",
    re.IGNORECASE | re.DOTALL,
)


def steps_instead(
    server: Server, database: str, finding: Finding, statements: Sequence[Statement], session: Steps
) -> list[tuple[Statement, Steps]] | None:
    """Steps beside the statement whose values they need."""
    last = statements[-1]
    if finding.rule == QUEUED:
        return [(last, (Step(bare(last.sql), retry=True),))]
    if len(statements) > 1 and finding.rule == FOREIGN_KEY:
        inline = with_references([one.sql for one in statements[:-1]], last.sql)
        return [*((one, (Step(one.sql),)) for one in statements[1:-1]), (last, inline[1] if inline else ())]
    with connected(server, database, session) as connection:
        if finding.rule not in SPLIT:
            rewritten = _rewritten(connection, last.sql)
            return None if rewritten is None else [(last, rewritten)]
        if any(_TOGETHER.search(flat(one.sql)) for one in statements):
            return None
        return [(one, _alone(connection, one)) for one in statements] + [(last, _reset(statements))]


def _alone(connection: Connection, one: Statement) -> Steps:
    """A statement of a transaction that is split: what did work as its rewrite, the rest as it is."""
    if said := _SETS_LOCAL.match(bare(one.sql)):
        return (Step(f"SET {bare(one.sql)[said.end() :]}", alone=True),)
    operation = read_operation(one.sql)
    worth = is_work(one) or (operation is not None and operation.kind == "drop index")
    return (_rewritten(connection, one.sql) if worth else None) or (Step(bare(one.sql), alone=True),)


def _reset(statements: Sequence[Statement]) -> Steps:
    """What was set for the transaction alone."""
    names = [said["name"] for one in statements if (said := _SETS_LOCAL.match(bare(one.sql)))]
    return tuple(Step(f"RESET {name}", alone=True) for name in dict.fromkeys(names))


def _rewritten(connection: Connection, text: str) -> Steps | None:
    """By what the catalogue says of its table."""
    operation = read_operation(text)
    if operation is None:
        return None
    return rewrite(text, primary_key(connection, operation.table), _hung(connection, operation))


def _hung(connection: Connection, operation: Operation) -> Dependents | None:
    return dependents(connection, operation.table, operation.column) if operation.kind == "type" else None
