"""`inboxbench dryrun`, its traffic and probes: what is asked of them, and how the answers are shown."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from dataclasses import replace
from functools import partial

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from inboxbench.cli.dryrun.options import Asked
from inboxbench.cli.progress import progress_console
from inboxbench.database import connect
from inboxbench.dryrun.more import Back, More, Queueing, Shuffle
from inboxbench.dryrun.probes.blockers import Holder, long_reader, old_snapshot
from inboxbench.dryrun.probes.deadlock_search import search_deadlocks
from inboxbench.dryrun.probes.downgrade import there_and_back
from inboxbench.dryrun.probes.lock_queue import probe_queue
from inboxbench.dryrun.run import current_of
from inboxbench.dryrun.tools.base import Tool
from inboxbench.dryrun.under_traffic import Load, choose_traffic, load_for
from inboxbench.server import Server
from inboxbench.units import millis

_HOLDERS: dict[str, Callable[..., AbstractContextManager[Holder]]] = {
    "long_reader": long_reader,
    "old_snapshot": old_snapshot,
}


def make_load(server: Server, database: str, tool: Tool, asked: Asked, *, first: bool = False) -> Load:
    """first: before the whole history, where each request of the file must work. Raises UsageError for a bad file."""
    if not asked.traffic:
        return Load(())
    at = current_of(server, database, tool)
    pending = tool.history(set(at)).pending(at)
    with connect(server.conninfo(database)) as connection:
        made = choose_traffic(connection, file=asked.file, project=asked.own, first=first, revisions=pending)
    return load_for(server, database, made, rate=asked.rate)


def run_probes(server: Server, template: str, tool: Tool, target: str, asked: Asked) -> More:
    """Run each probe that was asked for on copies of `template`, and show what it saw."""
    load = make_load(server, template, tool, asked, first=True)
    more = More()
    for name, seconds in asked.holders.items():
        _say(f"probe {_option(name)}: three times through")
        runs = probe_queue(server, template, tool, load, partial(_HOLDERS[name], seconds=seconds), target=target)
        more = replace(more, long_reader=runs) if name == "long_reader" else replace(more, old_snapshot=runs)
        _show_queue(progress_console, name, seconds, runs)
    if asked.shuffle:
        _say(f"probe --shuffle-traffic: {asked.shuffle} times through")
        rounds = search_deadlocks(server, template, tool, asked.shuffle, rate=asked.rate, target=target)
        more = replace(more, shuffle_traffic=rounds)
        _lines(progress_console, _shuffle_lines(rounds))
    if asked.downgrade:
        _say("probe --downgrade: there and back, twice")
        back = there_and_back(server, template, tool, load, target=target)
        more = replace(more, downgrade=back)
        _lines(progress_console, _back_lines(back))
    return more


def _say(text: str) -> None:
    progress_console.print(text, highlight=False)


def _lines(console: Console, lines: Iterator[str]) -> None:
    for line in lines:
        console.print(line, highlight=False)


def _option(name: str) -> str:
    return "--" + name.replace("_", "-")


def _show_queue(console: Console, name: str, seconds: float, runs: tuple[Queueing, ...]) -> None:
    table = Table(
        "lock_timeout", "starts", "s", "worst stall", "of", "behind which lock", title=f"{_option(name)} {seconds:g} s"
    )
    for one in runs:
        timeout = "none" if one.lock_timeout_ms is None else f"{one.lock_timeout_ms:g} ms"
        starts = f"{one.attempts}" + ("" if one.error is None else f", [red]not through: {escape(one.error)}[/]")
        worst = (timeout, starts, f"{one.seconds:.1f}", millis(one.worst_ms), escape(one.worst_class or ""))
        table.add_row(*worst, _lock_behind(one))
    console.print(table)


def _lock_behind(one: Queueing) -> str:
    stalls = [stall for felt in one.felt for stall in felt.stalls if stall.held]
    worst = max(stalls, key=lambda stall: stall.duration_ms, default=None)
    if worst is None:
        return ""
    return f"{worst.held}{', still queued,' if worst.queued else ''} on {escape(worst.relation or 'a row')}"


def _shuffle_lines(rounds: tuple[Shuffle, ...]) -> Iterator[str]:
    if not rounds:
        yield "no deadlock can be looked for: the copy has fewer than two tables"
        return
    hit = [one for one in rounds if one.deadlocks]
    yield f"{sum(one.deadlocks for one in rounds)} deadlocks in {len(hit)} of {len(rounds)} runs"
    for cycle in dict.fromkeys(cycle for one in hit for cycle in one.cycles):
        yield f"  {escape(cycle)}"
    for one in rounds:
        if one.error:
            yield f"  run {one.seed}: the migrations themselves ended: {escape(one.error)}"


def _back_lines(back: Back) -> Iterator[str]:
    if back.error:
        yield f"[red]the way back to {escape(back.target)}: {escape(back.error)}[/]"
    if back.traffic:
        worst = max(back.traffic, key=lambda felt: felt.max_stall_ms)
        yield f"the way back to {escape(back.target)}: worst stall {millis(worst.max_stall_ms)} ({escape(worst.name)})"
        yield f"  {sum(requests.errors for requests in back.traffic)} errors of requests"
    for one in back.lost:
        yield f"  [red]lost[/] {escape(one.table)}{'.' + escape(one.column) if one.column else ''}: {escape(one.what)}"
    if not back.lost and not back.error:
        yield "  every row and value is what it was before the way up"
