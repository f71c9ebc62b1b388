"""A disposable copy to rehearse on: of a database of this server or another, of a dataset, or of nothing.

The source is only read. The copy is gone when its block is left, however it is left.
"""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import psycopg
from psycopg import sql

from inboxbench.database import Connection, connect, database_name, drop_database, exists, scratch_database
from inboxbench.dryrun.downsample import thin
from inboxbench.errors import ServerError, UsageError
from inboxbench.project import Project
from inboxbench.seed.datasets.dataset import load_dataset
from inboxbench.seed.load.run import Progress
from inboxbench.server import Server, check_url, reason, redact, without_password

_CARRIED = ("lock_timeout", "search_path")
_SPARE = 1.2  # a copy grows when it is migrated: at least its largest table is written twice, mostly more


@dataclass(frozen=True, slots=True)
class Source:
    """One of: database (a name on the server, or a URL), dataset (a profile's name), neither: an empty base.

    share: of its rows; a dataset is made that much smaller, a database's copy is thinned out.
    """

    database: str | None = None
    dataset: str | None = None
    seed: int = 1
    share: float = 1.0

    @property
    def shown(self) -> str:
        """Without a password."""
        return self._named if self.share == 1 else f"{self.share:.3g} of {self._named}"

    @property
    def _named(self) -> str:
        if self.database:
            return redact(self.database) if "://" in self.database else f"database {self.database}"
        return f"dataset {self.dataset}" if self.dataset else "an empty database"


@contextmanager
def copied(server: Server, source: Source, project: Project, *, progress: Progress | None = None) -> Iterator[str]:
    """The name of the copy on `server`. Raises UsageError or ServerError in one line when it cannot be made."""
    if source.database and "://" in source.database:
        with _fetched(server, source.database) as name:
            _shrink(server, name, source)
            yield name
    elif source.database or source.dataset:
        template = (
            source.database
            or load_dataset(
                server, str(source.dataset), source.seed, scale=source.share, project=project, progress=progress
            ).name
        )
        with _cloned(server, template) as name:
            _shrink(server, name, source)
            yield name
    else:
        with scratch_database(server, "dryrun") as name:
            yield name


def _shrink(server: Server, name: str, source: Source) -> None:
    if source.database and source.share < 1:
        thin(server, name, source.share)


@contextmanager
def _cloned(server: Server, template: str) -> Iterator[str]:
    if not exists(server, template):
        raise UsageError(f"database {template!r} does not exist on {server.label}")
    with connect(server.conninfo()) as connection:
        size = _size(connection, template)
        _check_room(connection, size, template)
        settings = _settings(connection, template)
    with scratch_database(server, "dryrun", template) as name:
        _apply(server, name, settings)
        yield name


@contextmanager
def again(server: Server, template: str) -> Iterator[str]:
    """A copy of a copy, for a second try."""
    with _cloned(server, template) as name:
        yield name


def _size(connection: Connection, name: str) -> int:
    row = connection.execute("SELECT pg_database_size(%s::name)", (name,)).fetchone()
    assert row is not None
    return int(row[0])


def _settings(connection: Connection, database: str) -> dict[str, str]:
    """Of ALTER DATABASE … SET, those that decide what a chain meets; neither a template nor a dump carries them."""
    query = """
        SELECT split_part(entry, '=', 1), substr(entry, strpos(entry, '=') + 1)
        FROM pg_db_role_setting AS s JOIN pg_database AS d ON d.oid = s.setdatabase, unnest(s.setconfig) AS entry
        WHERE d.datname = %s AND s.setrole = 0"""
    return {name: value for name, value in connection.execute(query, (database,)) if name in _CARRIED}


def _apply(server: Server, database: str, settings: dict[str, str]) -> None:
    """By way of the session, which reads a list as a list: a search_path is more than one word."""
    with connect(server.conninfo()) as connection:
        for name, value in settings.items():
            connection.execute("SELECT set_config(%s, %s, false)", (name, value))
            statement = sql.SQL("ALTER DATABASE {} SET {} FROM CURRENT")
            connection.execute(statement.format(sql.Identifier(database), sql.Identifier(name)))


def _check_room(connection: Connection, size: int, what: str) -> None:
    """Before anything is written: the disk under the server's data directory."""
    row = connection.execute("SHOW data_directory").fetchone()
    assert row is not None
    try:
        free = shutil.disk_usage(row[0]).free
    except OSError:
        return  # not on this machine: the server will say so itself
    if free < size * _SPARE:
        raise ServerError(
            f"a copy of {what} does not fit: it takes {size * _SPARE / 1e9:.1f} GB with room to migrate, and "
            f"{free / 1e9:.1f} GB are free under {row[0]}; choose another disk with --data-dir"
        )


