"""The sets under one mix of requests: what a request costs under each, and which is chosen.

The rule. Of the sets that answered everything the mix asks for, the one at which a request of the mix costs least
(see `pareto` for the currency); sets within 5 % of it cost the same, and then the one with the smallest indexes is
chosen. A query counts with the parameter class in which it reads most: a mean over classes would let many small
accounts hide the large one that suffers.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations

from inboxbench.bench.model import Matrix
from inboxbench.bench.verdict.pareto import WAL_PER_PAGE, BreakEven, Price, Standing, break_even, price, standings
from inboxbench.bench.workload.mix import DEFAULT, Mix, Weights, mixed

# Costs this close are the same: then size decides.
NEAR = 1.05
RULE = "least cost of a request of the mix among the sets that answer all of it; within 5 % the smaller indexes"


@dataclass(frozen=True, slots=True)
class Contest:
    """The sets under one mix: what a request costs under each, in pages."""

    matrix: Matrix
    standings: Sequence[Standing]
    mix: Mix
    wal_per_page: float = WAL_PER_PAGE

    def price(self, one: Standing) -> Price:
        return price(one, self.mix, self.wal_per_page)

    def cost(self, one: Standing) -> float:
        return self.price(one).at(self.mix.write_share)

    @property
    def costs(self) -> dict[str, float]:
        return {one.name: self.cost(one) for one in self.standings}

    def able(self, one: Standing) -> bool:
        """Whether it answers, in time and with the right rows, whatever of the mix any set answers."""
        answered = {name for each in self.standings for name in each.reads_by_query}
        asked = [one.reads_by_query.get(name) for name in self.mix.reads if name in answered]
        return not one.wrong and all(read is not None and not read.stopped for read in asked)

    @property
    def chosen(self) -> Standing:
        able = [one for one in self.standings if self.able(one)] or list(self.standings)
        limit = NEAR * min(self.cost(one) for one in able)
        near = [one for one in able if self.cost(one) <= limit]
        return min(near, key=lambda one: (one.result.bytes, self.cost(one)))


def contest(matrix: Matrix, weights: Weights | None = None, wal_per_page: float = WAL_PER_PAGE) -> Contest:
    """The matrix's sets under the mix of `weights` (None: DEFAULT), spread over what was measured."""
    queries = [(query.name, query.family) for query in matrix.workload.queries]
    writes = [(write.name, write.family) for write in matrix.sets[0].writes] if matrix.sets else []
    mix = mixed(DEFAULT if weights is None else weights, queries, writes)
    return Contest(matrix, standings(matrix), mix, wal_per_page)


def evens(found: Contest) -> list[BreakEven]:
    """Of every two sets."""
    return [break_even(one, other, found.mix, found.wal_per_page) for one, other in combinations(found.standings, 2)]
