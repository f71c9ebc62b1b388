"""Who judges an exploration on the command line: an invariant, or serial equivalence."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from inboxbench.errors import UsageError, unknown
from inboxbench.invariants import Invariant, read_invariants
from inboxbench.project import Project
from inboxbench.race.explore.model import Judge, Oracle
from inboxbench.race.explore.oracle import SerialEquivalence, clocks_hold, invariants_hold, query_is_empty


@dataclass(frozen=True, slots=True)
class Law:
    """How schedules are judged. oracle: None for the invariant where there is one, else serial equivalence.

    known: the invariants of the project, which may be called by their names.
    """

    oracle: Literal["invariant", "serial"] | None
    invariant: str | None
    tables: tuple[str, ...]
    known: Mapping[str, Invariant]

    def name(self, oracle: Oracle) -> str:
        """What a bad schedule breaks."""
        return "the invariant" if callable(oracle) or self.invariant else "serial equivalence"

    def appoint(self, default: Judge | None = None) -> Oracle:
        """default: what judges where no invariant is given."""
        judge = _invariant(self.invariant, self.known) if self.invariant else default
        if self.oracle == "serial" or (self.oracle is None and judge is None):
            return SerialEquivalence(self.tables, also=judge if self.invariant else None)
        if judge is None:
            raise UsageError(
                "--oracle invariant needs --invariant QUERY, which returns the offending rows, or the name of one of "
                "schema/invariants.sql"
            )
        if self.tables:
            raise UsageError("--observe names tables for --oracle serial; an invariant's query names its own")
        return judge


def _invariant(text: str, known: Mapping[str, Invariant]) -> Judge:
    """A query, the name of an invariant of the project, or `clocks` for those of a conversation's clocks."""
    if text == "clocks":
        return clocks_hold(known)
    if re.fullmatch(r"\w+", text):
        if text not in known:
            raise unknown("invariant", text, known)
        return invariants_hold([known[text]])
    return query_is_empty(text)


def known_invariants(project: Project) -> Mapping[str, Invariant]:
    """Those of `schema/invariants.sql`, if the project has any."""
    path = project.schema / "invariants.sql"
    return read_invariants(path) if path.is_file() else {}
