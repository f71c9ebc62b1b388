"""Statements that a command sends, such as a test suite: it runs against a server of ours that logs all of them."""

from __future__ import annotations

import shlex
import shutil
from pathlib import Path

import psycopg

from inboxbench.errors import SubjectFailed, UsageError
from inboxbench.lifetime import running
from inboxbench.server import Spec, server_of
from inboxbench.server.binaries import find_bindir
from inboxbench.server.cluster import temporary_cluster
from inboxbench.server.environment import without_libpq
from inboxbench.server.handle import Binaries, Embedded
from inboxbench.workload.model import Recorded
from inboxbench.workload.sources.server_log import read_log

_DATABASE = "suite"
_STDERR = 2  # what the command prints is no result of ours
_LOGGED = {"log_min_duration_statement": "0", "log_statement": "none", "log_line_prefix": "%m [%p] ",
           "log_parameter_max_length": "-1", "lc_messages": "C"}  # fmt: skip


def read_command(
    command: str, spec: Spec, *, driver: str = "postgresql", data_dir: str | None = None
) -> tuple[list[Recorded], int]:
    """Run the command to its end and return the statements that it sent, one a call, and its exit status.

    It finds an empty database of a new server in DATABASE_URL, in libpq's variables and in place of {url}, and may make
    others there. spec: which PostgreSQL; one that we start. driver: how the URL begins. Raises UsageError for a command
    that cannot be run or a server of somebody's, SubjectFailed for one that sends nothing.
    """
    if not isinstance(spec, Embedded | Binaries):
        raise UsageError("--command needs a server that logs for it alone: --server embedded or bin:DIR")
    words = _words(command)
    with temporary_cluster(find_bindir(spec), data_dir) as cluster:
        server = server_of("embedded" if isinstance(spec, Embedded) else "bin", cluster)
        with psycopg.connect(cluster.url, autocommit=True) as connection:
            connection.execute(f"CREATE DATABASE {_DATABASE}")
            for name, value in _LOGGED.items():
                connection.execute(f"ALTER SYSTEM SET {name} = '{value}'")
            connection.execute("SELECT pg_reload_conf()")
        url = server.url(_DATABASE).replace("postgresql://", f"{driver}://", 1)
        status = _status(words, url, cluster.home)
        try:
            return read_log(cluster.log), status
        except UsageError:
            raise SubjectFailed(
                f"--command sent no statement (exit status {status}); does it connect to DATABASE_URL or PGHOST?"
            ) from None


def _words(command: str) -> list[str]:
    try:
        words = shlex.split(command)
    except ValueError as error:
        raise UsageError(f"--command cannot be read: {error}") from None
    if not words:
        raise UsageError('--command is empty; write it as in a shell: --command "pytest tests"')
    if shutil.which(words[0]) is None:
        raise UsageError(f"--command: there is no program {words[0]} that can be run; give its path")
    return words


def _status(words: list[str], url: str, home: Path) -> int:
    """Run the command, and all that it starts, to its end."""
    environment = without_libpq() | {
        "DATABASE_URL": url, "PGHOST": str(home), "PGPORT": "5432", "PGUSER": "postgres", "PGDATABASE": _DATABASE,
    }  # fmt: skip
    try:
        with running([word.replace("{url}", url) for word in words], stdout=_STDERR, env=environment) as process:
            return process.wait()
    except OSError as error:
        raise UsageError(f"--command: {words[0]} cannot be run: {error.strerror}") from None
