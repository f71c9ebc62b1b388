"""A strategy: one way to take a row that others want as well, as a file of SQL that every driver executes.

    -- title: SKIP LOCKED, two statements
    -- meaning: lock the next free row that nobody has locked, then UPDATE it
    -- safe: yes
    -- why: a locked row is passed over, so two sessions hold different rows and neither waits
    -- isolation: read committed

    --- choose
    SELECT id FROM tickets WHERE holder IS NULL ORDER BY id LIMIT 1 FOR UPDATE SKIP LOCKED

    --- write
    UPDATE tickets SET holder = :session WHERE id = :id

The file is `bench/strategies/NAME.sql` of a project. Its sections are `choose` and `write`, or `take` alone where one
statement does both; the first returns the row's `id`. `:session` is the number of the session, from 1; the run gives
every other parameter a value. The explorer, the stress driver and the costs execute the statements through psycopg,
pgbench executes them as the script that `pgbench_script` makes of them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Literal, Protocol

from psycopg import IsolationLevel
from rich.console import Console

from inboxbench.database import Connection
from inboxbench.errors import UsageError, unknown
from inboxbench.extensions import extension
from inboxbench.invariants import Invariant
from inboxbench.project import Project
from inboxbench.race.explore.model import Judge, Oracle, Scenario
from inboxbench.server import Server
from inboxbench.sqlfile import as_psycopg, parameters
from inboxbench.sqlsheet import Form, Sheet, Titled, read_sheets

# What an application does between choosing a row and writing to it; a driver passes a pause, the explorer nothing.
Think = Callable[[], None]

_LEVELS = {level.name.lower().replace("_", " "): level for level in IsolationLevel if level.value > 1}
_FORM = Form(
    keys=("title", "meaning", "safe", "why", "isolation"),
    required=("title", "meaning", "safe", "why"),
    sections=("take", "choose", "write"),
)

# What every run of pgbench needs besides clients and time. Tries without a limit are allowed in runs by time only.
PGBENCH_FLAGS = ("--no-vacuum", "--protocol=prepared", "--max-tries=1000000")
_SCRIPT_HEADER = """\
-- {title}: {meaning}. Safe: {safe}.
-- {why}.
-- Written by `inboxbench race bench`. Client n is session n + 1:
--   pgbench {flags} --client=16 --time=10{defines} --file={name}.sql DATABASE
"""


@dataclass(frozen=True, slots=True)
class Attempt:
    """won: the session holds the row `id`; lost: another session took it; empty: no row was on offer."""

    outcome: Literal["won", "lost", "empty"]
    id: int | None = None


@dataclass(frozen=True)
class Strategy(Titled):
    """A strategy of a project. safe: whether two sessions can never both win one row; why: the reason, for a reader."""

    safe: bool
    isolation: IsolationLevel

    @property
    def meaning(self) -> str:
        return self.sheet.header["meaning"]

    @property
    def statements(self) -> Sequence[str]:
        return tuple(self.sheet.sections.values())

    @property
    def parameters(self) -> tuple[str, ...]:
        """The parameters that a run gives a value: all but the session's number and the row's id."""
        names = dict.fromkeys(name for statement in self.statements for name in parameters(statement))
        return tuple(name for name in names if name not in ("session", "id"))

    @cached_property
    def _prepared(self) -> tuple[tuple[bytes, tuple[str, ...]], ...]:
        """The statements as psycopg takes them, each with the names of its parameters."""
        return tuple((as_psycopg(statement).encode(), parameters(statement)) for statement in self.statements)

    def attempt(
        self, connection: Connection, session: int, values: Mapping[str, Any], think: Think | None = None
    ) -> Attempt:
        """Try once to take a row, in the transaction that `connection` is in; the caller ends it.

        values: of the strategy's `parameters`. think: called once a row is chosen. End the transaction at once after
        an attempt that won nothing: a write that lost keeps the row lock that it waited for until then.
        """
        (choose, names), *writes = self._prepared
        given = {**values, "session": session}
        row = connection.execute(choose, {name: given[name] for name in names}).fetchone()
        if row is None:
            return Attempt("empty")
        given["id"] = int(row[0])
        if think is not None:
            think()
        for write, names in writes:
            if not connection.execute(write, {name: given[name] for name in names}).rowcount:
                return Attempt("lost", given["id"])
        return Attempt("won", given["id"])

    def pgbench_script(self, think_ms: float = 0.0) -> str:
        """Return the strategy as a pgbench script, of which one transaction is one attempt."""
        header = _SCRIPT_HEADER.format(
            title=self.title,
            meaning=self.meaning,
            safe="yes" if self.safe else "no",
            why=self.why,
            flags=" ".join(PGBENCH_FLAGS),
            defines="".join(f" --define={name}=1" for name in self.parameters),
            name=self.name,
        )
        pause = [f"\\sleep {round(think_ms * 1000)} us"] if think_ms else []
        choose, *writes = self.statements
        chosen = [*pause, *(f"{write};" for write in writes)]
        level = "" if self.isolation is IsolationLevel.READ_COMMITTED else f" ISOLATION LEVEL {self._level_in_sql}"
        # \aset leaves :id as it is when no row comes back.
        lines = [
            "\\set session :client_id + 1",
            "\\set id 0",
            f"BEGIN{level};",
            f"{choose} \\aset",
            *(["\\if :id > 0", *chosen, "\\endif"] if chosen else []),
            "COMMIT;",
        ]
        return header + "\n".join(lines) + "\n"

    @property
    def _level_in_sql(self) -> str:
        return self.isolation.name.replace("_", " ")


def _strategy(sheet: Sheet) -> Strategy:
    level = sheet.header.get("isolation", "read committed")
    if level not in _LEVELS:
        raise unknown("isolation level", level, _LEVELS, where=f"{sheet.path} isolation")
    if tuple(sheet.sections) not in (("take",), ("choose", "write")):
        raise UsageError(f"{sheet.path}: expected the sections `choose` and `write`, or `take` alone")
    return Strategy(sheet, sheet.yes("safe"), _LEVELS[level])


def read_strategies(project: Project) -> dict[str, Strategy]:
    """Return the strategies of `bench/strategies/*.sql` by name, unsafe ones first.

    Raises UsageError for a project that has none, and naming the file and the key that is wrong.
    """
    folder = project.bench / "strategies"
    if not any(folder.glob("*.sql")):
        raise UsageError(
            f"this project names no strategies: give MODULE:FUNCTION, such as myapp.assign:claim; a strategy is a "
            f"file {folder}/NAME.sql"
        )
    strategies = [_strategy(sheet) for sheet in read_sheets(folder, _FORM)]
    return {strategy.name: strategy for strategy in sorted(strategies, key=lambda strategy: strategy.safe)}


def find_strategies(project: Project, names: Iterable[str] = ()) -> list[Strategy]:
    """Return the project's strategies by name, all for no name. Raises UsageError naming the nearest known."""
    known = read_strategies(project)
    for name in names:
        if name not in known:
            raise unknown("strategy", name, known)
    return [known[name] for name in names] or list(known.values())


