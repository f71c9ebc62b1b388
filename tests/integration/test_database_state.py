"""What a dump loses is said, and made again where that is asked for."""

from __future__ import annotations

from collections.abc import Iterator

import psycopg
import pytest

from inboxbench.bench.sets.template import strip
from inboxbench.database import connect, scratch_database
from inboxbench.database_copy import Copy, copied
from inboxbench.database_state import State, read_state
from inboxbench.server import Server

# untidy: a third all-visible, a fifth of its rows dead; tidy: vacuumed; never: nobody has looked. A trigger and a key
# that would fail, an identity that may not be written.
FILL = """
    CREATE SCHEMA app;
    CREATE TABLE app.untidy (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, a int, note text)
        WITH (autovacuum_enabled = off);
    INSERT INTO app.untidy (a, note) SELECT g, repeat('x', 100) FROM generate_series(1, 30000) AS g;
    CREATE TABLE app.child (id bigint REFERENCES app.untidy);
    INSERT INTO app.child SELECT id FROM app.untidy;
    CREATE FUNCTION app.refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE 'no'; END $$;
    CREATE TABLE tidy AS SELECT g AS a FROM generate_series(1, 20000) AS g;
    CREATE TABLE never WITH (autovacuum_enabled = off) AS SELECT g AS a FROM generate_series(1, 20000) AS g;
    CREATE MATERIALIZED VIEW seen AS SELECT g AS a FROM generate_series(1, 5000) AS g;
"""
SPOIL = """
    UPDATE app.untidy SET note = note WHERE id > 22500;
    CREATE TRIGGER refuse BEFORE UPDATE OR DELETE ON app.untidy EXECUTE FUNCTION app.refuse();
"""


@pytest.fixture
def untidy(server: Server) -> Iterator[str]:
    with scratch_database(server, "untidy") as name:
        with connect(server.conninfo(name)) as connection:
            connection.execute(FILL.encode())
            connection.execute(
                "SELECT pg_stat_force_next_flush()"
            )  # what is reported later would count as changed since
            for table in ("app.untidy", "tidy", "app.child", "seen"):
                connection.execute(f"VACUUM ANALYZE {table}".encode())
            connection.execute(SPOIL.encode())
            connection.execute("SELECT pg_stat_force_next_flush()")
            connection.execute("ANALYZE app.untidy")  # later than what was changed is reported
            connection.execute("SELECT pg_stat_force_next_flush()")
        yield name


def _state(server: Server, database: str) -> State:
    with connect(server.conninfo(database)) as connection:
        return read_state(connection)


def _shares(state: State) -> dict[str, tuple[float, float]]:
    return {table.shown: (table.visible_share or 0.0, table.dead_share) for table in state.tables}


def test_what_the_copy_lacks_is_said(server: Server, untidy: str) -> None:
    with copied(server, server.url(untidy)) as copy:
        assert copy.remarks == ()
        visible, dead, stale = copy.losses
    assert visible.startswith("pages that are all-visible at the source: app.untidy 60 %")
    assert "--as-source" in visible
    assert dead.startswith("rows that are dead at the source: app.untidy 20 %; none on this copy")
    assert stale.startswith("statistics at the source are old: never has no ANALYZE on record;")
    assert "tidy" not in stale


def test_as_source_has_as_many_dead_rows_and_all_visible_pages(server: Server, untidy: str) -> None:
    with copied(server, server.url(untidy), as_source=True) as copy, scratch_database(server, "t", copy.name) as clone:
        assert [text for text in copy.losses if "as on this copy" in text] == list(copy.losses[:2])
        with connect(server.conninfo(clone)) as connection:
            strip(connection, as_is=True, as_source=True)
            rows = connection.execute("SELECT count(*), sum(a) FROM app.untidy").fetchone()
        wanted, found = _shares(_state(server, untidy)), _shares(_state(server, clone))
        assert rows == (30000, 450015000)
    assert wanted["app.untidy"][1] == pytest.approx(0.2, abs=0.01)
    for table in ("app.untidy", "tidy", "never"):
        assert found[table][0] == pytest.approx(wanted[table][0], abs=0.05), table
    assert found["never"][0] == 0


def _copy(server: Server, database: str) -> Copy:
    with copied(server, server.url(database)) as copy:
        return copy


def test_an_index_that_the_dump_leaves_out_is_said(server: Server) -> None:
    with scratch_database(server, "invalid") as name:
        with connect(server.conninfo(name)) as connection:
            connection.execute("CREATE SCHEMA app; CREATE TABLE app.t AS SELECT 1 AS a FROM generate_series(1, 2)")
            with pytest.raises(psycopg.errors.UniqueViolation):
                connection.execute("CREATE UNIQUE INDEX CONCURRENTLY half ON app.t (a)")
        (said,) = _copy(server, name).remarks
        assert said.startswith("invalid at the source, and so left out of its dump: app.half; drop or rebuild it there")


def test_pending_entries_are_counted_or_not_known(server: Server) -> None:
    with scratch_database(server, "pending") as name:
        with connect(server.conninfo(name)) as connection:
            connection.execute("CREATE TABLE t (words tsvector) WITH (autovacuum_enabled = off)")
            connection.execute("CREATE INDEX waiting ON t USING gin (words)")
            connection.execute("CREATE INDEX never ON t USING gin (words) WITH (fastupdate = off)")
            connection.execute("INSERT INTO t SELECT to_tsvector('simple', g::text) FROM generate_series(1, 2000) AS g")
            unknown = _state(server, name).pending
            available = connection.execute("SELECT FROM pg_available_extensions WHERE name = 'pgstattuple'").fetchone()
            if available is not None:
                connection.execute("CREATE EXTENSION pgstattuple")
                known = _state(server, name).pending["waiting"]
                assert known is not None
                assert known >= 2
        assert unknown == {"waiting": None}
        assert any("waiting" in text and "none on this copy" in text for text in _copy(server, name).losses)
