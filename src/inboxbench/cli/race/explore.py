"""`inboxbench race explore`: every feasible schedule of a few sessions."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

import click
from rich.console import Console
from rich.markup import escape

from inboxbench.cli.options import Session, pass_session
from inboxbench.cli.output import Output, output_options
from inboxbench.cli.progress import progress_console
from inboxbench.database import connect, scratch_database
from inboxbench.errors import ThresholdExceeded, UsageError, unknown
from inboxbench.invariants import Invariant, read_invariants
from inboxbench.project import Project
from inboxbench.race.explore.model import DEFAULT_FAIL_ON, LEVELS, LIMIT_S, Bounds, Judge, Level, Oracle, Scenario
from inboxbench.race.explore.oracle import SerialEquivalence, invariants_hold, query_is_empty
from inboxbench.race.explore.refusals import parse_fail_on
from inboxbench.race.explore.result import Exploration
from inboxbench.race.explore.user_code import Script, load_function, rebuild_by, reset_by
from inboxbench.race.picture.picture import Picture, explore_and_draw, page, replay_and_draw
from inboxbench.race.picture.text import explain
from inboxbench.race.strategy import find_strategies, find_targets, invariant_groups
from inboxbench.server import Server

invariant_help = (
    "a query that returns the offending rows, or the name of an invariant in schema/invariants.sql, or of several that "
    "the project names together"
)
# Where a scenario is explored: the database's connection string, and the scenario.
_Place = tuple[str, Scenario]


@dataclass(frozen=True, slots=True)
class OracleChoice:
    """Holds what judges a schedule, as the options say.

    oracle: None for the invariant where there is one, else serial equivalence. tables: those that serial equivalence
    compares. known: the project's invariants, which may be called by their names; groups: names for several at once.
    """

    oracle: Literal["invariant", "serial"] | None
    invariant: str | None
    tables: tuple[str, ...]
    known: Mapping[str, Invariant]
    groups: Mapping[str, Sequence[str]]

    @classmethod
    def of(
        cls,
        project: Project,
        oracle: Literal["invariant", "serial"] | None,
        invariant: str | None,
        tables: tuple[str, ...] = (),
    ) -> OracleChoice:
        """Read what the project knows: the invariants of `schema/invariants.sql`, if it has any."""
        path = project.schema / "invariants.sql"
        known = read_invariants(path) if path.is_file() else {}
        return cls(oracle, invariant, tables, known, invariant_groups(project))

    def name(self, oracle: Oracle) -> str:
        """Return what a bad schedule breaks."""
        return "the invariant" if callable(oracle) or self.invariant else "serial equivalence"

    def resolve(self, default: Judge | None = None) -> Oracle:
        """Return the oracle. default: judges where no invariant is given. Raises UsageError for options that clash."""
        judge = self.judge_of(self.invariant) if self.invariant else default
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

    def judge_of(self, invariant: str) -> Judge:
        """Return the judge by a query, or by the name of an invariant or of a group of them."""
        if re.fullmatch(r"\w+", invariant):
            names = self.groups.get(invariant, (invariant,))
            for name in names:
                if name not in self.known:
                    raise unknown("invariant", name, self.known)
            return invariants_hold([self.known[name] for name in names])
        return query_is_empty(invariant)


@contextmanager
def _open_strategy(
    session: Session, server: Server, name: str, *, sessions: int, level: Level | None, choice: OracleChoice
) -> Iterator[_Place]:
    """Open a scenario of one of the project's strategies."""
    (strategy,) = find_strategies(session.project, [name])
    targets = find_targets(session.project)
    oracle = choice.resolve(targets.judge(choice.known))
    chosen = LEVELS[level] if level else None
    with targets.open_scenario(
        server, session.project, strategy, sessions=sessions, level=chosen, oracle=oracle
    ) as place:
        yield place


