"""The Makefile, its help, and every `make X` that the documentation or CI names agree."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

from inboxbench.project import Project


def _targets(project: Project) -> set[str]:
    text = (project.root / "Makefile").read_text(encoding="utf-8")
    return set(re.findall(r"^([a-z][a-z-]*):(?!=)", text, re.MULTILINE))


def _documents(project: Project) -> list[Path]:
    root = project.root
    pages = [*root.glob("*.md"), *(root / "docs").rglob("*.md"), *(root / "examples").rglob("*.md")]
    rooms = [root / room / "README.md" for room in ("schema", "migrations", "seeds", "bench")]
    runs = [*(root / ".ci").iterdir(), *(root / ".github").rglob("*.yml"), root / "Makefile"]
    return [*pages, *rooms, *runs]


def test_every_target_is_phony_and_in_the_help(project: Project) -> None:
    text = (project.root / "Makefile").read_text(encoding="utf-8")
    phony = set(re.search(r"^\.PHONY: (.*)$", text, re.MULTILINE)[1].split())  # type: ignore[index]
    shown = subprocess.run(["make", "help"], cwd=project.root, check=True, capture_output=True, text=True).stdout
    helped = {line.split()[0] for line in shown.splitlines() if line.startswith("  ")}
    assert phony == _targets(project) == helped


def test_every_make_that_is_named_is_a_target(project: Project) -> None:
    targets = _targets(project)
    pattern = re.compile(r"(?:`|^\s*|run: |; run )make ([a-z][a-z-]*)", re.MULTILINE)
    named = {
        (document.relative_to(project.root).as_posix(), target)
        for document in _documents(project)
        for target in pattern.findall(document.read_text(encoding="utf-8"))
    }
    assert {target for _, target in named} >= {"demo", "test", "lint", "docs", "docs-pages", "prove-hazards"}
    assert not {(document, target) for document, target in named if target not in targets}
