"""A strategy as a pgbench script: the messenger's own statements, with pgbench's variables in place of parameters."""

from __future__ import annotations

import re
import textwrap
from collections.abc import Iterable
from pathlib import Path

from psycopg import IsolationLevel

from inboxbench.errors import UsageError
from inboxbench.messenger.app import assignment
from inboxbench.messenger.races.strategies import Strategy

_CHOOSE = {
    "naive": "",
    "for-update": " FOR UPDATE",
    "skip-locked": " FOR UPDATE SKIP LOCKED",
    "compare-and-set": "",
    "serializable": "",
}
_WRITE = {"compare-and-set": assignment.COMPARE_AND_SET}
_BEGIN = {IsolationLevel.READ_COMMITTED: "BEGIN;", IsolationLevel.SERIALIZABLE: "BEGIN ISOLATION LEVEL SERIALIZABLE;"}

# What every run needs besides clients and time. Tries without a limit are allowed in runs by time only.
FLAGS = ("--no-vacuum", "--protocol=prepared", "--max-tries=1000000")
_HEADER = """\
-- {title}: {meaning}. Safe: {safe}.
-- {why}.
-- Written by `inboxbench race bench`. Clients take conversations of inbox :inbox, client n for user n + 1:
--   pgbench {flags} --client=16 --time=10 --define=inbox=1 --file={name}.sql DATABASE
"""


def _sql(statement: str) -> str:
    """psycopg's %(name)s as pgbench's :name, without the indentation it has in Python."""
    return re.sub(r"%\((\w+)\)s", r":\1", textwrap.dedent(statement).strip())


def _steps(strategy: Strategy, pause: list[str]) -> list[str]:
    """Between BEGIN and COMMIT. \\aset leaves :id as it is when no row comes back."""
    if strategy.name == "skip-locked-one":
        return [_sql(assignment.TAKE_NEXT) + " \\aset", *(["\\if :id > 0", *pause, "\\endif"] if pause else [])]
    if strategy.name not in _CHOOSE:
        raise UsageError(f"strategy {strategy.name!r} has no pgbench script; race it with --driver python")
    write = _sql(_WRITE.get(strategy.name, assignment.OVERWRITE))
    return [_sql(assignment.NEXT + _CHOOSE[strategy.name]) + " \\aset", "\\if :id > 0", *pause, write + ";", "\\endif"]


def script(strategy: Strategy, think_ms: float = 0.0) -> str:
    """The script of a strategy; one transaction of it is one attempt. Raises UsageError for one that has none."""
    header = _HEADER.format(
        title=strategy.title,
        meaning=strategy.meaning,
        safe="yes" if strategy.safe else "no",
        why=strategy.why,
        flags=" ".join(FLAGS),
        name=strategy.name,
    )
    pause = [f"\\sleep {round(think_ms * 1000)} us"] if think_ms else []
    lines = [
        "\\set agent :client_id + 1",
        "\\set id 0",
        _BEGIN[strategy.isolation],
        *_steps(strategy, pause),
        "COMMIT;",
    ]
    return header + "\n".join(lines) + "\n"


def write_scripts(folder: Path, strategies: Iterable[Strategy], think_ms: float = 0.0) -> list[Path]:
    """`NAME.sql` for each. Raises UsageError when the folder cannot be written."""
    written = []
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for strategy in strategies:
            path = folder / f"{strategy.name}.sql"
            path.write_text(script(strategy, think_ms), encoding="utf-8")
            written.append(path)
    except OSError as error:
        raise UsageError(f"{folder}: cannot be written: {error.strerror}; name another folder") from error
    return written
