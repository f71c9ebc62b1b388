"""A cluster of our own: made by initdb, tuned, and started with a guard that ends it with us."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from inboxbench import guard
from inboxbench.errors import ServerError
from inboxbench.owner import make_folder, remove_folder
from inboxbench.server.binaries import Account, can_run, major_version, open_copy, server_account
from inboxbench.server.environment import without_libpq
from inboxbench.server.handle import tuned_settings

_PANIC = re.compile(r"^[^\t].*?PANIC:  (.+)$", re.MULTILINE)
_FULL = "No space left on device"
_LAST_WORDS = 1 << 20  # bytes at the end of the log
_PORT = "5432"  # of a socket in a folder of its own
_PATIENCE_S = 30.0  # for a program that was asked to end
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
        return f"postgresql://postgres@/postgres?host={self.home}&port={_PORT}"


def _locale_arguments(bindir: Path) -> list[str]:
    """C.UTF-8: byte order (the fastest, the same everywhere) that still knows all letters and their case."""
    arguments = ["--encoding=UTF8", "--locale=C.UTF-8"]
    if major_version(bindir) >= 17:
        arguments += ["--locale-provider=builtin", "--builtin-locale=C.UTF-8"]
    return arguments


def _run(command: list[str], account: Account, what: str, log: Path | None = None) -> None:
    environment = without_libpq() | {"LC_ALL": "C.UTF-8"}
    try:
        process = subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd="/", env=environment,
            start_new_session=True, **account.popen_arguments(),  # type: ignore[call-overload]
        )  # fmt: skip
    except OSError as error:
        raise ServerError(f"{what} could not be run: {error}") from error
    try:
        said = "".join(reversed(process.communicate()))
    except BaseException:
        _interrupt(process)
        raise
    if process.returncode:
        detail = log.read_text(errors="replace") if log and log.exists() else said
        raise ServerError(f"{what} failed: {_last_error(detail)}")


def _interrupt(process: subprocess.Popen[str]) -> None:
    """End initdb or pg_ctl with SIGINT, on which it ends what it has started: killed, it would leave shared memory."""
    process.send_signal(signal.SIGINT)
    try:
        process.communicate(timeout=_PATIENCE_S)
    except subprocess.TimeoutExpired:
        process.kill()
        process.communicate()


def _last_error(text: str) -> str:
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    telling = [line for line in lines if "FATAL" in line or "error" in line.lower()]
    return (telling or lines or ["no message"])[-1]


def _write_settings(data: Path, home: Path, settings: dict[str, str]) -> None:
    own = {
        "listen_addresses": "",
        "port": _PORT,
        "unix_socket_directories": str(home),
        "unix_socket_permissions": "0700",
    }
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
    check_data_dir(data_dir)
    if len(str(parent)) > _SOCKET_LIMIT - 32:
        if data_dir:
            raise ServerError(f"data_dir {parent} is too long for a unix socket; choose a path under 68 characters")
        parent = Path("/tmp")  # noqa: S108 - mkdtemp makes the folder private
    return make_folder("inboxbench-", parent)


def check_data_dir(data_dir: str | None) -> None:
    """Raise UsageError unless `data_dir` is a folder that may be written, before any work is done."""
    if data_dir is None:
        return
    if not data_dir.strip():  # "$UNSET" of a script is no wish for the folder of everybody
        raise ServerError("--data-dir is empty; name a folder, or leave the option out")
    folder = Path(data_dir)
    if not folder.is_dir():
        what = "is no folder" if folder.exists() else "does not exist"
        raise ServerError(f"--data-dir {folder} {what}; create it or choose another")
    if not os.access(folder, os.W_OK | os.X_OK):
        raise ServerError(f"--data-dir {folder} may not be written by this user; choose another")
    account = server_account()
    closed = [place for place in (folder.resolve(), *folder.resolve().parents) if not account.may_enter(place)]
    if closed:
        raise ServerError(
            f"--data-dir {folder}: the server runs as user {account.uid}, who may not enter {closed[-1]}; run: chmod "
            f"o+x {closed[-1]}, or choose another"
        )


def _start_guard(home: Path) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-I", "-S", guard.__file__, "cluster", str(home)]
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
        remove_folder(home)
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
