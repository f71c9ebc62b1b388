"""Rules about what a revision leaves: errors of code that is already deployed, deadlocks, invalid indexes, failures."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator

from inboxbench.dryrun.model import Felt, Problem, Statement
from inboxbench.dryrun.observe.log_statements import bare
from inboxbench.dryrun.rewrites.steps import Step, as_code, in_python
from inboxbench.dryrun.rules.facts import Facts
from inboxbench.dryrun.rules.messages import head, short
from inboxbench.dryrun.rules.rule import Hit, Rule

_NAMED = re.compile(r'(?:column|relation|table|constraint|function|type) "?([\w$.]+)"?', re.IGNORECASE)
_REMOVES = re.compile(r"\b(DROP|RENAME|SET NOT NULL|NOT NULL|ADD CONSTRAINT|ALTER TYPE|TYPE)\b", re.IGNORECASE)
_CONSTRAINT = re.compile(r'constraint "([^"]+)"')
# What PostgreSQL calls one that a statement gives no name.
_UNNAMED = {"UNIQUE": "_key", "REFERENCES": "_fkey", "PRIMARY KEY": "_pkey", "EXCLUDE": "_excl", "CHECK": "_check"}
# A deadlock or a serialization failure, a lock that was taken, a server that went away; a row that was there already,
# or was not any more: these come to requests without any chain.
_OF_THE_MOMENT = ("40", "55", "57", "08", "53")
_BY_ROWS = ("23505", "23503", "23514", "23P01")
_RAISED, _RAISES = "P0001", re.compile(r"\b(TRIGGER|FUNCTION|PROCEDURE)\b", re.IGNORECASE)
_PLAIN = re.compile(r"[a-z_][a-z0-9_$]*")
_IN_BLOCK = re.compile(r"\bcannot (run inside|be executed from) a transaction block")


def _old_code(facts: Facts) -> Iterator[Hit]:
    for felt in facts.run.traffic:
        refused = [one for one in felt.problems if _refused(facts, one)]
        if refused:
            cause = _cause(facts, refused[0].error)
            by = f" after {head(cause)}" if cause else ""
            count = sum(one.requests for one in refused)
            what = f"{count:,} of {felt.requests:,} requests of {felt.name} failed{by}: {refused[0].error}."
            table = cause.locks[0].relation if cause and cause.locks else None
            yield Hit(cause, table, what)


def _refused(facts: Facts, problem: Problem) -> bool:
    """By the schema as the chain has made it: not by another request, and not before the chain had done a thing."""
    begun = min((one.started_ms for one in facts.run.statements if one.locks), default=math.inf)
    if problem.at_ms < begun or (problem.state or "")[:2] in _OF_THE_MOMENT:
        return False
    if problem.state == _RAISED:
        return any(_RAISES.search(one.sql) for one in facts.run.statements if not one.error)
    return problem.state not in _BY_ROWS or _of_the_chain(facts, problem.error)


def _of_the_chain(facts: Facts, error: str) -> bool:
    """Whether the constraint that the error names is one that the chain has made."""
    name = next(iter(_CONSTRAINT.findall(error)), "")
    for one in facts.run.statements:
        tables = [lock.relation.rpartition(".")[2] for lock in one.locks if lock.kind == "table"]
        ends = tuple(end for word, end in _UNNAMED.items() if word in one.sql.upper())
        unnamed = any(name.startswith(f"{table}_") and name.endswith(ends) for table in tables)
        if name and (unnamed or name in re.findall(r"[\w$]+", one.sql)):
            return True
    return False


def _cause(facts: Facts, error: str) -> Statement | None:
    """The statement that took away what the error names."""
    names = {part for found in _NAMED.findall(error) for part in (found.split(".")[-1],)}
    changes = [one for one in facts.run.statements if not one.error and _REMOVES.search(one.sql)]
    named = [(len(names & set(re.findall(r"[\w$]+", one.sql))), -one.number, one) for one in changes]
    best = max(named, key=lambda found: found[:2], default=None)
    return best[2] if best and best[0] else None


def _deadlocks(facts: Facts) -> Iterator[Hit]:
    for felt in facts.run.traffic:
        if felt.deadlocks:
            yield Hit(_in_cycle(facts, felt), None, f"{felt.name} ran into {felt.deadlocks} deadlocks.{_cycle(felt)}")


def _cycle(felt: Felt) -> str:
    return f" {felt.deadlock_cycle}" if felt.deadlock_cycle else ""


def _in_cycle(facts: Facts, felt: Felt) -> Statement | None:
    """The first of the chain's statements that the cycle names."""
    named = re.search(r"statement (\d+) \(", felt.deadlock_cycle or "")
    number = int(named[1]) if named else 0
    return next((one for one in facts.run.statements if one.number == number), None)


