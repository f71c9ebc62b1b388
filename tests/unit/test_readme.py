"""The generated parts of README.md are what the commands print now."""

from __future__ import annotations

import subprocess
import sys

from inboxbench.project import Project


def test_the_generated_parts_are_fresh(project: Project) -> None:
    command = [sys.executable, str(project.root / ".ci" / "readme"), "--check"]
    done = subprocess.run(command, check=False, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_the_results_are_those_of_a_run(project: Project) -> None:
    text = (project.root / "README.md").read_text(encoding="utf-8")
    results = text.partition("<!-- results -->")[2].partition("<!-- /results -->")[0]
    assert "recommended" in results
    assert "PostgreSQL 18" in results
