"""Somebody's database, copied to a server of ours: read once by pg_dump, in a read-only transaction, and never written.

Not by CREATE DATABASE … TEMPLATE on the same server, although that is faster: it would need a right to create databases
there, nobody else connected, and would put the measurements' load where the original is at work.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryFile
from typing import IO

from psycopg.conninfo import conninfo_to_dict, make_conninfo

from inboxbench.database import connect, scratch_database
from inboxbench.errors import ServerError, SubjectFailed, UsageError
from inboxbench.server import Server, reason, redact
from inboxbench.server.binaries import find_bindir
from inboxbench.server.handle import check_reachable
from inboxbench.server.spec import Embedded

_READ_ONLY = "-c default_transaction_read_only=on"
# Owners, rights and what hangs on other databases are none of a measurement's.
_LEFT_OUT = ("--no-owner", "--no-privileges", "--no-publications", "--no-subscriptions", "--no-security-labels")
_DUMP = ("--format=custom", "--compress=0", "--no-tablespaces", *_LEFT_OUT)
_NO_POLICIES = 18  # since then pg_restore can leave row security out, whose roles are not here
_CLOSED_SEQUENCES = """
    SELECT quote_ident(n.nspname) || '.' || quote_ident(c.relname)
    FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
    WHERE n.nspname NOT LIKE 'pg\\_%' AND CASE WHEN c.relkind = 'S' THEN NOT has_sequence_privilege(c.oid, 'SELECT') END
    ORDER BY 1
"""
_LOCALE = "SELECT datcollate FROM pg_database WHERE datname = current_database()"


@dataclass(frozen=True, slots=True)
class Copy:
    """`remarks`: in what it is not like the original."""

    name: str
    remarks: tuple[str, ...]


@contextmanager
def copied(url: str, server: Server) -> Iterator[Copy]:
    """A copy of the database behind `url` on `server`, gone at the end of the block.

    Raises UsageError for a URL that leads nowhere or to a newer PostgreSQL than `server`, SubjectFailed for what cannot
    be read there or made here.
    """
    number, _version = check_reachable(url)
    if not conninfo_to_dict(url).get("dbname"):
        raise UsageError(f"--database {redact(url)}: names no database; write postgresql://user@host:port/database")
    if number // 10_000 > server.version // 10_000:
        raise UsageError(
            f"--database {redact(url)} runs PostgreSQL {number // 10_000}, newer than {server.label}; name a server "
            "as new with --server"
        )
    with connect(make_conninfo(url, options=_READ_ONLY)) as source:
        closed = [name for (name,) in source.execute(_CLOSED_SEQUENCES).fetchall()]
        locale = source.execute(_LOCALE).fetchone()
    with scratch_database(server, "copy") as name:
        _pour(url, server, name, closed)
        with connect(server.conninfo(name)) as target:
            own = target.execute(_LOCALE).fetchone()
        yield Copy(name, tuple(_remarks(closed, locale, own)))


def _remarks(closed: Sequence[str], locale: object, own: object) -> Iterator[str]:
    if closed:
        yield f"{closed[0]} may not be read, so its next value is the first ({len(closed)} sequences in all)"
    if locale != own and isinstance(locale, tuple) and isinstance(own, tuple):
        yield f"the original sorts text by {locale[0]}, the copy by {own[0]}: plans and rows ordered by text may differ"


def _pour(url: str, server: Server, name: str, closed: Sequence[str]) -> None:
    """pg_dump into pg_restore. Raises SubjectFailed with the first thing that either said."""
    programs = _programs(server)
    dump = [str(programs / "pg_dump"), *_DUMP, *(f"--exclude-table-data={one}" for one in closed)]
    restore = [str(programs / "pg_restore"), "--exit-on-error", *_LEFT_OUT]
    if _major(programs) >= _NO_POLICIES:
        restore.append("--no-policies")
    given, environment = _without_password(url)
    with TemporaryFile() as read, TemporaryFile() as written, ExitStack() as stack:
        reader = _start([*dump, f"--dbname={given}"], environment | {"PGOPTIONS": _READ_ONLY}, None, read)
        stack.callback(_end, reader)
        given, environment = _without_password(server.conninfo(name))
        writer = _start([*restore, f"--dbname={given}"], environment, reader, written)
        stack.callback(_end, writer)
        assert reader.stdout is not None
        reader.stdout.close()  # the writer's alone: when it ends early the reader ends, too
        codes = writer.wait(), reader.wait()
        _judge(codes, _first_line(written), _first_line(read), redact(url), server)


def _end(process: subprocess.Popen[bytes]) -> None:
    process.kill()
    process.wait()


def _programs(server: Server) -> Path:
    """A folder of pg_dump and pg_restore that are as new as the server: its own, the wheel's, or those on the PATH.

    Raises ServerError when there is none.
    """
    found = shutil.which("pg_dump")
    for folder in (server.bindir, _wheel(), Path(found).resolve().parent if found else None):
        if folder and (folder / "pg_dump").is_file() and _major(folder) >= server.version // 10_000:
            return folder
    raise ServerError(
        f"there is no pg_dump of PostgreSQL {server.version // 10_000} or newer here, to copy with; install "
        "postgresql-client"
    )


def _major(folder: Path) -> int:
    """Of pg_dump, which may lie where no server does."""
    told = subprocess.run([str(folder / "pg_dump"), "--version"], capture_output=True, check=False, text=True).stdout
    found = re.search(r"(\d+)", told)
    return int(found[1]) if found else 0


def _wheel() -> Path | None:
    try:
        return find_bindir(Embedded())
    except ServerError:
        return None


def _without_password(conninfo: str) -> tuple[str, dict[str, str]]:
    """What may be seen in a list of processes, and the environment that holds the rest."""
    parts = {key: str(value) for key, value in conninfo_to_dict(conninfo).items() if value is not None}
    password = parts.pop("password", None)
    return make_conninfo(**parts), {"PGPASSWORD": password} if password else {}


def _start(
    command: Sequence[str],
    environment: Mapping[str, str],
    source: subprocess.Popen[bytes] | None,
    errors: IO[bytes],
) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        command,
        stdin=source.stdout if source else subprocess.DEVNULL,
        stdout=subprocess.DEVNULL if source else subprocess.PIPE,
        stderr=errors,
        env={**os.environ, "LC_ALL": "C", **environment},
    )


def _judge(codes: tuple[int, int], refused: str, told: str, label: str, server: Server) -> None:
    """`codes`: of the writer and of the reader, which complains of a broken pipe where the writer is to blame."""
    if codes[1] and not (codes[0] and "write" in told):
        raise SubjectFailed(f"{label} could not be read: {told}")
    if "extension" in refused and "not available" in refused:
        raise ServerError(f"{server.label}: {refused}; name a server that has it with --server")
    if codes[0]:
        raise SubjectFailed(f"the copy of {label} on {server.label} could not be made: {refused}")


def _first_line(told: IO[bytes]) -> str:
    told.seek(0)
    lines = [line for line in told.read().decode(errors="replace").splitlines() if "error:" in line]
    return reason(Exception(lines[0].partition("error: ")[2])) if lines else "it did not say why"
