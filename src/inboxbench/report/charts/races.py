"""Safety against cost: assignments per second of each strategy, with the conversations given out twice."""

from collections.abc import Sequence

from inboxbench.report import units
from inboxbench.report.charts.bars import Bar, BarChart, chart, single
from inboxbench.report.charts.scale import Scale, linear_scale
from inboxbench.report.model import Race


def race_charts(races: Sequence[Race]) -> dict[str, BarChart]:
    """A chart per server and worker count, all on one scale so that they compare."""
    scale = linear_scale(race.per_s for race in races)
    return {
        heading: chart((_bar(race, scale) for race in group), scale, units.compact)
        for heading, group in race_groups(races).items()
    }


def race_groups(races: Sequence[Race]) -> dict[str, list[Race]]:
    """Races run under the same conditions, by what these were."""
    grouped: dict[str, list[Race]] = {}
    for race in races:
        grouped.setdefault(_heading(race), []).append(race)
    return grouped


def _bar(race: Race, scale: Scale) -> Bar:
    tone = "r-unsafe" if unsafe(race) else "r-safe"
    return Bar(race.strategy, units.rate(race.per_s), single(scale, race.per_s, tone, _hint(race)), _note(race), tone)


def unsafe(race: Race) -> bool:
    """Whether this race gave a conversation to two agents, or was declared unsafe."""
    return race.doubled or race.safe is False


def _heading(race: Race) -> str:
    workers = f"{race.workers} workers" if race.workers else ""
    return ", ".join(part for part in (workers, race.server) if part) or "races"


def _note(race: Race) -> str:
    if race.doubles is None:
        return "doubles not counted"
    return f"{race.doubles:,} doubled"


def _hint(race: Race) -> str:
    retries = f", {race.retries:,} retries" if race.retries is not None else ""
    return f"{race.strategy}: {units.rate(race.per_s)}, {_note(race)}{retries}"
