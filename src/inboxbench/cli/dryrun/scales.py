"""`inboxbench dryrun --scales N`: migrate copies of several sizes, and predict production."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import Any

from inboxbench.bench.growth.power_law import FEWEST
from inboxbench.cli.dryrun.options import MOST_SIZES
from inboxbench.database import connect
from inboxbench.dryrun.downsample import count_rows, estimate_rows
from inboxbench.dryrun.model import DryRun
from inboxbench.dryrun.scaling import Size, grow
from inboxbench.errors import SubjectFailed, UsageError
from inboxbench.server import Server


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
        """The run on all rows, with what was read off all of them."""
        assert self.run is not None
        if len(self.shares) == 1 or self.run.error:
            return self.run
        scales = grow(self.sizes, {**self.known, **self.asked}, "--rows" if self.asked else "statistics")
        return replace(self.run, more=replace(self.run.more, scales=scales))


def read_ruler(options: dict[str, Any]) -> Ruler:
    """Raises UsageError for what is no number of sizes or rows, and beside --each."""
    asked = dict(_read_rows(text) for text in options["rows"])
    if options["scales"] is None:
        if asked:
            raise UsageError("--rows says what --scales goes on to; give --scales 3 as well")
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
        raise UsageError(f"--rows {text} is not TABLE=N; write it as --rows messages=20000000")
    return (table if "." in table else f"public.{table}"), int(number)


def _check_tables(asked: Mapping[str, int], known: Mapping[str, int]) -> None:
    for table in asked:
        if table not in known:
            names = ", ".join(sorted(name.removeprefix("public.") for name in known)[:8]) or "none"
            raise UsageError(f"--rows {table.removeprefix('public.')}: the source has no such table; it has {names}")
