"""The dry run of an advice's migration: its statements, sent by psql one after the other, on a clone of the copy."""

from __future__ import annotations

import shlex
import tempfile
from collections.abc import Sequence
from pathlib import Path

from inboxbench.cli.progress import progress_console
from inboxbench.database_copy import cloned
from inboxbench.dryrun.limits import Limits
from inboxbench.dryrun.model import DryRun
from inboxbench.dryrun.rules import with_findings
from inboxbench.dryrun.run import rehearse
from inboxbench.dryrun.tools.alembic import Alembic
from inboxbench.dryrun.tools.any_tool import AnyTool
from inboxbench.dryrun.verdict import with_verdict
from inboxbench.server import Server


def rehearsed(server: Server, database: str, statements: Sequence[str]) -> DryRun:
    """Run the statements on a clone of `database`, to which nobody is connected, and return what was seen and found."""
    with tempfile.TemporaryDirectory(prefix="inboxbench-advise-") as folder:
        file = Path(folder) / "advised.sql"
        file.write_text("".join(f"{statement};\n" for statement in statements), encoding="utf-8")
        words = [str(server.program("psql")), "-qX", "-v", "ON_ERROR_STOP=1", "-f", str(file)]
        tool = AnyTool(Alembic(program=f"{shlex.join(words)} {{url}}", project=Path(folder)))
        with cloned(server, database) as name, progress_console.status("rehearsing the migration"):
            run = rehearse(server, name, tool, source="the advised set", begin=None, target="head")
        return with_verdict(with_findings(run, tool), Limits())
