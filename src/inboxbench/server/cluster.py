"""A cluster of our own: made by initdb, tuned, started with a guard that ends it with us, or kept standing."""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from inboxbench.errors import ServerError
from inboxbench.server import guard
from inboxbench.server.binaries import Account, can_run, find_bindir, major_version, open_copy, server_account
from inboxbench.server.handle import Binaries, Embedded, tuned_settings

_PANIC = re.compile(r"^[^\t].*?PANIC:  (.+)$", re.MULTILINE)
_FULL = "No space left on device"
_LAST_WORDS = 1 << 20  # bytes at the end of the log
_SOCKET_LIMIT = 100  # a unix socket's path ends at 107 bytes; ".s.PGSQL.5432" is appended to the folder


@dataclass(frozen=True, slots=True)
class Cluster:
    """A running postmaster. `home` is short, private (0700) and owned by the server's user."""

    home: Path
    bindir: Path
    account: Account

    @property
    def data(self) -> Path:
        return self.home / "data"

    @property
    def log(self) -> Path:
        return self.home / "server.log"

    @property
    def url(self) -> str:
        return f"postgresql://postgres@/postgres?host={self.home}"


def _locale_arguments(bindir: Path) -> list[str]:
    """C.UTF-8: byte order (the fastest, the same everywhere) that still knows all letters and their case."""
    arguments = ["--encoding=UTF8", "--locale=C.UTF-8"]
    if major_version(bindir) >= 17:
        arguments += ["--locale-provider=builtin", "--builtin-locale=C.UTF-8"]
    return arguments


def _run(command: list[str], account: Account, what: str, log: Path | None = None) -> None:
    environment = {key: value for key, value in os.environ.items() if not key.startswith("PG")} | {"LC_ALL": "C.UTF-8"}
    try:
        done = subprocess.run(
            command, check=False, capture_output=True, text=True, cwd="/", env=environment,
            **account.popen_arguments(),  # type: ignore[call-overload]
        )  # fmt: skip
    except OSError as error:
        raise ServerError(f"{what} could not be run: {error}") from error
    if done.returncode:
        detail = log.read_text(errors="replace") if log and log.exists() else done.stderr + done.stdout
        raise ServerError(f"{what} failed: {_last_error(detail)}")


def _last_error(text: str) -> str:
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    telling = [line for line in lines if "FATAL" in line or "error" in line.lower()]
    return (telling or lines or ["no message"])[-1]


def _write_settings(data: Path, home: Path, settings: dict[str, str]) -> None:
    own = {"listen_addresses": "", "unix_socket_directories": str(home), "unix_socket_permissions": "0700"}
    lines = [f"{name} = '{value}'" for name, value in (settings | own).items()]
    with (data / "postgresql.conf").open("a", encoding="utf-8") as file:
        file.write("\n# inboxbench\n" + "\n".join(lines) + "\n")


def create_cluster(home: Path, bindir: Path) -> Cluster:
    """initdb into the empty folder `home` with the tuned settings. Raises ServerError with initdb's own reason."""
    account = server_account()
    account.own(home)
    if not can_run(bindir, account):
        bindir = open_copy(bindir, home)
    cluster = Cluster(home, bindir, account)
    command = [str(bindir / "initdb"), "-D", str(cluster.data), "-U", "postgres", "--auth=trust", "--no-sync"]
    _run(command + _locale_arguments(bindir), account, "initdb")
    _write_settings(cluster.data, home, tuned_settings())
    return cluster


def start_cluster(cluster: Cluster) -> None:
    """Start and wait until it accepts connections."""
    command = [
        str(cluster.bindir / "pg_ctl"),
        "-D",
        str(cluster.data),
        "-l",
        str(cluster.log),
        "-w",
        "-t",
        "60",
        "start",
    ]
    _run(command, cluster.account, f"starting PostgreSQL in {cluster.home}", cluster.log)


def stop_cluster(cluster: Cluster) -> None:
    """An orderly stop that keeps the data."""
    command = [
        str(cluster.bindir / "pg_ctl"),
        "-D",
        str(cluster.data),
        "-m",
        "fast",
        "-w",
        "-t",
        "120",
        "stop",
    ]
    _run(command, cluster.account, f"stopping PostgreSQL in {cluster.home}")


def make_home(data_dir: str | None) -> Path:
    """A new private folder below `data_dir`, the system's temporary folder, or /tmp where that path is too long."""
    parent = Path(data_dir or tempfile.gettempdir())
    if not parent.is_dir():
        raise ServerError(f"data_dir {parent} is no folder; create it or choose another")
    if len(str(parent)) > _SOCKET_LIMIT - 32:
        if data_dir:
            raise ServerError(f"data_dir {parent} is too long for a unix socket; choose a path under 68 characters")
        parent = Path("/tmp")  # noqa: S108 - mkdtemp makes the folder private
    return Path(tempfile.mkdtemp(prefix="inboxbench-", dir=parent))


def _start_guard(home: Path) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-I", guard.__file__, str(home)]
    return subprocess.Popen(command, stdin=subprocess.PIPE, cwd="/", start_new_session=True)


def _crash(log: Path) -> str | None:
    """What the server said when it gave up, None when it did not."""
    if not log.is_file():
        return None
    with log.open("rb") as file:
        file.seek(max(log.stat().st_size - _LAST_WORDS, 0))
        said = _PANIC.findall(file.read().decode(errors="replace"))
    return said[-1] if said else None


@contextmanager
def temporary_cluster(bindir: Path, data_dir: str | None = None) -> Iterator[Cluster]:
    """A cluster that ends with its owner, whatever ends the owner: see guard.py.

    Raises ServerError with the server's last word when the block failed because it crashed, mostly of a full disk.
    """
    home = make_home(data_dir)
    try:
        watcher = _start_guard(home)
    except BaseException:
        shutil.rmtree(home)
        raise
    try:
        cluster = create_cluster(home, bindir)
        start_cluster(cluster)
        yield cluster
    except Exception as error:
        if said := _crash(home / "server.log"):
            hint = "choose another disk with --data-dir" if _FULL in said else "its folder is gone now"
            raise ServerError(f"PostgreSQL in {home} crashed: {said}; {hint}") from error
        raise
    finally:
        assert watcher.stdin is not None
        watcher.stdin.close()
        watcher.wait()


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
