"""What killed commands have left: temporary databases of a server, and temporary folders of this machine.

Each carries the process that made it. It is removed when that process is gone: by the next command that uses the
server, and by `inboxbench dataset prune`.
"""

from __future__ import annotations

import time
from collections.abc import Collection
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from tempfile import gettempdir
from typing import Any

import psycopg

from inboxbench.database import DatabaseInfo, drop_database, list_databases
from inboxbench.database_marks import OWNER
from inboxbench.database_roles import remove_left_roles
from inboxbench.errors import InboxbenchError
from inboxbench.owner import Owner, folder_owner, left_folders, remove_folder
from inboxbench.server import Server, reason

# Markers without an owner: of what stays, and of temporary databases of versions that wrote none.
_UNOWNED = frozenset({"work", "clone", "bench-template", "loading"})


@dataclass(frozen=True, slots=True)
class Leftover:
    """A temporary database or folder, or a load into a database that is somebody's. size: bytes, 0 where it is not
    known; created: Unix seconds; state: of its owner: running, gone, elsewhere (on another machine) or unknown."""

    what: str
    name: str
    size: int
    created: int
    owner: Owner | None
    state: str

    def is_over(self, hosts: Collection[str]) -> bool:
        """Whether its owner is surely gone; hosts: machines that are known to be."""
        elsewhere = self.state == "elsewhere" and self.owner is not None and self.owner.host in hosts
        return self.state == "gone" or elsewhere

    def to_json(self) -> dict[str, Any]:
        owner = self.owner.to_json() if self.owner else None
        return {"what": self.what, "name": self.name, "size": self.size, "created": self.created, "owner": owner,
                "state": self.state}  # fmt: skip


def temporary_databases(server: Server) -> list[Leftover]:
    """Return the databases of ours that are there for a command only, of those that still run, too."""
    return [left for info in list_databases(server) if (left := _as_leftover(info)) is not None]


def _as_leftover(info: DatabaseInfo) -> Leftover | None:
    marker = info.marker or {}
    owner = Owner.from_json(marker.get(OWNER))
    if owner is None and marker and marker.get("kind") not in _UNOWNED:
        return None
    # Without any marker it was left by a process that was killed before it could write one.
    state = owner.state if owner else "unknown" if marker else "gone"
    return Leftover("database", info.name, info.size, _number(marker.get("created")), owner, state)


def _number(value: object) -> int:
    return int(value) if isinstance(value, int | float) else int(time.time())


def temporary_folders(*parents: str | None) -> list[Leftover]:
    """Return the folders that killed commands left in the system's temporary folder and in `parents`."""
    places = {Path(parent) for parent in (gettempdir(), "/tmp", *parents) if parent and Path(parent).is_dir()}  # noqa: S108
    return [
        Leftover("folder", str(path), 0, int(path.stat().st_mtime), folder_owner(path), "gone")
        for place in sorted(places)
        for path in left_folders(place)
    ]


def remove_leftovers(
    server: Server, *folders: str | None, hosts: Collection[str] = ()
) -> tuple[list[Leftover], list[str]]:
    """Remove what has outlived its owner; returns it, and a line for each that could not be removed.

    folders: where temporary folders of ours may lie, beside the system's. hosts: machines that are known to be gone,
    with every process that ran there.
    """
    removed, problems = [], []
    for left in [*temporary_databases(server), *temporary_folders(*folders)]:
        if not left.is_over(hosts):
            continue
        try:
            if left.what == "folder":
                remove_folder(Path(left.name))
            else:
                drop_database(server, left.name)
            removed.append(left)
        except (InboxbenchError, psycopg.Error) as error:
            problems.append(f"{left.name} could not be removed: {reason(error)}")
    with suppress(psycopg.Error):
        remove_left_roles(server)
    return removed, problems


def tidy(server: Server) -> None:
    """Remove what killed commands of this machine have left on the server, as far as that goes."""
    with suppress(InboxbenchError, psycopg.Error):
        remove_leftovers(server)
