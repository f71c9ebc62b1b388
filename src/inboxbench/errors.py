"""Everything inboxbench raises on purpose.

    InboxbenchError            3  the thing under test itself failed, or we did
    ├── ThresholdExceeded      1  a declared limit was passed
    ├── UsageError             2  bad input or configuration: the message names the file and the key
    │   ├── ServerError        2  no PostgreSQL could be started or reached
    │   └── ForeignDatabaseError 2  a database that is not ours to touch
    └── SubjectFailed          3  a migration, query or strategy under test failed

The number is the process exit code. A message is one line: what happened, why, what to do.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable
from difflib import get_close_matches


class InboxbenchError(Exception):
    """Root of the tree; `exit_code` is what the command line ends with."""

    exit_code = 3


class ThresholdExceeded(InboxbenchError):
    exit_code = 1


class UsageError(InboxbenchError):
    exit_code = 2


class ServerError(UsageError):
    pass


class ForeignDatabaseError(UsageError):
    pass


class SubjectFailed(InboxbenchError):
    exit_code = 3


def unknown(kind: str, name: str, known: Iterable[str], *, where: str = "") -> UsageError:
    """The error for a name that is not in a catalogue, with the nearest one that is.

    >>> str(unknown("profile", "smal", ["small", "tiny"]))
    "unknown profile 'smal'; did you mean 'small'? Known: small, tiny"
    """
    names, name = sorted(known), shortened(name, 200)
    nearest = get_close_matches(name, names, n=1)
    hint = f"; did you mean {nearest[0]!r}?" if nearest else "."
    prefix = f"{where}: " if where else ""
    return UsageError(f"{prefix}unknown {kind} {name!r}{hint} Known: {', '.join(names)}")


def shortened(text: str, limit: int) -> str:
    """Return text of `limit` characters at most.

    >>> shortened("abcdef", 4)
    'abc…'
    """
    return text if len(text) <= limit else f"{text[: limit - 1]}…"


# What a value of a file is called; the value itself may be long, or a secret.
WORDS = {
    bool: "true or false", int: "a whole number", float: "a number", str: "a string", list: "a list", dict: "a table",
    type(None): "nothing", dt.datetime: "a date with time", dt.date: "a date", dt.time: "a time of day",
}  # fmt: skip


def kind_of(value: object) -> str:
    """Return what a value of a file is, in words.

    >>> kind_of([1])
    'a list'
    """
    return WORDS.get(type(value), type(value).__name__)
