"""Reckons what a request of the mix costs under a set, in pages as the index lab does, at mean and worst class."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean

from inboxbench.advise.model import Outcome, Trial
from inboxbench.bench.workload.mix import Mix
from inboxbench.bench.workload.queries import Case


@dataclass(frozen=True, slots=True)
class Objective:
    """The mix over the cases that are measured. A query costs what lies midway between its mean and its worst class."""

    mix: Mix
    cases: Sequence[Case]

    @property
    def shares(self) -> dict[str, float]:
        """Return the share of requests of each query and write that is measured, together 1."""
        names = dict.fromkeys(case.query.name for case in self.cases)
        shares = {name: self.mix.reads.get(name, 0.0) + self.mix.writes.get(name, 0.0) for name in names}
        total = sum(shares.values())
        return {name: share / total if total else 1 / len(shares) for name, share in shares.items()}

    def by_query(self, trial: Trial) -> dict[str, float]:
        """Return what each query costs under a set, in pages."""
        costs = {name: [outcome.cost for outcome in found] for name, found in self._outcomes(trial).items()}
        return {name: (fmean(found) + max(found)) / 2 for name, found in costs.items()}

    def weighed(self, trial: Trial) -> dict[str, float]:
        """Return each query's part of what a request of the mix costs."""
        shares = self.shares
        return {name: shares[name] * cost for name, cost in self.by_query(trial).items()}

    def cost(self, trial: Trial) -> float:
        """Return what a request of the mix costs under a set, in pages."""
        return sum(self.weighed(trial).values())

    def wal(self, trial: Trial) -> float | None:
        """Return bytes of WAL of the mean write of the mix; None where nothing writes."""
        writing = {case.query.name for case in self.cases if case.query.changes_rows}
        shares = {name: share for name, share in self.shares.items() if name in writing and share}
        if not shares:
            return None
        means = {
            name: fmean(outcome.wal for outcome in found)
            for name, found in self._outcomes(trial).items()
            if name in shares
        }
        return sum(shares[name] * means[name] for name in shares) / sum(shares.values())

    def _outcomes(self, trial: Trial) -> Mapping[str, list[Outcome]]:
        found: dict[str, list[Outcome]] = {}
        for case in self.cases:
            found.setdefault(case.query.name, []).append(trial.outcomes[case.name])
        return found
