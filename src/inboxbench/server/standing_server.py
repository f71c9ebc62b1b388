"""A server that is kept running between commands: one in its folder for each kind, found again, started and stopped."""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from inboxbench import guard
from inboxbench.errors import ServerError
from inboxbench.owner import folder_owner, mark_folder
from inboxbench.server.binaries import find_bindir, server_account
from inboxbench.server.cluster import Cluster, check_data_dir, create_cluster, start_cluster, stop_cluster
from inboxbench.server.handle import Binaries, Embedded

_FACTS = "cluster.json"  # in the folder of a server that is kept running, once it is whole


@dataclass(frozen=True, slots=True)
class Standing:
    """state: running | stopped | absent."""

    spec: Embedded | Binaries
    cluster: Cluster
    state: str


def _base(data_dir: str | None) -> Path:
    """Root's own home is closed to the user the server runs as, hence /var/lib."""
    if data_dir:
        return Path(data_dir)
    if os.geteuid() == 0:
        return Path("/var/lib/inboxbench")
    return Path(os.environ.get("XDG_DATA_HOME") or Path.home() / ".local/share") / "inboxbench"


def _home(spec: Embedded | Binaries, data_dir: str | None) -> Path:
    if isinstance(spec, Embedded):
        return _base(data_dir) / f"embedded-{spec.major}"
    return _base(data_dir) / f"bin-{hashlib.sha256(str(spec.bindir.resolve()).encode()).hexdigest()[:8]}"


def _is_running(cluster: Cluster) -> bool:
    """Whether the process that postmaster.pid names is a server in that folder: its number may be another's by now."""
    try:
        pid = int((cluster.data / "postmaster.pid").read_text().splitlines()[0])
    except (FileNotFoundError, ValueError, IndexError):
        return False
    return pid in guard.server_processes(cluster.home)


def _load(home: Path) -> Cluster | None:
    """The cluster that we made in `home`, None when there is none or another program made it."""
    try:
        facts = json.loads((home / _FACTS).read_text(encoding="utf-8"))
        bindir = Path(facts["bindir"])
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return Cluster(home, bindir, server_account()) if (home / "data" / "PG_VERSION").is_file() else None


def standing(spec: Embedded | Binaries, data_dir: str | None = None) -> Standing:
    """What is there for `spec`."""
    home, bindir = _home(spec, data_dir), find_bindir(spec)
    cluster = _load(home)
    if cluster is None:
        return Standing(spec, Cluster(home, bindir, server_account()), "absent")
    return Standing(spec, cluster, "running" if _is_running(cluster) else "stopped")


@contextmanager
def _alone(spec: Embedded | Binaries, data_dir: str | None) -> Iterator[None]:
    """Wait until no other process starts or stops a server in the same place."""
    base = _home(spec, data_dir).parent
    base.mkdir(parents=True, exist_ok=True)
    descriptor = os.open(base, os.O_RDONLY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def _create(present: Standing) -> Cluster:
    """Raises ServerError for a folder that holds something and that we did not make."""
    home = present.cluster.home
    _remove_interrupted(home)
    home.mkdir(mode=0o700, exist_ok=True)
    mark_folder(home)
    try:
        cluster = create_cluster(home, present.cluster.bindir)
        (home / _FACTS).write_text(json.dumps({"bindir": str(cluster.bindir)}), encoding="utf-8")
    except BaseException:
        _remove_cluster(home)
        raise
    return cluster


def _remove_interrupted(home: Path) -> None:
    """Remove what a killed start left: it carries our mark and never became a server."""
    if folder_owner(home) is not None:
        _remove_cluster(home)
    if home.exists() and not (home.is_dir() and not any(home.iterdir())):
        raise ServerError(
            f"{home} is not empty, and inboxbench did not make what is in it; move it away, or choose another folder "
            "with --data-dir"
        )


def start_standing(spec: Embedded | Binaries, data_dir: str | None = None) -> Standing:
    """Create when absent, start when stopped, leave alone when running; of two at once, one waits for the other."""
    check_data_dir(data_dir)
    with _alone(spec, data_dir):
        present = standing(spec, data_dir)
        if present.state == "running":
            return present
        cluster = _create(present) if present.state == "absent" else present.cluster
        if present.state == "stopped" and not (cluster.bindir / "pg_ctl").is_file():
            raise ServerError(
                f"the programs of {cluster.home} are gone from {cluster.bindir}; run: inboxbench server stop --remove"
            )
        start_cluster(cluster)
    return Standing(spec, cluster, "running")


def stop_standing(spec: Embedded | Binaries, data_dir: str | None = None, *, remove: bool = False) -> Standing:
    """Stop when running; with `remove`, delete all datasets and whatever else we made in its folder."""
    check_data_dir(data_dir)
    if standing(spec, data_dir).state == "absent":
        return standing(spec, data_dir)
    with _alone(spec, data_dir):
        present = standing(spec, data_dir)
        if present.state == "running":
            stop_cluster(present.cluster)
        if remove:
            _remove_cluster(present.cluster.home)
    return standing(spec, data_dir)


def _remove_cluster(home: Path) -> None:
    """Remove what a cluster of ours consists of; a file that somebody else put there stays, and so the folder."""
    guard.end_server(home)
    for name in ("data", "binaries"):
        shutil.rmtree(home / name, ignore_errors=True)
    for name in (_FACTS, guard.MARK, "server.log"):
        (home / name).unlink(missing_ok=True)
    with suppress(OSError):
        home.rmdir()
