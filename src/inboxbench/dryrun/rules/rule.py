"""A rule: what it is about in words, and the check that finds it in the facts of a run."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Literal

from inboxbench.dryrun.model import Finding, Statement
from inboxbench.dryrun.rules.facts import Facts

Severity = Literal["error", "warning", "note"]
Check = Callable[[Facts], Iterator["Hit"]]


@dataclass(frozen=True, slots=True)
class Hit:
    """Where a check found its rule broken. what: one or two sentences, measured; code: to paste."""

    statement: Statement | None
    relation: str | None
    what: str
    code: str = ""
    revision: str | None = None


@dataclass(frozen=True, slots=True)
class Rule:
    """condition: when it speaks; effect: who waits; workaround: what to do; squawk: the rules of squawk it answers;
    felt: it speaks only of what traffic met, and a run without any cannot refute it.
    """

    id: str
    severity: Severity
    condition: str
    effect: str
    workaround: str
    bad: str
    good: str
    check: Check
    squawk: tuple[str, ...] = ()
    felt: bool = False

    def findings(self, facts: Facts) -> Iterator[Finding]:
        for hit in self.check(facts):
            number = hit.statement.number if hit.statement else 0
            revision = hit.statement.revision if hit.statement else hit.revision
            yield Finding(self.id, self.severity, number, revision, hit.relation, hit.what, self.workaround, hit.code)

    def explained(self) -> str:
        """All of it, as `inboxbench explain` prints it."""
        parts = [
            f"{self.id} ({self.severity})",
            f"When:    {self.condition}",
            f"Effect:  {self.effect}",
            f"Instead: {self.workaround}",
            f"Bad:\n{_indented(self.bad)}",
            f"Good:\n{_indented(self.good)}",
            f"Silence: # inboxbench: ignore {self.id} REASON   (on the line of the operation, or alone above it)",
        ]
        return "\n\n".join(parts)


def _indented(code: str) -> str:
    return "\n".join(f"    {line}" if line else "" for line in code.strip("\n").splitlines())
