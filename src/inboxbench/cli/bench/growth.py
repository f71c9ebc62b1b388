"""`inboxbench bench growth`: how reads grow with the data, by sizes that were built, and what that predicts."""

from __future__ import annotations

from pathlib import Path

import click
from rich.table import Table
from rich.text import Text

from inboxbench.bench import Curve, Growth, Sample, grow, run_matrix
from inboxbench.bench.growth.power_law import FEWEST, Law, Range
from inboxbench.bench.growth.run import held
from inboxbench.cli.bench.options import (
    SCHEMA_VERSION,
    Source,
    check_names,
    form_options,
    fresh_option,
    hand_over,
    memory_of,
    profile_options,
    queries_option,
    seeded,
    sets_option,
    tell_memory,
    timeout_option,
)
from inboxbench.cli.options import Session, names_in, pass_session
from inboxbench.cli.output import results_console
from inboxbench.cli.progress import counting, progress_console
from inboxbench.errors import UsageError
from inboxbench.files import check_writable
from inboxbench.server import Server


@click.command()
@profile_options
@click.option("--scales", default="0.25,0.5,1", show_default=True, help="times the profile's messages, three or more")
@click.option(
    "--check", type=click.FloatRange(0), help="a larger scale to predict and then build (default: twice; 0: none)"
)
@click.option("--at", "sizes", multiple=True, type=click.FloatRange(1), help="go on to so many messages, e.g. 1e9")
@sets_option
@queries_option
@timeout_option
@fresh_option
@form_options
@pass_session
def growth(
    session: Session,
    /,
    *,
    profile: str,
    seed: int,
    scales: str,
    check: float | None,
    sizes: tuple[float, ...],
    sets: str | None,
    queries: str | None,
    timeout: float,
    fresh: bool,
    form: str,
    output: Path | None,
) -> None:
    """Measure three or more sizes of a profile: buffers ~ n^k per query and set, predicted, then checked by building.

    What --at asks for is extrapolated and says so, with an 80 % interval. Exit code 3 when a query fails.
    """
    check_writable(output)
    chosen, wanted = names_in(sets), names_in(queries)
    factors = _scales(scales)
    last = _check(check, factors)
    check_names(session, Source(None, profile, seed, False), chosen, wanted)

    def measured(server: Server, scale: float) -> Sample:
        progress_console.print(Text(f"scale {scale:g}"))
        with seeded(session, server, profile, seed, scale) as ground, counting() as progress:
            memory = memory_of(ground, fresh=fresh, as_is=False)
            options = {"sets": chosen, "queries": wanted, "timeout_s": timeout, "progress": progress, "memory": memory}
            matrix = run_matrix(server, ground.name, session.project, writes=False, rounds=1, **options)
        tell_memory(memory)
        return Sample(scale, ground.messages, matrix)

    with session.server() as server:
        samples = [measured(server, scale) for scale in factors]
        found = grow(samples, measured(server, last) if last else None, sizes)
    document = {"schema_version": SCHEMA_VERSION, "growth": found.to_json()}
    hand_over(document, form, output, lambda: _print(found))
    found.require_sound()


# Those that cost most; a planner on small tables flips at every size, mostly between equals.
_FLIPS = 20
_CAUTION = "extrapolated, not measured; a plan that flips on the way ends the law (? where one did already)"


def _scales(text: str) -> list[float]:
    """Smallest first. Raises UsageError for what is no number, and for fewer than three."""
    try:
        factors = sorted({float(part) for part in text.split(",") if part.strip()})
    except ValueError:
        raise UsageError(f"--scales {text!r} are not numbers; write them with commas between, as 0.25,0.5,1") from None
    if len(factors) < FEWEST or not all(0 < factor < float("inf") for factor in factors):
        raise UsageError(f"--scales {text!r}: a law needs {FEWEST} different positive scales or more, as 0.25,0.5,1")
    return factors


