from __future__ import annotations

import io
import re
from typing import Any

import pytest
from rich.console import Console

from inboxbench.errors import UsageError
from inboxbench.report import print_summary


def _printed(run: dict[str, Any], **console: Any) -> str:
    output = io.StringIO()
    print_summary(run, Console(file=output, **console))
    return output.getvalue()


def test_a_pipe_gets_plain_text_of_a_hundred_columns(run: dict[str, Any]) -> None:
    text = _printed(run)
    assert "\x1b" not in text
    assert max(len(line) for line in text.splitlines()) == 100


def test_a_terminal_keeps_its_width_and_colours(run: dict[str, Any]) -> None:
    text = _printed(run, force_terminal=True, width=72, color_system="standard", legacy_windows=False)
    assert "\x1b[" in text
    assert max(len(re.sub(r"\x1b\[[0-9;]*m", "", line)) for line in text.splitlines()) <= 72


def test_the_console_is_left_as_it_was(run: dict[str, Any]) -> None:
    console = Console(file=io.StringIO(), width=60)
    print_summary(run, console)
    assert console.width == 60


def test_it_says_what_to_choose_what_it_costs_and_what_went_on(run: dict[str, Any]) -> None:
    text = " ".join(_printed(run).split())
    for words in (
        "Choose recommended",
        "43.6 MB of indexes (+114 %)",
        "2,110 B of WAL per insert (+108 %)",
        "41 % of updates stay inside their page",
        "The longest a writer waited: 112 ms (insert_conversation, during 0010 contract_display_id)",
        "The longest a reader waited: 61 ms",
        "naive made 902 double assignments",
        "skip_locked, 9,800 assignments/s",
        "81,200 messages/s",
    ):
        assert words in text


def test_every_set_query_class_and_strategy_has_a_row(run: dict[str, Any]) -> None:
    lines = _printed(run).splitlines()
    names = [s["name"] for s in run["matrix"]["sets"]] + [q["name"] for q in run["matrix"]["queries"]]
    names += [t["class"] for t in run["migration"]["traffic"]] + [r["strategy"] for r in run["races"]]
    for name in names:
        assert any(re.match(rf"\s*{re.escape(name)}\s+\S", line) for line in lines), name


def test_more_sets_than_fit_leave_the_baseline_and_the_choice(run: dict[str, Any]) -> None:
    sets = run["matrix"]["sets"]
    last = sets.pop()
    sets.extend(sets[1] | {"name": f"another_{number}"} for number in range(6))
    sets.append(last)
    text = _printed(run)
    reads = text[text.index("Pages read by each query") :].splitlines()
    heading = next(line for line in reads if line.strip().startswith("query"))
    assert "baseline" in heading
    assert "recommended" in heading
    assert len(heading.split()) <= 6
    assert text.count("another_5") == 1  # in the table of sets, which always has all


def test_names_are_not_markup(run: dict[str, Any]) -> None:
    run["races"][0]["strategy"] = "[red]naive[/red] [link=x]"
    run["matrix"]["sets"][4]["title"] = "[bold]odd[/bold]"
    text = _printed(run)
    assert "[red]naive[/red]" in " ".join(text.split())
    assert "[bold]odd[/bold]" in text


@pytest.mark.parametrize("part", ["seed", "migration", "matrix", "races", "verdict", "machine", "server"])
def test_each_part_may_be_absent(run: dict[str, Any], part: str) -> None:
    del run[part]
    assert "inboxbench 0.1.0" in _printed(run)


def test_a_bare_run_prints_its_heading() -> None:
    assert _printed({"schema_version": 1, "tool": {"name": "inboxbench"}}).strip() == "inboxbench"


def test_a_console_without_unicode_gets_ascii(run: dict[str, Any]) -> None:
    run["server"]["label"] = "сервер"
    raw = io.BytesIO()
    file = io.TextIOWrapper(raw, encoding="ascii", newline="")
    print_summary(run, Console(file=file))
    file.flush()
    text = raw.getvalue().decode("ascii")
    assert "x less" in text
    assert "??????" in text


def test_a_foreign_document_is_refused() -> None:
    with pytest.raises(UsageError, match="schema_version"):
        _printed({})
