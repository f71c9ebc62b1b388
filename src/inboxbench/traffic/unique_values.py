"""New values for the columns of unique keys, as text."""

from __future__ import annotations

import uuid
from random import Random
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from inboxbench.traffic.tables import Column

_INTEGERS = {"int2": 2**15 - 1, "int4": 2**31 - 1, "int8": 2**62}
_SHORTEST = 4  # of fewer characters there are not enough


def can_be_fresh(column: Column) -> bool:
    """Whether its type has so many values that one drawn is new."""
    if column.category == "S":
        return column.length is None or column.length >= _SHORTEST
    return column.type in (*_INTEGERS, "uuid", "timestamptz", "timestamp", "numeric")


def fresh(column: Column, random: Random) -> str:
    """A value that the table hardly has. Raises ValueError for a type that `can_be_fresh` refuses."""
    if column.category == "S":
        return f"{random.getrandbits(128):032x}"[: column.length]
    if column.type in _INTEGERS:
        return str(random.randint(_INTEGERS[column.type] // 2, _INTEGERS[column.type]))
    if column.type == "uuid":
        return str(uuid.UUID(int=random.getrandbits(128), version=4))
    if column.type == "numeric":
        return str(random.getrandbits(16))
    if column.type in ("timestamptz", "timestamp"):
        return f"{random.randint(2100, 2900)}-01-01 00:00:{random.randint(0, 59):02d}.{random.randint(0, 999999):06d}"
    raise ValueError(f"no new values of type {column.type}")
