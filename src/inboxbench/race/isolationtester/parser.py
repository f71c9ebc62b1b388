"""Reads a spec file."""

from __future__ import annotations

from pathlib import Path

from inboxbench.race.isolationtester.lexer import Reader
from inboxbench.race.isolationtester.model import Launch, Marker, Spec, SpecSession


def _session(reader: Reader, taken: set[str]) -> SpecSession:
    name = reader.name("session")
    setup = reader.block() if reader.keyword("setup") else None
    steps: dict[str, str] = {}
    while reader.keyword("step"):
        step = reader.name("step")
        if step in taken:
            reader.place -= 1
            raise reader.error(f"step {step!r} is defined twice; every step needs a name of its own")
        taken.add(step)
        steps[step] = reader.block()
    if not steps:
        raise reader.error(f"session {name!r} has no step; add `step NAME {{ SQL }}`")
    teardown = reader.block() if reader.keyword("teardown") else None
    return SpecSession(name, setup, steps, teardown)


def _known_step(reader: Reader, steps: set[str]) -> str:
    place = reader.place
    step = reader.name("step")
    if step not in steps:
        reader.place = place
        raise reader.error(f"no session has a step {step!r}")
    return step


def _marker(reader: Reader, steps: set[str]) -> Marker:
    if reader.mark("*"):
        return Marker("once")
    step = _known_step(reader, steps)
    if not reader.keyword("notices"):
        return Marker("step", step)
    if reader.peek().kind != "number":
        raise reader.error(f"expected a number of notices, found {reader.peek().text!r}")
    return Marker("notices", step, int(reader.next().text))


def _launch(reader: Reader, steps: set[str]) -> Launch:
    step = _known_step(reader, steps)
    if not reader.mark("("):
        return Launch(step)
    markers = [_marker(reader, steps)]
    while reader.mark(","):
        markers.append(_marker(reader, steps))
    if not reader.mark(")"):
        raise reader.error(f"expected , or ), found {reader.peek().text!r}")
    return Launch(step, tuple(markers))


def _permutation(reader: Reader, steps: set[str]) -> tuple[Launch, ...]:
    launches = [_launch(reader, steps)]
    while reader.at_name():
        launches.append(_launch(reader, steps))
    return tuple(launches)


def parse_spec_file(path: Path, source: str) -> Spec:
    """Raises UsageError with file, line and column."""
    reader = Reader(path, source)
    setups = []
    while reader.keyword("setup"):
        setups.append(reader.block())
    teardown = reader.block() if reader.keyword("teardown") else None
    taken: set[str] = set()
    sessions = []
    while reader.keyword("session"):
        sessions.append(_session(reader, taken))
    if not sessions:
        raise reader.error(f"expected a session, found {reader.peek().text!r}")
    permutations = []
    while reader.keyword("permutation"):
        permutations.append(_permutation(reader, taken))
    if reader.peek().kind != "end":
        raise reader.error(f"expected a permutation or the end, found {reader.peek().text!r}")
    return Spec(path, tuple(setups), teardown, tuple(sessions), tuple(permutations))
