"""What a dry run showed that should not be: a rule, the fact it looks at, its text and its fix are apart."""

from __future__ import annotations

from dataclasses import replace

from inboxbench.dryrun.model import DryRun, Finding
from inboxbench.dryrun.rules import locking, transaction
from inboxbench.dryrun.rules import outcome as aftermath
from inboxbench.dryrun.rules.facts import Facts
from inboxbench.dryrun.rules.rule import Rule
from inboxbench.dryrun.rules.suppress import suppressed
from inboxbench.errors import unknown

RULES: dict[str, Rule] = {
    rule.id: rule for module in (locking, transaction, aftermath) for rule in module.RULES
}  # fmt: skip


def find(run: DryRun) -> tuple[Finding, ...]:
    """By statement. Says nothing that the run did not show."""
    facts = Facts(run)
    found = [finding for rule in RULES.values() for finding in rule.findings(facts)]
    return tuple(suppressed(sorted(_once(found), key=lambda finding: finding.statement), run))


def _once(found: list[Finding]) -> list[Finding]:
    """long-stall is for what no other rule explains."""
    named = {one.statement for one in found if one.rule != "long-stall"}
    return [one for one in found if one.rule != "long-stall" or one.statement not in named]


def with_findings(run: DryRun) -> DryRun:
    return replace(run, findings=find(run))


def rule_named(name: str) -> Rule:
    """Raises UsageError for an unknown one, with the nearest that there is."""
    if name not in RULES:
        raise unknown("rule", name, RULES)
    return RULES[name]
