"""The whole verdict of a run in words: index sets, migration, dry runs, races, data."""

from __future__ import annotations

from collections.abc import Sequence

from inboxbench import units
from inboxbench.report.charts.atlas import LEVELS
from inboxbench.report.dry_run import dry_run_finding, standstill
from inboxbench.report.index_figures import Comparison, index_findings
from inboxbench.report.model import AtlasCell, Migration, Race, Run, Seed, Traffic
from inboxbench.report.words import Finding, Sentence, Strong, listed


def findings(run: Run, comparison: Comparison) -> tuple[Finding, ...]:
    """Return the verdict, topic by topic; a part the run has not is silent."""
    topics = (
        _caveats(run),
        *index_findings(run, comparison),
        _migration(run.migration),
        *(dry_run_finding(joined.document, joined.source) for joined in run.dry_runs),
        _races(run.races),
        _atlas(run.atlas),
        _data(run.seed),
    )
    return tuple(finding for finding in topics if finding is not None)


def _caveats(run: Run) -> Finding | None:
    """Return what to know of the measured database before its figures."""
    caveats = run.matrix.caveats if run.matrix else ()
    return Finding("Know first", tuple((f"{caveat}.",) for caveat in caveats), "bad") if caveats else None


def fastest_safe(races: Sequence[Race]) -> Race | None:
    """Return the race with most assignments per second among the strategies that never doubled anywhere.

    A strategy whose doubles were not counted in some race is not known to be safe, whatever it says of itself.
    """
    unsafe = unsafe_strategies(races) | {race.strategy for race in races if race.doubles is None}
    safe = [race for race in races if race.strategy not in unsafe and units.known(race.per_s)]
    return max(safe, key=lambda race: race.per_s or 0.0, default=None)


def unsafe_strategies(races: Sequence[Race]) -> set[str]:
    """Return the strategies that were caught doubling at least once, or say themselves that they may."""
    return {race.strategy for race in races if race.doubled or race.safe is False}


def _migration(migration: Migration | None) -> Finding | None:
    if migration is None:
        return None
    took = f" in {units.seconds(migration.elapsed_s)}" if migration.elapsed_s is not None else ""
    ran: Sentence = (f"{len(migration.revisions)} revisions ran{took}{_under_traffic(migration)}.",)
    stalls = [_stall(migration, kind, who) for kind, who in (("write", "writer"), ("read", "reader"))]
    still = migration.standstill
    stalls.append(standstill(still.name, still.max_stall_ms, still.still_ms) if still else ())
    failed = sum(t.errors or 0 for t in migration.traffic)
    errors: Sentence = (Strong(f"{failed:,} requests failed"), " while it ran.") if failed else ()
    return Finding("Migration", tuple(s for s in (ran, *stalls, errors) if s), "bad" if failed else "good")


def _under_traffic(migration: Migration) -> str:
    requests = sum(t.requests or 0 for t in migration.traffic)
    return f" while {requests:,} requests went on" if requests else ""


def _stall(migration: Migration, kind: str, who: str) -> Sentence:
    worst = migration.worst(kind)
    if worst is None:
        return ()
    where = f", {_revision_name(migration, worst)}" if worst.worst_revision else ""
    return (
        f"The longest a {who} waited: ",
        Strong(units.millis(worst.waited_ms)),
        f" ({worst.name}{where}).",
    )


def _revision_name(migration: Migration, traffic: Traffic) -> str:
    slugs = {r.revision: r.slug for r in migration.revisions}
    slug = slugs.get(traffic.worst_revision or "", "")
    return f"during {traffic.worst_revision} {slug}".strip()


def _races(races: Sequence[Race]) -> Finding | None:
    if not races:
        return None
    unsafe = unsafe_strategies(races)
    safe = listed(dict.fromkeys(r.strategy for r in races if r.strategy not in unsafe))
    sentences = [_doubling(races, strategy) for strategy in dict.fromkeys(r.strategy for r in races)]
    never: Sentence = (Strong(safe), " never did.") if safe and unsafe else ()
    none: Sentence = (Strong("No row"), " was given to two workers by any strategy.") if not unsafe else ()
    shown = (*sentences, never, none, _fastest(races))
    # A strategy that says it is unsafe is there to be caught; any other that doubles must not be shipped.
    broken = any(race.broken for race in races)
    return Finding("Races", tuple(s for s in shown if s), "bad" if broken else "good")


def _doubling(races: Sequence[Race], strategy: str) -> Sentence:
    mine = [r for r in races if r.strategy == strategy and r.doubled]
    worst = max(mine, key=lambda r: r.doubles or 0, default=None)
    if worst is None:
        return ()
    load = [f"{worst.workers:,} workers"] if worst.workers else []
    load += [f"{worst.rows:,} rows"] if worst.rows else []
    many = "assignment" if worst.doubles == 1 else "assignments"
    under = f" ({', '.join(load)})." if load else "."
    return (Strong(f"{strategy} made {worst.doubles:,} double {many}"), under)


def _fastest(races: Sequence[Race]) -> Sentence:
    best = fastest_safe(races)
    if best is None:
        return ()
    at = f" ({best.workers} workers)" if best.workers else ""
    return (
        "Fastest safe strategy: ",
        Strong(f"{best.strategy}, {units.number(best.per_s)} assignments/s"),
        f"{at}.",
    )


def _atlas(cells: Sequence[AtlasCell]) -> Finding | None:
    if not cells:
        return None
    ways = len({(cell.family, cell.entry) for cell in cells})
    schedules = sum(cell.schedules for cell in cells)
    every = [f"{_holding(cells, level):,} at {title}" for level, title in LEVELS.items() if _holding(cells, level)]
    played: Sentence = (f"{ways:,} ways to write the same rows were played in {schedules:,} schedules. ",)
    hold: Sentence = ("No schedule breaks ", Strong(listed(every)), ".") if every else ()
    wrong = [cell for cell in cells if cell.safe is not None and cell.safe != (cell.bad == 0)]
    claims: Sentence = (Strong(f"{len(wrong):,} cells are not what they claim."),) if wrong else ()
    return Finding("Atlas", tuple(s for s in (played, hold, claims) if s), "bad" if wrong else "good")


def _holding(cells: Sequence[AtlasCell], level: str) -> int:
    return sum(cell.level == level and not cell.bad for cell in cells)


def _data(seed: Seed | None) -> Finding | None:
    if seed is None:
        return None
    rows, largest = sum(seed.rows.values()), seed.largest
    part = f", {seed.rows[largest]:,} of them {largest}," if largest and len(seed.rows) > 1 else ""
    took = f" in {units.seconds(seed.elapsed_s)}" if seed.elapsed_s is not None else ""
    loaded: Sentence = (f"Profile {seed.profile}: {rows:,} rows{part} were loaded{took}.",)
    speed: Sentence = ()
    if seed.rate:
        what, rate = seed.rate
        speed = (Strong(f"{units.number(rate)} {what}/s"), ".")
    return Finding("Data", tuple(s for s in (loaded, speed) if s))
