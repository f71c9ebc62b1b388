"""A disposable copy of somebody's database on a server of ours; the source is read and never written.

A database of the same server is cloned by CREATE DATABASE … TEMPLATE, which needs that nobody else is connected to it.
A database behind a URL is read once by pg_dump, in the read-only transaction that pg_dump always runs in, and written
by pg_restore. A template there would be faster, but it would need a right to create databases and would put the load
of a rehearsal or of a measurement where the original is at work.

Publications, subscriptions, security labels and tablespaces stay behind: the servers and folders that they name are
not here. Roles come along with what they own and may do (`inboxbench.database_roles`), and so do settings of the
source that decide plans and results, wherever it has them from (`inboxbench.database_settings`).
"""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryFile
from typing import IO

import psycopg
from psycopg import sql

from inboxbench import units
from inboxbench.credentials import named, parameters, place
from inboxbench.database import Connection, connect, exists, scratch_database
from inboxbench.database_roles import Roles, brought, hand_over, read_roles, settings_of
from inboxbench.database_settings import read_settings, take_over
from inboxbench.database_state import State, invalid_remark, losses_of, read_correlations, read_state, reproduce
from inboxbench.errors import ServerError, UsageError
from inboxbench.lifetime import running
from inboxbench.server import Server, check_url, reason, without_password
from inboxbench.server.binaries import find_bindir
from inboxbench.server.environment import completed
from inboxbench.server.handle import Embedded

_SPARE = 1.2  # a copy grows when it is migrated or indexed: at least its largest table is written twice, mostly more
_CONNECT_TIMEOUT_S = 10
_DUMP = ("--format=custom", "--compress=0")
_LEFT_OUT = ("--no-owner", "--no-privileges", "--no-publications", "--no-subscriptions", "--no-security-labels")
_ENGLISH = {"LC_ALL": "C"}  # errors of pg_dump and pg_restore are read by their words
_NO_POLICIES = 18  # the first major version whose pg_restore can leave row security policies out
_CLOSED_SEQUENCES = """
    SELECT quote_ident(n.nspname) || '.' || quote_ident(c.relname)
    FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
    WHERE n.nspname NOT LIKE 'pg\\_%' AND CASE WHEN c.relkind = 'S' THEN NOT has_sequence_privilege(c.oid, 'SELECT') END
    ORDER BY 1
"""
_POLICY_ROLES = """
    SELECT DISTINCT pg_get_userbyid(role)::text FROM pg_policy, unnest(polroles) AS role WHERE role <> 0 ORDER BY 1
"""
# The columns for providers other than libc came with PostgreSQL 15 and changed with 17.
_LOCALE = """
    SELECT datcollate, datctype, coalesce(to_jsonb(d) ->> 'datlocprovider', 'c'),
           coalesce(to_jsonb(d) ->> 'datlocale', to_jsonb(d) ->> 'daticulocale'), to_jsonb(d) ->> 'datcollversion'
    FROM pg_database AS d WHERE datname = current_database()
"""


class CopyFailed(ServerError):
    """The source cannot be read as a whole, or the server cannot take what was read."""


@dataclass(frozen=True, slots=True)
class Copy:
    """The database `name` on the server; `remarks` say in what it is not like the original.

    state: of the original's tables, where it came over the wire; losses: what the copy has not of that, in words.
    """

    name: str
    remarks: tuple[str, ...] = ()
    state: State | None = None
    losses: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class _Locale:
    """How a database sorts text: provider as pg_database writes it (c, i, b); name is that of its ICU or builtin
    locale; version: of the library's rules (None: it has none, as C, or is not known before PostgreSQL 15).
    """

    collate: str
    character: str
    provider: str
    name: str | None
    version: str | None = None

    @property
    def shown(self) -> str:
        return self.name or self.collate

    def clauses(self) -> list[sql.Composable]:
        """Ways to ask for this locale or one like it, nearest first: this machine may lack it."""
        ours = {"i": "icu ICU_LOCALE {}", "b": "builtin BUILTIN_LOCALE {}"}.get(self.provider, "libc")
        libc = [(self.collate, self.character), ("C.UTF-8", "C.UTF-8"), ("C", "C")]
        ways = [(ours, *pair) for pair in libc] + [("libc", *pair) for pair in libc if ours != "libc"]
        return [
            sql.SQL("LOCALE_PROVIDER {} LC_COLLATE {} LC_CTYPE {}").format(
                sql.SQL(provider).format(sql.Literal(self.name)), sql.Literal(collate), sql.Literal(character)
            )
            for provider, collate, character in ways
        ]


@dataclass(frozen=True, slots=True)
class _Original:
    """What is known of a database behind a URL before it is copied: its size in bytes, and what may not come along."""

    size: int
    settings: Mapping[str, str]
    locale: _Locale
    closed_sequences: Sequence[str]
    policy_roles: Sequence[str]
    roles: Roles
    state: State
    extensions: Sequence[str]


