"""`inboxbench bench growth`: how reads grow with the data, by sizes that were built, and what that predicts."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

import click
from rich.text import Text

from inboxbench.bench import Sample, grow, run_matrix
from inboxbench.bench.growth.curve import FEWEST
from inboxbench.bench.growth.run import growth_lab
from inboxbench.bench.growth.thinning import thinned
from inboxbench.cli.bench.options import (
    SCHEMA_VERSION,
    fresh_option,
    indexes_option,
    queries_or_folder_option,
    sets_option,
    show_lab,
    source_options,
    subject,
    timeout_option,
)
from inboxbench.cli.bench.source import Database, Source, cache_of, check_names, opened_database, print_reuse, seeded
from inboxbench.cli.options import Session, numbers_in, pass_measuring_session
from inboxbench.cli.output import Output, output_options
from inboxbench.cli.progress import counting, progress_console
from inboxbench.errors import UsageError
from inboxbench.seed.row_source import project_row_source
from inboxbench.server import Server

Sized = Callable[[Server, float], AbstractContextManager[Database]]

_SCALES, _SHARES = "0.25,0.5,1", "0.125,0.25,0.5"


@click.command()
@source_options
@click.option(
    "--scales",
    help="sizes to measure, as multiples of the profile's own or, up to 1, of the rows that a --database has; three or "
    "more with commas between (default: 0.25,0.5,1; of a --database 0.125,0.25,0.5)",
)
@click.option(
    "--check",
    type=click.FloatRange(0),
    help="a larger size to predict and then to build and measure (default: twice the largest of --scales, of a "
    "--database at most 1; 0: none)",
)
@click.option(
    "--at",
    "sizes",
    multiple=True,
    type=click.FloatRange(1),
    help="also extrapolate to this number of rows of the table that a profile is measured in, such as 1e9",
)
@sets_option
@queries_or_folder_option
@indexes_option
@timeout_option
@fresh_option
@output_options("markdown")
@pass_measuring_session
def growth(
    session: Session,
    /,
    *,
    source: Source,
    scales: str | None,
    check: float | None,
    sizes: tuple[float, ...],
    sets: list[str] | None,
    queries: str | None,
    indexes: Path | None,
    timeout: float,
    fresh: bool,
    output: Output,
) -> None:
    """Measure three or more sizes of a profile: buffers ~ n^k per query and set, predicted, then checked by building.

    The sizes of a --database are smaller copies: of each table that no other one refers to, a share of its rows.
    What --at asks for is extrapolated and says so, with an 80 % interval. Exit code 3 when a query fails.
    """
    session, source, wanted = subject(session, source, queries, indexes)
    factors = _scales(scales or (_SHARES if source.database else _SCALES))
    last = _check(check, factors, thinning=source.database is not None)
    check_names(session, source, sets, wanted)

    def measured(server: Server, scale: float, sized: Sized) -> Sample:
        progress_console.print(Text(f"scale {scale:g}"))
        with sized(server, scale) as database, counting() as progress:
            cache = cache_of(session, database, fresh=fresh, as_is=source.as_is)
            options = {"sets": sets, "queries": wanted, "timeout_s": timeout, "progress": progress, "cache": cache}
            options |= {"writes": False, "rounds": 1, "as_is": source.as_is, "lenient": True, "role": source.role}
            matrix = run_matrix(server, database.name, session.project, **options)
        print_reuse(cache)
        return Sample(scale, database.rows, matrix)

    with session.server() as server, _sizes_of(session, server, source) as (sized, unit):
        samples = [measured(server, scale, sized) for scale in factors]
        found = grow(samples, measured(server, last, sized) if last else None, sizes, unit=unit)
    show_lab(output, {"schema_version": SCHEMA_VERSION, "growth": found.to_json()}, growth_lab, server.label)
    found.require_sound()


@contextmanager
def _sizes_of(session: Session, server: Server, source: Source) -> Iterator[tuple[Sized, str]]:
    """Yield what makes a database of a scale, and what its rows are called."""
    if not source.database:
        unit = project_row_source(session.project).counted
        yield (lambda server, scale: seeded(session, server, source.profile, source.seed, scale)), unit
        return
    with opened_database(session, server, source) as whole:

        @contextmanager
        def part(server: Server, scale: float) -> Iterator[Database]:
            with thinned(server, whole, scale) as copy:
                yield Database(copy.name, copy.rows)

        yield part, "rows"


def _scales(text: str) -> list[float]:
    """Smallest first. Raises UsageError for what is no number, and for fewer than three."""
    factors = sorted(set(numbers_in(text, "--scales", float, "0.25,0.5,1")))
    if len(factors) < FEWEST or not all(0 < factor < float("inf") for factor in factors):
        raise UsageError(f"--scales {text!r}: a law needs {FEWEST} different positive scales or more, as 0.25,0.5,1")
    return factors


def _check(check: float | None, factors: list[float], *, thinning: bool) -> float:
    """Return the scale to predict; 0 for none. Raises UsageError for one that was measured for the law.

    thinning: whether no scale is larger than 1, all rows of a database.
    """
    if thinning and max(factors[-1], check or 0) > 1:
        raise UsageError("--scales and --check of a --database are shares of its rows; give 1 at most")
    if check is None:
        twice = 2 * factors[-1]
        return min(twice, 1.0) if thinning and factors[-1] < 1 else 0.0 if thinning else twice
    if 0 < check <= factors[-1]:
        raise UsageError(
            f"--check {check:g} is not larger than the largest of --scales, {factors[-1]:g}; give a larger"
        )
    return check
