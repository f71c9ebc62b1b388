"""`inboxbench dryrun`: rehearse an Alembic history on a disposable copy and say who would be blocked."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from functools import partial
from itertools import chain as chained
from itertools import repeat
from pathlib import Path
from typing import Any

import click

from inboxbench.cli.dryrun import probes as dryrun_probes
from inboxbench.cli.dryrun import scales as dryrun_scales
from inboxbench.cli.dryrun.output import FORMS, hand_over_run
from inboxbench.cli.dryrun.probes import Asked
from inboxbench.cli.options import Session, pass_session
from inboxbench.cli.progress import SeedProgress, progress_console
from inboxbench.dryrun.limits import Limits, broken
from inboxbench.dryrun.model import DryRun
from inboxbench.dryrun.more import More
from inboxbench.dryrun.observe.server_log import log_path
from inboxbench.dryrun.per_revision import alone, rehearse_each
from inboxbench.dryrun.rewrites.compare import with_rewrites
from inboxbench.dryrun.rules import with_findings
from inboxbench.dryrun.run import bring, check_aim, rehearse
from inboxbench.dryrun.source import Source, copy_of, state_before
from inboxbench.dryrun.tools.alembic import TIMEOUT_S, Alembic
from inboxbench.dryrun.tools.base import Tool
from inboxbench.dryrun.under_traffic import Live, Load, rehearse_live, run_live
from inboxbench.errors import SubjectFailed, ThresholdExceeded, UsageError
from inboxbench.files import check_writable
from inboxbench.migrate.history import last_of_phase, read_history
from inboxbench.server import Server
from inboxbench.units import read_size, read_time


def _together(*options: Callable[[Any], Any]) -> Callable[[Any], Any]:
    def decorate(function: Any) -> Any:
        for option in reversed(options):
            function = option(function)
        return function

    return decorate


_source = _together(
    click.option("--database", help="rehearse on a copy of this: a database of the server, or a postgresql:// URL"),
    click.option("--dataset", help="or of this profile's dataset (default for the messenger: small)"),
    click.option("--seed", type=click.IntRange(0), default=1, show_default=True, help="of the dataset"),
)
_chain = _together(
    click.option("--command", "program", help="the project's own upgrade command; {url} and {revision} are filled in"),
    click.option("--config", type=click.Path(path_type=Path), help="or an alembic.ini, for plain Alembic"),
    click.option("--script-location", type=click.Path(path_type=Path), help="or the folder of env.py and versions/"),
    click.option("--python", default=sys.executable, help="the project's Python, for plain Alembic (default: ours)"),
    click.option("--url-env", multiple=True, metavar="NAME", help="a variable that gets the URL, beside DATABASE_URL"),
    click.option("--driver", default="postgresql", show_default=True, help="of the URL: postgresql+asyncpg …"),
    click.option("--folder", type=click.Path(path_type=Path, file_okay=False, exists=True), help="to run it in"),
    click.option("--from", "begin", metavar="REVISION", help="bring the copy there first, unobserved"),
    click.option("--to", "target", metavar="REVISION", help="stop there (default: head)"),
    click.option("--phase", type=int, help="stop at the end of this phase (the messenger's history)"),
    click.option("--each", is_flag=True, help="revision by revision, going on after one that fails"),
    click.option(
        "--timeout", default=f"{TIMEOUT_S:.0f}s", show_default=True, help="of the command, or a comparison's step"
    ),
)
_traffic = _together(*dryrun_probes.OPTIONS, *dryrun_scales.OPTIONS)
_limits = _together(
    click.option("--max-stall", metavar="TIME", help="exit 1 when a request waited longer"),
    click.option("--max-lock-hold", metavar="TIME", help="when a lock kept others out longer"),
    click.option("--max-wal", metavar="SIZE", help="when the chain wrote more WAL"),
    click.option("--max-rewrite", metavar="SIZE", help="when a file larger than this was written anew"),
    click.option("--max-errors", type=click.IntRange(0), metavar="N", help="when traffic met more errors"),
)
_output = _together(
    click.option("--rewrites/--no-rewrites", default=True, show_default=True, help="run what is proposed instead"),
    click.option("--format", "form", type=click.Choice(["text", *FORMS]), default="text", show_default=True),
    click.option("--output", type=click.Path(path_type=Path, dir_okay=False), help="write the JSON there as well"),
)


@click.command()
@_source
@_chain
@_traffic
@_limits
@_output
@pass_session
def command(session: Session, /, *, form: str, output: Path | None, **options: Any) -> None:
    """Rehearse an Alembic history on a disposable copy, under live traffic: every lock, rewrite, scan and stall.

    Without --command, --config or --script-location it is the messenger's own history.
    """
    check_writable(output)
    limits = _read_limits(options)
    tool, source = _read_tool(session, options), _read_source(options)
    target = _target(session, options)
    asked = dryrun_probes.read_asked(options, session.project.traffic)
    ruler = dryrun_scales.read_ruler(options)
    with session.server() as server:
        log_path(server)
        for share in ruler.shares:
            sized = replace(source, share=share)
            with _copy(session, server, sized) as name, ruler.measuring(server, name, share):
                where = {"source": sized.shown, "begin": options["begin"], "target": target}
                ruler.run = with_findings(
                    _run(
                        server, name, tool, where, asked if share == 1 else asked.without_probes(), each=options["each"]
                    )
                )
        run = ruler.result()
        if options["rewrites"] and run.findings:
            at = partial(state_before, server, source, session.project, tool)
            try:
                run = with_rewrites(run, server, at, _beside(server, tool, asked), tool.timeout_s, tool=tool)
            except KeyboardInterrupt:  # what is known is not lost
                note = "interrupted: the rewrites were not compared"
                hand_over_run(replace(run, notes=(*run.notes, note)), form, output)
                raise
    hand_over_run(run, form, output)
    if run.error:
        raise SubjectFailed(run.error)
    if lines := broken(run, limits):
        raise ThresholdExceeded("; ".join(lines))


@contextmanager
def _copy(session: Session, server: Server, source: Source) -> Iterator[str]:
    with ExitStack() as stack:
        progress = stack.enter_context(SeedProgress()) if source.dataset else None
        copy = stack.enter_context(copy_of(server, source, session.project, progress=progress))
        progress_console.print(f"rehearsing on a copy of {source.shown}", highlight=False)
        for remark in copy.remarks:
            progress_console.print(remark, markup=False, highlight=False)
        yield copy.name


def _run(server: Server, name: str, tool: Tool, where: dict[str, Any], asked: Asked, *, each: bool) -> DryRun:
    """On the copy `name`. where: source, begin and target."""
    probed = _probe(server, name, tool, where, asked)
    if each:
        return _with(rehearse_each(server, name, tool, **where, run=_leg(asked)), probed)
    if asked.traffic:
        load = partial(dryrun_probes.make_load, server, name, tool, asked, first=True)
        return _with(rehearse_live(server, name, tool, load, **where), probed)
    return _with(rehearse(server, name, tool, **where), probed)


def _probe(server: Server, name: str, tool: Tool, where: dict[str, Any], asked: Asked) -> More:
    """Before the run that changes the copy, from where that begins."""
    if not asked.probes:
        return More()
    check_aim(tool, where["begin"], where["target"])
    if where["begin"] is not None:
        bring(server, name, tool, where["begin"])
    return dryrun_probes.run_probes(server, name, tool, where["target"], asked)


def _with(run: DryRun, probed: More) -> DryRun:
    return replace(run, more=replace(probed, schema=run.more.schema))


def _leg(asked: Asked) -> Callable[[Server, str, Tool, str], Live]:
    """How one revision of --each is run; the traffic must work before the first of them."""

    firsts = chained((True,), repeat(False))

    def leg(server: Server, database: str, tool: Tool, target: str) -> Live:
        load = dryrun_probes.make_load(server, database, tool, asked, first=next(firsts))
        return run_live(server, database, tool, load, target)

    return leg if asked.traffic else alone


def _beside(server: Server, tool: Tool, asked: Asked) -> Callable[[str], Load] | None:
    """The traffic for a comparison, made from the database that it is run on."""
    if not asked.traffic:
        return None
    return lambda database: dryrun_probes.make_load(server, database, tool, asked)


def _read_limits(options: dict[str, Any]) -> Limits:
    def read(name: str, how: Callable[[str], float]) -> float | None:
        return None if options[name] is None else how(options[name])

    return Limits(
        stall=read("max_stall", read_time),
        lock_hold=read("max_lock_hold", read_time),
        wal=read("max_wal", read_size),
        rewrite=read("max_rewrite", read_size),
        errors=options["max_errors"],
    )


def _read_tool(session: Session, options: dict[str, Any]) -> Tool:
    named = [name for name in ("program", "config") if options[name]]
    if len(named) > 1:
        raise UsageError("give --command or --config, not both")
    config, location = (_place(options, name) for name in ("config", "script_location"))
    return Alembic(
        program=options["program"],
        config=config,
        script_location=location,
        python=str(Path(options["python"]).absolute()) if "/" in options["python"] else options["python"],
        url_env=options["url_env"],
        driver=options["driver"],
        folder=options["folder"],
        timeout_s=read_time(options["timeout"]) / 1000,
        project=session.project.root,
    )


def _place(options: dict[str, Any], name: str) -> Path | None:
    """Where it is from here, else from --folder; absolute where the command runs elsewhere."""
    given: Path | None = options[name]
    if given is None:
        return None
    found = next((one for one in (given, (options["folder"] or Path()) / given) if one.exists()), None)
    if found is None:
        raise UsageError(f"--{name.replace('_', '-')} {given}: no such file or folder")
    return found.absolute() if options["folder"] else found


def _read_source(options: dict[str, Any]) -> Source:
    if options["database"] and options["dataset"]:
        raise UsageError("give --database or --dataset, not both")
    dataset = options["dataset"] or ("small" if _is_ours(options) and not options["database"] else None)
    return Source(options["database"], dataset, options["seed"])


def _is_ours(options: dict[str, Any]) -> bool:
    """Whether it is the project's own history that is rehearsed, and none that an option names."""
    return not (options["program"] or options["config"] or options["script_location"])


def _target(session: Session, options: dict[str, Any]) -> str:
    if options["phase"] is None:
        return options["target"] or "head"
    if options["target"]:
        raise UsageError("name --to or --phase, not both")
    if not _is_ours(options):
        raise UsageError("--phase belongs to the messenger's own history; name a revision with --to")
    return last_of_phase(read_history(session.project), options["phase"])
