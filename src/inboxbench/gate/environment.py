"""What counters depend on beside the schema and the queries, and whether two of it compare."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, fields

from inboxbench import __version__
from inboxbench.bench import Matrix
from inboxbench.errors import UsageError

_NAMES = {
    "tool": "inboxbench",
    "data": "other rows (profile, seed, generator, schema/baseline.sql), digest",
}


@dataclass(frozen=True, slots=True)
class Environment:
    """What counters depend on beside the schema and the queries.

    server: PostgreSQL's version; data: fingerprint of profile, seed, generator and baseline schema; settings: those
    of the measuring session that EXPLAIN calls changed.
    """

    tool: str
    server: str
    profile: str
    messages: int
    seed: int
    data: str
    settings: Mapping[str, str]


def environment_of(matrix: Matrix, *, server: str, profile: str, messages: int, seed: int, data: str) -> Environment:
    return Environment(__version__, server, profile, messages, seed, data, dict(matrix.settings))


def check_environment(before: Environment, now: Environment, where: str) -> list[str]:
    """Remarks on what differs without harm. Raises UsageError for what makes counters incomparable."""
    for name, said in _differences(before, now):
        raise UsageError(
            f"{where}: measured with {name} {said[0]}, this is {said[1]}: its counters do not compare; "
            "measure it again here with --update"
        )
    if before.server != now.server:
        return [f"baseline measured on PostgreSQL {before.server}, head on {now.server}"]
    return []


def _differences(before: Environment, now: Environment) -> Iterator[tuple[str, tuple[object, object]]]:
    majors = before.server.partition(".")[0], now.server.partition(".")[0]
    if majors[0] != majors[1]:
        yield "PostgreSQL", majors
    for one in fields(Environment):
        old, new = getattr(before, one.name), getattr(now, one.name)
        if one.name == "settings":
            changed = sorted(key for key in {*old, *new} if old.get(key) != new.get(key))
            if changed:
                name = changed[0]
                yield f"setting {name}", (old.get(name, "at its default"), new.get(name, "at its default"))
        elif one.name != "server" and old != new:
            yield _NAMES.get(one.name, one.name), (old, new)
