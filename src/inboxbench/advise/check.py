"""The last check: all reading cases under the present indexes and the advised ones, one pass after the other, by the
processor time of the server's own process where that can be read, else by the server's execution time."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
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
    """Milliseconds of each query under each set, in their order, all its classes once, the median of the passes. clock:
    which time."""

    clock: str
    by_query: dict[str, tuple[float, ...]]


def compare_times(
    server: Server,
    request: Request,
    sets: Sequence[IndexSet],
    cases: Sequence[Case],
    announce: Callable[[str], None],
    *,
    passes: int = _PASSES,
) -> Times:
    """Build the sets on clones of the template and execute the cases on all of them, one pass after the other, each
    pass beginning with another set."""
    with ExitStack() as stack:
        builder = stack.enter_context(SetBuilder(server, request.template, sets))
        sides: list[Probes] = []
        for index_set in sets:
            name, _built = stack.enter_context(builder.built(index_set, announce))
            sides.append(stack.enter_context(Probes(server, name, request.timeout_s, request.role)))
        local = server.kind in ("embedded", "bin") and all(
            _used_ns(side.of(case.query)) is not None for side in sides for case in cases[:1]
        )
        samples: dict[str, list[list[float]]] = {case.name: [[] for _side in sides] for case in cases}
        for number in range(passes):
            for case in cases:
                announce(f"pass {number + 1} of {passes}: {case.name}")
                for place in (*range(number % len(sides), len(sides)), *range(number % len(sides))):
                    if (spent := _spent_ms(sides[place].of(case.query), case, local=local)) is not None:
                        samples[case.name][place].append(spent)
    return Times(PROCESSOR if local else EXECUTION, _by_query(cases, samples))


def _by_query(cases: Sequence[Case], samples: Mapping[str, list[list[float]]]) -> dict[str, tuple[float, ...]]:
    """Return the sums of the classes; a case that some set does not answer is left out."""
    found: dict[str, tuple[float, ...]] = {}
    for case in cases:
        spent = samples[case.name]
        if all(spent):
            medians = [median(side) for side in spent]
            known = found.get(case.query.name, (0.0,) * len(spent))
            found[case.query.name] = tuple(before + more for before, more in zip(known, medians, strict=True))
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
