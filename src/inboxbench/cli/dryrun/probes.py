"""`inboxbench dryrun`, its traffic and probes: what is asked of them, and how the answers are shown."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from inboxbench.bench.growth.curve import FEWEST
from inboxbench.cli.dryrun.options import MOST_SIZES, Asked
from inboxbench.cli.progress import progress_console
from inboxbench.database import connect
from inboxbench.dryrun.model import DryRun
from inboxbench.dryrun.more import Back, More, Queueing, Shuffle
from inboxbench.dryrun.probes.blockers import Holder, long_reader, old_snapshot
from inboxbench.dryrun.probes.downgrade import there_and_back
from inboxbench.dryrun.probes.lock_queue import probe_queue, search_deadlocks
from inboxbench.dryrun.run import current_of, own_tables
from inboxbench.dryrun.scaling import Size, grow
from inboxbench.dryrun.source import count_rows, estimate_rows
from inboxbench.dryrun.tools.base import Tool
from inboxbench.dryrun.under_traffic import NO_LOAD, Load, choose_traffic, load_for
from inboxbench.errors import SubjectFailed, UsageError
from inboxbench.server import Server
from inboxbench.units import millis

_HOLDERS: dict[str, Callable[..., AbstractContextManager[Holder]]] = {
    "long_reader": long_reader,
    "old_snapshot": old_snapshot,
}


def make_load(server: Server, tool: Tool, asked: Asked, database: str, *, first: bool = False) -> Load:
    """first: before the whole history, where each request of the file must work. Raises UsageError for a bad file."""
    if not asked.traffic:
        return NO_LOAD
    if asked.replayed:
        made = asked.replayed.made(server, database)
        return Load(made.classes, made.rate, made.notes)
    at = current_of(server, database, tool)
    pending = tool.history(set(at)).pending(at)
    choose = partial(
        choose_traffic, file=asked.file, project=asked.own, first=first, revisions=pending,
        without=own_tables(server, database, tool),
    )  # fmt: skip
    return load_for(server, database, choose, rate=asked.rate)


def run_probes(server: Server, template: str, tool: Tool, target: str, asked: Asked) -> More:
    """Run each probe that was asked for on copies of `template`, and show what it saw."""
    load = make_load(server, tool, asked, template, first=True)
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
    for run in runs:
        timeout = "none" if run.lock_timeout_ms is None else f"{run.lock_timeout_ms:g} ms"
        starts = f"{run.attempts}" + ("" if run.error is None else f", [red]not through: {escape(run.error)}[/]")
        worst = (timeout, starts, f"{run.seconds:.1f}", millis(run.worst_ms), escape(run.worst_class or ""))
        table.add_row(*worst, _lock_behind(run))
    console.print(table)


def _lock_behind(run: Queueing) -> str:
    stalls = [stall for summary in run.traffic for stall in summary.stalls if stall.held]
    worst = max(stalls, key=lambda stall: stall.duration_ms, default=None)
    if worst is None:
        return ""
    return f"{worst.held}{', still queued,' if worst.queued else ''} on {escape(worst.relation or 'a row')}"


def _shuffle_lines(rounds: tuple[Shuffle, ...]) -> Iterator[str]:
    if not rounds:
        yield "no deadlock can be looked for: the copy has fewer than two tables"
        return
    hit = [shuffle for shuffle in rounds if shuffle.deadlocks]
    yield f"{sum(shuffle.deadlocks for shuffle in rounds)} deadlocks in {len(hit)} of {len(rounds)} runs"
    for cycle in dict.fromkeys(cycle for shuffle in hit for cycle in shuffle.cycles):
        yield f"  {escape(cycle)}"
    for shuffle in rounds:
        if shuffle.error:
            yield f"  run {shuffle.seed}: the migrations themselves ended: {escape(shuffle.error)}"


def _back_lines(back: Back) -> Iterator[str]:
    if back.error:
        yield f"[red]the way back to {escape(back.target)}: {escape(back.error)}[/]"
    if back.traffic:
        worst = max(back.traffic, key=lambda summary: summary.max_stall_ms)
        yield f"the way back to {escape(back.target)}: worst stall {millis(worst.max_stall_ms)} ({escape(worst.name)})"
        yield f"  {sum(requests.errors for requests in back.traffic)} errors of requests"
    for loss in back.lost:
        column = f".{loss.column}" if loss.column else ""
        yield f"  [red]lost[/] {escape(loss.table + column)}: {escape(loss.what)}"
    if not back.lost and not back.error:
        yield "  every row and value is what it was before the way up"


@dataclass
class Ruler:
    """Runs of growing size. shares: of the source's rows, the last is all of them; asked: rows of production.

    run: the last one that was made.
    """

    shares: tuple[float, ...]
    asked: Mapping[str, int]
    run: DryRun | None = None
    sizes: list[Size] = field(default_factory=list)
    known: dict[str, int] = field(default_factory=dict)

    @contextmanager
    def measuring(self, server: Server, database: str, share: float) -> Iterator[None]:
        """Counts the copy's rows before and after. Raises UsageError for rows of a table that it has not."""
        if len(self.shares) == 1:
            if self.asked:
                with connect(server.conninfo(database)) as connection:
                    _check_tables(self.asked, estimate_rows(connection))
            yield
            return
        with connect(server.conninfo(database)) as connection:
            before = count_rows(connection)
            self.known = {**before, **estimate_rows(connection)}
        _check_tables(self.asked, before)
        yield
        assert self.run is not None
        if self.run.error and share < 1:
            raise SubjectFailed(f"--scales: on {share:.3g} of the rows {self.run.error}")
        with connect(server.conninfo(database)) as connection:
            self.sizes.append(Size(share, self.run, {**count_rows(connection), **before}))

    def result(self) -> DryRun:
        """Return the run on all rows, with what was read off all of them."""
        assert self.run is not None
        if len(self.shares) == 1 or self.run.error:
            return self.run
        scales = grow(self.sizes, {**self.known, **self.asked}, "--rows" if self.asked else "statistics")
        return replace(self.run, more=replace(self.run.more, scales=scales))


def read_ruler(options: dict[str, Any]) -> Ruler:
    """Raises UsageError for what is no number of sizes or rows, and together with --each."""
    asked = dict(_read_rows(text) for text in options["rows"])
    if options["scales"] is None:
        return Ruler((1.0,), asked)
    number = int(options["scales"]) if options["scales"].isdecimal() else 0
    if not FEWEST <= number <= MOST_SIZES:
        raise UsageError(
            f"--scales {options['scales']}: a fit needs {FEWEST} sizes or more, and {MOST_SIZES} are the most"
        )
    if options["each"]:
        raise UsageError("--scales needs whole runs; leave out --each")
    return Ruler(tuple(1 / 2**step for step in reversed(range(number))), asked)


def _read_rows(text: str) -> tuple[str, int]:
    table, _, number = text.rpartition("=")
    if not table or not number.isdecimal() or not int(number):
        raise UsageError(f"--rows {text} is not TABLE=N; write it as --rows orders=20000000")
    return (table if "." in table else f"public.{table}"), int(number)


def _check_tables(asked: Mapping[str, int], known: Mapping[str, int]) -> None:
    for table in asked:
        if table not in known:
            names = ", ".join(sorted(name.removeprefix("public.") for name in known)[:8]) or "none"
            raise UsageError(f"--rows {table.removeprefix('public.')}: the source has no such table; it has {names}")
