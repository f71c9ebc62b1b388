"""A project's own command on a copy: plain Alembic here, with what goes wrong in real ones."""

from __future__ import annotations

import sys
import tempfile
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from inboxbench.cli.dryrun.options import place
from inboxbench.database import list_databases
from inboxbench.dryrun import per_revision
from inboxbench.dryrun.model import DryRun
from inboxbench.dryrun.rules import find
from inboxbench.dryrun.run import Segment, rehearse, run_segment
from inboxbench.dryrun.source import Source, copy_of
from inboxbench.dryrun.tools.alembic import Alembic
from inboxbench.dryrun.tools.base import Tool
from inboxbench.dryrun.under_traffic import Load, load_for
from inboxbench.errors import UsageError
from inboxbench.project import Project
from inboxbench.server import Server

ENVIRONMENT = """
import sqlalchemy as sa
from alembic import context
url = context.config.get_main_option("sqlalchemy.url").replace("postgresql:", "postgresql+psycopg:", 1)
with sa.create_engine(url).connect() as connection:
    context.configure(connection=connection, transaction_per_migration={each})
    with context.begin_transaction():
        context.run_migrations()
"""
REVISION = '''"""{title}."""
import sqlalchemy as sa
from alembic import op

revision = "{revision}"
down_revision = {parent!r}

def upgrade():
    {body}

def downgrade():
    pass
'''
BODIES = {
    "a1": "op.create_table('orders', sa.Column('id', sa.Integer, primary_key=True), sa.Column('n', sa.Integer))",
    "a2": "op.execute('INSERT INTO orders SELECT n, n FROM generate_series(1, 100) n')",
    "a3": "op.create_index('orders_n', 'orders', ['n'])",
}
SCRIPT_LINE = 9  # of the body in REVISION


def history(folder: Path, bodies: dict[str, str], *, each: bool = True, fork: str | None = None) -> Path:
    (folder / "versions").mkdir(parents=True)
    (folder / "env.py").write_text(ENVIRONMENT.format(each=each))
    parent = None
    for revision, body in bodies.items():
        text = REVISION.format(title=f"Step {revision}", revision=revision, parent=parent, body=body)
        (folder / "versions" / f"{revision}.py").write_text(text)
        parent = fork or revision
    return folder


@pytest.fixture
def ours(server: Server) -> Server:
    if not server.owned or server.kind == "container":
        pytest.skip("the observer reads the log of a server of our own on this machine")
    return server


def go(server: Server, project: Project, chain: Tool, *, target: str = "head", each: bool = False) -> DryRun:
    before = {info.name for info in list_databases(server)}
    try:
        with copy_of(server, Source(), project) as copy:
            run = per_revision.rehearse_each if each else rehearse
            return run(server, copy.name, chain, source="nothing", begin=None, target=target)
    finally:
        assert {info.name for info in list_databases(server)} <= before, "a copy was left behind"


def test_statements_belong_to_their_revision_and_line(ours: Server, project: Project, tmp_path: Path) -> None:
    run = go(ours, project, Alembic(script_location=history(tmp_path / "m", BODIES)))
    assert run.error is None
    assert [(one.revision, one.title) for one in run.revisions] == [
        ("a1", "Step a1"),
        ("a2", "Step a2"),
        ("a3", "Step a3"),
    ]
    placed = {one.revision: (Path(str(one.file)).name, one.line) for one in run.statements if one.line}
    assert placed == {name: (f"{name}.py", SCRIPT_LINE) for name in BODIES}
    first = next(number for number, one in enumerate(run.statements) if one.revision)
    assert all(one.revision for one in run.statements[first:])
    assert not run.one_transaction
    (build,) = [one for one in run.statements if one.sql.startswith("CREATE INDEX")]
    assert [(one.relation, one.rows) for one in build.scans] == [("public.orders", 100)]


