"""pgbench as races use it: refused transactions are tried again until they are through."""

from __future__ import annotations

from pathlib import Path

from inboxbench.messenger.throughput.script import FLAGS
from inboxbench.server import Server
from inboxbench.server import pgbench as server_pgbench
from inboxbench.server.pgbench import Load, Report, run_scripts

__all__ = ["Load", "Report", "find_pgbench", "run_pgbench"]


def find_pgbench(server: Server) -> Path:
    """Raises ServerError saying what to install, or how to race without it."""
    return server_pgbench.find_pgbench(server, otherwise=", or race with --driver python")


def run_pgbench(program: Path, conninfo: str, script: str, load: Load) -> Report:
    """One run of `script`. Raises SubjectFailed with pgbench's own words when a client fails."""
    return run_scripts(program, conninfo, [script], load, FLAGS)
