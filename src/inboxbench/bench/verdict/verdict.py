"""From a matrix and a mix of requests to the verdict: the set to choose, the reasons, the table, the break-evens."""

from __future__ import annotations

from itertools import combinations

from inboxbench.bench.model import Matrix
from inboxbench.bench.verdict.cost import IN_WORDS
from inboxbench.bench.verdict.pareto import (
    RULE,
    WAL_PER_PAGE,
    Contest,
    Standing,
    break_even,
    buffers,
    contest,
    dominated_by,
)
from inboxbench.bench.verdict.reasons import headline, pairs_of, reasons
from inboxbench.bench.verdict.sensitivity import turns
from inboxbench.bench.workload.mix import Weights
from inboxbench.report.verdict import LeftOut, Ratios, SetCost, Shares, Verdict, WorstRatio


def decide(matrix: Matrix, weights: Weights | None = None, wal_per_page: float = WAL_PER_PAGE) -> Verdict:
    """Return the verdict on a matrix for the mix of `weights` (None: the default one)."""
    found = contest(matrix, weights, wal_per_page)
    if not found.standings:
        return Verdict(headline="No set answered any query.")
    pairs = combinations(found.standings, 2) if found.writes else ()
    return Verdict(
        chosen=found.chosen.name,
        headline=headline(found),
        reasons=reasons(found),
        ratios={standing.name: _ratios(found, standing) for standing in found.others},
        rule=RULE,
        mix=Shares(**found.mix.to_json()),
        currency=currency(found),
        wal_bytes_per_page=wal_per_page,
        costs=[_set_cost(found, standing) for standing in found.standings],
        break_even=[break_even(*pair, found.mix, wal_per_page) for pair in pairs],
        runner_up=found.ranked[1].name if len(found.ranked) > 1 else None,
        left_out=[LeftOut(standing.name, lack) for standing in found.standings if (lack := found.lack(standing))],
        not_tried=[LeftOut(name, why) for name, why in matrix.untried],
        turns=turns(found),
        not_measured=[] if found.writes else ["writes"],
    )


def currency(found: Contest) -> str:
    """Return what a cost is counted in, in words."""
    if not found.writes:
        return f"{IN_WORDS}, in the worst class of parameters"
    return (
        f"{IN_WORDS}, in the worst class of parameters; of a write the buffers that it, its rules and its indexes look "
        f"at, and one more for each {found.wal_per_page:g} bytes of WAL"
    )


def _set_cost(found: Contest, standing: Standing) -> SetCost:
    result, cost = standing.result, found.price(standing)
    return SetCost(
        index_set=standing.name,
        title=standing.title,
        reads_mean=standing.typical(lambda read: read.mean),
        reads_worst=standing.reads,
        ms_mean=standing.typical_ms(lambda read: read.mean_ms),
        ms_worst=standing.typical_ms(lambda read: read.worst_ms),
        insert_wal_bytes=result.wal_bytes("insert"),
        update_wal_bytes=result.wal_bytes("update"),
        insert_per_s=result.per_s("insert"),
        update_per_s=result.per_s("update"),
        bytes=result.bytes,
        build_s=result.build_s,
        hot_share=result.hot_share,
        read_cost=cost.read,
        write_cost=cost.write,
        cost=found.cost(standing),
        lower_bound=bool(standing.stopped),
        dominated_by=dominated_by(standing, found.standings, found.costs),
        recommended=standing is found.chosen,
    )


def _ratios(found: Contest, other: Standing) -> Ratios:
    best = found.chosen
    own = best.by_family
    return Ratios(
        reads=round(other.reads / best.reads, 3),
        lower_bound=bool(other.stopped),
        families={name: round(reads / own[name], 3) for name, reads in other.by_family.items() if name in own},
        insert_wal=round(other.insert_wal / best.insert_wal, 3) if best.insert_wal else None,
        bytes=round(other.result.bytes / best.result.bytes, 3),
        cost=round(found.cost(other) / found.cost(best), 3) if found.cost(best) else None,
        worst=_worst_ratio(found, other),
    )


def _worst_ratio(found: Contest, other: Standing) -> WorstRatio | None:
    pairs = pairs_of(found.matrix, found.chosen, other)
    if not pairs:
        return None
    own, theirs = max(pairs, key=lambda pair: buffers(pair[1]) / buffers(pair[0]))
    ratio = round(buffers(theirs) / buffers(own), 1)
    return WorstRatio(theirs.case.query.name, theirs.case.parameter_class.name, buffers(theirs), buffers(own), ratio)
