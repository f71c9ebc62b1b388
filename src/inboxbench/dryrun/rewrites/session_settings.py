"""What a session of the chain had set by a statement, for those that run the statement again."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager

from inboxbench.database import Connection, connect
from inboxbench.dryrun.model import DryRun, Statement
from inboxbench.dryrun.observe.log_statements import bare, has_values, inlined
from inboxbench.dryrun.rewrites.side_by_side import run_step
from inboxbench.dryrun.rewrites.steps import Step, Steps
from inboxbench.server import Server

_SETS = re.compile(
    r"SET\s+(?P<local>LOCAL\s+)?(SESSION\s+)?"
    r"(?!(LOCAL|SESSION|TRANSACTION|CONSTRAINTS|AUTHORIZATION|CHARACTERISTICS|\w*_timeout)\b)\S|"
    r"SELECT\s+(pg_catalog\.)?set_config\(\s*'(?!\w*_timeout')(?=.*,\s*false\s*\)$)",
    re.IGNORECASE | re.DOTALL,
)


def session_of(run: DryRun, first: Statement) -> Steps:
    """What its session had set by then and still has, but for what ends a statement: a search_path, a role."""
    found = []
    for one in run.statements:
        mine = one.pid == first.pid and one.number < first.number and not one.error
        said = _SETS.match(bare(one.sql)) if mine else None
        if said and (not said["local"] or one.transaction == first.transaction):
            text = bare(one.sql) if not said["local"] else bare(one.sql).replace(said["local"], "", 1)
            found.append(Step(text, values=one.values))
    return tuple(one for one in found if not has_values(inlined(one.sql, one.values)))


@contextmanager
def connected(server: Server, database: str, session: Steps) -> Iterator[Connection]:
    """With all of it set."""
    with connect(server.conninfo(database)) as connection:
        for setting in session:
            run_step(connection, setting.sql, setting.values)
        yield connection
