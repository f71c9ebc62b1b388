"""What a project knows to race by name: the object that `race-targets` of its pyproject.toml names."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any, Protocol

from psycopg import IsolationLevel
from rich.console import Console

from inboxbench.errors import UsageError
from inboxbench.extensions import extension
from inboxbench.invariants import Invariant
from inboxbench.project import Project
from inboxbench.race.explore.model import Judge, Oracle, Scenario
from inboxbench.race.strategy import Strategy
from inboxbench.server import Server


@dataclass(frozen=True, slots=True)
class StrategyLoad:
    """How strategies are stressed. rows: to be taken in each round; thinks_ms: application times inside a transaction.

    seconds: a round ends then, or when nothing is left to take.
    """

    workers: Sequence[int]
    rows: int
    thinks_ms: Sequence[float]
    seconds: float


class StressReport(Protocol):
    """What came of stressing strategies, in the words of the project."""

    def to_json(self) -> list[dict[str, Any]]: ...

    def show(self, console: Console) -> None: ...

    def require(self) -> None:
        """Raise ThresholdExceeded when a strategy that is meant to be safe was not."""
        ...


class RaceTargets(Protocol):
    """How a project's strategies (see `race.strategy`) are set up, judged and stressed."""

    @property
    def invariant_groups(self) -> Mapping[str, Sequence[str]]:
        """Names that stand for several invariants of schema/invariants.sql."""
        ...

    def judge(self, known: Mapping[str, Invariant]) -> Judge:
        """Return what judges a schedule of a strategy. known: the invariants of the project."""
        ...

    def open_scenario(
        self,
        server: Server,
        project: Project,
        strategy: Strategy,
        *,
        sessions: int,
        level: IsolationLevel | None,
        oracle: Oracle,
    ) -> AbstractContextManager[tuple[str, Scenario]]:
        """Build a database for the block; yield its connection string and the scenario of `sessions` such sessions."""
        ...

    def stress(
        self,
        server: Server,
        project: Project,
        strategies: Sequence[Strategy],
        load: StrategyLoad,
        progress: Callable[[str], None] | None,
    ) -> StressReport:
        """Run many workers of each strategy at once."""
        ...


def find_targets(project: Project) -> RaceTargets:
    """Return the project's targets. Raises UsageError for a project that names none."""
    targets: RaceTargets | None = extension(project, "race-targets")
    if targets is None:
        raise UsageError(
            "this project names no strategies: give MODULE:FUNCTION, such as myapp.assign:claim, or race-targets = "
            f'"module:TARGETS" under [tool.inboxbench] in {project.pyproject}'
        )
    return targets


def invariant_groups(project: Project) -> Mapping[str, Sequence[str]]:
    """Return the project's names for several invariants at once; none for a project without targets."""
    targets: RaceTargets | None = extension(project, "race-targets")
    return targets.invariant_groups if targets is not None else {}
