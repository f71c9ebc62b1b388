"""A declared churn: so many executions of each write of bench/writes, the same ones in the same order every time."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import psycopg

from inboxbench.bench.workload.writes import Targets, Updates, read_writes, updates
from inboxbench.database import Connection
from inboxbench.disturbance import Watch
from inboxbench.errors import SubjectFailed, UsageError, unknown
from inboxbench.project import Project
from inboxbench.server import reason
from inboxbench.sqlfile import QueryFile, as_psycopg

# Of each write, where nothing else is declared: an hour or two of a busy inbox.
EXECUTIONS = 1000
_ITEM = re.compile(r"([a-z_][a-z0-9_]*)\s*=\s*([0-9][0-9_]*)")


@dataclass(frozen=True, slots=True)
class Churn:
    """`counts`: executions by the name of a write."""

    counts: Mapping[str, int]

    @property
    def executions(self) -> int:
        return sum(self.counts.values())

    def __str__(self) -> str:
        return ", ".join(f"{count:,} × {name}" for name, count in self.counts.items())

    def mixed_order(self) -> Iterator[tuple[str, int]]:
        """(name, how many of it came before), evenly mixed: a write of half the number is every second one.

        >>> list(Churn({"a": 1, "b": 2}).mixed_order())
        [('b', 0), ('a', 0), ('b', 1)]
        """
        places = [
            ((number + 0.5) / count, name, number) for name, count in self.counts.items() for number in range(count)
        ]
        yield from ((name, number) for _place, name, number in sorted(places))


def read_churn(project: Project, text: str | None) -> Churn:
    """`insert_message=1000,mark_read=500` (None: 1,000 of every write). Raises UsageError naming what is wrong."""
    known = [write.name for write in read_writes(project)]
    if not known:
        raise UsageError(f"{project.bench / 'writes'} holds no writes to change rows by; put one write a file there")
    if text is None:
        return Churn(dict.fromkeys(known, EXECUTIONS))
    churn = Churn(dict(_item(part.strip(), known) for part in text.split(",") if part.strip()))
    if not churn.executions:
        raise UsageError(f"--churn {text!r} changes nothing; give {known[0]}=1000 or the like")
    return churn


def _item(part: str, known: Sequence[str]) -> tuple[str, int]:
    match = _ITEM.fullmatch(part)
    if match is None:
        raise UsageError(f"--churn {part!r} is not WRITE=COUNT, such as {known[0]}=1000")
    if match[1] not in known:
        raise unknown("write", match[1], known, where="--churn")
    return match[1], int(match[2])


def inflict(
    connection: Connection, churn: Churn, writes: Sequence[QueryFile], targets: Targets, watch: Watch
) -> Updates:
    """Execute the churn, each write a transaction of its own; how many rows were updated, and how many of them HOT.

    A write that has fewer targets than executions begins with the first again. Raises SubjectFailed when one fails.
    """
    by_name = {write.name: (write, as_psycopg(write.text).encode(), targets[write.classes[0]]) for write in writes}
    before = updates(connection)
    watch.look(connection, wholly=True)
    for name, number in churn.mixed_order():
        watch.look(connection)
        write, statement, rows = by_name[name]
        try:
            connection.execute(statement, rows[number % len(rows)], prepare=True)
        except psycopg.Error as error:
            raise SubjectFailed(f"{write.path}: {reason(error)}") from None
    return updates(connection) - before
