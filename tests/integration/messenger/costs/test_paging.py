"""P2.2: one statement, or six, for a page of 25 and for one of 100, in any account; lazily, ever more."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
from click.testing import CliRunner

from inboxbench.cli.bench.command import command
from inboxbench.errors import ThresholdExceeded, UsageError
from inboxbench.messenger.costs.paging import Pages, run_pages
from inboxbench.server import Server


@pytest.fixture(scope="module")
def pages(server: Server, office: str) -> Pages:
    return run_pages(server, office, sizes=(25, 100), rounds=1)


@pytest.mark.parametrize(("way", "statements"), [("lateral", 1), ("joined", 1), ("selectin", 6)])
def test_statements_are_as_many_for_any_size_and_account(pages: Pages, way: str, statements: int) -> None:
    assert pages.accounts == {1: 325, 2: 150}
    assert pages.statements(way) == [statements] * 4


def test_lazy_statements_grow_with_the_page(pages: Pages) -> None:
    """One for the page, two and a contact for each row, one for each inbox and assignee met for the first time."""
    by_page = {(cost.account, cost.size): cost.statements for cost in pages.costs if cost.way == "lazy"}
    assert by_page[2, 25] == 1 + 3 * 25 + 1 + 5
    assert by_page[2, 100] == 1 + 3 * 100 + 1 + 5
    assert by_page[1, 100] > 300


def test_the_server_counts_what_was_sent(pages: Pages) -> None:
    """Rows: each way's own, so the lazy way's are those of its many statements; pages grow with the page."""
    for cost in pages.costs:
        assert cost.buffers is not None
        assert cost.rows is not None
        assert cost.buffers > 2 * cost.size
        assert cost.rows >= cost.size
        assert cost.way != "lateral" or cost.rows == cost.size
    lazy, lateral = (next(c for c in pages.costs if (c.way, c.size) == (way, 100)) for way in ("lazy", "lateral"))
    assert lazy.rows is not None
    assert lazy.rows > 300
    assert lateral.client_ms > 0


def test_counters_come_out_the_same_again(server: Server, office: str, pages: Pages) -> None:
    again = run_pages(server, office, sizes=(25,), rounds=1)
    first = [cost for cost in pages.costs if cost.size == 25]
    still = [(cost.way, cost.statements, cost.rows, cost.buffers) for cost in again.costs if cost.account == 1]
    assert still == [(cost.way, cost.statements, cost.rows, cost.buffers) for cost in first if cost.account == 1]


def test_more_statements_than_declared_are_a_threshold(pages: Pages) -> None:
    pages.require_constant()
    worse = replace(pages, costs=tuple(replace(cost, statements=cost.statements + 1) for cost in pages.costs))
    with pytest.raises(ThresholdExceeded, match="a page by 'lateral' takes 2 statements, at most 1 whatever its size"):
        worse.require_constant()


def test_a_page_larger_than_any_account_is_refused(server: Server, office: str) -> None:
    with pytest.raises(UsageError, match="no account has 400 open conversations"):
        run_pages(server, office, sizes=(400,))


def test_the_command(server: Server, office: str, tmp_path: Path) -> None:
    page = tmp_path / "pages.md"
    arguments = ["pages", "--database", office, "--sizes", "25", "--rounds", "1", "--server", server.base]
    shown = CliRunner().invoke(command, [*arguments, "--output", str(page)])
    assert shown.exit_code == 0, shown.output
    assert "lateral: statements 1 for every page." in shown.output
    assert "| lateral | 1 |" in page.read_text()
    given = CliRunner().invoke(command, [*arguments, "--format", "json"])
    assert {cost["way"] for cost in json.loads(given.stdout)["pages"]} == {"lateral", "lazy", "selectin", "joined"}


@pytest.mark.parametrize("sizes", ["25,many", "0", "501", ","])
def test_wrong_sizes_are_refused_before_a_server_is_started(sizes: str) -> None:
    refused = CliRunner().invoke(command, ["pages", "--sizes", sizes, "--server", "bin:/nowhere"])
    assert isinstance(refused.exception, UsageError)
    assert sizes in str(refused.exception)
