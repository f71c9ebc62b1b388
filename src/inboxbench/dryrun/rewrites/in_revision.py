"""Whether a proposal holds within the rest of its revision: pasted into a copy of the file, run, and compared.

The revision as it is and the revision with the code in its place are run from the same state; all that the first left
in the catalogue must be there after the second. What the second has beyond that, such as a column that is to be dropped
in a later release, is no fault.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from inboxbench.catalog.model import Catalog, Difference, compare
from inboxbench.catalog.read import read_catalog
from inboxbench.database import connect
from inboxbench.database_copy import cloned
from inboxbench.dryrun.tools.base import Tool
from inboxbench.dryrun.tools.process import run_tool
from inboxbench.server import Server

_SCHEMAS = "SELECT nspname FROM pg_namespace WHERE nspname !~ '^pg_' AND nspname <> 'information_schema' ORDER BY 1"
_ENUMS = """
    SELECT format('%I.%I', n.nspname, t.typname) || ' ' || string_agg(quote_literal(e.enumlabel), ', '
        ORDER BY e.enumsortorder)
    FROM pg_enum AS e JOIN pg_type AS t ON t.oid = e.enumtypid JOIN pg_namespace AS n ON n.oid = t.typnamespace
    GROUP BY n.nspname, t.typname
"""


@dataclass(frozen=True, slots=True)
class _End:
    """What a revision left: the catalogue of each schema, and enums with their values."""

    schemas: dict[str, Catalog]
    enums: frozenset[str]


@dataclass(slots=True)
class RevisionTrial:
    """The tries of one revision; `database` stands before it, and nobody is connected to it."""

    server: Server
    database: str
    tool: Tool
    revision: str
    _end: _End | str | None = field(default=None)

    def obstacle(self, file: Path, line: int, code: str, *, whole: bool = False) -> str | None:
        """Return why the code does not hold in place of what the file has at the line, or of the whole revision.

        "" where it holds, None where that cannot be tried.
        """
        with self.tool.pasted(file, line, code, whole=whole) as pasted:
            if pasted is None:
                return None
            if self._end is None:
                self._end = self._run(self.tool)
            if isinstance(self._end, str):
                return None  # the revision fails as it is
            end = self._run(pasted)
        return end if isinstance(end, str) else _lacking(self._end, end)

    def _run(self, tool: Tool) -> _End | str:
        """Return what the revision leaves, or what its command complains of."""
        with cloned(self.server, self.database) as name:
            ended = run_tool(tool, self.server.url(name), self.revision)
            if ended.status or ended.hung:
                return f"the revision fails: {ended.complaint}"
            with connect(self.server.conninfo(name)) as connection:
                schemas = [schema for (schema,) in connection.execute(_SCHEMAS)]
                enums = frozenset(text for (text,) in connection.execute(_ENUMS))
                return _End({schema: read_catalog(connection, schema=schema) for schema in schemas}, enums)


def _lacking(expected: _End, found: _End) -> str:
    """Return the first thing that is not as the revision leaves it; "" where all of it is there."""
    for schema, catalog in expected.schemas.items():
        for difference in compare(catalog, found.schemas.get(schema, Catalog(()))):
            if difference.expected is not None:
                return f"the revision ends with another {_named(difference)}"
    missing = expected.enums - found.enums
    return f"the revision ends with other values of the type {min(missing)}" if missing else ""


def _named(difference: Difference) -> str:
    subject = f"{difference.kind} {difference.name}".strip()
    return f"{subject} of {difference.table}" if difference.table and difference.name else subject
