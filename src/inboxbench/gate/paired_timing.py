"""Two databases timed against each other, query by query and write by write, and one against its own copy."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Literal

from psycopg import ClientCursor, sql

from inboxbench import units
from inboxbench.bench.execute.session import Probe, open_probe, prepared
from inboxbench.bench.workload.queries import Case, ParameterClass, Workload, draw_cases, read_workload
from inboxbench.bench.workload.writes import draw_targets, read_writes
from inboxbench.database import connect
from inboxbench.errors import SubjectFailed, UsageError
from inboxbench.explain import explain
from inboxbench.gate.change import Change
from inboxbench.project import Project
from inboxbench.server import Server
from inboxbench.sqlfile import as_psycopg

Answer = Literal["slower", "not slower", "undetermined"]

# A smaller effect is not called a regression, however certain.
FLOOR = 0.03
_CONFIDENCE = 0.99
_RESAMPLES = 2_000


@dataclass(frozen=True, slots=True)
class Interval:
    """Of the ratio B / A: its median, and the bounds that hold with the confidence asked for."""

    low: float
    middle: float
    high: float
    pairs: int

    @property
    def detectable(self) -> float:
        """The smallest slowdown that so many pairs on this machine would show, as a share: half the width, and the
        floor."""
        return math.sqrt(self.high / self.low) * (1 + FLOOR) - 1


def interval(ratios: Sequence[float], looks: int) -> Interval:
    """Bootstrap interval of the median of `ratios`. looks: how often the same series is judged at most; each look gets
    its share of the error (Bonferroni).

    Raises UsageError when scipy is not installed.
    """
    try:
        from scipy.stats import bootstrap  # noqa: PLC0415 - an extra
    except ImportError:
        raise UsageError("--time needs scipy: pip install 'inboxbench[time]'") from None
    import numpy as np  # noqa: PLC0415

    logs = np.log(np.asarray(ratios))
    bounds = bootstrap(
        (logs,),
        np.median,
        confidence_level=1 - (1 - _CONFIDENCE) / looks,
        n_resamples=_RESAMPLES * looks,
        method="percentile",
        batch=_RESAMPLES,
        rng=np.random.default_rng(len(ratios)),
    ).confidence_interval
    return Interval(math.exp(bounds.low), math.exp(float(np.median(logs))), math.exp(bounds.high), len(ratios))


def answer(measured: Interval, tolerated: float) -> Answer:
    """slower: surely by more than the floor. not slower: surely by no more than `tolerated` (a share, such as 0.1)."""
    if measured.low > 1 + FLOOR:
        return "slower"
    return "not slower" if measured.high < 1 + tolerated else "undetermined"


_WRITE = ParameterClass("write", "a write, taken back", ())
_TIMEOUT_S = 30.0
# Pairs after which a series is looked at: it ends when it is decided, and at the last one at the latest.
LOOKS = (30, 60, 120, 240)
# Executions of a fast query that are timed as one: below this many milliseconds a timer sees mostly itself.
_LEAST_MS = 2.0
_MOST_REPEATS = 64
# A/A beyond this: the machine is in no state to time anything.
TRUSTED = 0.05


@dataclass(frozen=True, slots=True)
class Timed:
    """One query with one class: head's time to the baseline's, and the baseline's to its own copy's."""

    where: str
    found: Interval
    control: Interval
    said: Answer

    @property
    def trusted(self) -> bool:
        return 1 - TRUSTED < self.control.middle < 1 + TRUSTED

    def as_change(self) -> Change | None:
        """What the gate makes of it: None when nothing is to be said."""
        text = f"{self.found.middle:.2f} times the time ({self.found.low:.2f} to {self.found.high:.2f})"
        where = f"{self.where}/time"
        if not self.trusted:
            control = f"the same against its own copy came out {self.control.middle:.2f}: not judged"
            return Change("note", where, "time", None, None, 1.0, control)
        if self.said == "slower":
            return Change("worse", where, "time", 1.0, self.found.middle, 1 + FLOOR, text)
        if self.said == "undetermined":
            return Change("note", where, "time", None, None, 1.0, f"undetermined: {text}")
        return None


@dataclass(frozen=True, slots=True)
class Trial:
    """Databases: the baseline, head, and a copy of the baseline, all on one server."""

    baseline: str
    head: str
    copy: str


def times_in_words(timed: Sequence[Timed]) -> list[str]:
    """What the machine could see: A/A beside the verdicts, and the smallest slowdown that would have shown."""
    if not timed:
        return []
    controls = sorted(case.control.middle for case in timed)
    detectable = sorted(case.found.detectable for case in timed)
    said = [case.said for case in timed if case.trusted]
    counts = ", ".join(f"{said.count(word)} {word}" for word in ("slower", "not slower", "undetermined"))
    return [
        f"times of {len(timed)} cases: {counts}; A/A came out {controls[0]:.3f} to {controls[-1]:.3f}, median "
        f"{controls[len(controls) // 2]:.3f}; a slowdown of {detectable[len(detectable) // 2]:.0%} would show (median; "
        f"{detectable[-1]:.0%} at worst)"
    ]


def time_cases(
    server: Server,
    trial: Trial,
    sides: tuple[Project, Project],
    queries: Sequence[str] | None = None,
    *,
    tolerated: float,
    budget_s: float,
) -> Iterator[Timed]:
    """Time every case that both projects have until it is decided or its share of `budget_s` is spent."""
    before, now = _cases(server, trial.baseline, sides[0], queries), _cases(server, trial.head, sides[1], queries)
    shared = [name for name in before if name in now and before[name].values == now[name].values]
    with ExitStack() as stack:
        names = (trial.baseline, trial.head, trial.copy)
        probes = [stack.enter_context(open_probe(server, name, timeout_s=_TIMEOUT_S)) for name in names]
        for name in shared:
            cases = (before[name], now[name], before[name])
            yield _time(name, probes, cases, tolerated=tolerated, budget_s=budget_s / max(1, len(shared)))


def _cases(server: Server, database: str, project: Project, queries: Sequence[str] | None) -> dict[str, Case]:
    """Cases by name; those of writes, with their first target each, only where no queries are chosen."""
    with connect(server.conninfo(database)) as connection:
        workload: Workload = draw_cases(read_workload(project, queries), connection, project)
        cases = list(workload.cases)
        for write in read_writes(project) if queries is None else ():
            target = draw_targets(connection, project.bench / "targets", write)[0]
            cases.append(Case(write, _WRITE, {name: target[name] for name in write.params}))
    return {f"{case.query.name}/{case.parameter_class.name}": case for case in cases}


def _time(name: str, probes: Sequence[Probe], cases: Sequence[Case], *, tolerated: float, budget_s: float) -> Timed:
    with ExitStack() as stack:
        runs = [
            _writer(probe, case)
            if case.parameter_class is _WRITE
            else _runner(probe, case, stack.enter_context(prepared(probe.connection, case)))
            for probe, case in zip(probes, cases, strict=True)
        ]
        repeats = _repeats(runs[0])
        ratios: list[float] = []
        control: list[float] = []
        ends = time.monotonic() + budget_s
        for look in LOOKS:
            while len(ratios) < look and (len(ratios) < LOOKS[0] or time.monotonic() < ends):
                ratios += block(runs[0], runs[1], repeats)
                control += block(runs[0], runs[2], repeats)
            measured = interval(ratios, len(LOOKS))
            said = answer(measured, tolerated)
            if said != "undetermined" or time.monotonic() >= ends:
                break
        return Timed(name, measured, interval(control, len(LOOKS)), said)


def _runner(probe: Probe, case: Case, execute: sql.Composed) -> Callable[[], float]:
    """Executes once and returns the server's milliseconds."""
    return lambda: probe.explain(execute, case.query).execution_ms


def _writer(probe: Probe, case: Case) -> Callable[[], float]:
    """The same for a write, which is taken back; the time has what fires at the end of the statement in it."""
    statement = ClientCursor(probe.connection).mogrify(as_psycopg(case.query.text), case.values)

    def run() -> float:
        with probe.connection.transaction(force_rollback=True):
            probe.connection.execute("SET TRANSACTION READ WRITE")
            return explain(probe.connection, statement).execution_ms

    return run


def _repeats(run: Callable[[], float]) -> int:
    """The first execution warms up; by the second it is told how many make a sample."""
    run()
    once = max(run(), 1e-3)
    if once > _TIMEOUT_S * 1000:
        raise SubjectFailed(f"a query took {units.millis(once)}: too slow to be timed in pairs")
    return max(1, min(_MOST_REPEATS, round(_LEAST_MS / once)))


def block(a: Callable[[], float], b: Callable[[], float], repeats: int) -> list[float]:
    """A B B A: two ratios B / A."""
    first, second, third, fourth = (sum(run() for _ in range(repeats)) for run in (a, b, b, a))
    return [second / first, third / fourth]
