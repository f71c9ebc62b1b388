"""Every trap of the catalogue, sprung once on the server of the session."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from inboxbench.bench.traps import FORM, Catalogue, read_traps, run_traps, spring, trap_of
from inboxbench.cli.bench.command import command
from inboxbench.database import list_databases
from inboxbench.errors import SubjectFailed, ThresholdExceeded
from inboxbench.project import Project
from inboxbench.server import Server
from inboxbench.sqlsheet import parse_sheet

ONE = """\
-- title: a table without an index
-- ids: C3
-- good: t_pkey
-- floor: 3
-- rows: same
-- why: It is read whole.

--- data
CREATE TABLE t (id int, body text);
INSERT INTO t SELECT n, repeat('x', 100) FROM generate_series(1, 2000) n;
--- query
SELECT id FROM t WHERE id = 7
--- good setup
ALTER TABLE t ADD PRIMARY KEY (id);
"""


@pytest.fixture(scope="module")
def catalogue(server: Server, project: Project) -> Catalogue:
    return run_traps(server, read_traps(project.bench / "traps"))


def test_every_trap_springs_or_is_mended_where_it_says(catalogue: Catalogue, server: Server) -> None:
    for one in catalogue.sprung:
        mended = one.trap.mended is not None and server.version >= one.trap.mended * 10_000
        assert (one.trap.name, one.outcome, one.remark if not mended else "") == (
            one.trap.name,
            "mended" if mended else "springs",
            "",
        )
    catalogue.require()


def test_the_worst_come_first(catalogue: Catalogue) -> None:
    names = [one.trap.name for one in catalogue.sprung]
    assert {"cursor_id_order_created_at", "cyrillic_c_locale"} == set(names[:2])
    ratios = [one.ratio or 0 for one in catalogue.sprung[2:]]
    assert ratios == sorted(ratios, reverse=True)


def test_cyrillic_is_not_found_under_c(catalogue: Catalogue) -> None:
    (one,) = (one for one in catalogue.sprung if one.trap.name == "cyrillic_c_locale")
    assert one.bad is not None
    assert one.good is not None
    assert (one.bad.rows, len(one.good.rows)) == ((), 10)


def test_a_skip_scan_is_seen_by_its_searches(catalogue: Catalogue, server: Server) -> None:
    """A descent for each of four statuses and one to find that there is none; thousands of accounts are not skipped."""
    found = {one.trap.name: one.bad for one in catalogue.sprung}
    few, many = found["leading_column_few"], found["leading_column_many"]
    assert few is not None
    assert many is not None
    if server.version < 180000:
        assert few.plan.searches is None
        assert few.buffers > 200
    else:
        assert few.plan.searches == 5
        assert few.buffers < 20
        assert many.buffers > 200


def test_counters_are_the_same_when_it_is_set_again(catalogue: Catalogue, server: Server, project: Project) -> None:
    (trap,) = read_traps(project.bench / "traps", ["offset_depth"])
    again, first = spring(server, trap), next(one for one in catalogue.sprung if one.trap.name == trap.name)
    assert again.ratio is not None
    assert again.ratio == first.ratio
    assert [one.bad.lines for one in (again, first) if one.bad] == [first.bad.lines if first.bad else ()] * 2


@pytest.mark.parametrize(
    ("old", "new", "error", "told"),
    [
        ("floor: 3", "floor: 3000", ThresholdExceeded, "does not spring on .*: 1[0-9].* times the pages"),
        ("FROM t WHERE", "FROM tt WHERE", SubjectFailed, 'failed on .*: relation "tt" does not exist'),
        (
            "--- good setup",
            "--- good query\nSELECT id FROM t WHERE id = 8\n--- good setup",
            SubjectFailed,
            "wrong rows",
        ),
    ],
)
def test_what_is_no_trap_here_is_named(server: Server, old: str, new: str, error: type[Exception], told: str) -> None:
    trap = trap_of(parse_sheet(Path("one.sql"), ONE.replace(old, new), FORM))
    with pytest.raises(error, match=f"trap 'one' .*{told}"):
        run_traps(server, [trap]).require()


def test_the_command_gives_text_json_and_markdown(server: Server, tmp_path: Path) -> None:
    before = [info.name for info in list_databases(server)]
    page = tmp_path / "traps.md"
    arguments = ["--server", server.base, "--output", str(page)]
    shown = CliRunner().invoke(command, ["traps", "null_is_no_order", "--verbose", *arguments])
    assert shown.exit_code == 0, shown.output
    assert "null_is_no_order" in shown.output
    assert "Index Cond: ((inbox_id = 1)" in shown.output
    assert "| null_is_no_order" not in page.read_text()
    assert "[null\\_is\\_no\\_order](#null_is_no_order) | IS NULL in the middle" in page.read_text()
    given = CliRunner().invoke(command, ["traps", "null_is_no_order", "--format", "json", "--server", server.base])
    (one,) = json.loads(given.stdout)["traps"]
    assert (one["outcome"], one["bad"]["sorts"], one["good"]["sorts"]) == ("springs", True, False)
    assert [info.name for info in list_databases(server)] == before
