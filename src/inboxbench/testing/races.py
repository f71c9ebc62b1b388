"""Asserts that no schedule of some sessions breaks a rule."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

from psycopg import IsolationLevel

from inboxbench.database import connect, scratch_database
from inboxbench.errors import InboxbenchError, UsageError
from inboxbench.race.explore.model import DEFAULT_FAIL_ON, LEVELS, LIMIT_S, Bounds, Level, Oracle, Scenario
from inboxbench.race.explore.oracle import SerialEquivalence, query_is_empty
from inboxbench.race.explore.refusals import parse_fail_on, refusal_names
from inboxbench.race.explore.result import Counterexample, Exploration
from inboxbench.race.explore.user_code import Script, adapt, rebuild_by, reset_by
from inboxbench.race.picture.picture import Picture, explore_and_draw
from inboxbench.server import Server, open_server
from inboxbench.server.environment import aside
from inboxbench.testing.plugin import SUITE

Claim = Callable[..., Any]


class RaceFoundError(AssertionError):
    """Some schedule breaks the rule: its timeline is the message. found: all counts."""

    def __init__(self, message: str, found: Exploration) -> None:
        super().__init__(message)
        self.found = found


def assert_race_free(
    claim: Claim | Sequence[Claim],
    *,
    sessions: int = 2,
    invariant: str | None = None,
    setup: str | Path | None = None,
    reset: str | Path | None = None,
    level: Level = "rc",
    preemptions: int | None = None,
    deaths: int = 0,
    limit_s: float = LIMIT_S,
    server: str | None = None,
    fail_on: str | Sequence[str] = DEFAULT_FAIL_ON,
    refusals: Sequence[str | type[BaseException]] = (),
) -> Exploration:
    """Play every feasible schedule of `sessions` sessions that run `claim`, on a database of their own.

    claim: `claim(connection)` or `claim(connection, session)`; what it has not committed itself is committed when it
    returns; several functions are a session each. invariant: a query that returns the offending rows; without one,
    each schedule has to come to what some order of the sessions, one after another, comes to. setup, reset: SQL, or
    the path of a script; without a reset the set-up is built again each time. fail_on: what is bad whatever the
    invariant says: "deadlock", "refused", "session-lock" (kept beyond the function) or a SQLSTATE; () for no such.
    refusals: exceptions by which the application refuses; the session is rolled back and counts as one that had not
    run.

    Raises RaceFoundError (an AssertionError) with the simplest bad schedule drawn, or when no two sessions were ever
    under way at once; SubjectFailed when `claim` itself fails; UsageError for arguments that cannot be.
    """
    __tracebackhide__ = True
    functions = tuple(claim) if isinstance(claim, Sequence) else (claim,) * sessions
    name = " and ".join(dict.fromkeys(_name(function) for function in functions))
    try:
        built = _script(setup, "setup") or (Script.read(SUITE.setup) if SUITE.setup else None)
        if built is None:
            raise UsageError(
                f"assert_race_free({name}) needs setup=…, SQL or the path of a script that makes the tables and rows; "
                "or inboxbench_setup in pytest's configuration"
            )
        again = _script(reset, "reset") or (Script.read(SUITE.reset) if SUITE.reset and setup is None else None)
        scenario = Scenario(
            tuple(adapt(function) for function in functions),
            reset_by(again) if again else rebuild_by(built),
            _oracle(invariant),
            _level(level),
            parse_fail_on([fail_on] if isinstance(fail_on, str) else fail_on),
            refusal_names(refusals),
        )
        with aside():
            found, picture = _explore(built, scenario, Bounds(preemptions, None, deaths, limit_s), server)
    except InboxbenchError as error:
        raise error.with_traceback(None) from None
    if picture is not None:
        raise RaceFoundError(_message(name, scenario, found, picture), found)
    if found.vacuous:
        raise RaceFoundError(
            f"{name}: this proves nothing: in {found.schedules} schedules no two sessions were under way at once.\n"
            "Raise sessions or preemptions, or give the sessions more than one round trip each.",
            found,
        )
    return found


def _explore(
    setup: Script, scenario: Scenario, bounds: Bounds, server: str | None
) -> tuple[Exploration, Picture | None]:
    if server is not None:
        with open_server(server) as opened:
            return _explore_on(opened, setup, scenario, bounds)
    return _explore_on(SUITE.server(), setup, scenario, bounds)


def _explore_on(
    opened: Server, setup: Script, scenario: Scenario, bounds: Bounds
) -> tuple[Exploration, Picture | None]:
    with scratch_database(opened, "race") as database:
        conninfo = opened.conninfo(database)
        with closing(connect(conninfo)) as connection:
            setup.run(connection)
        return explore_and_draw(conninfo, scenario, bounds)


def _script(given: str | Path | None, what: str) -> Script | None:
    if given is None:
        return None
    if isinstance(given, Path) or (given.endswith(".sql") and not set(given) & set(" \n;")):
        return Script.read(Path(given))
    return Script(given, what)


def _oracle(invariant: str | None) -> Oracle:
    return query_is_empty(invariant) if invariant else SerialEquivalence()


def _level(level: Level) -> IsolationLevel:
    if level not in LEVELS:
        raise UsageError(f"level {level!r}: use rc, rr or ser")
    return LEVELS[level]


def _name(function: Claim) -> str:
    return getattr(function, "__name__", None) or repr(function)


def _message(name: str, scenario: Scenario, found: Exploration, picture: Picture) -> str:
    """Explain to a reader who has never seen a race what happened line by line, what is wrong and what to do."""
    level = scenario.level.name.replace("_", " ")
    lines = [
        f"{name} is not race-free: {found.bad} of {found.schedules} possible schedules of {len(scenario.functions)} "
        f"sessions at {level} break it.",
        "The simplest one, from top to bottom, a column a session:",
        "",
        *picture.lines(),
        "",
        *(_STALE if picture.example.complaints else _advice(picture.example)),
        f"Schedule: {picture.example.run.schedule}",
    ]
    return "\n".join(lines)


_STALE = (
    "One after another the sessions are right, so what a session read was no longer true when it wrote.",
    "Lock what you read (SELECT … FOR UPDATE), or test it again in the write (UPDATE … WHERE …, then look at its",
    "rowcount), or use SERIALIZABLE and try again after error 40001.",
)
_ADVICE = {
    "deadlock": "Take the locks in the same order in every session (ORDER BY … FOR UPDATE), or try again after 40P01.",
    "session-lock": "Release the lock (pg_advisory_unlock), or take one that ends with the transaction.",
}


def _advice(example: Counterexample) -> list[str]:
    """Return what to do about a schedule that is bad although the rule holds."""
    words = dict.fromkeys(word for word, _ in example.run.failures)
    return [_ADVICE.get(word, f"This is bad because of fail_on={word!r}.") for word in words]
