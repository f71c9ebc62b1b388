"""What a dry run showed that should not be. Each module here that has a `RULE` is a rule; a new one is found by itself.

A finding is silenced by `# inboxbench: ignore RULE REASON` in its revision file, on the operation's own lines or in
comments above it.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from importlib import import_module
from pathlib import Path
from pkgutil import iter_modules
from typing import get_args

from inboxbench.dryrun.model import DryRun, Finding
from inboxbench.dryrun.rules.facts import Facts
from inboxbench.dryrun.rules.rule import Group, Rule, Severity
from inboxbench.dryrun.tenants import with_schemas
from inboxbench.dryrun.tools.base import Tool
from inboxbench.errors import unknown


def _discovered() -> Iterator[Rule]:
    for module in iter_modules(__path__, f"{__name__}."):
        rule = getattr(import_module(module.name), "RULE", None)
        if isinstance(rule, Rule):
            yield rule


# By group, then by id.
RULES: dict[str, Rule] = {
    rule.id: rule for rule in sorted(_discovered(), key=lambda rule: (get_args(Group).index(rule.group), rule.id))
}


def find(run: DryRun, tool: Tool) -> tuple[Finding, ...]:
    """The findings of a run by statement, with code for `tool`. Says nothing that the run did not show."""
    facts = Facts(run, tool)
    findings = [finding for rule in RULES.values() for finding in rule.findings(facts)]
    kept = [finding for finding in findings if not _last_resort(finding)]
    explained = {topic for finding in kept for topic in _topics(finding, facts)}
    others = sorted(filter(_last_resort, findings), key=lambda finding: get_args(Severity).index(finding.severity))
    for finding in others:  # the gravest of what no other rule speaks of
        if explained.isdisjoint(topics := _topics(finding, facts)):
            explained.update(topics)
            kept.append(finding)
    ordered = sorted(kept, key=lambda finding: finding.statement)
    return tuple(_suppressed(with_schemas(run, ordered), facts))


def _topics(finding: Finding, facts: Facts) -> list[object]:
    """Return what it speaks of: its statement, and its relation in the transaction of that."""
    transaction = facts.transactions.get(finding.statement)
    return [finding.statement, *([(transaction, finding.relation)] if finding.relation else [])]


def with_findings(run: DryRun, tool: Tool) -> DryRun:
    """Return the run with what the rules say of it."""
    return replace(run, findings=find(run, tool))


def _last_resort(finding: Finding) -> bool:
    return RULES[finding.rule].last_resort


def rule_named(name: str) -> Rule:
    """Raises UsageError for an unknown one, with the nearest that there is."""
    if name not in RULES:
        raise unknown("rule", name, RULES)
    return RULES[name]


def _suppressed(findings: list[Finding], facts: Facts) -> Iterator[Finding]:
    """Yield each finding, with the reason where its file gives one. Without a reason nothing is silenced."""
    statements = {statement.number: statement for statement in facts.run.statements}
    for finding in findings:
        statement, reason = statements.get(finding.statement), None
        if statement and statement.file and statement.line:
            reason = facts.tool.suppression(Path(statement.file), statement.line, finding.rule)
        yield replace(finding, suppressed=reason) if reason else finding
