"""An upgrade that was observed as a dry run is shown by the code that shows a dry run, and a standstill is no wait."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console
from tests.unit.report.conftest import Parse

from inboxbench.report import print_summary, render_html
from inboxbench.report.findings import findings
from inboxbench.report.index_figures import compare
from inboxbench.report.markdown import render_markdown
from inboxbench.report.model import read_run

DRY_RUN = Path(__file__).with_name("dryrun.json")


@pytest.fixture
def observed(run: dict[str, Any]) -> dict[str, Any]:
    """A run whose migration is the document of a dry run, as `inboxbench demo` writes it."""
    document = json.loads(DRY_RUN.read_text(encoding="utf-8"))
    known = {"slug": "message_types", "kind": "expand", "phase": 1, "ids": ["M9a"], "rows": 7}
    document["revisions"] = [one | known | {"started_s": 0.0, "elapsed_s": 1.444} for one in document["revisions"]]
    document["traffic"] = [one | {"worst_revision": "n01"} for one in document["traffic"]]
    run["migration"] = document | {"from": "base", "to": "n01", "elapsed_s": 13.395, "statement_count": 7642}
    return run


def _stood_still(run: dict[str, Any]) -> None:
    """The longest stall of a writer was the machine's; it waited for 58 ms at another moment."""
    run["migration"]["traffic"] = [
        one | {"errors": 0, "max_stall_ms": 1280.0, "still_ms": 1250.0, "max_wait_ms": 58.0}
        for one in run["migration"]["traffic"]
    ]
    run["migration"]["notes"] = ["the machine gave a process of ours no time"]


def _migration_text(run: dict[str, Any]) -> str:
    found = read_run(run)
    (finding,) = [one for one in findings(found, compare(found)) if one.topic == "Migration"]
    return " ".join("".join(sentence) for sentence in finding.sentences)


def test_the_page_shows_its_statements_stalls_and_findings(observed: dict[str, Any], parse: Parse) -> None:
    page = parse(render_html(observed))
    (section,) = [one for one in page.iter("section") if one.get("id") == "migration"]
    text = " ".join(" ".join(section.itertext()).split())
    assert "7642 statements" in text
    assert "The longest stalls and what caused them" in text
    assert "What is" not in text
    for finding in observed["migration"]["findings"]:
        assert finding["rule"] in text
    regions = [one.get("aria-label") for one in section.iter() if one.get("role") == "region"]
    assert regions.count("Traffic during the dry run") == 1
    assert "Traffic during the upgrade" not in regions
    assert regions.count("Revisions") == 1


def test_a_standstill_of_the_machine_is_told_apart_everywhere(observed: dict[str, Any]) -> None:
    _stood_still(observed)
    text = _migration_text(observed)
    assert "The longest a writer waited: 58 ms" in text
    assert "Not counted: this machine itself stood still for 1.25 s of a stall of 1.28 s (insert message)." in text
    page = render_html(observed)
    assert "1.28 s, of it 1.25 s a standstill of this machine" in page
    assert "58 ms" in page
    assert "1.25 s" in render_markdown(observed)
    console = Console(record=True, width=160)
    print_summary(observed, console)
    shown = console.export_text()
    assert "this machine itself stood still for 1.25 s" in shown
    (row,) = [line for line in shown.splitlines() if line.strip().startswith("insert message  ")]
    assert "58 ms" in row
    assert "1.28 s" not in row


def test_the_record_of_an_older_version_waits_for_its_longest_stall(run: dict[str, Any]) -> None:
    assert "The longest a writer waited: 112 ms" in _migration_text(run)
    assert "standstill" not in render_html(run)
