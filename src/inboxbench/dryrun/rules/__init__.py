"""What a dry run showed that should not be. Each module here that has a `RULE` is a rule; a new one is found by itself.

A finding is silenced by `# inboxbench: ignore RULE REASON` in its revision file, on the operation's own lines or in
comments above it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from importlib import import_module
from pathlib import Path
from pkgutil import iter_modules
from typing import get_args

from inboxbench.dryrun.model import DryRun, Finding
from inboxbench.dryrun.rules.facts import Facts
from inboxbench.dryrun.rules.rule import Group, Rule
from inboxbench.errors import unknown

_MARK = re.compile(r"#\s*inboxbench:\s*ignore\s+([\w-]+)[ \t]*(.*)")


def _discovered() -> Iterator[Rule]:
    for module in iter_modules(__path__, f"{__name__}."):
        rule = getattr(import_module(module.name), "RULE", None)
        if isinstance(rule, Rule):
            yield rule


# By group, then by id.
RULES: dict[str, Rule] = {
    rule.id: rule for rule in sorted(_discovered(), key=lambda rule: (get_args(Group).index(rule.group), rule.id))
}


def find(run: DryRun) -> tuple[Finding, ...]:
    """The findings of a run by statement. Says nothing that the run did not show."""
    facts = Facts(run)
    findings = [finding for rule in RULES.values() for finding in rule.findings(facts)]
    explained = {finding.statement for finding in findings if not RULES[finding.rule].last_resort}
    kept = (one for one in findings if one.statement not in explained or not RULES[one.rule].last_resort)
    return tuple(_suppressed(sorted(kept, key=lambda finding: finding.statement), run))


def with_findings(run: DryRun) -> DryRun:
    return replace(run, findings=find(run))


def rule_named(name: str) -> Rule:
    """Raises UsageError for an unknown one, with the nearest that there is."""
    if name not in RULES:
        raise unknown("rule", name, RULES)
    return RULES[name]


def _suppressed(findings: list[Finding], run: DryRun) -> Iterator[Finding]:
    """Each finding, with the reason where its file gives one. Without a reason nothing is silenced."""
    statements = {statement.number: statement for statement in run.statements}
    for finding in findings:
        statement = statements.get(finding.statement)
        reason = _reason(finding.rule, statement.file, statement.line) if statement else None
        yield replace(finding, suppressed=reason) if reason else finding


def _reason(rule: str, file: str | None, line: int | None) -> str | None:
    if file is None or line is None:
        return None
    try:
        lines = Path(file).read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError):
        return None
    marks = (mark for text in _around(lines, line - 1) if (mark := _MARK.search(text)))
    return next((mark[2].strip() for mark in marks if mark[1] == rule and mark[2].strip()), None)


def _around(lines: list[str], place: int) -> Iterator[str]:
    """The line itself, and up: comments, and the beginning of a call that goes over several lines."""
    if place >= len(lines):
        return
    yield lines[place]
    for text in reversed(lines[:place]):
        if not (text.lstrip().startswith("#") or text.rstrip().endswith("(")):
            return
        yield text
