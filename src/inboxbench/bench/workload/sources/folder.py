"""A folder of .sql files, one query each, as a source of a workload."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from inboxbench.sqlfile import QueryFile, read_queries


@dataclass(frozen=True, slots=True)
class FolderSource:
    """strict: each file must have a header with its name, title, family, classes and order; else they are optional."""

    path: Path
    strict: bool = True

    def queries(self) -> tuple[QueryFile, ...]:
        """Return the folder's queries by file name. Raises UsageError naming file and key of what is wrong."""
        return read_queries(self.path, strict=self.strict)

    def describe(self) -> str:
        return f"the folder {self.path}"
