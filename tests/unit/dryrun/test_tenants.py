"""Every output says which tenant's run of a revision a finding is about."""

from __future__ import annotations

import json

from rich.console import Console

from inboxbench.cli.dryrun.output import show_run
from inboxbench.dryrun.limits import Limits
from inboxbench.dryrun.model import DryRun, Lock, Revision, Scan, Statement
from inboxbench.dryrun.output.annotations import as_github, as_sarif
from inboxbench.dryrun.output.markdown import as_markdown
from inboxbench.dryrun.rules import with_findings
from inboxbench.dryrun.tools.alembic import Alembic
from inboxbench.dryrun.verdict import with_verdict
from inboxbench.report.dry_run import render_dry_run

SQL = "ALTER TABLE items ALTER n SET NOT NULL"


def _run(*schemas: str) -> DryRun:
    revisions = tuple(Revision("s3", "s3", None, 100.0 * at, 100.0 * at + 50) for at in range(len(schemas)))
    statements = tuple(
        Statement(at + 1, "s3", SQL, 7, at + 1, 100.0 * at + 1, 5.0, scans=(Scan(f"{schema}.items", 5_000),),
                  locks=(Lock(f"{schema}.items", "table", "ACCESS EXCLUSIVE", 100.0 * at, 9.0),))
        for at, schema in enumerate(schemas)
    )  # fmt: skip
    run = DryRun("18", "shop", "alembic", "2026-11-23", 500.0, revisions, statements, ())
    return with_verdict(with_findings(run, Alembic()), Limits())


def _text(run: DryRun) -> str:
    console = Console(width=200)
    with console.capture() as captured:
        show_run(console, run)
    return captured.get()


def test_a_finding_of_one_tenant_names_its_schema() -> None:
    run = _run("t1", "t2")
    assert [finding.where for finding in run.findings] == ["revision s3 in t1", "revision s3 in t2"]
    document = json.loads(json.dumps(run.to_json()))
    sarif = [result["message"]["text"] for result in as_sarif(run)["runs"][0]["results"]]
    for schema, message in zip(("t1", "t2"), sarif, strict=True):
        assert message.startswith(f"In revision s3 in {schema}: ")
        for text in (_text(run), as_markdown(run), as_github(run), render_dry_run(document)):
            assert f"revision s3 in {schema}" in text
    assert run.verdict is not None
    assert run.verdict.first.startswith("In revision s3 in t1: ")


def test_a_revision_that_ran_once_names_none() -> None:
    run = _run("t1")
    assert [(finding.where, finding.schema) for finding in run.findings] == [("revision s3", None)]
    assert "In revision s3" not in as_sarif(run)["runs"][0]["results"][0]["message"]["text"]