def test_a_chain_in_one_transaction_is_recognised(ours: Server, project: Project, tmp_path: Path) -> None:
    run = go(ours, project, Alembic(script_location=history(tmp_path / "m", BODIES, each=False)))
    assert run.one_transaction
    assert len(run.revisions) == 3


def test_an_alembic_ini_is_enough(ours: Server, project: Project, tmp_path: Path) -> None:
    history(tmp_path / "m", BODIES)
    config = tmp_path / "alembic.ini"
    config.write_text("[alembic]\nscript_location = %(here)s/m\n", encoding="utf-8")
    run = go(ours, project, Alembic(config=config))
    assert (run.error, [one.revision for one in run.revisions]) == (None, ["a1", "a2", "a3"])
    config.write_text("[alembic]\n", encoding="utf-8")
    with pytest.raises(UsageError, match="no script_location"):
        go(ours, project, Alembic(config=config))


@pytest.mark.parametrize("name", ["logging", "queue", "alembic", "sqlalchemy"])
def test_a_folder_of_the_project_named_like_a_module_is_no_module_of_alembic(
    ours: Server, project: Project, tmp_path: Path, name: str
) -> None:
    """Its own modules are importable none the less."""
    history(tmp_path / "m", {"a1": BODIES["a1"]})
    environment = tmp_path / "m" / "env.py"
    environment.write_text(f"import shop_models\n{environment.read_text()}")
    (tmp_path / "shop_models.py").write_text("NAME = 'shop'\n")
    (tmp_path / name).mkdir()
    (tmp_path / name / "__init__.py").write_text("raise RuntimeError('the folder of the project')\n")
    (tmp_path / "alembic.ini").write_text("[alembic]\nscript_location = m\n", encoding="utf-8")
    run = go(ours, project, Alembic(config=tmp_path / "alembic.ini", folder=tmp_path))
    assert run.error is None
    assert [revision.revision for revision in run.revisions] == ["a1"]


def test_each_goes_on_after_a_revision_that_failed(ours: Server, project: Project, tmp_path: Path) -> None:
    bodies = BODIES | {"a2": "op.execute('SELECT 1 / 0')"}
    run = go(ours, project, Alembic(script_location=history(tmp_path / "m", bodies)), each=True)
    assert run.error == "revision a2 failed: division by zero"
    assert [(one.revision, one.error) for one in run.revisions] == [
        ("a1", None), ("a2", "division by zero"), ("a3", None),
    ]  # fmt: skip


