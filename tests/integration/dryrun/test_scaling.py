"""--scales: counters fit rows exactly, and the next size, really built, is what the fit said. No times here."""

from __future__ import annotations

import json
from collections.abc import Iterator
from importlib.resources import files
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from click.testing import CliRunner
from rich.console import Console
from tests.integration.dryrun.tools.test_alembic import history

from inboxbench.cli import application
from inboxbench.cli.dryrun.output import show_run
from inboxbench.cli.dryrun.probes import read_ruler
from inboxbench.database import connect, scratch_database
from inboxbench.dryrun.model import DryRun
from inboxbench.dryrun.more import Grown, Scales
from inboxbench.dryrun.output.markdown import as_markdown
from inboxbench.dryrun.run import rehearse
from inboxbench.dryrun.scaling import Size, grow
from inboxbench.dryrun.source import Source, copy_of, count_rows
from inboxbench.dryrun.tools.alembic import Alembic
from inboxbench.dryrun.tools.base import Tool
from inboxbench.errors import UsageError
from inboxbench.project import Project
from inboxbench.server import Server

_ROWS = 200_000
_BODIES = {
    "s1": "op.execute('CREATE INDEX items_n ON items (n)')",
    "s2": "op.execute('ALTER TABLE items ADD COLUMN note text')",
    "s3": "op.execute('ALTER TABLE items ADD FOREIGN KEY (owner) REFERENCES owners NOT VALID')",
    "s4": "op.execute('ALTER TABLE items VALIDATE CONSTRAINT items_owner_fkey')",
}
_SHARES = (0.125, 0.25, 0.5)


@pytest.fixture
def source(server: Server) -> Iterator[str]:
    """Items refer to owners by a key that is there and by one that the chain adds; no two n are the same (an index
    keeps equal ones once, and its WAL would not be in proportion)."""
    if not server.owned or server.kind == "container":
        pytest.skip("the observer reads the log of a server of our own on this machine")
    with scratch_database(server, "scales") as name, connect(server.conninfo(name)) as connection:
        connection.execute("CREATE TABLE owners (id int PRIMARY KEY, chief int REFERENCES owners)")
        connection.execute("CREATE TABLE items (id int PRIMARY KEY, owner int, n int, by int REFERENCES owners)")
        connection.execute("INSERT INTO owners SELECT n, nullif(n / 10, 0) FROM generate_series(1, 2000) n")
        connection.execute(
            """INSERT INTO items
               SELECT n, 1 + mod(n, 2000), mod(n * 7, 1000003), 1 + mod(n, 2000) FROM generate_series(1, %s) n""",
            (_ROWS,),
        )
        connection.execute("ANALYZE")
        connection.close()
        yield name


def at(server: Server, project: Project, source: str, chain: Tool, share: float) -> Size:
    with copy_of(server, Source(source, share=share), project) as copy:
        with connect(server.conninfo(copy.name)) as connection:
            rows = count_rows(connection)
        return Size(share, rehearse(server, copy.name, chain, source=source, begin=None, target="head"), rows)


def found(scales: Scales, words: str) -> Grown:
    return next(one for one in scales.statements if one.sql and words in one.sql)


def test_what_counters_say_of_the_next_size(server: Server, project: Project, source: str, tmp_path: Path) -> None:
    chain = Alembic(script_location=history(tmp_path / "chain", _BODIES))
    sizes = [at(server, project, source, chain, share) for share in _SHARES]
    whole = at(server, project, source, chain, 1)
    assert [size.run.error for size in (*sizes, whole)] == [None] * 4  # no orphans: VALIDATE went through
    assert [sizes[0].rows["public.items"] < one.rows["public.items"] < _ROWS for one in sizes[1:]] == [True, True]
    scales = grow(sizes, whole.rows, "statistics")

    index = found(scales, "CREATE INDEX").curve("wal_bytes")
    built = wal(whole.run, "CREATE INDEX")
    assert (index.constant, index.origin) == (False, "extrapolated")
    assert index.k == pytest.approx(1, abs=0.1)
    assert index.value == pytest.approx(built, rel=0.05)
    read = found(scales, "CREATE INDEX").curve("rows_read")
    assert read.k == pytest.approx(1, abs=0.001)
    assert read.value == pytest.approx(_ROWS)

    column = found(scales, "ADD COLUMN").curve("wal_bytes")
    assert (column.constant, column.k) == (True, 0)
    assert found(scales, "ADD COLUMN").curve("rows_read").value == 0


def wal(run: DryRun, words: str) -> int:
    return sum(one.wal_bytes for one in run.statements if words in one.sql)


@pytest.mark.parametrize(
    ("words", "complaint"),
    [
        (["--scales", "1"], "--scales 1: a fit needs 3 sizes or more, and 6 are the most"),
        (["--scales", "x"], "--scales x: a fit needs 3 sizes or more, and 6 are the most"),
        (["--scales", "3", "--rows", "x"], "--rows x is not TABLE=N; write it as --rows orders=20000000"),
        (["--scales", "3", "--rows", "items=many"], "--rows items=many is not TABLE=N"),
        (["--rows", "items=5"], "--rows items: the source has no such table"),
        (["--scales", "3", "--each"], "--scales needs whole runs; leave out --each"),
    ],
)
def test_what_cannot_be_scaled(words: list[str], complaint: str) -> None:
    done = CliRunner().invoke(application, ["dryrun", *words])
    assert isinstance(done.exception, UsageError)  # exit code 2
    assert complaint in str(done.exception)


def test_the_command_s_own_runs(server: Server, project: Project, source: str, tmp_path: Path) -> None:
    """On a share of the rows, then on all of them, with what is asked of a table that is not there said first."""
    chain = Alembic(script_location=history(tmp_path / "chain", {"s1": _BODIES["s1"]}))
    with pytest.raises(UsageError, match="--rows itmes: the source has no such table; it has items, owners"):
        measured(server, project, source, chain, {"scales": "3", "rows": ("itmes=5",)})
    run = measured(server, project, source, chain, {"scales": "3", "rows": ("items=2000000",)})
    schema = json.loads(files("inboxbench.dryrun").joinpath("dryrun.schema.json").read_text(encoding="utf-8"))
    document = json.loads(json.dumps(run.to_json()))
    jsonschema.validate(document, schema)
    scales = document["more"]["scales"]
    assert (scales["shares"], scales["rows_from"]) == ([0.25, 0.5, 1], "--rows")
    (revision,) = scales["revisions"]
    (read,) = [one for one in revision["curves"] if one["measure"] == "rows_read"]
    assert (read["origin"], read["value"]) == ("extrapolated", pytest.approx(2_000_000))
    assert "| s1 | whole | 2,000,000 items |" in as_markdown(run)
    assert "extrapolated |" in as_markdown(run)
    console = Console(width=200)
    with console.capture() as shown:
        show_run(console, run)
    assert "2,000,000 items" in shown.get()
    damaged = document | {"more": {"scales": scales | {"model": "none"}}}
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(damaged, schema)


def measured(server: Server, project: Project, source: str, chain: Tool, options: dict[str, Any]) -> DryRun:
    ruler = read_ruler({"each": False, **options})
    for share in ruler.shares:
        sized = Source(source, share=share)
        with copy_of(server, sized, project) as copy, ruler.measuring(server, copy.name, share):
            ruler.run = rehearse(server, copy.name, chain, source=source, begin=None, target="head")
    return ruler.result()
