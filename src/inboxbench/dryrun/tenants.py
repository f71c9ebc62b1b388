"""Which schemas a revision worked in, where several tenants (schemas) run the same one."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from inboxbench.dryrun.model import DryRun, Finding, Revision, Statement


def is_repeated(run: DryRun, revision: str | None) -> bool:
    """Return whether a revision ran more than once: each tenant runs it."""
    return sum(other.revision == revision for other in run.revisions) > 1


def statements_of(run: DryRun, revision: Revision) -> list[Statement]:
    """Return the statements of this run of it."""
    mine = [statement for statement in run.statements if statement.revision == revision.revision]
    if not is_repeated(run, revision.revision):
        return mine
    return [item for item in mine if revision.started_ms <= item.started_ms <= revision.finished_ms]


def schemas_of(run: DryRun, revision: Revision) -> str:
    """Return the schemas in which a revision that ran several times worked this time, with commas, else ""."""
    if not is_repeated(run, revision.revision):
        return ""
    return _schemas(statements_of(run, revision))


def with_schemas(run: DryRun, findings: Iterable[Finding]) -> list[Finding]:
    """Return findings with the schema that they are about, where their revision ran in several."""
    statements = {statement.number: statement for statement in run.statements}
    repeated = {revision.revision for revision in run.revisions if is_repeated(run, revision.revision)}
    return [
        replace(finding, schema=_of_finding(finding, statements) or None) if finding.revision in repeated else finding
        for finding in findings
    ]


def _of_finding(finding: Finding, statements: dict[int, Statement]) -> str:
    if finding.relation and "." in finding.relation:
        return finding.relation.partition(".")[0]
    statement = statements.get(finding.statement)
    return _schemas([statement]) if statement else ""


def _schemas(statements: Iterable[Statement]) -> str:
    touched = [
        relation
        for statement in statements
        for relation in (*(lock.relation for lock in statement.locks), *(scan.relation for scan in statement.scans))
    ]
    return ", ".join(dict.fromkeys(name.partition(".")[0] for name in touched if not name.startswith("pg_")))
