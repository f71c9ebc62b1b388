"""Where the queries of a workload come from: one class each behind `WorkloadSource`, a folder of .sql files the first.

To add a source (pg_stat_statements, a log), write a module here with a class that has these two methods, and let
`read_workload` take it.
"""

from __future__ import annotations

from typing import Protocol

from inboxbench.bench.workload.sources.folder import FolderSource
from inboxbench.sqlfile import QueryFile

__all__ = ["FolderSource", "WorkloadSource"]


class WorkloadSource(Protocol):
    """Gives the queries that are to be measured."""

    def queries(self) -> tuple[QueryFile, ...]:
        """Return the queries, each with its parameters and their classes or values. Raises UsageError."""
        ...

    def describe(self) -> str:
        """Return in a few words where the queries come from, for a result's record and for messages."""
        ...
