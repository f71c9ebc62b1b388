"""Our databases carry a marker; all others are left alone."""

from __future__ import annotations

import psycopg
import pytest
from psycopg import sql

from inboxbench import database as db
from inboxbench import database_marks as marks
from inboxbench.errors import ForeignDatabaseError, ServerError, UsageError
from inboxbench.server import Server


def _names(server: Server) -> set[str]:
    return {info.name for info in db.list_databases(server)}


def test_a_scratch_database_lives_as_long_as_its_block(server: Server) -> None:
    with db.scratch_database(server, "scratch") as name:
        assert name in _names(server)
    assert name not in _names(server)


def test_a_scratch_database_is_dropped_when_its_block_fails(server: Server) -> None:
    def fail() -> None:
        with db.scratch_database(server, "failing") as name, db.connect(server.conninfo(name)) as connection:
            connection.execute("SELECT 1 / 0")

    with pytest.raises(psycopg.errors.DivisionByZero):
        fail()
    assert not [name for name in _names(server) if "failing" in name]


def test_a_clone_holds_what_the_template_held(server: Server) -> None:
    with db.scratch_database(server, "template") as template:
        with db.connect(server.conninfo(template)) as connection:
            connection.execute("CREATE TABLE held AS SELECT 7 AS x")
        with db.scratch_database(server, "clone", template=template) as clone:
            with db.connect(server.conninfo(clone)) as connection:
                assert connection.execute("SELECT x FROM held").fetchone() == (7,)
            assert db.read_marker(server, clone) is not None


def test_a_template_in_use_is_named(server: Server) -> None:
    with (
        db.scratch_database(server, "template") as template,
        db.connect(server.conninfo(template)),
        pytest.raises(ServerError, match=f"{template} cannot be cloned while sessions are connected"),
    ):
        db.create_database(server, marks.database_name("clone"), template=template)


def test_a_database_without_our_marker_is_refused(server: Server) -> None:
    """Also one that only looks like ours: the prefix alone is not enough."""
    name = marks.database_name("foreign")[:-4] + "mine"  # as somebody might name one
    with db.connect(server.conninfo()) as connection:
        connection.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))
    try:
        with pytest.raises(ForeignDatabaseError, match="was not made by inboxbench"):
            db.drop_database(server, name)
        with pytest.raises(ForeignDatabaseError, match="was not made by inboxbench"):
            db.write_marker(server, name, {"kind": "dataset"})
        assert db.exists(server, name)
        assert name not in _names(server)
    finally:
        db.drop_database(server, name, allow_foreign=True)
    assert not db.exists(server, name)


@pytest.mark.parametrize("name", ["postgres", "template1"])
def test_the_servers_own_databases_are_refused(server: Server, name: str) -> None:
    with pytest.raises(ForeignDatabaseError):
        db.drop_database(server, name)


def test_names_are_checked(server: Server) -> None:
    with pytest.raises(UsageError, match="must begin with 'inboxbench_'"):
        db.create_database(server, "production")
    with pytest.raises(UsageError, match="longer than PostgreSQL's 63 bytes"):
        db.create_database(server, "inboxbench_" + "x" * 60)
    with db.scratch_database(server, "taken") as name, pytest.raises(UsageError, match="exists already"):
        db.create_database(server, name)


def test_a_name_is_measured_in_bytes(server: Server) -> None:
    """PostgreSQL would cut it, and the next command would not find it."""
    with pytest.raises(UsageError, match="longer than PostgreSQL's 63 bytes"):
        db.create_database(server, "inboxbench_" + "д" * 40)


def test_who_comes_second_leaves_the_database_of_the_first(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    name = marks.database_name("first")
    db.create_database(server, name)
    try:
        monkeypatch.setattr(db, "_check_new", lambda *_: None)  # it was not there yet when the second one looked
        with pytest.raises(UsageError, match=r"is being made on .* by another process; wait for it"):
            db.create_database(server, name)
        assert db.exists(server, name)
    finally:
        db.drop_database(server, name)


def test_a_marker_survives_rewriting_and_quotes(server: Server) -> None:
    with db.scratch_database(server, "marked") as name:
        db.write_marker(server, name, {"kind": "dataset", "note": 'it\'s "quoted"'})
        assert db.read_marker(server, name) == {"kind": "dataset", "note": 'it\'s "quoted"'}


def test_every_database_knows_cyrillic(server: Server) -> None:
    with db.scratch_database(server, "locale") as name, db.connect(server.conninfo(name)) as connection:
        row = connection.execute("SELECT upper('привет') = 'ПРИВЕТ', 'ПРИВЕТ' ILIKE '%прив%'").fetchone()
    assert row == (True, True)


def test_only_a_database_of_ours_is_emptied(server: Server) -> None:
    with db.scratch_database(server, "empty") as name, db.connect(server.conninfo(name)) as connection:
        connection.execute("CREATE TABLE orders (id int)")
        connection.execute(marks.EMPTY)
        assert connection.execute("SELECT to_regclass('orders')").fetchone() == (None,)
        connection.execute("CREATE TABLE orders (id int)")
        connection.execute(sql.SQL("COMMENT ON DATABASE {} IS 'a shop'").format(sql.Identifier(name)))
        with pytest.raises(psycopg.errors.RaiseException, match="was not made by inboxbench"):
            connection.execute(marks.EMPTY)
        assert connection.execute("SELECT to_regclass('orders')").fetchone() == ("orders",)
