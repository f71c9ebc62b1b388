"""What needs no server: stamps, limits, source lines, histories, and the JSON against its schema."""

from __future__ import annotations

import json
from dataclasses import fields, replace
from importlib.resources import files
from pathlib import Path

import jsonschema
import pytest

from inboxbench.cli.dryrun.options import read_asked
from inboxbench.dryrun.limits import Limits, broken
from inboxbench.dryrun.model import ClassSummary, DryRun, Lock, Rewrite, Statement
from inboxbench.dryrun.output.annotations import as_github, as_sarif
from inboxbench.dryrun.output.markdown import as_markdown
from inboxbench.dryrun.tools.alembic import Alembic
from inboxbench.dryrun.tools.alembic_code import read_sources
from inboxbench.dryrun.tools.base import Stamp
from inboxbench.dryrun.tools.process import Ended, run_tool
from inboxbench.errors import UsageError
from inboxbench.migrate.history import read_folders
from inboxbench.record import as_json
from inboxbench.units import read_size, read_time

LOCK = Lock("public.orders", "table", "ACCESS EXCLUSIVE", 0.0, 3000.0)
STATEMENT = Statement(
    1, "a1", "ALTER TABLE orders ADD COLUMN a int", 7, 1, 0.0, 5.0, 2_000_000, (LOCK,),
    (Rewrite("public.orders", 200_000_000),),
)  # fmt: skip
RUN = DryRun(
    "embedded",
    "nothing",
    "alembic",
    "2026-01-01",
    9.0,
    (),
    (STATEMENT,),
    (),
    (ClassSummary("read", "read", 1, 1, 1, 700, 700, 2, "no"),),
)


@pytest.mark.parametrize(
    ("sql", "stamp"),
    [
        ("INSERT INTO alembic_version (version_num) VALUES ('a1') RETURNING x", Stamp("alembic_version", None, "a1")),
        (
            "UPDATE app.my_version SET version_num='a2' WHERE app.my_version.version_num = 'a1'",
            Stamp("app.my_version", "a1", "a2"),
        ),
        ("DELETE FROM alembic_version WHERE alembic_version.version_num = 'a1'", Stamp("alembic_version", "a1", None)),
        ("SELECT version_num FROM alembic_version", None),
        ("UPDATE orders SET n = 1", None),
    ],
)
def test_writes_to_a_version_table_of_any_name(sql: str, stamp: Stamp | None) -> None:
    assert Alembic().read_stamp(sql) == stamp


def test_the_json_keeps_its_schema() -> None:
    schema = json.loads(files("inboxbench.dryrun").joinpath("dryrun.schema.json").read_text(encoding="utf-8"))
    document = json.loads(json.dumps(RUN.to_json()))
    jsonschema.validate(document, schema)
    assert set(schema["required"]) == {"schema_version", *(field.name for field in fields(DryRun))} - {"verdict"}
    assert set(schema["$defs"]["Lock"]["properties"]) == {field.name for field in fields(Lock)}
    document["statements"][0]["locks"][0]["mode"] = "ACCESS"
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(document, schema)


def test_values_stay_out_of_every_output() -> None:
    run = replace(RUN, statements=(replace(STATEMENT, sql="UPDATE users SET token = $1", values={"1": "'secret'"}),))
    assert "secret" not in json.dumps(run.to_json())
    assert "secret" not in json.dumps(as_json(run.statements[0]))
    assert "secret" not in as_markdown(run) + as_github(run) + json.dumps(as_sarif(run))


def test_limits_name_what_broke_them() -> None:
    limits = Limits(stall=500, lock_hold=2000, wal=1e6, rewrite=1e8, errors=1)
    assert list(broken(RUN, limits)) == [
        "read stalled for 700 ms, over --max-stall 500 ms",
        "ACCESS EXCLUSIVE on public.orders was held for 3 s, over --max-lock-hold 2 s (revision a1, statement 1)",
        "1.91 MB of WAL, over --max-wal 977 kB",
        "public.orders was rewritten, 191 MB, over --max-rewrite 95.4 MB (revision a1, statement 1)",
        "2 errors of the old application, over --max-errors 1: no",
    ]
    assert list(broken(RUN, Limits(stall=700, lock_hold=3000, wal=2e6, rewrite=2e8, errors=2))) == []


def test_a_lock_on_what_the_transaction_made_is_in_nobodys_way() -> None:
    made = replace(RUN, statements=(replace(STATEMENT, locks=(replace(LOCK, created=True),)),))
    assert list(broken(made, Limits(lock_hold=1))) == []


