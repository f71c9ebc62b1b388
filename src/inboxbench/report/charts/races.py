"""Safety against cost: assignments per second of each strategy, with the conversations given out twice."""

from collections.abc import Sequence

from inboxbench import units
from inboxbench.report.charts.bars import Bar, BarChart, chart, single
from inboxbench.report.charts.crowds import crowd_loads
from inboxbench.report.charts.scale import Scale, linear_scale
from inboxbench.report.model import Race


def race_charts(races: Sequence[Race]) -> dict[str, BarChart]:
    """A chart per server and worker count, all on one scale so that they compare.

    Of a load that has a chart over its numbers of workers, only the largest crowd.
    """
    shown = [race for race in races if race.load not in crowd_loads(races) or race.workers == _most(races, race)]
    scale = linear_scale(race.per_s for race in shown)
    return {
        heading: chart((_bar(race, scale) for race in group), scale, units.compact)
        for heading, group in race_groups(shown).items()
    }


def _most(races: Sequence[Race], like: Race) -> int:
    return max(race.workers or 0 for race in races if race.load == like.load)


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
    workers = f"{race.workers} workers" if race.workers and race.workers > 1 else "one worker" if race.workers else ""
    driven = f"{race.think_ms:g} ms inside, by {race.driver}" if race.driver and race.think_ms is not None else ""
    return ", ".join(part for part in (workers, driven, race.server) if part) or "races"


def _note(race: Race) -> str:
    if race.doubles is None:
        return "doubles not counted"
    return f"{race.doubles:,} doubled"


def _hint(race: Race) -> str:
    retries = f", {race.retries:,} retries" if race.retries is not None else ""
    return f"{race.strategy}: {units.rate(race.per_s)}, {_note(race)}{retries}"