def write_scripts(folder: Path, strategies: Iterable[Strategy], think_ms: float = 0.0) -> list[Path]:
    """Write `NAME.sql` for pgbench for each strategy. Raises UsageError when the folder cannot be written."""
    written = []
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for strategy in strategies:
            path = folder / f"{strategy.name}.sql"
            path.write_text(strategy.pgbench_script(think_ms), encoding="utf-8")
            written.append(path)
    except OSError as error:
        raise UsageError(f"{folder}: cannot be written: {error.strerror}; name another folder") from error
    return written


@dataclass(frozen=True, slots=True)
class StrategyLoad:
    """Holds how strategies are stressed. rows: to be taken in each round; thinks_ms: application times inside a
    transaction.

    seconds: a round ends then, or when nothing is left to take.
    """

    workers: Sequence[int]
    rows: int
    thinks_ms: Sequence[float]
    seconds: float


class StressReport(Protocol):
    """Holds what came of stressing strategies, in the words of the project."""

    def to_json(self) -> list[dict[str, Any]]: ...

    def show(self, console: Console) -> None: ...

    def require(self) -> None:
        """Raise ThresholdExceeded when a strategy that is meant to be safe was not."""
        ...


class RaceTargets(Protocol):
    """Holds how a project's strategies (see `race.strategy`) are set up, judged and stressed."""

    @property
    def invariant_groups(self) -> Mapping[str, Sequence[str]]:
        """Return names that stand for several invariants of schema/invariants.sql."""
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