@contextmanager
def _fetched(server: Server, url: str) -> Iterator[str]:
    """Dumped from where it is, restored here. Owners and privileges stay behind: their roles are not here."""
    check_url(url, "the URL of --database")
    shown = redact(url)
    try:
        with psycopg.connect(url, connect_timeout=10) as there:
            size = _size(there, there.info.dbname)
            clause = _locale(there)
            settings = _settings(there, there.info.dbname)
    except (psycopg.OperationalError, psycopg.errors.InsufficientPrivilege, psycopg.ProgrammingError) as error:
        raise ServerError(f"cannot read {shown}: {reason(error)}") from None
    name = database_name("dryrun")
    with connect(server.conninfo()) as connection:
        _check_room(connection, size, shown)
        _create_like(connection, name, clause)
    try:
        _pipe(server, url, name)
        with connect(server.conninfo(name)) as connection:
            connection.execute("ANALYZE")  # a dump carries no statistics
        _apply(server, name, settings)
        yield name
    finally:
        drop_database(server, name, allow_foreign=True)


def _locale(there: Connection) -> tuple[str, str]:
    """Collation and character type of the source, so that indexes sort as they do there."""
    query = "SELECT datcollate, datctype FROM pg_database WHERE datname = current_database()"
    row = there.execute(query).fetchone()
    assert row is not None
    return str(row[0]), str(row[1])


def _create_like(connection: Connection, name: str, locale: tuple[str, str]) -> None:
    """With the source's locale where this machine has it, else C.UTF-8: what is rehearsed are locks, not sorting."""
    statement = sql.SQL(
        "CREATE DATABASE {} TEMPLATE template0 ENCODING 'UTF8' LOCALE_PROVIDER libc LC_COLLATE {} LC_CTYPE {}"
    )
    for collate, character in (locale, ("C.UTF-8", "C.UTF-8"), ("C", "C")):
        try:
            connection.execute(statement.format(sql.Identifier(name), sql.Literal(collate), sql.Literal(character)))
        except (psycopg.errors.WrongObjectType, psycopg.errors.InvalidParameterValue):
            continue
        except psycopg.errors.DiskFull as error:
            raise ServerError(f"the copy does not fit on {connection.info.host}: {reason(error)}") from None
        return
    raise ServerError("no locale of this machine takes UTF8; install C.UTF-8")


def _pipe(server: Server, url: str, name: str) -> None:
    """pg_dump | pg_restore. Raises ServerError with the first thing that either of them complained about."""
    source, source_environment = without_password(url)
    target, target_environment = without_password(server.url(name))
    dump = [str(server.program("pg_dump")), "--format=custom", "--compress=0", "--no-owner", "--no-privileges",
            "--no-publications", "--no-subscriptions", "--dbname", source]  # fmt: skip
    restore = [str(server.program("pg_restore")), "--no-owner", "--no-privileges", "--exit-on-error",
               "--dbname", target]  # fmt: skip
    with (
        subprocess.Popen(
            dump, stdout=subprocess.PIPE, stderr=subprocess.PIPE, stdin=subprocess.DEVNULL, env=source_environment
        ) as out,
        subprocess.Popen(
            restore, stdin=out.stdout, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, env=target_environment
        ) as into,
    ):
        assert out.stdout is not None
        out.stdout.close()  # so that a dump ends when its reader does
        try:
            _, refused = into.communicate()
            assert out.stderr is not None
            complaint = out.stderr.read()
        except BaseException:
            out.kill()
            into.kill()
            raise
    if out.returncode and not (into.returncode and b"Broken pipe" in complaint):
        raise ServerError(f"cannot copy {redact(url)}: {_first(complaint)}")
    if into.returncode:
        raise ServerError(_explained(server, redact(url), _first(refused)))


def _first(said: bytes) -> str:
    lines = [line.strip() for line in said.decode(errors="replace").splitlines() if line.strip()]
    telling = [line for line in lines if "error:" in line] or lines or ["no message"]
    return reason(ServerError(telling[0].partition("error: ")[2] or telling[0]))


def _explained(server: Server, shown: str, complaint: str) -> str:
    if "extension" in complaint and ("not available" in complaint or "control file" in complaint):
        hint = "; use a server that has it: --server bin:DIR with the folder of your PostgreSQL's programs"
    else:
        hint = ""
    return f"{shown} cannot be restored on {server.label}: {complaint}{hint}"
