"""`inboxbench race spec`: isolationtester's files, run as it does, or explored whole."""

from __future__ import annotations

from pathlib import Path

import click
from rich.console import Console

from inboxbench.cli.options import Session, pass_session
from inboxbench.cli.output import Output, output_options
from inboxbench.cli.race.explore import show_exploration
from inboxbench.database import scratch_database
from inboxbench.errors import ThresholdExceeded, UsageError
from inboxbench.race.explore.model import Bounds
from inboxbench.race.explore.oracle import query_is_empty
from inboxbench.race.explore.result import Exploration
from inboxbench.race.explore.run import explore
from inboxbench.race.isolationtester.model import Spec
from inboxbench.race.isolationtester.parser import parse_spec_file
from inboxbench.race.isolationtester.permutations import run_spec
from inboxbench.race.isolationtester.scenario import spec_scenario
from inboxbench.server import Server
from inboxbench.sqlfile import read_text


def _explore(server: Server, spec: Spec, invariant: str, bounds: Bounds) -> Exploration:
    with scratch_database(server, "spec") as name:
        return explore(server.conninfo(name), spec_scenario(spec, query_is_empty(invariant)), bounds)


def _run(server: Server, spec: Spec) -> None:
    with scratch_database(server, "spec") as name:
        run_spec(spec, server.conninfo(name), click.echo)


@click.command()
@click.argument("files", nargs=-1, required=True, type=click.Path(path_type=Path, dir_okay=False, exists=True))
@click.option("--explore", "whole", is_flag=True, help="play all feasible schedules instead of the listed permutations")
@click.option("--invariant", help="with --explore: a query that returns the offending rows")
@click.option("--preemptions", type=click.IntRange(0), help="with --explore: leave a session at most this often")
@output_options()
@pass_session
def spec(
    session: Session,
    *,
    files: tuple[Path, ...],
    whole: bool,
    invariant: str | None,
    preemptions: int | None,
    output: Output,
) -> None:
    """Run race specifications in the format of PostgreSQL's isolationtester, and print what it prints.

    Each file has a database of its own. With --explore: exit code 1 when a schedule breaks the invariant.
    """
    if whole and invariant is None:
        raise UsageError("--explore needs --invariant QUERY, which returns the rows that must not be there")
    if output.file and not whole:
        raise UsageError("--output goes with --explore; without it what isolationtester prints goes to stdout")
    specs = [parse_spec_file(path, read_text(path)) for path in files]
    with session.server() as server:
        if not whole:
            for parsed in specs:
                _run(server, parsed)
            return
        explorations = {
            str(parsed.path): _explore(server, parsed, invariant or "", Bounds(preemptions)) for parsed in specs
        }

    def show(console: Console) -> None:
        for path, exploration in explorations.items():
            show_exploration(console, exploration, path)

    output.hand_over({path: exploration.to_json() for path, exploration in explorations.items()}, text=show)
    for path, exploration in explorations.items():
        if exploration.bad:
            raise ThresholdExceeded(f"{path}: {exploration.bad} schedules break the invariant")