def _invalid(facts: Facts) -> Iterator[Hit]:
    for name in facts.run.invalid_indexes:
        bare = name.rpartition(".")[2]
        word = re.compile(rf"\bINDEX\b.*\b{re.escape(bare)}\b", re.IGNORECASE | re.DOTALL)
        made = next((one for one in facts.run.statements if word.search(one.sql)), None)
        what = f"index {short(name)} is invalid: every write keeps it up, and no query uses it."
        code = as_code((Step(f"DROP INDEX CONCURRENTLY IF EXISTS {_quoted(short(name))}", alone=True),))
        yield Hit(made, name, what, code)


def _quoted(name: str) -> str:
    """As quote_ident would, but for words that SQL keeps for itself.

    >>> _quoted("app.IX_Mixed"), _quoted("ix")
    ('app."IX_Mixed"', 'ix')
    """
    return ".".join(part if _PLAIN.fullmatch(part) else f'"{part}"' for part in name.split("."))


def _in_transaction(facts: Facts) -> Iterator[Hit]:
    for one in facts.run.statements:
        if one.error and _IN_BLOCK.search(one.error):
            code = f"with op.get_context().autocommit_block():\n    op.execute({in_python(bare(one.sql))})"
            yield Hit(one, None, f"{head(one)} failed: {one.error}.", code)


def _failed(facts: Facts) -> Iterator[Hit]:
    failed = {one.revision for one in facts.run.revisions if one.error}
    for one in facts.run.statements:
        if one.error and one.revision in failed and not _IN_BLOCK.search(one.error):
            yield Hit(one, None, f"{head(one)} failed: {one.error}.", facts.proposal(one))


OLD_CODE = Rule(
    id="old-code-breaks",
    severity="error",
    condition="requests of the traffic, which is the code as it was before the chain, were refused by the new schema",
    effect="errors in the application from this revision until the new code is deployed everywhere",
    workaround="expand first, deploy code that needs neither, contract last.",
    bad="ALTER TABLE orders RENAME COLUMN note TO remark;",
    good="-- 1. add remark, kept alike  2. deploy code that uses remark  3. drop note",
    check=_old_code,
    felt=True,
    squawk=("ban-drop-column", "renaming-column", "renaming-table", "adding-required-field"),
)
DEADLOCK = Rule(
    id="deadlock",
    severity="error",
    condition="the chain and the traffic waited for each other, and the server ended one of them",
    effect="requests fail, or the migration does",
    workaround="one table a transaction, with a lock_timeout shorter than deadlock_timeout, and retries.",
    bad="BEGIN; DROP TABLE a; DROP TABLE b; COMMIT;",
    good="SET lock_timeout = '100ms';\nDROP TABLE a;  -- commit\nDROP TABLE b;  -- commit",
    check=_deadlocks,
    felt=True,
)
INVALID_INDEX = Rule(
    id="invalid-index",
    severity="error",
    condition="an index that failed to be built CONCURRENTLY was left behind",
    effect="writes keep it up, queries do not use it, and a second try under IF NOT EXISTS takes it for done",
    workaround="drop it and build it again.",
    bad="CREATE UNIQUE INDEX CONCURRENTLY IF NOT EXISTS uq ON customers (email);  -- failed once",
    good="DROP INDEX CONCURRENTLY IF EXISTS uq;\nCREATE UNIQUE INDEX CONCURRENTLY uq ON customers (email);",
    check=_invalid,
)
IN_TRANSACTION = Rule(
    id="needs-autocommit",
    severity="error",
    condition="a statement that cannot run in a transaction was run in one",
    effect="the revision fails",
    workaround="leave Alembic's transaction for it.",
    bad='op.execute("CREATE INDEX CONCURRENTLY …")',
    good='with op.get_context().autocommit_block():\n    op.execute("CREATE INDEX CONCURRENTLY …")',
    check=_in_transaction,
    squawk=("ban-concurrent-index-creation-in-transaction",),
)
FAILED = Rule(
    id="revision-failed",
    severity="error",
    condition="a statement failed on these rows, and its revision with it",
    effect="the chain stops there",
    workaround="make the rows fit first, or the statement fit the rows.",
    bad="ALTER TABLE orders ADD COLUMN c int NOT NULL;",
    good="ALTER TABLE orders ADD COLUMN c int NOT NULL DEFAULT 0;",
    check=_failed,
    squawk=("adding-required-field",),
)
RULES = (OLD_CODE, DEADLOCK, INVALID_INDEX, IN_TRANSACTION, FAILED)