def is_url(database: str | None) -> bool:
    """Whether it leads to a database on somebody's server, and is no name of one on ours."""
    return bool(database and "://" in database)


@contextmanager
def copied(server: Server, source: str, *, roles: Sequence[str] = (), as_source: bool = False) -> Iterator[Copy]:
    """A copy on `server` of `source`, a URL or a database of `server` by name; dropped at the end of the block.

    roles: whom queries are going to be executed as there; the settings of the first are the copy's. as_source: dead
    rows and all-visible pages are as many as at the source. Raises UsageError for a source that is not there, names no
    database, lacks a role or runs a newer PostgreSQL than `server`, ServerError when it cannot be reached or does not
    fit, CopyFailed when it cannot be read or restored.
    """
    if is_url(source):
        check_url(source, "the URL of --database")
        with _fetched(server, completed(source), roles, as_source=as_source) as copy:
            yield copy
    else:
        with cloned(server, source) as name:
            yield Copy(name)


@contextmanager
def cloned(server: Server, template: str) -> Iterator[str]:
    """The name of a clone of the database `template` of `server`, dropped at the end of the block.

    Raises UsageError when it does not exist, ServerError when the clone does not fit or sessions are connected to it.
    """
    if not exists(server, template):
        raise UsageError(f"database {named(template, '--database')} does not exist on {server.label}")
    with connect(server.conninfo()) as connection:
        _check_room(server, connection, _size(connection, template), template)
    with scratch_database(server, "copy", template) as name:
        yield name


@contextmanager
def _fetched(server: Server, url: str, roles: Sequence[str], *, as_source: bool) -> Iterator[Copy]:
    original = _inspect(url, server, roles)
    with connect(server.conninfo()) as connection:
        _check_room(server, connection, original.size, place(url))
        available = {name for (name,) in connection.execute("SELECT name FROM pg_available_extensions")}
        if lacking := [name for name in original.extensions if name not in available]:
            raise _without_extension(server, place(url), f"it lacks {', '.join(lacking)}")
    with (
        brought(server, original.roles) as here,
        scratch_database(server, "copy", locales=original.locale.clauses()) as name,
    ):
        missing = [role for role in original.policy_roles if role in here.missing]
        policies_left_out = _pour(url, server, name, original.closed_sequences, policies=not missing)
        with connect(server.conninfo(name)) as connection:
            connection.execute("ANALYZE")  # a dump carries no statistics
            locale = _locale(connection)
            correlations = read_correlations(connection)
        failed = list(reproduce(server, name, original.state)) if as_source else []
        lost = [
            *failed,
            *take_over(server, name, original.settings),
            *hand_over(server, name, original.roles),
            *here.remarks(),
        ]
        losses = tuple(losses_of(original.state, correlations, reproduced=as_source))
        remarks = (*_remarks(original, locale, missing if policies_left_out else []), *lost)
        yield Copy(name, remarks, original.state, losses)


def _inspect(url: str, server: Server, roles: Sequence[str]) -> _Original:
    if not parameters(url).get("dbname"):
        raise UsageError(f"--database {place(url)}: names no database; write postgresql://user@host:port/database")
    try:
        with psycopg.connect(url, connect_timeout=_CONNECT_TIMEOUT_S, autocommit=True) as source:
            source.execute("SET default_transaction_read_only = on")
            major = source.info.server_version // 10_000
            if major > server.version // 10_000:
                raise UsageError(
                    f"--database {place(url)} runs PostgreSQL {major}, newer than {server.label}; name a server "
                    "as new with --server"
                )
            return _Original(
                _size(source, source.info.dbname),
                read_settings(source) | (settings_of(source, roles[0]) if roles else {}),
                _locale(source),
                [name for (name,) in source.execute(_CLOSED_SEQUENCES)],
                [role for (role,) in source.execute(_POLICY_ROLES)],
                read_roles(source, roles),
                read_state(source),
                [name for (name,) in source.execute("SELECT extname FROM pg_extension ORDER BY 1")],
            )
    except psycopg.OperationalError as error:
        raise ServerError(f"cannot reach {place(url)}: {reason(error)}") from None
    except psycopg.Error as error:
        raise CopyFailed(f"cannot read {place(url)}: {reason(error)}") from None


def _size(connection: Connection, database: str) -> int:
    row = connection.execute("SELECT pg_database_size(%s::name)", (database,)).fetchone()
    assert row is not None
    return int(row[0])


def _locale(connection: Connection) -> _Locale:
    row = connection.execute(_LOCALE).fetchone()
    assert row is not None
    return _Locale(*row)


def _check_room(server: Server, connection: Connection, size: int, what: str) -> None:
    """Ask the disk under the server's data directory before anything is written. `size` is in bytes."""
    if server.kind not in ("embedded", "bin"):
        return  # not on this machine: the server will say so itself
    row = connection.execute("SHOW data_directory").fetchone()
    assert row is not None
    try:
        free = shutil.disk_usage(row[0]).free
    except OSError:
        return
    if free < size * _SPARE:
        raise ServerError(
            f"a copy of {what} does not fit: it takes {units.size(size * _SPARE)} with room to work in, and "
            f"{units.size(free)} are free under {row[0]}; choose another disk with --data-dir"
        )


