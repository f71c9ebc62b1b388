"""`inboxbench report`: a recorded run shown again, as summary, page or Markdown, and what can be joined to it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import click

from inboxbench import __version__
from inboxbench.bench.labs import project_labs
from inboxbench.cli.output import OutputFile, check_outputs, results_console
from inboxbench.config import load_settings
from inboxbench.dryrun.model import check_dry_run
from inboxbench.errors import UsageError
from inboxbench.files import write_text
from inboxbench.project import Project, find_project
from inboxbench.race.atlas import described
from inboxbench.report import (
    checked_run,
    load_document,
    load_rows,
    load_run,
    print_summary,
    render_html,
    render_markdown,
)
from inboxbench.report.document import Labs, kind_of, read_lab


@click.command()
@click.argument("record", required=False, type=click.Path(path_type=Path))
@click.option("--html", type=OutputFile(), help="write the report as one HTML page into this file")
@click.option(
    "--markdown", is_flag=True, help="print Markdown instead of the summary, for a README or the summary of a CI job"
)
@click.option(
    "--atlas",
    type=click.Path(path_type=Path),
    help="show also this file that `inboxbench race atlas --format json` wrote",
)
@click.option(
    "--races",
    type=click.Path(path_type=Path),
    help="show also this file that `inboxbench race bench` or `race stress` wrote with --format json",
)
@click.option(
    "--with",
    "others",
    multiple=True,
    metavar="FILE",
    type=click.Path(path_type=Path),
    help="show also, on the page, this JSON file that `inboxbench dryrun --output` or a lab such as `inboxbench bench "
    "decay --output` wrote; may be given again",
)
def command(
    *,
    record: Path | None,
    html: Path | None,
    markdown: bool,
    atlas: Path | None,
    races: Path | None,
    others: tuple[Path, ...],
) -> None:
    """Show RECORD, a run.json of `inboxbench demo` or `inboxbench bench`, again: no server is needed and nothing is
    measured."""
    check_outputs()
    if others and not html:
        raise UsageError("--with is for the page; say where to write it with --html FILE")
    run = _begin(record, [path for path in (atlas, races, *others) if path])
    labs = project_labs(_project()) if others or run.get("labs") else {}
    for path in others:
        run = _joined(run, path, labs)
    if atlas:
        run = checked_run(run | {"atlas": _described(atlas)}, str(atlas))
    if races:
        run = checked_run(run | {"races": [*(run.get("races") or []), *load_rows(races)]}, str(races))
    if html:
        shown = [(read_lab(part["document"], part["source"], labs), part["source"]) for part in run.get("labs") or ()]
        write_text(html, render_html(run, shown), option="--html")
    if markdown:
        click.echo(render_markdown(run), nl=False)
    else:
        print_summary(run, results_console())


def _begin(record: Path | None, added: list[Path]) -> dict[str, Any]:
    """The recorded run, or an empty one for what is added to it."""
    if record:
        return load_run(record)
    if not added:
        raise UsageError("nothing to show: name a RECORD, or --atlas, --races or --with and what they wrote as JSON")
    return {"schema_version": 1, "tool": {"name": "inboxbench", "version": __version__}}


def _project() -> Project:
    """Return the project that the settings name, else the messenger."""
    settings = load_settings()
    return find_project(Path(settings.project) if settings.project else None, needs=())


def _described(path: Path) -> list[dict[str, Any]]:
    try:
        return described(_project(), load_rows(path))
    except KeyError as error:
        raise UsageError(f"{path}: a row has no {error}; name what `race atlas` prints with --format json.") from None


def _joined(run: Mapping[str, Any], path: Path, labs: Labs) -> dict[str, Any]:
    """Return the run with the file's document. Raises UsageError, naming the file, when it is of neither kind or
    broken.
    """
    document = load_document(path)
    part = {"source": path.name, "document": document}
    if "statements" in document and "findings" in document:
        check_dry_run(document, str(path))
        return _with(run, "dry_runs", part, path)
    if kind_of(document, labs):
        read_lab(document, str(path), labs)
        return _with(run, "labs", part, path)
    raise UsageError(
        f"{path}: is neither a dry run nor a lab's result; name what `inboxbench dryrun` or a lab of "
        "`inboxbench bench` wrote with --output FILE.json."
    )


def _with(run: Mapping[str, Any], key: str, part: Mapping[str, Any], path: Path) -> dict[str, Any]:
    return checked_run({**run, key: [*(run.get(key) or ()), part]}, str(path))
