"""`inboxbench bench traps`: queries and indexes that look right and are not, each sprung on this server."""

from __future__ import annotations

import datetime as dt
from pathlib import Path

import click
from rich.console import Console
from rich.table import Table
from rich.text import Text

from inboxbench import units
from inboxbench.bench.execute.session import Execution
from inboxbench.bench.traps.run import Catalogue, run_traps
from inboxbench.bench.traps.trap import Sprung, read_traps
from inboxbench.cli.options import Session, pass_session
from inboxbench.cli.output import form_option, hand_over, heading, output_option, results_console, table
from inboxbench.cli.progress import counting
from inboxbench.files import check_writable

_STYLES = {"springs": "", "mended": "green"}
_NOTE = (
    "Buffers are 8 kB pages of one execution, the same on every run of a server. Every trap has its own rows, made by "
    "`bench/traps/NAME.sql`, which can be run by hand. *other rows*: the bad way answers wrongly, however fast."
)


@click.command()
@click.argument("names", nargs=-1, metavar="[NAME]...")
@click.option("--verbose", "-v", is_flag=True, help="both queries with both plans")
@form_option
@output_option
@pass_session
def traps(session: Session, /, *, names: tuple[str, ...], verbose: bool, form: str, output: Path | None) -> None:
    """Spring the known planner traps (or those named): the bad plan beside the good one, and why.

    Exit code 1 when one does not spring on this server though none says that it is mended, 3 when a way answers
    otherwise than it should.
    """
    spring_traps(session, names, verbose=verbose, form=form, output=output)


def spring_traps(session: Session, names: tuple[str, ...], *, verbose: bool, form: str, output: Path | None) -> None:
    """The command; `bench --traps` comes here, too."""
    check_writable(output)
    chosen, begun = read_traps(session.project.bench / "traps", names), dt.datetime.now(dt.UTC)
    with session.server() as server, counting() as progress:
        found = run_traps(server, chosen, progress=progress)
    hand_over(
        found.to_json(),
        lambda: _markdown(found, begun),
        lambda: _print(results_console(), found, verbose=verbose),
        form=form,
        output=output,
    )
    found.require()


def _buffers(execution: Execution | None) -> str:
    return f"{execution.buffers:,}" if execution else "–"


def _ratio(one: Sprung) -> str:
    times = units.times(one.ratio)
    return f"{times}, other rows" if one.trap.differs else times


def _figures(one: Sprung) -> tuple[str, str, str]:
    return _buffers(one.bad), _buffers(one.good), _ratio(one)


def _outcome(one: Sprung) -> str:
    return f"mended since {one.trap.mended}" if one.outcome == "mended" else one.outcome


def _print(console: Console, found: Catalogue, *, verbose: bool) -> None:
    shown = Table(title=f"planner traps on {found.server}, the worst first", title_justify="left")
    for heading_ in ("trap", "what"):
        shown.add_column(heading_, no_wrap=heading_ == "trap")
    for heading_ in ("bad", "good", "ratio", "here"):
        shown.add_column(heading_, justify="right", no_wrap=True)
    for one in found.sprung:
        outcome = Text(_outcome(one), style=_STYLES.get(one.outcome, "bold red"))
        shown.add_row(one.trap.name, Text(one.trap.title), *_figures(one), outcome)
    console.print(shown)
    for one in found.sprung:
        console.print(Text.assemble((one.trap.name, "bold"), f"  {one.trap.why}"))
        if one.remark and one.outcome != "mended":
            console.print(Text(f"  {one.outcome}: {one.remark}", style="bold red"))
        if verbose:
            console.print(Text("\n".join(_plans(one)), style="dim"))


def _plans(one: Sprung) -> list[str]:
    lines = []
    for way, execution in (("bad", one.bad), ("good", one.good)):
        if execution is None:
            continue
        lines += [f"  {way} way, {execution.buffers:,} buffers, {len(execution.rows)} rows"]
        for section in (f"{way} setup", f"{way} query"):
            lines += [f"    {line}" for line in one.trap.section(section).splitlines()]
        lines += [f"      {line}" for line in execution.lines]
    return lines


def _markdown(found: Catalogue, begun: dt.datetime) -> str:
    rows = [
        (f"[{one.trap.name}](#{one.trap.name})", one.trap.title, _outcome(one), *_figures(one)) for one in found.sprung
    ]
    lines = [*heading("Planner traps", found.server, begun), _NOTE, ""]
    lines += table(("trap", "what", "here", "bad", "good", "ratio"), rows, words=3)
    for one in found.sprung:
        lines += ["", f"## {one.trap.name}", "", f"{one.trap.why} ({', '.join(one.trap.ids)})"]
        lines += ["", "```", *_plans(one), "```"]
    return "\n".join(lines) + "\n"
