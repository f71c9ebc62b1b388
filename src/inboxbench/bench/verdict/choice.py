"""The sets under one mix of requests: what a request costs under each, and which is chosen.

The rule. Of the sets that answered everything the mix asks for, the one at which a request of the mix costs least
(see `pareto` for the currency); sets within 5 % of it cost the same, and then the one with the smallest indexes is
chosen. A query counts with the parameter class in which it reads most: a mean over classes would let many small
accounts hide the large one that suffers.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

from inboxbench.bench.model import Matrix
from inboxbench.bench.verdict.pareto import WAL_PER_PAGE, Price, Standing, price, standings
from inboxbench.bench.workload.mix import DEFAULT, Mix, Weights, mixed

# Costs this close are the same: then size decides.
NEAR = 1.05
RULE = "least cost of a request of the mix among the sets that answer all of it; within 5 % the smaller indexes"


@dataclass(frozen=True)
class Contest:
    """The sets under one mix: what a request costs under each, in pages, and which of them is chosen."""

    matrix: Matrix
    standings: Sequence[Standing]
    mix: Mix
    wal_per_page: float = WAL_PER_PAGE

    def price(self, standing: Standing) -> Price:
        return price(standing, self.mix, self.wal_per_page)

    def cost(self, standing: Standing) -> float:
        return self.price(standing).at(self.mix.write_share)

    @property
    def costs(self) -> dict[str, float]:
        return {standing.name: self.cost(standing) for standing in self.standings}

    @cached_property
    def writes(self) -> bool:
        """Whether any write was measured."""
        return any(standing.result.writes for standing in self.standings)

    def lack(self, standing: Standing) -> str | None:
        """Return why a set cannot be chosen; None for one that answers, in time and with the right rows, whatever of
        the mix any set answers."""
        if standing.wrong:
            return "gives other rows"
        answered = {name for other in self.standings for name in other.reads_by_query}
        asked = [standing.reads_by_query.get(name) for name in self.mix.reads if name in answered]
        whole = all(read is not None and not read.stopped for read in asked)
        return None if whole else "does not answer all of the mix in time"

    @cached_property
    def ranked(self) -> list[Standing]:
        """What the rule chooses, then what it would choose without that, and so on. Sets that lack something are not
        there, unless all do."""
        left = [standing for standing in self.standings if self.lack(standing) is None] or list(self.standings)
        ranked = []
        while left:
            limit = NEAR * min(self.cost(standing) for standing in left)
            near = [standing for standing in left if self.cost(standing) <= limit]
            ranked.append(min(near, key=lambda standing: (standing.result.bytes, self.cost(standing))))
            left.remove(ranked[-1])
        return ranked

    @property
    def chosen(self) -> Standing:
        return self.ranked[0]

    @property
    def others(self) -> list[Standing]:
        return [standing for standing in self.standings if standing is not self.chosen]


def contest(matrix: Matrix, weights: Weights | None = None, wal_per_page: float = WAL_PER_PAGE) -> Contest:
    """Return the matrix's sets under the mix of `weights` (None: DEFAULT), spread over what was measured."""
    queries = [(query.name, query.family) for query in matrix.workload.queries]
    writes = [(write.name, write.family) for write in matrix.sets[0].writes] if matrix.sets else []
    mix = mixed(DEFAULT if weights is None else weights, queries, writes)
    return Contest(matrix, standings(matrix), mix, wal_per_page)