def _remarks(original: _Original, locale: _Locale, missing_roles: Sequence[str]) -> Iterator[str]:
    if closed := original.closed_sequences:
        yield f"{closed[0]} may not be read, so its next value is the first ({len(closed)} sequences in all)"
    if (wanted := original.locale.shown) != locale.shown:
        yield f"the original sorts text by {wanted}, the copy by {locale.shown}: plans and rows by text may differ"
    elif (there := original.locale.version) and (here := locale.version) and there != here:
        yield (
            f"{wanted} sorts text by version {there} at the original, by {here} on the copy: order of text may differ"
        )
    if invalid := invalid_remark(original.state):
        yield invalid
    if missing_roles:
        yield f"row security policies are left out: their role {missing_roles[0]} could not be made on this server"


def _pour(url: str, server: Server, name: str, closed_sequences: Sequence[str], *, policies: bool) -> bool:
    """Run pg_dump into pg_restore, and say whether policies were left out.

    Raises CopyFailed with the first thing that either of them complained about.
    """
    programs = _programs(server)
    left_out = [] if policies or _major(programs) < _NO_POLICIES else ["--no-policies"]
    source, source_environment = without_password(url)
    target, target_environment = without_password(server.url(name))
    unread = [f"--exclude-table-data={sequence}" for sequence in closed_sequences]
    dump = [str(programs / "pg_dump"), *_DUMP, *_LEFT_OUT, *unread]
    restore = [str(programs / "pg_restore"), "--exit-on-error", "--no-tablespaces", *_LEFT_OUT, *left_out]
    with TemporaryFile() as said_by_dump, TemporaryFile() as said_by_restore, ExitStack() as stack:
        reader = stack.enter_context(
            running(
                [*dump, f"--dbname={source}"], stdout=subprocess.PIPE, stderr=said_by_dump,
                env=source_environment | _ENGLISH,
            )
        )  # fmt: skip
        assert reader.stdout is not None
        writer = stack.enter_context(
            running(
                [*restore, f"--dbname={target}"], stdin=reader.stdout, stdout=subprocess.DEVNULL,
                stderr=said_by_restore, env=target_environment | _ENGLISH,
            )
        )  # fmt: skip
        reader.stdout.close()  # the writer's alone: when it ends early the reader ends, too
        refused, stopped = writer.wait(), reader.wait()
        complaint, broken = _first_error(said_by_restore), _first_error(said_by_dump)
    if stopped and not (refused and "write" in broken):  # a broken pipe is the writer's fault
        raise CopyFailed(f"{place(url)} could not be read: {broken}")
    if refused:
        raise _explained(server, place(url), complaint)
    return bool(left_out)


def _first_error(output: IO[bytes]) -> str:
    output.seek(0)
    lines = [line.strip() for line in output.read().decode(errors="replace").splitlines() if line.strip()]
    line = next((line for line in lines if "error:" in line), lines[0] if lines else "it did not say why")
    return reason(CopyFailed(line.partition("error: ")[2] or line))


def _explained(server: Server, shown: str, complaint: str) -> ServerError:
    if "extension" in complaint and ("not available" in complaint or "control file" in complaint):
        return _without_extension(server, shown, complaint)
    return CopyFailed(f"the copy of {shown} on {server.label} could not be made: {complaint}")


def _without_extension(server: Server, shown: str, complaint: str) -> ServerError:
    return ServerError(
        f"{shown} cannot be restored on {server.label}: {complaint}; use a server that has it: --server bin:DIR with "
        "the folder of your PostgreSQL's programs, or container:IMAGE"
    )


def _programs(server: Server) -> Path:
    """A folder of pg_dump and pg_restore that are as new as the server: its own, the wheel's, or those on the PATH.

    Raises ServerError when there is none.
    """
    on_path = shutil.which("pg_dump")
    for folder in (server.bindir, _wheel(), Path(on_path).resolve().parent if on_path else None):
        if folder and (folder / "pg_dump").is_file() and _major(folder) >= server.version // 10_000:
            return folder
    raise ServerError(
        f"there is no pg_dump of PostgreSQL {server.version // 10_000} or newer here, to copy with; install "
        "postgresql-client"
    )


def _major(folder: Path) -> int:
    """The major version of the pg_dump in `folder`, which may lie where no server does; 0 for one that does not say."""
    said = subprocess.run([folder / "pg_dump", "--version"], capture_output=True, check=False, text=True).stdout
    number = re.search(r"(\d+)", said)
    return int(number[1]) if number else 0


def _wheel() -> Path | None:
    try:
        return find_bindir(Embedded())
    except ServerError:
        return None
