from __future__ import annotations

import re
from typing import Any

import pytest
from markdown_it import MarkdownIt

from inboxbench.report import render_markdown
from inboxbench.report.table import escape


def _tables(text: str) -> list[list[list[str]]]:
    """Cells of each table, as a Markdown parser sees them."""
    tables: list[list[list[str]]] = []
    for token in MarkdownIt("commonmark").enable("table").parse(text):
        if token.type == "table_open":
            tables.append([])
        elif token.type == "tr_open":
            tables[-1].append([])
        elif token.type == "inline" and tables and token.level > 3:
            children = token.children or []
            tables[-1][-1].append("".join(child.content for child in children))
    return tables


def test_every_set_and_race_is_a_row(run: dict[str, Any]) -> None:
    sets, races = _tables(render_markdown(run))
    assert [row[0] for row in sets[1:]] == [s["name"] for s in run["matrix"]["sets"]]
    assert [(row[0], row[1]) for row in races[1:]] == [(r["strategy"], str(r["workers"])) for r in run["races"]]
    assert len({len(row) for row in sets}) == 1


def test_the_choice_and_the_dominated_are_marked(run: dict[str, Any]) -> None:
    sets, _ = _tables(render_markdown(run))
    said = {row[0]: row[-1] for row in sets[1:]}
    assert said["recommended"] == "choose"
    assert said["chatwoot"] == "dominated by composite"
    assert said["baseline"] == ""


def test_findings_are_a_list_with_emphasis(run: dict[str, Any]) -> None:
    text = render_markdown(run)
    assert "- **Index set.** Choose **recommended** (Ours" in text
    assert re.search(r"- \*\*Races\.\*\* \*\*naive made 902 double assignments\*\* \(64 workers", text)


def test_hostile_names_stay_text(run: dict[str, Any]) -> None:
    name = "a|b <script>x</script> `c` *d* [e](http://f)\n| g |"
    run["races"][0]["strategy"] = name
    text = render_markdown(run)
    _, races = _tables(text)
    assert races[1][0] == " ".join(name.split())
    rendered = MarkdownIt("commonmark", {"html": True}).enable("table").render(text)
    assert "<script" not in rendered
    assert "<a " not in rendered


@pytest.mark.parametrize("part", ["seed", "migration", "matrix", "races", "verdict", "machine", "server"])
def test_each_part_may_be_absent(run: dict[str, Any], part: str) -> None:
    del run[part]
    assert render_markdown(run).startswith("inboxbench 0.1.0")


def test_a_password_never_reaches_it(run: dict[str, Any]) -> None:
    run["server"]["label"] = "postgresql://bench:s3cret@db/app"
    assert "s3cret" not in render_markdown(run)


def test_escaping_is_what_markdown_undoes() -> None:
    text = r"back\slash `tick` *star* _under_ [link] <tag> pipe|"
    (token,) = [t for t in MarkdownIt("commonmark").parse(escape(text)) if t.type == "inline"]
    assert "".join(child.content for child in token.children or []) == text
