"""A statement fails, and its revision with it: what to do depends on what the server said."""

from __future__ import annotations

from collections.abc import Iterator

from inboxbench.dryrun.model import Statement
from inboxbench.dryrun.rules.checks import head
from inboxbench.dryrun.rules.facts import Facts, refused_in_transaction
from inboxbench.dryrun.rules.remedies import TWO_RELEASES
from inboxbench.dryrun.rules.rule import Hit, Rule

_ROWS = "make the rows fit first, or the statement fit the rows."
# What to do by the beginning of an SQLSTATE, the longest that fits.
_REMEDIES = {
    "22": _ROWS,
    "22012": "mend the expression: it divides by zero.",
    "23": _ROWS,
    "23502": TWO_RELEASES,
    "25006": "run it where writing is allowed: the transaction, the role or the database is read-only.",
    "2BP01": "drop or change first what depends on it, in the same revision, and make it again afterwards.",
    "0A000": "take off first what the server names and put it back after, or write it another way.",
    "40001": "run it again: another transaction changed the same rows.",
    "40P01": "lock one table a transaction, with a lock_timeout, and try again.",
    "42": "mend the statement, or the state that it takes for granted: the server refused it whatever the rows are.",
    "42501": "grant the role what it lacks, or run the revision as the owner.",
    "53": "give the server the room or the connections that it lacks, or work in smaller parts.",
    "55006": "do it in a transaction of its own: this one, or another session, still uses the object.",
    "55P03": "try again later: the lock was not free within the lock_timeout, or under NOWAIT.",
    "55P04": "commit the new enum value first, in a revision or an autocommit block of its own, then use it.",
    "57014": "do it in smaller parts, or give its session a longer statement_timeout, if that is what ended it.",
}
_OTHER = "mend what the server says; nothing of the failed transaction is there."
_PENDING = (
    "give it a revision of its own, after the one that changes the rows, or SET CONSTRAINTS ALL IMMEDIATE before it: "
    "checks of the changed rows are deferred to COMMIT, and none may be pending."
)
_HUNG = "find out why it did not go on; if it was only slow, give it more time with --timeout."


def remedy(state: str | None) -> str:
    """Return what to do about a failure with this SQLSTATE."""
    fitting = [key for key in _REMEDIES if (state or "").startswith(key)]
    return _REMEDIES[max(fitting, key=len)] if fitting else _OTHER


def _check(facts: Facts) -> Iterator[Hit]:
    failed = {revision.revision for revision in facts.run.revisions if revision.error}
    for statement in facts.run.statements:
        if not statement.error or statement.revision not in failed or refused_in_transaction(statement):
            continue
        if facts.run.more.hung is not None and statement.sqlstate is None:
            yield from _unended(facts, statement)
            continue
        pending = statement.sqlstate == "55006" and "pending trigger events" in statement.error
        advice = _PENDING if pending else remedy(statement.sqlstate)
        code = facts.proposal(statement) if advice == _ROWS else ""
        yield Hit(statement, None, f"{head(statement)} failed: {statement.error}.", code, advice)


def _unended(facts: Facts, statement: Statement) -> Iterator[Hit]:
    """Yield the statement at which the command stood, unless it waited for itself: that is a rule of its own."""
    hung = facts.run.more.hung
    if hung is not None and not hung.own and statement.number == hung.statement:
        yield Hit(statement, hung.relation, f"{head(statement)} did not end: {hung.what}.", "", _HUNG)


RULE = Rule(
    id="revision-failed",
    group="outcome",
    severity="error",
    condition="a statement failed, or did not end in its time, and its revision with it",
    effect="the history stops there",
    remedy="make the rows fit where they do not, mend the statement where it is wrong: the server said which.",
    bad="ALTER TABLE orders ADD COLUMN c int NOT NULL;",
    good="ALTER TABLE orders ADD COLUMN c int NOT NULL DEFAULT 0;",
    check=_check,
    squawk=("adding-required-field",),
)
