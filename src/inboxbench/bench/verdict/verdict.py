"""The verdict on a matrix for a mix of requests: the set to choose, its reasons, the Pareto table, break-evens."""

from __future__ import annotations

from typing import Any

from inboxbench.bench.model import Matrix
from inboxbench.bench.verdict.choice import RULE, Contest, contest, evens
from inboxbench.bench.verdict.pareto import WAL_PER_PAGE, Standing, buffers, dominated_by
from inboxbench.bench.verdict.reasons import headline, pairs_of, reasons
from inboxbench.bench.workload.mix import Weights

__all__ = ["currency", "verdict"]


def verdict(matrix: Matrix, weights: Weights | None = None, wal_per_page: float = WAL_PER_PAGE) -> dict[str, Any]:
    """The `verdict` part of run.json: recommended, headline, reasons, ratios (other sets relative to it), the mix it
    is for, the Pareto table and where any two sets are even."""
    found = contest(matrix, weights, wal_per_page)
    if not found.standings:
        return {"recommended": None, "headline": "No set answered any query.", "reasons": [], "ratios": {}}
    best = found.chosen
    others = [one for one in found.standings if one is not best]
    return {
        "recommended": best.name,
        "headline": headline(found, best, others),
        "reasons": reasons(found, best, others),
        "ratios": {one.name: _ratios(found, one, best) for one in others},
        "rule": RULE,
        "mix": found.mix.to_json(),
        "currency": currency(wal_per_page),
        "wal_bytes_per_page": wal_per_page,
        "pareto": [_row(found, one, best) for one in found.standings],
        "break_even": [one.to_json() for one in evens(found)],
    }


def currency(wal_per_page: float = WAL_PER_PAGE) -> str:
    return (
        "pages of 8 kB: buffers that a statement, its rules and its indexes look at, the worst class of parameters for "
        f"reads, and one more for each {wal_per_page:g} bytes of WAL"
    )


def _row(found: Contest, one: Standing, best: Standing) -> dict[str, Any]:
    """A set's line in the Pareto table; `cost`: pages of a request of the mix."""
    result, cost = one.result, found.price(one)
    figures = {
        "reads_mean": one.typical(lambda read: read.mean),
        "reads_worst": one.reads,
        "ms_mean": one.typical(lambda read: read.mean_ms),
        "ms_worst": one.typical(lambda read: read.worst_ms),
        "insert_wal_bytes": result.wal_bytes("insert"),
        "update_wal_bytes": result.wal_bytes("update"),
        "insert_per_s": result.per_s("insert"),
        "update_per_s": result.per_s("update"),
        "bytes": result.bytes,
        "build_s": result.build_s,
        "hot_share": result.hot_share,
        "read_cost": cost.read,
        "write_cost": cost.write,
        "cost": found.cost(one),
    }
    return {
        "set": one.name,
        "title": one.title,
        **{name: None if value is None else round(value, 4) for name, value in figures.items()},
        "lower_bound": bool(one.stopped),
        "dominated_by": dominated_by(one, found.standings, found.costs),
        "recommended": one is best,
    }


def _ratios(found: Contest, other: Standing, best: Standing) -> dict[str, Any]:
    """Of `other` to the chosen set: above 1, the chosen one is better."""
    families = {name: value / best.by_family[name] for name, value in other.by_family.items() if name in best.by_family}
    return {
        "reads": round(other.reads / best.reads, 3),
        "lower_bound": bool(other.stopped),
        "families": {name: round(value, 3) for name, value in families.items()},
        "insert_wal": round(other.insert_wal / best.insert_wal, 3) if best.insert_wal else None,
        "bytes": round(other.result.bytes / best.result.bytes, 3),
        "cost": round(found.cost(other) / found.cost(best), 3) if found.cost(best) else None,
        "worst": _worst_ratio(found.matrix, other, best),
    }


def _worst_ratio(matrix: Matrix, other: Standing, best: Standing) -> dict[str, Any] | None:
    pairs = pairs_of(matrix, best, other)
    if not pairs:
        return None
    own, cell = max(pairs, key=lambda pair: buffers(pair[1]) / buffers(pair[0]))
    return {
        "query": cell.case.query.name,
        "class": cell.case.parameter_class.name,
        "buffers": buffers(cell),
        "against": buffers(own),
        "ratio": round(buffers(cell) / buffers(own), 1),
    }
