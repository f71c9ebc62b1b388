"""A statement waits for a lock as long as it takes, and everybody behind it."""

from __future__ import annotations

from collections.abc import Iterator

from inboxbench.dryrun.rewrites.steps import Step
from inboxbench.dryrun.rules.checks import head, short, worst_stall
from inboxbench.dryrun.rules.facts import Facts
from inboxbench.dryrun.rules.rule import Hit, Rule
from inboxbench.units import millis

_QUEUED_MS = 50.0
_IN_THE_WAY = ("ACCESS EXCLUSIVE", "EXCLUSIVE", "SHARE ROW EXCLUSIVE", "SHARE")


def _check(facts: Facts) -> Iterator[Hit]:
    """While it waited, everybody who came after it waited too."""
    for statement in facts.run.statements:
        lock = max(statement.locks, key=lambda lock: lock.waited_ms, default=None)
        if lock is None or lock.created or lock.waited_ms < _QUEUED_MS or lock.mode not in _IN_THE_WAY:
            continue
        if facts.guarded(statement):
            continue
        what = (
            f"{head(statement)} waited {millis(lock.waited_ms)} for {lock.mode} on {short(lock.relation)} without a "
            f"lock_timeout; whoever came after it waited behind it.{worst_stall(facts, statement)}"
        )
        yield Hit(statement, lock.relation, what, facts.render(Step(statement.parsed.bare, retry=True)))


RULE = Rule(
    id="no-lock-timeout",
    group="transaction",
    severity="warning",
    condition=f"a statement waited {millis(_QUEUED_MS)} or longer for a lock, and its session had set no lock_timeout",
    effect="everybody who comes after it waits in the queue behind it, although nothing has been changed yet",
    remedy="give up soon and try again: lock_timeout with retries.",
    bad="ALTER TABLE orders ADD COLUMN c int;",
    good="SET lock_timeout = '100ms';  -- and try again when it strikes\nALTER TABLE orders ADD COLUMN c int;",
    check=_check,
    squawk=("require-lock-timeout",),
    replaces="wait",
    needs_traffic=True,
    by_chance=True,
)
