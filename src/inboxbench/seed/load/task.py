"""What every worker of a load is told, and what it is asked for."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from inboxbench.messenger.data.profile import Profile
from inboxbench.messenger.data.table_layout import Layout

# Slices of this size keep client and server busy at the same time.
SLICE = 128 * 1024


@dataclass(frozen=True, slots=True)
class Job:
    """`folder` holds what all workers share; `conninfo` None builds without sending; by_file: the server reads blocks
    as files from there."""

    folder: Path
    profile: Profile
    seed: int
    layout: Layout
    conninfo: str | None
    slice: int = SLICE
    by_file: bool = False


@dataclass(frozen=True, slots=True)
class Task:
    """A block of a table. Windows of messages also need their first id and where their keys lie."""

    table: str
    number: int = 0
    first_id: int = 0
    runs: tuple[tuple[int, int], ...] = ()  # (first key, keys) in the file of keys


@dataclass(frozen=True, slots=True)
class Built:
    """The rows of a task. Of a block of conversations also: its messages by window, from the first one."""

    rows: int
    windows: tuple[int, tuple[int, ...]] = (0, ())
