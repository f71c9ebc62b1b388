"""What counters depend on besides the schema and the queries, and whether two of them compare."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, fields

from inboxbench.errors import UsageError

_NAMES = {"tool": "inboxbench"}


@dataclass(frozen=True, slots=True)
class Environment:
    """The surroundings of a measurement.

    server: PostgreSQL's version; rows: of the table that the profile counts, or of all tables of a database without
    one; data: a checksum of the rows of each table (`table NAME`), and of what became of them since (`past`); settings:
    those of the measuring session that EXPLAIN calls changed; role: whom it was measured as (None: the server's own
    user). made_of: a digest of what the rows were made of, which is all that files of format 1 know of them. writing:
    settings of the server on which WAL and pages of a write depend (None: not known, of an earlier version).
    """

    tool: str
    server: str
    profile: str
    rows: int
    seed: int
    data: Mapping[str, str]
    settings: Mapping[str, str]
    role: str | None = None
    made_of: str | None = None
    writing: Mapping[str, str] | None = None


def check_environment(before: Environment, now: Environment, where: str) -> list[str]:
    """Return remarks on what differs without harm. Raises UsageError for what makes counters incomparable."""
    for name, (old, new) in _differences(before, now):
        raise UsageError(f"{where}: measured with {name} {old}, this is {new}: its counters do not compare")
    if before.server != now.server:
        return [f"baseline measured on PostgreSQL {before.server}, head on {now.server}"]
    return []


def _differences(before: Environment, now: Environment) -> Iterator[tuple[str, tuple[object, object]]]:
    majors = before.server.partition(".")[0], now.server.partition(".")[0]
    if majors[0] != majors[1]:
        yield "PostgreSQL", majors
    for field in fields(Environment):
        old, new = getattr(before, field.name), getattr(now, field.name)
        if field.name == "settings":
            for name in _different(old, new):
                yield f"setting {name}", (old.get(name, "at its default"), new.get(name, "at its default"))
        elif field.name == "data":
            yield from _rows(before, now)
        elif field.name == "writing":
            for name in _different(old, new) if old is not None and new is not None else ():
                yield f"setting {name}", (old.get(name, "unknown"), new.get(name, "unknown"))
        elif field.name == "role":
            if old != new:
                yield "role", (old or "the server's own user", new or "the server's own user")
        elif field.name not in ("server", "made_of") and old != new:
            yield _NAMES.get(field.name, field.name), (old, new)


def _different(old: Mapping[str, str], new: Mapping[str, str]) -> list[str]:
    return sorted(key for key in old.keys() | new.keys() if old.get(key) != new.get(key))


def _other_rows(old: Mapping[str, str], new: Mapping[str, str]) -> list[str]:
    """Name the parts that differ. A column that one side alone has is none: a migration may add and drop it."""
    both = old.keys() & new.keys()
    parts = _different(old, new)
    return [part for part in parts if part in both or not (both and part.startswith("column "))]


def _rows(before: Environment, now: Environment) -> Iterator[tuple[str, tuple[object, object]]]:
    """Yield which tables hold other rows; of a file that knows no checksums, whether all was made of the same."""
    if before.data and now.data:
        if parts := _other_rows(before.data, now.data):
            sums = (before.data.get(parts[0], "none"), now.data.get(parts[0], "none"))
            yield f"other rows ({', '.join(parts)}), {parts[0]} with checksum", sums
    elif before.made_of != now.made_of:
        digests = (before.made_of or "unknown", now.made_of or "unknown")
        yield "other rows (profile, seed, generator or schema/baseline.sql), digest", digests
