"""A million claims of each safe strategy, and in the rows' own history not one that took what somebody held."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from inboxbench import units
from inboxbench.errors import SubjectFailed, ThresholdExceeded, UsageError
from inboxbench.messenger.races.assignment_database import open_lab
from inboxbench.messenger.throughput.pgbench import Queue, find_pgbench
from inboxbench.messenger.throughput.result import Verdict, check, check_load
from inboxbench.project import Project, find_project
from inboxbench.race.strategy import Strategy, StrategyLoad, find_strategies
from inboxbench.report.document import Lab
from inboxbench.report.table import Cell, Column, Row, Table, figures, words
from inboxbench.server import Server
from inboxbench.server.pgbench import Load, Report

# Conversations of one round. Every taken one leaves a dead entry at the head of the queue's index.
QUEUE = 50_000
# What the control takes: enough to be caught many times over, and done in seconds.
_CONTROL = 2_000
# A round in which so few attempts win is a strategy that does not get to its end.
_LEAST_WON = 0.001


@dataclass(slots=True)
class Proof:
    """claims: committed assignments; distinct: (round, conversation) pairs assigned; seconds of the rounds alone.

    control: a strategy that must be caught, else a zero would mean nothing. It grows with every round.
    """

    server: str
    strategy: str
    control: bool
    workers: int
    rounds: int = 0
    claims: int = 0
    distinct: int = 0
    doubles: int = 0
    attempts: int = 0
    seconds: float = 0.0

    @property
    def per_s(self) -> float:
        return round(self.distinct / self.seconds, 1) if self.seconds else 0.0

    def add(self, report: Report, verdict: Verdict) -> None:
        """Count one round."""
        self.rounds += 1
        self.claims += verdict.claims
        self.distinct += verdict.assigned
        self.doubles += verdict.doubles
        self.attempts += report.transactions + report.retries
        self.seconds += report.seconds

    def to_json(self) -> dict[str, Any]:
        return asdict(self) | {"seconds": round(self.seconds, 1), "per_s": self.per_s}


def _proof(queue: Queue, strategy: Strategy, workers: int, claims: int, progress: Callable[[str], None]) -> Proof:
    """Run rounds on one queue until the rows remember `claims` claims, each with as many attempts as they take."""
    proof, share_won = Proof(queue.lab.server.label, strategy.name, not strategy.safe, workers), 1.0
    while proof.claims < claims:
        wanted = min(queue.conversations, claims - proof.claims)
        report, histories = queue.run(strategy, 0.0, Load(workers, 0, each=math.ceil(wanted / share_won / workers)))
        verdict = check((), histories)
        proof.add(report, verdict)
        progress(f"{strategy.title}: {proof.claims:,} of {claims:,} claims, {proof.doubles:,} doubles")
        share_won = verdict.claims / max(report.transactions, 1)
        if share_won < _LEAST_WON:
            raise SubjectFailed(
                f"strategy {strategy.name!r}: {verdict.claims} of {report.transactions} attempts won a conversation; "
                "at this rate it does not come to an end; name fewer --workers"
            )
    return proof


def prove(
    server: Server,
    *,
    strategies: Iterable[str],
    claims: int = 1_000_000,
    workers: int = 16,
    project: Project | None = None,
    progress: Callable[[str], None] | None = None,
) -> Iterator[Proof]:
    """Run the naive strategy as the control, then `claims` claims of each of `strategies`, all checked in the rows.

    Each Proof comes as soon as it is done: what a run of minutes has shown is not lost when it is stopped. Raises
    UsageError for a strategy that is unsafe by its own word, ServerError where there is no pgbench.
    """
    project = project or find_project()
    (control,), chosen = find_strategies(project, ["naive"]), find_strategies(project, tuple(strategies))
    for strategy in chosen:
        if not strategy.safe:
            raise UsageError(f"strategy {strategy.name!r} is unsafe: {strategy.why}. It is the control already")
    if claims < 1:
        raise UsageError(f"claims: {claims} proves nothing; name 1 or more")
    if workers == 1:
        raise UsageError("workers: 1 alone cannot race; name 2 or more")
    program = find_pgbench(server)
    check_load(StrategyLoad([workers], claims, [0.0], 1.0), server)
    report = progress or (lambda _line: None)
    with open_lab(server, project, workers) as lab:
        report("filling the queue")
        length = min(QUEUE, max(claims, _CONTROL))
        queue = Queue(lab, program, workers, lab.open_inbox(workers, length), length)
        yield _proof(queue, control, workers, _CONTROL, report)
        for strategy in chosen:
            yield _proof(queue, strategy, workers, claims, report)


_LEAD = (
    "Every claim appends to its row's own list in the UPDATE that makes it; twice counts the entries of those lists "
    "that replaced a holder. The control reads a free conversation and then writes, and must be caught, or the zeros "
    "would prove nothing. attempts: transactions, with those that lost or were tried again."
)


def million_lab(proofs: Sequence[Proof]) -> Lab:
    """Return the table of what `inboxbench race million` has shown so far."""
    columns = [*words("strategy"), *figures(units.number, "claims", "twice", "attempts", "rounds")]
    columns += [Column("time", units.seconds), Column("distinct", units.rate)]
    title = f"Claims by {proofs[0].workers} clients of pgbench, no application time in the transaction"
    return Lab("million", "Claims without a double assignment", _LEAD, [Table(title, columns, list(map(_row, proofs)))])


def _row(proof: Proof) -> Row:
    name = f"{proof.strategy} (control)" if proof.control else proof.strategy
    twice = Cell(proof.doubles, "bad" if proof.doubles else "")
    return Row([name, proof.claims, twice, proof.attempts, proof.rounds, proof.seconds, proof.per_s])


def require_proof(proofs: Iterable[Proof]) -> None:
    """Raise SubjectFailed when the control was not caught, ThresholdExceeded when a safe strategy was."""
    for proof in proofs:
        if proof.control and not proof.doubles:
            raise SubjectFailed(
                f"the control, strategy {proof.strategy!r}, gave nothing away twice in {proof.claims:,} claims of "
                f"{proof.workers} workers: under this load a zero proves nothing; raise --workers"
            )
        if not proof.control and proof.doubles:
            raise ThresholdExceeded(
                f"strategy {proof.strategy!r} is meant to be safe and {proof.doubles:,} of its {proof.claims:,} claims "
                f"took what somebody held ({proof.workers} workers, {proof.server}); do not use it"
            )
