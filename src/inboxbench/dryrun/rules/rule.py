"""A rule of a dry run: what it says in words, and the check that finds it in the facts of a run."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Literal

from inboxbench.dryrun.model import Finding, Statement
from inboxbench.dryrun.rules.facts import Facts

Severity = Literal["error", "warning", "note"]
# What a rule looks at, in the order in which rules are listed.
Group = Literal["lock", "transaction", "outcome"]
# What the remedy replaces: the statement; it and the ADD COLUMN before it; its whole transaction, which is split; or
# the way in which the statement waits for its lock.
Replaces = Literal["statement", "statement and column", "transaction", "wait"]


@dataclass(frozen=True, slots=True)
class Hit:
    """Where a check found its rule broken. what: one or two sentences, measured; code: to paste; instead: what to do
    here, where the rule's own remedy is not it.
    """

    statement: Statement | None
    relation: str | None
    what: str
    code: str = ""
    instead: str = ""


Check = Callable[[Facts], Iterator[Hit]]


@dataclass(frozen=True, slots=True)
class Rule:
    """A module of this package each, which calls its own `RULE`; nothing else in the program knows a rule by its id.

    condition: when it speaks; effect: who waits; remedy: what to do, in the imperative; bad, good: an example; squawk:
    the rules of squawk that it answers. needs_traffic: it speaks only of what requests met, and a run without any
    cannot refute it. last_resort: it speaks only of statements that no other rule speaks of.
    by_chance: it speaks only where somebody happened to wait, so that its silence says nothing.
    """

    id: str
    group: Group
    severity: Severity
    condition: str
    effect: str
    remedy: str
    bad: str
    good: str
    check: Check
    squawk: tuple[str, ...] = ()
    replaces: Replaces = "statement"
    needs_traffic: bool = False
    last_resort: bool = False
    by_chance: bool = False

    def findings(self, facts: Facts) -> Iterator[Finding]:
        """Each place of a run where the rule is broken."""
        for hit in self.check(facts):
            number = hit.statement.number if hit.statement else 0
            revision = hit.statement.revision if hit.statement else None
            yield Finding(
                self.id, self.severity, number, revision, hit.relation, hit.what, hit.instead or self.remedy, hit.code
            )

    def explained(self) -> str:
        """Return all of it, as `inboxbench explain` prints it."""
        parts = [
            f"{self.id} ({self.severity})",
            f"When:    {self.condition}",
            f"Effect:  {self.effect}",
            f"Instead: {self.remedy}",
            f"Bad:\n{_indented(self.bad)}",
            f"Good:\n{_indented(self.good)}",
            f"Silence: # inboxbench: ignore {self.id} REASON   (on the line of the operation, or alone above it)",
        ]
        return "\n\n".join(parts)


def _indented(code: str) -> str:
    return "\n".join(f"    {line}" if line else "" for line in code.strip("\n").splitlines())
