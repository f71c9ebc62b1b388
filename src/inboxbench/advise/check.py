"""The last check: all reading cases under the present indexes and the advised ones, in passes that take turns, by the
processor time of the server's own process where that can be read, else by the server's execution time."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from statistics import median

import psycopg

from inboxbench.bench.execute.session import Probe, Probes, prepared
from inboxbench.bench.request import Request
from inboxbench.bench.sets.builder import SetBuilder
from inboxbench.bench.sets.indexset import IndexSet
from inboxbench.bench.workload.queries import Case
from inboxbench.server import Server

PROCESSOR = "processor time of the server's process"
EXECUTION = "the server's execution time"
_PASSES = 3


@dataclass(frozen=True, slots=True)
class Times:
    """Milliseconds of each query before and now, all its classes once, the median of the passes. clock: which time."""

    clock: str
    by_query: dict[str, tuple[float, float]]


def compare_times(
    server: Server, request: Request, advised: IndexSet, cases: Sequence[Case], announce: Callable[[str], None]
) -> Times:
    """Build both sets on clones of the template and execute the cases on both, one pass after the other."""
    with ExitStack() as stack:
        builder = stack.enter_context(SetBuilder(server, request.template, [request.current, advised]))
        sides = []
        for index_set in (request.current, advised):
            name, _built = stack.enter_context(builder.built(index_set, announce))
            sides.append(stack.enter_context(Probes(server, name, request.timeout_s, request.role)))
        local = server.kind in ("embedded", "bin") and all(_used_ns(side.of(case.query)) is not None
                                                           for side in sides for case in cases[:1])  # fmt: skip
        samples: dict[str, tuple[list[float], list[float]]] = {case.name: ([], []) for case in cases}
        for number in range(_PASSES):
            for case in cases:
                announce(f"pass {number + 1} of {_PASSES}: {case.name}")
                for place in (0, 1) if number % 2 == 0 else (1, 0):
                    if (spent := _spent_ms(sides[place].of(case.query), case, local=local)) is not None:
                        samples[case.name][place].append(spent)
    return Times(PROCESSOR if local else EXECUTION, _by_query(cases, samples))


def _by_query(
    cases: Sequence[Case], samples: dict[str, tuple[list[float], list[float]]]
) -> dict[str, tuple[float, float]]:
    found: dict[str, tuple[float, float]] = {}
    for case in cases:
        before, now = samples[case.name]
        if before and now:
            known = found.get(case.query.name, (0.0, 0.0))
            found[case.query.name] = (known[0] + median(before), known[1] + median(now))
    return found


def _spent_ms(probe: Probe, case: Case, *, local: bool) -> float | None:
    """Return what one execution takes; None where it fails or is stopped."""
    try:
        with prepared(probe.connection, case) as execute:
            if not local:
                return probe.explain(execute, case.query).execution_ms
            with probe.undone(case.query):
                before = _used_ns(probe)
                probe.connection.execute(execute)
                now = _used_ns(probe)
    except psycopg.Error:
        return None
    return None if before is None or now is None else (now - before) / 1e6


def _used_ns(probe: Probe) -> int | None:
    """Return nanoseconds of processor that the session's process has used; None where its counter cannot be read."""
    try:
        text = Path(f"/proc/{probe.connection.info.backend_pid}/schedstat").read_text(encoding="ascii")
        return int(text.split()[0])
    except (OSError, ValueError, IndexError):
        return None
