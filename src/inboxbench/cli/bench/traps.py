"""`inboxbench bench traps`: queries and indexes that look right and are not, each sprung on this server."""

from __future__ import annotations

import datetime as dt

import click
from rich.console import Console
from rich.text import Text

from inboxbench.bench.traps import Catalogue, Sprung, read_traps, run_traps, traps_lab
from inboxbench.cli.options import Session, pass_session
from inboxbench.cli.output import Output, heading, output_options
from inboxbench.cli.progress import counting
from inboxbench.report.document import Lab, lab_markdown, print_lab


@click.command()
@click.argument("names", nargs=-1, metavar="[NAME]...")
@click.option("--verbose", "-v", is_flag=True, help="show both queries of each trap with both plans")
@output_options("markdown")
@pass_session
def traps(session: Session, /, *, names: tuple[str, ...], verbose: bool, output: Output) -> None:
    """Spring the known planner traps (or those named): the bad plan beside the good one, and why.

    Exit code 1 when one does not spring on this server though none says that it is mended, 3 when a way answers
    otherwise than it should.
    """
    spring_traps(session, names, verbose=verbose, output=output)


def spring_traps(session: Session, names: tuple[str, ...], *, verbose: bool, output: Output) -> None:
    """Run the command; `bench --traps` comes here, too."""
    chosen, begun = read_traps(session.project.bench / "traps", names), dt.datetime.now(dt.UTC)
    with session.server() as server, counting() as progress:
        found = run_traps(server, chosen, progress=progress)
    lab = traps_lab(found.to_json())
    output.hand_over(
        found.to_json(),
        text=lambda console: _print(lab, found, console, verbose=verbose),
        markdown=lambda: _markdown(traps_lab(found.to_json(), linked=True), found, begun),
    )
    found.require()


def _print(lab: Lab, found: Catalogue, console: Console, *, verbose: bool) -> None:
    print_lab(lab, console)
    for sprung in found.sprung if verbose else ():
        console.print(Text(sprung.trap.name, style="bold"))
        console.print(Text("\n".join(_plans(sprung)), style="dim"))


def _markdown(lab: Lab, found: Catalogue, begun: dt.datetime) -> str:
    """Return the table, then each trap with both plans."""
    lines = [lab_markdown(lab, heading(lab.title, found.server, begun))]
    for sprung in found.sprung:
        lines += ["", f"## {sprung.trap.name}", "", f"{sprung.trap.why} ({', '.join(sprung.trap.ids)})"]
        lines += ["", "```", *_plans(sprung), "```"]
    return "\n".join(lines) + "\n"


def _plans(sprung: Sprung) -> list[str]:
    lines = []
    for way, execution in (("bad", sprung.bad), ("good", sprung.good)):
        if execution is None:
            continue
        lines += [f"  {way} way, {execution.buffers:,} buffers, {len(execution.rows)} rows"]
        for section in (f"{way} setup", f"{way} query"):
            lines += [f"    {line}" for line in sprung.trap.section(section).splitlines()]
        lines += [f"      {line}" for line in execution.lines]
    return lines
