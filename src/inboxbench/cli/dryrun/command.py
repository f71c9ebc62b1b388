"""`inboxbench dryrun`: rehearse migrations on a disposable copy and say who would be blocked."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from functools import partial
from itertools import chain, repeat
from typing import Any

import click

from inboxbench.cli.dryrun.options import (
    Asked,
    dryrun_options,
    read_asked,
    read_limits,
    read_replayed,
    read_source,
    read_target,
    read_tool,
)
from inboxbench.cli.dryrun.output import hand_over_run
from inboxbench.cli.dryrun.probes import make_load, read_ruler, run_probes
from inboxbench.cli.options import Session, pass_session
from inboxbench.cli.output import Output, output_options
from inboxbench.cli.progress import SeedProgress, progress_console
from inboxbench.dryrun.limits import broken
from inboxbench.dryrun.model import DryRun
from inboxbench.dryrun.more import More
from inboxbench.dryrun.observe.server_log import check_log, log_path
from inboxbench.dryrun.per_revision import rehearse_each
from inboxbench.dryrun.rewrites.compare import with_rewrites
from inboxbench.dryrun.rules import with_findings
from inboxbench.dryrun.run import bring, check_aim, rehearse
from inboxbench.dryrun.schema import of_production
from inboxbench.dryrun.source import Source, copy_of, state_before
from inboxbench.dryrun.tools.any_tool import settled
from inboxbench.dryrun.tools.base import Tool
from inboxbench.dryrun.under_traffic import LoadOf
from inboxbench.dryrun.verdict import with_verdict
from inboxbench.errors import SubjectFailed, ThresholdExceeded
from inboxbench.server import Server, parse_spec


@click.command()
@dryrun_options
@output_options("markdown", "sarif", "github", "html", what="the record")
@pass_session
def command(session: Session, /, *, output: Output, **options: Any) -> None:
    """Rehearse migrations on a disposable copy, under live traffic, and show every lock, rewrite, scan and stall.

    Without --command, --sql, --config or --script-location, the project's own history is rehearsed.
    """
    check_log(parse_spec(session.settings.server))
    limits = read_limits(options)
    tool, source = read_tool(session, options), read_source(options)
    target = read_target(session, options)
    asked = replace(read_asked(options, session.project.traffic), replayed=read_replayed(options))
    ruler = read_ruler(options)
    with session.server() as server:
        log_path(server)
        for share in ruler.shares:
            sized = replace(source, share=share)
            with _copy(session, server, sized) as (name, remarks), ruler.measuring(server, name, share):
                where = {"source": sized.shown, "begin": options["begin"], "target": target}
                mine = asked if share == 1 else asked.without_probes()  # probes are for the whole of the rows
                seen = _run(server, name, tool, where, mine, each=options["each"])
                tool = settled(tool, seen.statements)
                ruler.run = with_findings(of_production(seen, ruler.asked), tool)
        run = ruler.result()
        run = replace(run, notes=(*remarks, *run.notes))
        if options["rewrites"] and run.findings:
            at = partial(state_before, server, source, session.project, tool)
            try:
                run = with_rewrites(run, server, at, tool, partial(make_load, server, tool, asked), say=_say)
            except KeyboardInterrupt:  # what is known is not lost
                note = "interrupted: the rewrites were not compared"
                hand_over_run(with_verdict(replace(run, notes=(*run.notes, note)), limits), output)
                raise
    hand_over_run(with_verdict(run, limits), output)
    if run.error:
        raise SubjectFailed(run.error)
    if lines := list(broken(run, limits)):
        raise ThresholdExceeded("; ".join(lines))


@contextmanager
def _copy(session: Session, server: Server, source: Source) -> Iterator[tuple[str, tuple[str, ...]]]:
    """Yield the name of the copy, and in what it is not like its source."""
    with ExitStack() as stack:
        progress = stack.enter_context(SeedProgress()) if source.dataset else None
        copy = stack.enter_context(copy_of(server, source, session.project, progress=progress))
        _say(f"rehearsing on a copy of {source.shown}")
        for remark in copy.remarks:
            _say(remark)
        yield copy.name, copy.remarks


def _say(text: str) -> None:
    progress_console.print(text, markup=False, highlight=False)


def _run(server: Server, name: str, tool: Tool, where: dict[str, Any], asked: Asked, *, each: bool) -> DryRun:
    """On the copy `name`. where: source, begin and target."""
    probed = _probe(server, name, tool, where, asked)
    run = (rehearse_each if each else rehearse)(server, name, tool, **where, load=_loads(server, tool, asked), say=_say)
    return replace(
        run, more=replace(probed, schema=run.more.schema, unfinished=run.more.unfinished, hung=run.more.hung)
    )


def _probe(server: Server, name: str, tool: Tool, where: dict[str, Any], asked: Asked) -> More:
    """Before the run that changes the copy, from where that begins."""
    if not asked.probes:
        return More()
    check_aim(tool, where["begin"], where["target"])
    if where["begin"] is not None:
        bring(server, name, tool, where["begin"])
    return run_probes(server, name, tool, where["target"], asked)


def _loads(server: Server, tool: Tool, asked: Asked) -> LoadOf:
    """Make the traffic of each segment; it must work before the first of them."""
    firsts = chain((True,), repeat(False))
    return lambda database: make_load(server, tool, asked, database, first=next(firsts))
