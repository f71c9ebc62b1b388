"""A locale without letters beyond ASCII is nobody's concern but of the queries that compare by letters."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from inboxbench.bench.workload.queries import locale_remark
from inboxbench.cli.bench.source import Source, opened_database
from inboxbench.cli.options import Session
from inboxbench.config import Settings
from inboxbench.database import connect, create_database, database_name, drop_database
from inboxbench.project import Project
from inboxbench.server import Server, open_server
from inboxbench.sqlfile import read_queries

ORDERS = (
    "-- title: Orders of a customer\nSELECT id FROM orders WHERE customer_id = 7 AND 3 % 2 = 1 -- ILIKE is not used\n"
)


@pytest.fixture(scope="module")
def c_server() -> Iterator[Server]:
    """A server of ours whose cluster was made with --locale=C."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("inboxbench.server.cluster._locale_arguments", lambda _: ["--encoding=UTF8", "--locale=C"])
        with open_server("embedded") as opened:
            yield opened


@pytest.fixture
def shop(tmp_path: Path) -> Project:
    (tmp_path / "bench" / "queries").mkdir(parents=True)
    (tmp_path / "schema").mkdir()
    (tmp_path / "bench" / "queries" / "orders.sql").write_text(ORDERS, encoding="utf-8")
    return Project(tmp_path)


@pytest.mark.parametrize("c_locale", [True, False])
def test_the_messenger_is_warned_with_its_queries_and_a_shop_is_not(
    c_server: Server, project: Project, shop: Project, capsys: pytest.CaptureFixture[str], *, c_locale: bool
) -> None:
    name = database_name("letters")
    create_database(c_server, name, c_locale=c_locale)
    source = Source(name, "tiny", 1, allow_foreign=False)
    said = {}
    for who in (project, shop):
        with opened_database(Session(Settings(), who), c_server, source):
            said[who] = " ".join(capsys.readouterr().err.split())
    drop_database(c_server, name)
    assert said[shop] == ""
    if c_locale:
        assert f"the locale of database '{name}' knows the letters of ASCII alone" in said[project]
        assert (
            "for search_contact, search_conversation, search_substring; make it with LOCALE 'C.UTF-8'" in said[project]
        )
    else:
        assert said[project] == ""


def test_its_own_databases_are_warned_of_as_well(c_server: Server, project: Project) -> None:
    """The maintenance database of such a server has its locale."""
    with connect(c_server.conninfo()) as connection:
        remark = locale_remark(connection, read_queries(project.queries))
    assert remark is not None
    assert remark.startswith("the locale of database 'postgres' knows the letters of ASCII alone")
