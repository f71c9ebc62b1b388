"""Which process made a temporary database, folder or container, and whether that process still runs.

A process that is killed cannot remove what it made, so whatever it makes carries its owner, and a later command
removes what has outlived it. A process is known by its machine, its number and the moment it began; of a process on
another machine nothing is known, and what it made is left alone.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import socket
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from functools import cache
from pathlib import Path
from typing import Any, Literal, Self

import psutil

from inboxbench import guard

State = Literal["running", "gone", "elsewhere"]

_EMPTY_S = 10.0  # so old an empty folder of our name was left by a process that was killed before it marked it


@dataclass(frozen=True, slots=True)
class Owner:
    """A process. machine: digest of the machine's id and of the process's namespace; boot: which boot of it;
    started: seconds since that boot where /proc says it, else Unix seconds."""

    host: str
    machine: str
    boot: str
    pid: int
    started: float

    @classmethod
    def from_json(cls, value: object) -> Self | None:
        """Return what `to_json` wrote, None for anything else."""
        try:
            return cls(**value) if isinstance(value, Mapping) else None
        except TypeError:
            return None

    def to_json(self) -> dict[str, Any]:
        return asdict(self)

    @property
    def state(self) -> State:
        """Whether the process runs. Where its machine cannot be told from another one, the answer is "elsewhere"."""
        host, machine, boot = _machine()
        if (self.host, self.machine) != (host, machine) or not (machine or self.boot == boot):
            return "elsewhere"
        if self.boot != boot:
            return "gone"
        started = _started(self.pid)
        return "running" if started is not None and abs(started - self.started) < 1 else "gone"

    def __str__(self) -> str:
        return f"process {self.pid} on {self.host}"


def _read(path: str) -> str:
    try:
        return Path(path).read_text(encoding="ascii").strip()
    except (OSError, UnicodeDecodeError):
        return ""


@cache
def _machine() -> tuple[str, str, str]:
    """Host name, a digest of machine id and process namespace ("" without an id), and which boot this is."""
    identity = _read("/etc/machine-id") or _read("/var/lib/dbus/machine-id")
    with suppress(OSError):
        identity = identity and identity + str(Path("/proc/self/ns/pid").readlink())
    digest = hashlib.sha256(identity.encode()).hexdigest()[:12] if identity else ""
    return socket.gethostname(), digest, _read("/proc/sys/kernel/random/boot_id") or f"{psutil.boot_time():.0f}"


def _started(pid: int) -> float | None:
    """When the process `pid` began, None when there is none or it is dead and only not yet collected."""
    words = _read(f"/proc/{pid}/stat").rpartition(")")[2].split()
    if words:  # not by the wall clock, which may be set while a process runs
        return None if words[0] in "ZX" else int(words[19]) / os.sysconf("SC_CLK_TCK")
    with suppress(psutil.Error):
        process = psutil.Process(pid)
        return None if process.status() == psutil.STATUS_ZOMBIE else process.create_time()
    return None


def this_process() -> Owner:
    """Return the owner of what this process makes."""
    host, machine, boot = _machine()
    return Owner(host, machine, boot, os.getpid(), round(_started(os.getpid()) or 0.0, 2))


# --- temporary folders ------------------------------------------------------------------------------------------------


def make_folder(prefix: str, parent: Path | None = None) -> Path:
    """Make a private folder in `parent` (the system's temporary folder), after those whose owner is gone are removed.

    prefix: begins with "inboxbench". Raises OSError.
    """
    where = parent or Path(tempfile.gettempdir())
    for left in left_folders(where):
        remove_folder(left)
    folder = Path(tempfile.mkdtemp(prefix=prefix, dir=where))
    mark_folder(folder)
    return folder


def mark_folder(folder: Path) -> None:
    """Write into `folder` that this process made it."""
    (folder / guard.MARK).write_text(json.dumps(this_process().to_json()), encoding="utf-8")


@contextmanager
def temporary_folder(purpose: str) -> Iterator[Path]:
    """Yield a private folder in the system's temporary folder, removed at the end of the block."""
    folder = make_folder(f"inboxbench_{purpose}_")
    try:
        yield folder
    finally:
        remove_folder(folder)


def folder_owner(folder: Path) -> Owner | None:
    """Return who made the folder, None for one that is not ours."""
    try:
        return Owner.from_json(json.loads((folder / guard.MARK).read_text(encoding="utf-8")))
    except (OSError, ValueError):
        return None


def left_folders(parent: Path) -> list[Path]:
    """Return the temporary folders in `parent` whose owner is gone, and empty ones that nobody came to mark."""
    found = []
    for path in sorted(parent.glob("inboxbench[-_]*")):
        with suppress(OSError):
            if path.is_symlink() or not path.is_dir():
                continue
            owner = folder_owner(path)
            empty = not any(path.iterdir()) and time.time() - path.stat().st_mtime > _EMPTY_S
            if (owner is not None and owner.state == "gone") or empty:
                found.append(path)
    return found


def remove_folder(folder: Path) -> None:
    """Remove a folder that carries our mark with all that is in it, one that is empty, and nothing else."""
    if (folder / guard.MARK).is_file():
        guard.end_server(folder)
        shutil.rmtree(folder, ignore_errors=True)
    else:
        with suppress(OSError):
            folder.rmdir()
