"""The sets at a mix of requests: in every form of the report, and silent for records that have none."""

from __future__ import annotations

import io
from typing import Any

import pytest
from rich.console import Console
from tests.unit.report.conftest import Parse

from inboxbench.report import print_summary, render_html, render_markdown
from inboxbench.report.index_figures import compare
from inboxbench.report.model import read_run


def row(name: str, cost: float, **more: Any) -> dict[str, Any]:
    figures = {"reads_mean": 12.5, "reads_worst": 20, "ms_mean": 0.25, "ms_worst": 0.5, "read_cost": 20}
    return {"set": name, "insert_per_s": 1234.4, "update_per_s": None, "write_cost": 60, "cost": cost} | figures | more


@pytest.fixture
def mixed(run: dict[str, Any]) -> dict[str, Any]:
    """The sample with what `bench` says of a mix."""
    names = [one["name"] for one in run["matrix"]["sets"]]
    rows = [row(name, 10.0 + place) for place, name in enumerate(names)]
    rows[0] |= {"dominated_by": names[1], "lower_bound": True}
    rows[1] |= {"update_per_s": 99}
    rows[-1] |= {"recommended": True}
    evens = [
        {"leaner": names[0], "reader": names[1], "reads_per_write": 0.25, "upper_bound": True},
        {"leaner": names[0], "reader": names[2], "reads_per_write": None, "always": names[0]},
    ]
    run["verdict"] |= {
        "mix": {"text": "list 80%, writes 20%"},
        "currency": "pages",
        "pareto": rows,
        "break_even": evens,
    }
    return run


def test_markdown_has_a_row_a_set_the_costliest_first_and_the_break_evens(mixed: dict[str, Any]) -> None:
    text = render_markdown(mixed)
    shown = text.partition("At the mix list 80%, writes 20%:")[2].splitlines()
    names = [line.split("|")[1].strip() for line in shown if line.endswith("|")][2:]
    assert names[: len(mixed["verdict"]["pareto"])] == [one["set"] for one in reversed(mixed["verdict"]["pareto"])]
    assert "| ≥ 12.5 | ≥ 20 | 0.25 | 0.50 | 1,234/s | – | ≥ 20 | ≥ 60 | ≥ 10 |" in text
    one, other, third = (entry["set"] for entry in mixed["verdict"]["pareto"][:3])
    assert f"- {one} and {other}: {other} from at most 0.25 reads for a write on" in shown
    assert f"- {one} and {third}: {one} costs less at any number" in shown


def test_page_and_terminal_show_the_same_figures(mixed: dict[str, Any], parse: Parse) -> None:
    text = " ".join("".join(parse(render_html(mixed)).itertext()).split())
    out = io.StringIO()
    print_summary(mixed, Console(file=out, width=140))
    for figure in ("list 80%, writes 20%", "1,234/s", "≥ 12.5"):
        assert figure in text
        assert figure in out.getvalue()
    assert "At the mix" in text
    assert "reads for a write on" in text


def test_who_is_dominated_is_the_verdicts_to_say(mixed: dict[str, Any]) -> None:
    results = compare(read_run(mixed)).results
    assert [one.dominated_by for one in results] == [results[1].name, *[None] * (len(results) - 1)]


def test_a_record_without_a_mix_says_nothing_of_one(run: dict[str, Any]) -> None:
    assert "At the mix" not in render_markdown(run)
    assert "At the mix" not in render_html(run)
