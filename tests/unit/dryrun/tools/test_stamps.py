"""The version table is the one that the tool uses, whatever other tables have a column of that name."""

from __future__ import annotations

from pathlib import Path

import pytest

from inboxbench.dryrun.model import Statement
from inboxbench.dryrun.observe.sampler import Catalogue, Poll
from inboxbench.dryrun.observe.samples import Samples
from inboxbench.dryrun.tools.alembic import Alembic
from inboxbench.dryrun.tools.attribution import attribute
from inboxbench.dryrun.tools.stamps import read_stamps
from inboxbench.migrate.history import History, Revision

OWN = "UPDATE files SET version_num = '2' WHERE version_num = '1'"
HISTORY = History({name: Revision(name, (), name, Path(f"{name}.py")) for name in ("v1", "v2", "v3")})
NUMBERED = History({name: Revision(name, (), name, Path(f"{name}.py")) for name in ("1", "2", "3")})


def stamps(tool: Alembic, history: History, *texts: str) -> list[tuple[str, str | None] | None]:
    done = [Statement(number, None, text, 7, 1, number * 1.0, 1.0) for number, text in enumerate(texts, start=1)]
    return [(stamp.table, stamp.to) if stamp else None for stamp in read_stamps(tool, done, history)]


def project(folder: Path, configure: str) -> Alembic:
    (folder / "env.py").write_text(f"from alembic import context\n{configure}\n", encoding="utf-8")
    return Alembic(script_location=folder)


@pytest.mark.parametrize(
    "configure",
    [
        "context.configure(connection=c, version_table='migrations', version_table_schema='meta')",
        "NAME = 'migrations'\ncontext.configure(url=u, version_table=NAME, version_table_schema=settings.schema)",
        "for x in schemas:\n    context.configure(url=u, version_table='migrations', version_table_schema=x)",
    ],
)
def test_by_what_env_py_configures_even_where_ids_are_alike(tmp_path: Path, configure: str) -> None:
    true = "UPDATE meta.migrations SET version_num='2' WHERE meta.migrations.version_num = '1'"
    assert stamps(project(tmp_path, configure), NUMBERED, OWN, true) == [None, ("meta.migrations", "2")]


def test_an_env_py_that_says_nothing_of_it_means_the_default(tmp_path: Path) -> None:
    true = "INSERT INTO alembic_version (version_num) VALUES ('1') RETURNING alembic_version.version_num"
    tool = project(tmp_path, "structlog.configure(cache=True)\ncontext.configure(connection=c)")
    assert stamps(tool, NUMBERED, OWN, true) == [None, ("alembic_version", "1")]


@pytest.mark.parametrize(
    "configure", ["context.configure(connection=c, **arguments)", "context.configure(url=u, version_table=name())", ""]
)
def test_where_env_py_does_not_say_it_by_the_ids_of_the_files(tmp_path: Path, configure: str) -> None:
    true = "UPDATE schema_state SET version_num='v2' WHERE schema_state.version_num = 'v1'"
    tool = project(tmp_path, configure)
    assert stamps(tool, HISTORY, OWN, true) == [None, ("schema_state", "v2")]


def test_where_ids_are_alike_by_what_the_tool_asked(tmp_path: Path) -> None:
    tool = project(tmp_path, "context.configure(connection=c, **arguments)")
    asked = "SELECT app.state.version_num \nFROM app.state"
    true = "UPDATE app.state SET version_num='2' WHERE app.state.version_num = '1'"
    assert stamps(tool, NUMBERED, asked, OWN, true) == [None, None, ("app.state", "2")]


def test_without_files_and_configuration_by_what_was_asked_or_made() -> None:
    columns = "\tversion_num VARCHAR(32) NOT NULL, \n\tCONSTRAINT state_pkc PRIMARY KEY (version_num)"
    made = f"\nCREATE TABLE state (\n{columns}\n)\n\n"
    true = "INSERT INTO state (version_num) VALUES ('9f') RETURNING state.version_num"
    assert stamps(Alembic(program="up"), History({}), made, OWN, true) == [None, None, ("state", "9f")]


def test_parameters_of_a_stamp_alone_are_spelled_out(tmp_path: Path) -> None:
    tool = project(tmp_path, "context.configure(connection=c)")
    true = "UPDATE alembic_version SET version_num=$1 WHERE alembic_version.version_num = $2"
    other = "UPDATE files SET version_num = $1 WHERE version_num = $2"
    done = [
        Statement(1, None, other, 7, 1, 1.0, 1.0, values={"1": "'2'", "2": "'1'"}),
        Statement(2, None, true, 7, 1, 2.0, 1.0, values={"1": "'v2'", "2": "'v1'"}),
    ]  # fmt: skip
    placed, _ = attribute(tool, done, [], HISTORY, samples=Samples(Poll(catalogues=[Catalogue(0.0, {})])), epoch_ms=0.0)
    assert [statement.revision for statement in placed] == ["v2", "v2"]
    assert [statement.stamps for statement in placed] == [False, True]
    assert placed[0].sql == done[0].sql
    assert placed[1].sql.startswith("UPDATE alembic_version SET version_num='v2'")