def test_each_adds_up_what_traffic_felt(
    ours: Server, project: Project, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    segments: list[Segment] = []

    def noted(server: Server, database: str, tool: Tool, target: str, load: Load, **more: Any) -> Segment:
        segments.append(run_segment(server, database, tool, target, load, **more))
        return segments[-1]

    monkeypatch.setattr(per_revision, "run_segment", noted)
    chain = Alembic(script_location=history(tmp_path / "m", BODIES))
    with copy_of(ours, Source(), project) as copy:
        run = per_revision.rehearse_each(
            ours, copy.name, chain, source="nothing", begin=None, target="head", load=partial(load_for, ours)
        )
    assert [bool(segment.traffic) for segment in segments] == [False, True, True]  # no table before the first
    for felt in run.traffic:
        mine = [one for segment in segments for one in segment.traffic if one.name == felt.name]
        assert (felt.requests, felt.errors) == (sum(one.requests for one in mine), sum(one.errors for one in mine))
        assert felt.max_stall_ms == max(one.max_stall_ms for one in mine)
    known = {one.number: one for one in run.statements}
    caused = [(felt, stall) for felt in run.traffic for stall in felt.stalls if stall.statement is not None]
    assert all(known[stall.statement or 0].started_ms <= stall.started_ms + stall.duration_ms for _, stall in caused)


def test_a_failed_chain_names_its_revision(ours: Server, project: Project, tmp_path: Path) -> None:
    bodies = BODIES | {"a3": "op.execute('SELECT pg_terminate_backend(pg_backend_pid())')"}
    run = go(ours, project, Alembic(script_location=history(tmp_path / "m", bodies)))
    assert run.exit_status != 0
    assert run.error == "revision a3 failed: terminating connection due to administrator command"


def test_a_missing_extension_says_what_to_do(ours: Server, project: Project, tmp_path: Path) -> None:
    bodies = {"a1": "op.execute('CREATE EXTENSION no_such_thing')"}
    run = go(ours, project, Alembic(script_location=history(tmp_path / "m", bodies)))
    assert run.error is not None
    assert run.error.startswith('revision a1 failed: extension "no_such_thing" is not available')
    assert "--server bin:DIR" in run.error


@pytest.mark.parametrize(
    ("program", "expected"),
    [
        ("-c 'input()'", "the command ended with status 1: it asks for input"),
        ("-c 'import sys; sys.exit(\"error: no\")'", "the command ended with status 1: error: no"),
        ("-c 'import time; time.sleep(60)'", "the command ran longer than 1 s and was ended"),
    ],
    ids=["input", "fails", "hangs"],
)
def test_commands_that_do_not_get_there(ours: Server, project: Project, program: str, expected: str) -> None:
    run = go(ours, project, Alembic(program=f"{sys.executable} {program}", timeout_s=1))
    assert run.error is not None
    assert run.error.startswith(expected)


def test_usage_errors(ours: Server, project: Project, tmp_path: Path) -> None:
    cases: list[tuple[Tool, str]] = [
        (Alembic(program="/no/such/program {url}"), "command not found: /no/such/program"),
        (Alembic(program=f"{sys.executable} -c pass"), "neither wrote an Alembic version table nor found one"),
        (Alembic(script_location=history(tmp_path / "m", BODIES, fork="a1")), "the history has 2 heads"),
    ]
    for chain, expected in cases:
        with pytest.raises(UsageError) as raised:
            go(ours, project, chain)
        assert expected in str(raised.value)


def test_a_command_that_cannot_be_aimed_is_refused(ours: Server, project: Project) -> None:
    with pytest.raises(UsageError, match=r"write \{revision\} where it takes"):
        go(ours, project, Alembic(program="true"), target="a2")


def test_partitions_are_no_parents(ours: Server, project: Project) -> None:
    """A column that goes locks them all, and that is what was asked for; a foreign key's other table was not."""
    bodies = {
        "a1": "op.execute('CREATE TABLE days (id int, gone int) PARTITION BY RANGE (id)')",
        "a2": "op.execute('CREATE TABLE days_1 PARTITION OF days FOR VALUES FROM (0) TO (9)')",
        "a3": "op.execute('ALTER TABLE days DROP COLUMN gone')",
        "a4": "op.execute('CREATE TABLE users (id int PRIMARY KEY)')",
        "a5": "op.execute('CREATE TABLE posts (by int REFERENCES users)')",
        "a6": "op.execute('DROP TABLE posts')",
    }
    with tempfile.TemporaryDirectory() as folder:
        run = go(ours, project, Alembic(script_location=history(Path(folder) / "history", bodies)))
    assert run.more.schema is not None
    assert run.more.schema.children == ("public.days_1",)
    assert [(one.rule, one.revision, one.relation) for one in find(run, Alembic())] == [
        ("parent-locked", "a6", "public.users")
    ]


def test_places_are_found_from_the_folder_too(tmp_path: Path) -> None:
    """From here first, then from --folder; the command runs there, so it is given the whole path."""
    config = tmp_path / "alembic.ini"
    config.write_text("[alembic]\nscript_location = history\n")
    options = {"folder": tmp_path, "config": Path("alembic.ini"), "script_location": None}
    assert place(options, "config") == config
    assert place(options, "script_location") is None
    with pytest.raises(UsageError, match=r"--config other\.ini: no such file or folder"):
        place({**options, "config": Path("other.ini")}, "config")