@contextmanager
def _open_function(
    server: Server,
    target: str,
    *,
    sessions: int,
    level: Level | None,
    choice: OracleChoice,
    setup: Path | None,
    reset: Path | None,
) -> Iterator[_Place]:
    """Open a scenario of a function of the user's, in a database that the setup script builds."""
    function = load_function(target)
    if setup is None:
        raise UsageError(f"{target}: name --setup FILE, the script that makes its tables and rows")
    script = Script.read(setup)
    put_back = reset_by(Script.read(reset)) if reset else rebuild_by(script)
    scenario = Scenario((function,) * sessions, put_back, choice.resolve(), LEVELS[level or "rc"])
    with scratch_database(server, "explore") as name:
        conninfo = server.conninfo(name)
        with closing(connect(conninfo)) as connection:
            script.run(connection)
        yield conninfo, scenario


def remarks(exploration: Exploration) -> Iterator[str]:
    """Yield what takes from the weight of a verdict."""
    if exploration.vacuous:
        yield "[yellow]No two sessions were ever under way at once, so this proves nothing.[/]"
    for word, schedules in exploration.failed_on.items():
        yield f"[yellow]{schedules} of them are bad by --fail-on {word}.[/]"
    for kept in exploration.left:
        yield f"[yellow]{escape(kept[0].upper() + kept[1:])}.[/]"
    if not exploration.complete:
        yield f"[yellow]A bound was met: up to {exploration.uncovered:,} schedules beyond it are not known.[/]"


def show_exploration(console: Console, exploration: Exploration, title: str, picture: Picture | None = None) -> None:
    """Print the counts of an exploration and the simplest schedule that breaks something."""
    verdict = (
        f"[red]{exploration.bad}[/] of {exploration.schedules} feasible schedules break it"
        if exploration.bad
        else (f"[green]none[/] of {exploration.schedules} feasible schedules breaks it")
    )
    console.print(f"{escape(title)}: {verdict}.", emoji=False)  # `:free:` is a picture else
    console.print(
        f"If nobody ever waited there would be {exploration.permutations}. A session waited in {exploration.waited}, "
        f"was refused in {exploration.aborted} ({exploration.deadlocked} by a deadlock); "
        f"{exploration.diverged} diverged."
    )
    if exploration.played < exploration.schedules:
        console.print(
            f"Played: {exploration.played:,}. Each of the others differs from one of these only in the order of steps "
            "that do not touch each other."
        )
    for remark in remarks(exploration):
        console.print(remark)
    if exploration.counterexample:
        console.print("\nThe simplest one that breaks it:")
        lines = picture.lines() if picture else explain(exploration.counterexample)
        _show_lines(console, lines)


def _show_lines(console: Console, lines: Iterator[str]) -> None:
    for line in lines:  # as wide as it is, so that a step stays on its line
        console.print(line, markup=False, highlight=False, emoji=False, soft_wrap=True)


