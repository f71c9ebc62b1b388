"""A server kept running between commands: `inboxbench server start|status|stop`.

One per spec. Its home is below the data folder of the machine (root) or the user and survives `stop`, so the
seeded datasets are there again after the next `start`; `stop --remove` deletes it.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from dataclasses import dataclass
from pathlib import Path

from inboxbench.errors import ServerError
from inboxbench.server.binaries import find_bindir, server_account
from inboxbench.server.cluster import Cluster, create_cluster, start_cluster, stop_cluster
from inboxbench.server.spec import Binaries, Embedded


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
    try:
        pid = int((cluster.data / "postmaster.pid").read_text().splitlines()[0])
        os.kill(pid, 0)
    except (FileNotFoundError, ValueError, IndexError, ProcessLookupError):
        return False
    except PermissionError:
        return True
    return True


def _load(home: Path, bindir: Path) -> Cluster:
    facts = json.loads((home / "cluster.json").read_text())
    return Cluster(home, Path(facts.get("bindir", str(bindir))), server_account())


def standing(spec: Embedded | Binaries, data_dir: str | None = None) -> Standing:
    """What is there for `spec`."""
    home, bindir = _home(spec, data_dir), find_bindir(spec)
    if not (home / "cluster.json").is_file():
        return Standing(spec, Cluster(home, bindir, server_account()), "absent")
    cluster = _load(home, bindir)
    return Standing(spec, cluster, "running" if _is_running(cluster) else "stopped")


def _create(present: Standing) -> Cluster:
    home = present.cluster.home
    if home.exists():
        shutil.rmtree(home)  # an initdb that was interrupted: without cluster.json it never was a server
    home.mkdir(parents=True, mode=0o700)
    try:
        cluster = create_cluster(home, present.cluster.bindir)
        (home / "cluster.json").write_text(json.dumps({"bindir": str(cluster.bindir)}))
    except BaseException:
        shutil.rmtree(home, ignore_errors=True)
        raise
    return cluster


def start_standing(spec: Embedded | Binaries, data_dir: str | None = None) -> Standing:
    """Create when absent, start when stopped, leave alone when running."""
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
    """Stop when running; with `remove`, delete the home and all datasets in it."""
    present = standing(spec, data_dir)
    if present.state == "running":
        stop_cluster(present.cluster)
    if remove and present.state != "absent":
        shutil.rmtree(present.cluster.home)
        return Standing(spec, present.cluster, "absent")
    return Standing(spec, present.cluster, "stopped" if present.state != "absent" else "absent")
