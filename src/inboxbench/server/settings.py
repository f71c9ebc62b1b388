"""The one place that says how a server of our own is set up, and why."""

from __future__ import annotations

import psutil

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
