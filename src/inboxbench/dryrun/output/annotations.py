"""Findings where reviewers look: SARIF 2.1.0 for code scanning, and workflow commands for GitHub's own pages."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from inboxbench import __version__
from inboxbench.dryrun.model import DryRun, Finding, Statement
from inboxbench.dryrun.rules import RULES
from inboxbench.dryrun.rules.rule import Rule

_SCHEMA = "https://json.schemastore.org/sarif-2.1.0.json"
_COMMANDS = {"error": "error", "warning": "warning", "note": "notice"}


def as_sarif(run: DryRun) -> dict[str, Any]:
    """One result a finding, at its revision's line; a suppressed one says why."""
    driver = {
        "name": "inboxbench",
        "version": __version__,
        "rules": [_rule(rule) for rule in RULES.values()],
    }
    results = [_result(run, finding) for finding in run.findings]
    invocation = {"executionSuccessful": run.error is None}
    return {
        "$schema": _SCHEMA,
        "version": "2.1.0",
        "runs": [{"tool": {"driver": driver}, "invocations": [invocation], "results": results}],
    }


def as_github(run: DryRun) -> str:
    """`::error file=…,line=…,title=…::…`, a line each, the verdict first; suppressed findings are left out."""
    commands = [_command(run, finding) for finding in run.findings if not finding.suppressed]
    return "\n".join([*_answer(run), *commands])


def _answer(run: DryRun) -> Iterator[str]:
    if verdict := run.verdict:
        text = " ".join(filter(None, (f"May this ship? {verdict.answer} Worst: {verdict.worst}", verdict.first)))
        yield f"::{'notice' if verdict.ships else 'error'} title=inboxbench dryrun::{_data(text)}"


def place_of(run: DryRun, finding: Finding) -> tuple[str | None, int | None]:
    """File, relative to the working directory where it lies below it, and line."""
    statement = statement_of(run, finding)
    file = statement.file if statement else None
    file = file or next((revision.file for revision in run.revisions if revision.revision == finding.revision), None)
    return (None if file is None else _relative(file)), statement.line if statement and file else None


def statement_of(run: DryRun, finding: Finding) -> Statement | None:
    return next((statement for statement in run.statements if statement.number == finding.statement), None)


def _relative(file: str) -> str:
    path = Path(file)
    return path.relative_to(Path.cwd()).as_posix() if path.is_relative_to(Path.cwd()) else path.as_posix()


def _rule(rule: Rule) -> dict[str, Any]:
    return {
        "id": rule.id,
        "shortDescription": {"text": rule.condition},
        "fullDescription": {"text": f"{rule.condition}. {rule.effect}."},
        "help": {"text": rule.explained()},
        "defaultConfiguration": {"level": rule.severity},
    }


def _result(run: DryRun, finding: Finding) -> dict[str, Any]:
    result: dict[str, Any] = {
        "ruleId": finding.rule,
        "ruleIndex": list(RULES).index(finding.rule),
        "level": finding.severity,
        "message": {"text": _message(finding)},
    }
    file, line = place_of(run, finding)
    if file is not None:
        location: dict[str, Any] = {"artifactLocation": {"uri": file.lstrip("/")}}
        if line is not None:
            location["region"] = {"startLine": line}
        result["locations"] = [{"physicalLocation": location}]
    if finding.suppressed:
        result["suppressions"] = [{"kind": "inSource", "justification": finding.suppressed}]
    return result


def _message(finding: Finding) -> str:
    where = f"In {finding.where}: " if finding.schema else ""
    return f"{where}{finding.what} Instead: {finding.instead}"


def _command(run: DryRun, finding: Finding) -> str:
    file, line = place_of(run, finding)
    where = {"file": file, "line": line, "title": f"inboxbench {finding.rule}"}
    properties = ",".join(f"{key}={_property(str(value))}" for key, value in where.items() if value is not None)
    text = _message(finding) + (f"\n{finding.code}" if finding.code else "")
    return f"::{_COMMANDS[finding.severity]} {properties}::{_data(text)}"


def _data(text: str) -> str:
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(text: str) -> str:
    return _data(text).replace(":", "%3A").replace(",", "%2C")
