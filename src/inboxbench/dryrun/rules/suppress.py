"""`# inboxbench: ignore RULE REASON` in a revision file: on the operation's own lines, or in comments above it."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import replace
from pathlib import Path

from inboxbench.dryrun.model import DryRun, Finding

_MARK = re.compile(r"#\s*inboxbench:\s*ignore\s+([\w-]+)[ \t]*(.*)")


def suppressed(findings: Iterable[Finding], run: DryRun) -> Iterator[Finding]:
    """Each finding, with the reason where its file gives one. Without a reason nothing is silenced."""
    statements = {one.number: one for one in run.statements}
    for finding in findings:
        statement = statements.get(finding.statement)
        given = _reason(finding.rule, statement.file, statement.line) if statement else None
        yield replace(finding, suppressed=given) if given else finding


def _reason(rule: str, file: str | None, line: int | None) -> str | None:
    if file is None or line is None:
        return None
    try:
        lines = Path(file).read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError):
        return None
    for text in _around(lines, line - 1):
        found = _MARK.search(text)
        if found and found[1] == rule and found[2].strip():
            return found[2].strip()
    return None


def _around(lines: list[str], place: int) -> Iterator[str]:
    """The line itself, and up: comments, and the beginning of a call that goes over several lines."""
    if place >= len(lines):
        return
    yield lines[place]
    for text in reversed(lines[:place]):
        if not (text.lstrip().startswith("#") or text.rstrip().endswith("(")):
            return
        yield text