def _check(check: float | None, factors: list[float]) -> float:
    """The scale to predict; 0 for none. Raises UsageError for one that was measured for the law."""
    if check is None:
        return 2 * factors[-1]
    if 0 < check <= factors[-1]:
        raise UsageError(
            f"--check {check:g} is not larger than the largest of --scales, {factors[-1]:g}; give a larger"
        )
    return check


def _exponent(law: Law | None) -> str:
    return f"{law.k:.2f} ± {law.k_error:.2f}" if law else "–"


def _whole(found: Range | None) -> str:
    return f"{found.value:,.0f}" if found else "–"


def _prediction(one: Curve) -> Text:
    if one.error is None:
        return Text("–")
    return Text(f"{one.error:+.0%}", style="" if one.held else "bold red")


def _far(one: Curve, size: float) -> str:
    found = one.at(size)
    if found is None:
        return "–"
    if found.uncertain:
        return "too uncertain"
    return f"{'? ' if one.flips else ''}{found.value:,.0f} ({found.low:,.0f} to {found.high:,.0f})"


def _curves_table(found: Growth) -> Table:
    table = Table(title="buffers by number of messages, the fastest growing first", title_justify="left")
    table.add_column("query [class]", no_wrap=True)
    table.add_column("set", no_wrap=True)
    headings = [f"{sample.messages:,}" for sample in found.samples] + ["n^k, k ="]
    headings += [f"{found.check.messages:,}: predicted", "measured", "off"] if found.check else []
    headings += [f"extrapolated to {size:,.0f} (80 %)" for size in found.sizes] + ["plan"]
    for heading in headings:
        table.add_column(heading, justify="right")
    for one in found.worst_first:
        table.add_row(Text(f"{one.query} [{one.parameter_class}]"), one.index_set, *_row(found, one))
    return table


def _row(found: Growth, one: Curve) -> list[Text | str]:
    cells: list[Text | str] = ["–" if point.buffers is None else f"{point.buffers:,}" for point in one.points]
    cells.append(_exponent(one.law))
    if one.check:
        measured = "–" if one.check.buffers is None else f"{one.check.buffers:,}"
        cells += [_whole(one.predicted), measured, _prediction(one)]
    cells += [_far(one, size) for size in found.sizes]
    return [*cells, Text("flips", style="bold red") if one.flips else ""]


def _exponents_table(found: Growth) -> Table:
    table = Table(title="k by query and set, of the class that reads most at each size", title_justify="left")
    table.add_column("query", no_wrap=True)
    for name in found.sets:
        table.add_column(name, justify="right", no_wrap=True)
    for query in found.queries:
        table.add_row(query, *(_exponent(found.worst_class(query, name).law) for name in found.sets))
    if found.check:
        worst = (held(one for one in found.worst_classes if one.index_set == name) for name in found.sets)
        every = (held(one for one in found.curves if one.index_set == name) for name in found.sets)
        table.add_section()
        table.add_row("predictions that held", *(f"{good} of {all_of_them}" for good, all_of_them in worst))
        table.add_row("those of all classes", *(f"{good} of {all_of_them}" for good, all_of_them in every))
    return table


def _print(found: Growth) -> None:
    console = results_console()
    console.width = console.width if console.is_terminal else 170 + 40 * len(found.sizes)
    console.print(_curves_table(found))
    console.print(_exponents_table(found))
    console.print(Text(found.headline, style="bold"))
    for flip in found.flips[:_FLIPS]:
        console.print(Text(f"  plan flips: {flip}"))
    if len(found.flips) > _FLIPS:
        console.print(Text(f"  and {len(found.flips) - _FLIPS} more flips that cost less: --format json names them"))
    largest = max(sample.messages for sample in (*found.samples, *([found.check] if found.check else [])))
    for size in found.sizes:
        console.print(
            Text(f"  {size:,.0f} messages are {size / largest:,.1f} times the largest that was built: {_CAUTION}")
        )
    for note in found.samples[-1].matrix.notes:
        console.print(Text(f"  left out: {note}", style="dim"))
