"""`inboxbench bench growth`: how reads grow with the data, by sizes that were built, and what that predicts."""

from __future__ import annotations

import click
from rich.text import Text

from inboxbench.bench import Sample, grow, run_matrix
from inboxbench.bench.growth.curve import FEWEST
from inboxbench.bench.growth.run import growth_lab
from inboxbench.cli.bench.options import (
    SCHEMA_VERSION,
    fresh_option,
    profile_options,
    queries_option,
    sets_option,
    show_lab,
    timeout_option,
)
from inboxbench.cli.bench.source import Source, cache_of, check_names, print_reuse, seeded
from inboxbench.cli.options import Session, numbers_in, pass_session
from inboxbench.cli.output import Output, output_options
from inboxbench.cli.progress import counting, progress_console
from inboxbench.errors import UsageError
from inboxbench.seed.row_source import project_row_source
from inboxbench.server import Server


@click.command()
@profile_options
@click.option(
    "--scales",
    default="0.25,0.5,1",
    show_default=True,
    help="sizes to measure, as multiples of the profile's own, three or more with commas between",
)
@click.option(
    "--check",
    type=click.FloatRange(0),
    help="a larger size to predict and then to build and measure (default: twice the largest of --scales; 0: none)",
)
@click.option(
    "--at",
    "sizes",
    multiple=True,
    type=click.FloatRange(1),
    help="also extrapolate to this number of rows of the table that a profile is measured in, such as 1e9",
)
@sets_option
@queries_option
@timeout_option
@fresh_option
@output_options("markdown")
@pass_session
def growth(
    session: Session,
    /,
    *,
    source: Source,
    scales: str,
    check: float | None,
    sizes: tuple[float, ...],
    sets: list[str] | None,
    queries: list[str] | None,
    timeout: float,
    fresh: bool,
    output: Output,
) -> None:
    """Measure three or more sizes of a profile: buffers ~ n^k per query and set, predicted, then checked by building.

    What --at asks for is extrapolated and says so, with an 80 % interval. Exit code 3 when a query fails.
    """
    factors = _scales(scales)
    last = _check(check, factors)
    check_names(session, source, sets, queries)

    def measured(server: Server, scale: float) -> Sample:
        progress_console.print(Text(f"scale {scale:g}"))
        with seeded(session, server, source.profile, source.seed, scale) as database, counting() as progress:
            cache = cache_of(session, database, fresh=fresh, as_is=False)
            options = {"sets": sets, "queries": queries, "timeout_s": timeout, "progress": progress, "cache": cache}
            matrix = run_matrix(server, database.name, session.project, writes=False, rounds=1, **options)
        print_reuse(cache)
        return Sample(scale, database.rows, matrix)

    with session.server() as server:
        samples = [measured(server, scale) for scale in factors]
        found = grow(
            samples, measured(server, last) if last else None, sizes, unit=project_row_source(session.project).counted
        )
    show_lab(output, {"schema_version": SCHEMA_VERSION, "growth": found.to_json()}, growth_lab, server.label)
    found.require_sound()


def _scales(text: str) -> list[float]:
    """Smallest first. Raises UsageError for what is no number, and for fewer than three."""
    factors = sorted(set(numbers_in(text, "--scales", float, "0.25,0.5,1")))
    if len(factors) < FEWEST or not all(0 < factor < float("inf") for factor in factors):
        raise UsageError(f"--scales {text!r}: a law needs {FEWEST} different positive scales or more, as 0.25,0.5,1")
    return factors


def _check(check: float | None, factors: list[float]) -> float:
    """Return the scale to predict; 0 for none. Raises UsageError for one that was measured for the law."""
    if check is None:
        return 2 * factors[-1]
    if 0 < check <= factors[-1]:
        raise UsageError(
            f"--check {check:g} is not larger than the largest of --scales, {factors[-1]:g}; give a larger"
        )
    return check
