"""The forms that a rehearsal is handed over in."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import click

from inboxbench.cli.bench.options import hand_over
from inboxbench.cli.dryrun.text import show_run
from inboxbench.cli.output import results_console
from inboxbench.dryrun.model import DryRun
from inboxbench.dryrun.output.annotations import as_github, as_sarif
from inboxbench.dryrun.output.markdown import as_markdown
from inboxbench.report.dry_run import render_dry_run

_WRITERS: dict[str, Callable[[DryRun], str]] = {
    "markdown": as_markdown,
    "sarif": lambda run: json.dumps(as_sarif(run), ensure_ascii=False, indent=1),
    "github": as_github,
    "html": lambda run: render_dry_run(json.loads(json.dumps(run.to_json()))),
}
FORMS = ("json", *_WRITERS)


def hand_over_run(run: DryRun, form: str, output: Path | None) -> None:
    """JSON to --output if one was given; to stdout what --format asks for."""

    def show() -> None:
        if form in _WRITERS:
            click.echo(_WRITERS[form](run).rstrip("\n"))
        else:
            show_run(results_console(), run)

    hand_over(run.to_json(), form if form == "json" else "text", output, show)
