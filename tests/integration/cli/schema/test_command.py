"""`inboxbench schema` on a copy of the project: writes the file, agrees with it, and names what differs."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from inboxbench.cli.schema.command import command
from inboxbench.database import list_databases
from inboxbench.errors import SubjectFailed, UsageError
from inboxbench.project import Project
from inboxbench.server import Server


@pytest.fixture
def copy(project: Project, tmp_path: Path) -> Path:
    """The messenger's project with a schema folder of its own."""
    for name in ("migrations", "seeds", "bench", "pyproject.toml"):
        (tmp_path / name).symlink_to(project.root / name)
    (tmp_path / "schema").mkdir()
    for name in ("baseline.sql", "head.sql"):
        (tmp_path / "schema" / name).write_bytes((project.schema / name).read_bytes())
    return tmp_path


@pytest.fixture(autouse=True)
def nothing_left_behind(server: Server) -> Iterator[None]:
    before = {info.name for info in list_databases(server)}
    yield
    assert {info.name for info in list_databases(server)} == before


def schema(server: Server, project: Path, *words: str) -> Result:
    url = server.sqlalchemy_url("postgres").set(drivername="postgresql").render_as_string(hide_password=False)
    return CliRunner().invoke(command, [*words, "--project", str(project), "--server", url])


def test_what_it_writes_is_what_it_checks(server: Server, copy: Path, project: Project) -> None:
    file = copy / "schema" / "head.sql"
    comment = file.read_text(encoding="utf-8").partition("\n\n")[0]
    file.unlink()
    assert isinstance(schema(server, copy, "check").exception, UsageError)
    assert schema(server, copy, "dump").stdout.startswith("-- The schema at head: what the migrations build")
    file.write_text(comment, encoding="utf-8")  # which stays
    assert schema(server, copy, "dump", "--write").exit_code == 0
    assert file.read_bytes() == (project.schema / "head.sql").read_bytes()
    result = schema(server, copy, "check")
    said = "schema/head.sql, the models and the migrations build the same database\n"
    assert (result.exit_code, result.stdout) == (0, said)


def test_a_file_that_parted_from_the_migrations_is_named(server: Server, copy: Path) -> None:
    file = copy / "schema" / "head.sql"
    file.write_text(
        file.read_text(encoding="utf-8") + "\nALTER TABLE contacts DROP COLUMN blocked;\n", encoding="utf-8"
    )
    result = schema(server, copy, "check")
    assert isinstance(result.exception, SubjectFailed)
    assert result.stdout.splitlines() == [
        "contacts: column blocked",
        "  migrations       boolean NOT NULL DEFAULT false",
        "  schema/head.sql  absent",
    ]


def test_a_function_that_parted_is_shown_line_by_line(server: Server, copy: Path) -> None:
    file = copy / "schema" / "head.sql"
    text = file.read_text(encoding="utf-8").replace("NEW.snoozed_until := NULL;", "NEW.snoozed_until := now();")
    file.write_text(text, encoding="utf-8")
    lines = schema(server, copy, "check").stdout.splitlines()
    assert lines[0] == "function conversations_clear_snooze()"
    assert [line.split() for line in lines if line.startswith(("  +  ", "  -  "))] == [
        ["-", "NEW.snoozed_until", ":=", "NULL;"],
        ["+", "NEW.snoozed_until", ":=", "now();"],
    ]
