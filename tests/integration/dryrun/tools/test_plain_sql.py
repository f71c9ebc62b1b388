"""Files of SQL as revisions: up, file by file, and down again; what fails is named by file and line."""

from __future__ import annotations

from pathlib import Path

import pytest

from inboxbench.database import connect
from inboxbench.dryrun.model import DryRun
from inboxbench.dryrun.per_revision import rehearse_each
from inboxbench.dryrun.rewrites.in_revision import RevisionTrial
from inboxbench.dryrun.run import rehearse, run_segment, states_of
from inboxbench.dryrun.source import Source, copy_of
from inboxbench.dryrun.tools.plain_sql import PlainSql, plain_sql
from inboxbench.project import Project
from inboxbench.server import Server

ORDERS = "CREATE TABLE orders AS SELECT n AS id, n AS total FROM generate_series(1, 2000) n;\n"
INDEX = "-- +goose Up\n\nCREATE INDEX orders_total ON orders (total);\n-- +goose Down\nDROP INDEX orders_total;\n"
FILES = {"1_orders.sql": ORDERS, "1_orders.down.sql": "DROP TABLE orders;", "2_index.sql": INDEX}


@pytest.fixture
def ours(server: Server) -> Server:
    if not server.owned or server.kind == "container":
        pytest.skip("the observer reads the log of a server of our own on this machine")
    return server


def tool(folder: Path, **more: str) -> PlainSql:
    for name, text in {**FILES, **{f"{key[1:]}.sql": text for key, text in more.items()}}.items():
        (folder / name).write_text(text)
    return plain_sql([folder], 60.0)


def test_up_and_down_again(ours: Server, project: Project, tmp_path: Path) -> None:
    files = tool(tmp_path)
    with copy_of(ours, Source(), project) as copy:
        run = rehearse(ours, copy.name, files, source="nothing", begin="1_orders.sql", target="head")
        assert (run.error, [item.revision for item in run.revisions]) == (None, ["2_index.sql"])
        (built,) = (item for item in run.statements if item.sql.startswith("CREATE INDEX"))
        assert (built.revision, built.line, [scan.rows for scan in built.scans]) == ("2_index.sql", 3, [2000])
        back = run_segment(ours, copy.name, files, "base", downgrade=True)
        assert (back.error, [item.revision for item in back.revisions]) == (None, ["2_index.sql", "1_orders.sql"])
        assert states_of(ours, copy.name, files) == {"inboxbench_rehearsal.sql_files": []}


def test_each_goes_on_after_a_file_that_failed(ours: Server, project: Project, tmp_path: Path) -> None:
    files = tool(tmp_path, _3_bad="SELECT 1;\nSELECT 1 / 0;\n", _4_open="BEGIN;\nDROP TABLE orders;\n", _5="SELECT 5")
    with copy_of(ours, Source(), project) as copy:
        run: DryRun = rehearse_each(ours, copy.name, files, source="nothing", begin=None, target="head")
    assert run.error is not None
    assert run.error.startswith("revision 3_bad.sql failed: division by zero; the command ended with status 1: error: ")
    assert run.error.endswith("4_open.sql: its BEGIN has no COMMIT, so that nothing of it stays")
    assert [item.revision for item in run.revisions] == ["1_orders.sql", "2_index.sql", "3_bad.sql", "5.sql"]


def test_a_proposal_is_pasted_and_run(ours: Server, project: Project, tmp_path: Path) -> None:
    files = tool(tmp_path)
    code = "-- outside of a transaction: no BEGIN around it\nCREATE INDEX CONCURRENTLY {} ON orders (total);"
    with copy_of(ours, Source(), project) as copy:
        rehearse(ours, copy.name, files, source="nothing", begin=None, target="1_orders.sql")
        trial = RevisionTrial(ours, copy.name, files, "2_index.sql")
        assert not trial.obstacle(tmp_path / "2_index.sql", 3, code.format("orders_total"))
        wrong = trial.obstacle(tmp_path / "2_index.sql", 3, code.format("another"))
        assert wrong == "the revision ends with another index orders_total of orders"
    with connect(ours.conninfo("postgres")) as connection:
        assert connection.execute("SELECT to_regclass('orders')").fetchone() == (None,)