def test_quantities() -> None:
    assert (read_time("500ms"), read_time("2s"), read_size("1GB")) == (500, 2000, 1 << 30)
    for text in ("5", "5 lightyears", "s"):
        with pytest.raises(UsageError, match="is not a time"):
            read_time(text)


REVISION = '''"""Add things."""
from alembic import op
import sqlalchemy as sa
revision = "b2"
down_revision = ("a1", "a0")
TABLE = "orders"

def upgrade():
    op.add_column(TABLE, sa.Column("first", sa.Integer))
    op.add_column(TABLE, sa.Column("second", sa.Integer))
    with op.batch_alter_table("customers") as batch:
        batch.drop_column("name")
    op.execute("""
        UPDATE orders SET first = 1
         WHERE second IS NULL
    """)
    op.create_index(op.f("ix"), "orders", ["second"])
'''


def test_lines_by_text_and_by_operation(tmp_path: Path) -> None:
    path = tmp_path / "b2.py"
    path.write_text(REVISION)
    lines = REVISION.splitlines()
    expected = {
        "ALTER TABLE orders ADD COLUMN second INTEGER": "second",
        "ALTER TABLE customers DROP COLUMN name": "drop_column",
        "UPDATE orders SET first = 1 WHERE second IS NULL": "op.execute",
        "CREATE INDEX ix ON orders (second)": "create_index",
    }
    for sql, text in expected.items():
        line = read_sources(path).line_of(sql)
        assert line is not None, sql
        assert text in lines[line - 1]
    assert read_sources(path).line_of("SELECT 1") is None


def test_a_history_is_read_without_running_it(tmp_path: Path) -> None:
    for revision, parent in (("a0", None), ("a1", "a0"), ("a2", "a0")):
        (tmp_path / f"{revision}.py").write_text(
            f'"""T."""\nimport nowhere\nrevision = "{revision}"\ndown_revision = {parent!r}\n'
        )
    history = read_folders([tmp_path])
    assert history.heads == ["a1", "a2"]
    assert [script.revision for script in history.line()] == ["a0", "a1", "a2"]
    (tmp_path / "b2.py").write_text(REVISION)
    assert read_folders([tmp_path]).scripts["b2"].parents == ("a1", "a0")


@pytest.mark.parametrize(("text", "seconds"), [("3", 3.0), ("0.5", 0.5), ("500ms", 0.5), ("2s", 2.0)])
def test_a_probe_without_a_unit_is_in_seconds(text: str, seconds: float) -> None:
    options = {"long_reader": text, "old_snapshot": None, "rate": None, "shuffle_traffic": None, "downgrade": False}
    asked = read_asked({**options, "no_traffic": False, "traffic": None})
    assert asked.holders == {"long_reader": seconds}


def test_the_complaint_of_a_command_is_the_error_itself() -> None:
    """Not what SQLAlchemy says beside it."""
    said = """Traceback (most recent call last):
  File "/x/error.py", line 7, in upgrade
sqlalchemy.exc.ProgrammingError: (psycopg.errors.UndefinedTable) relation "error_log" does not exist
LINE 1: UPDATE error_log SET a = 1
[SQL: UPDATE error_log SET a = %(a)s]
[parameters: {'a': 'error'}]
(Background on this error at: https://sqlalche.me/e/20/f405)
"""
    told = Ended(1, said, 1.0).complaint
    assert told.startswith("sqlalchemy.exc.ProgrammingError: (psycopg.errors.UndefinedTable)")


def test_a_config_that_cannot_be_read_is_one_line(tmp_path: Path) -> None:
    config = tmp_path / "alembic.ini"
    config.write_text("script_location = here\n")
    with pytest.raises(UsageError, match=r"--config .*alembic\.ini cannot be read"):
        Alembic(config=config).history(set())
    config.write_text("[alembic]\nscript_location = there\n")
    (tmp_path / "work" / "there" / "versions").mkdir(parents=True)
    (tmp_path / "work" / "there" / "versions" / "a.py").write_text('revision = "a"\ndown_revision = None\n')
    assert Alembic(config=config, folder=tmp_path / "work").history(set()).heads == ["a"]


def test_a_program_that_is_none_is_one_line(tmp_path: Path) -> None:
    program = tmp_path / "upgrade"
    program.write_bytes(b"\x7fELF nothing")
    program.chmod(0o755)
    with pytest.raises(UsageError, match="upgrade cannot be run: Exec format error"):
        run_tool(Alembic(program=str(program)), "postgresql://nowhere/x")
