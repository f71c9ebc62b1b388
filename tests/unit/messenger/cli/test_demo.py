"""A demo's page shows what its figures say of the owners' claims."""

from __future__ import annotations

import json
from pathlib import Path

from click.testing import CliRunner

from inboxbench.cli.report.command import command
from inboxbench.messenger.cli.demo import _with_claims
from inboxbench.project import Project


def test_the_claims_are_part_of_the_record_and_of_its_page(project: Project, tmp_path: Path) -> None:
    record = json.loads((project.bench / "results" / "claims.json").read_text(encoding="utf-8"))
    run = _with_claims(record, project)
    path, page = tmp_path / "run.json", tmp_path / "page.html"
    path.write_text(json.dumps({key: run[key] for key in ("schema_version", "tool", "labs")}))
    result = CliRunner().invoke(command, [str(path), "--html", str(page)])
    assert result.exception is None, result.exception
    html = page.read_text(encoding="utf-8")
    assert "What the owners wrote, and what is so" in html
    assert "inboxbench coverage --claims" in html
    assert html.count("misread)") == 7


def test_a_record_without_their_figures_stays_as_it_is(project: Project, tmp_path: Path) -> None:
    assert "labs" not in _with_claims({"matrix": {"cells": []}}, project)  # such as one whose queries were stopped
    record = json.loads((project.bench / "results" / "claims.json").read_text(encoding="utf-8"))
    assert "labs" not in _with_claims(record, Project(tmp_path))  # as installed from a wheel
