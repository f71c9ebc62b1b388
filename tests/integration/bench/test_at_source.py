"""EXPLAIN at the source, beside the plans on the copy."""

from __future__ import annotations

from pathlib import Path

from inboxbench.bench import run_matrix
from inboxbench.bench.at_source import plans_at_source, remarks
from inboxbench.bench.sets.indexset import live_set
from inboxbench.database import connect, scratch_database
from inboxbench.database_copy import copied
from inboxbench.project import Loose
from inboxbench.server import Server

# No page is all-visible at the source, so that an index-only scan would read the table as well.
FILL = """
    CREATE TABLE t (a int, wide text) WITH (autovacuum_enabled = off);
    INSERT INTO t SELECT g, repeat('x', 200) FROM generate_series(1, 20000) AS g;
    CREATE INDEX t_a ON t (a);
    ANALYZE t;
"""


def test_a_plan_that_differs_is_named_and_nothing_is_executed(server: Server, tmp_path: Path) -> None:
    (tmp_path / "all.sql").write_text("-- params: floor int = 0\nSELECT sum(a) FROM t WHERE a > :floor")
    (tmp_path / "few.sql").write_text("SELECT wide FROM t WHERE a = 7")
    (tmp_path / "gone.sql").write_text("-- writes: yes\nDELETE FROM t WHERE a = 8 RETURNING a")
    (tmp_path / "as.sql").write_text("-- role: pg_read_all_data\nSELECT wide FROM t WHERE a = 9")
    (tmp_path / "indexes.toml").write_text('[set.none]\ntitle = "none"\n')
    project = Loose(tmp_path, tmp_path / "indexes.toml")
    with scratch_database(server, "source") as name:
        with connect(server.conninfo(name)) as connection:
            connection.execute(FILL.encode())
        url = server.url(name)
        with copied(server, url) as copy:
            with connect(server.conninfo(copy.name)) as connection:
                sets = [live_set(connection, "current", "the indexes it has")]
            matrix = run_matrix(server, copy.name, project, sets=sets, writes=False, rounds=1, as_is=True)
            plans = {plan.case: plan for plan in plans_at_source(url, matrix, "current", timeout_s=14, role=None)}
        with connect(server.conninfo(name)) as connection:
            assert connection.execute("SELECT count(*) FROM t").fetchone() == (20000,)
    assert {case for case, plan in plans.items() if plan.differs} == {"all [given]"}
    assert not any(plan.problem for plan in plans.values())
    (said,) = remarks(url, list(plans.values()))
    assert "Seq Scan" in str(plans["all [given]"].there)
    assert said.startswith("all [given] has another plan at the source: ")