@click.command("explore")
@click.argument("target")
@click.option("--sessions", default=2, show_default=True, type=click.IntRange(1, 6), help="concurrent sessions")
@click.option("--level", type=click.Choice(list(LEVELS)), help="isolation level (default: the strategy's, or rc)")
@click.option("--invariant", help=f"what must hold after each schedule: {invariant_help}")
@click.option(
    "--oracle",
    type=click.Choice(["invariant", "serial"]),
    help="what judges a schedule; serial: it must come to what some order of the sessions, one after another, comes to "
    "(default: the invariant, serial without one)",
)
@click.option("--observe", "tables", multiple=True, help="with --oracle serial: compare this table (default: all)")
@click.option(
    "--setup",
    type=click.Path(path_type=Path, dir_okay=False, exists=True),
    help="SQL script that makes the tables and rows of your function",
)
@click.option(
    "--reset",
    type=click.Path(path_type=Path, dir_okay=False, exists=True),
    help="SQL script that puts the rows back before each schedule (default: the setup, on an empty schema)",
)
@click.option("--schedule", help="play this one schedule instead, such as ABBA (small letter: the session dies)")
@click.option("--preemptions", type=click.IntRange(0), help="leave a session that could go on at most this often")
@click.option("--max-schedules", type=click.IntRange(1), help="stop after as many schedules have been played")
@click.option(
    "--whole",
    is_flag=True,
    help="play also schedules that differ only in the order of steps that do not touch each other (for functions that "
    "share more than the database, such as a variable of the process)",
)
@click.option("--deaths", default=0, type=click.IntRange(0, 3), help="sessions that may be killed in one schedule")
@click.option(
    "--fail-on",
    multiple=True,
    metavar="WHAT",
    default=[",".join(DEFAULT_FAIL_ON)],
    show_default=True,
    help="schedules that are bad whatever judges them, separated by commas: those with a deadlock, with a session that "
    "was refused, with a session-lock that outlives the function, or with an error such as 23505; none for no such",
)
@click.option(
    "--refusal",
    "refusals",
    multiple=True,
    metavar="EXCEPTION",
    help="an exception by which your function refuses a request, such as StaleDataError or shop.errors.Conflict; the "
    "session is rolled back and counts as one that had not run (default: only errors of the database refuse)",
)
@click.option("--limit", "limit_s", default=LIMIT_S, show_default=True, help="seconds that one schedule may take")
@output_options("html")
@pass_session
def explore_command(
    session: Session,
    *,
    target: str,
    sessions: int,
    level: Level | None,
    invariant: str | None,
    oracle: Literal["invariant", "serial"] | None,
    tables: tuple[str, ...],
    setup: Path | None,
    reset: Path | None,
    schedule: str | None,
    preemptions: int | None,
    max_schedules: int | None,
    whole: bool,
    deaths: int,
    fail_on: tuple[str, ...],
    refusals: tuple[str, ...],
    limit_s: float,
    output: Output,
) -> None:
    """Play every feasible schedule of TARGET: a strategy of the project, or your own MODULE:FUNCTION.

    A function takes a connection (and a session number, if it asks for one) and returns its outcome; what it has not
    committed itself is committed then. Exit code 1 when a schedule breaks the invariant or has what --fail-on names, 3
    when the function itself fails.
    """
    failing = parse_fail_on(fail_on)
    bounds = Bounds(preemptions, max_schedules, deaths, limit_s, whole)
    choice = OracleChoice.of(session.project, oracle, invariant, tables)
    if schedule and output.file:
        raise UsageError("--output is for an exploration; --schedule prints the one schedule to stdout")
    with session.server() as server:
        if ":" in target:
            place = _open_function(
                server, target, sessions=sessions, level=level, choice=choice, setup=setup, reset=reset
            )
        else:
            place = _open_strategy(session, server, target, sessions=sessions, level=level, choice=choice)
        with place as (conninfo, judged):
            scenario = replace(judged, fail_on=failing, refusals=refusals)
            broken = choice.name(scenario.oracle)
            if schedule:
                drawn = replay_and_draw(conninfo, scenario, schedule, limit_s)
                for line in drawn.lines():
                    click.echo(line)
                if drawn.example.run.failures and not drawn.example.complaints:
                    raise ThresholdExceeded(f"{target}: schedule {schedule} is bad: {drawn.example.run.failures[0][1]}")
                if drawn.example.complaints:
                    raise ThresholdExceeded(f"{target}: schedule {schedule} breaks {broken}")
                return
            with progress_console.status("exploring") as status:
                exploration, picture = explore_and_draw(
                    conninfo, scenario, bounds, lambda: status.update("exploring what would help")
                )
    verdict = f"{exploration.bad} of {exploration.schedules} feasible schedules break {broken}."
    output.hand_over(
        {**exploration.to_json(), "picture": picture.to_json() if picture else None},
        text=lambda console: show_exploration(console, exploration, target, picture),
        html=lambda: page(picture, target, verdict),
    )
    if output.form == "json":
        for remark in remarks(exploration):
            progress_console.print(remark)
    if exploration.bad:
        words = ", or end with ".join((f"break {broken}", *exploration.failed_on))
        raise ThresholdExceeded(f"{target}: {exploration.bad} of {exploration.schedules} schedules {words}")
