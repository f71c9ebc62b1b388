"""A million claims of each safe strategy, and in the rows' own history not one that took what somebody held."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator
from dataclasses import asdict, dataclass
from typing import Any

from inboxbench.errors import SubjectFailed, ThresholdExceeded, UsageError
from inboxbench.messenger.races.assignment_database import open_lab
from inboxbench.messenger.throughput.pgbench import Queue, find_pgbench
from inboxbench.messenger.throughput.result import check, check_conditions
from inboxbench.project import Project, find_project
from inboxbench.race.strategy import Strategy, find_strategies
from inboxbench.race.stress.worker_pool import check_room
from inboxbench.server import Server
from inboxbench.server.pgbench import Load

# Conversations of one round. Every taken one leaves a dead entry at the head of the queue's index.
QUEUE = 50_000
# What the control takes: enough to be caught many times over, and done in seconds.
_CONTROL = 2_000
# A round in which so few attempts win is a strategy that does not get to its end.
_LEAST_WON = 0.001


@dataclass(frozen=True, slots=True)
class Proof:
    """claims: committed assignments; distinct: (round, conversation) pairs assigned; seconds of the rounds alone.

    control: a strategy that must be caught, else a zero would mean nothing.
    """

    server: str
    strategy: str
    control: bool
    workers: int
    rounds: int
    claims: int
    distinct: int
    doubles: int
    attempts: int
    seconds: float
    per_s: float

    def to_json(self) -> dict[str, Any]:
        return asdict(self)


@dataclass(slots=True)
class _Count:
    rounds: int = 0
    claims: int = 0
    distinct: int = 0
    doubles: int = 0
    attempts: int = 0
    seconds: float = 0.0


def _count(queue: Queue, strategy: Strategy, workers: int, claims: int, progress: Callable[[str], None]) -> _Count:
    """Run rounds on one queue until the rows remember `claims` claims, each with as many attempts as they take."""
    count, share_won = _Count(), 1.0
    while count.claims < claims:
        wanted = min(queue.conversations, claims - count.claims)
        report, histories = queue.run(strategy, 0.0, Load(workers, 0, each=math.ceil(wanted / share_won / workers)))
        verdict = check((), histories)
        count.rounds += 1
        count.claims += verdict.claims
        count.distinct += verdict.assigned
        count.doubles += verdict.doubles
        count.attempts += report.transactions + report.retries
        count.seconds += report.seconds
        progress(f"{strategy.title}: {count.claims:,} of {claims:,} claims, {count.doubles:,} doubles")
        share_won = verdict.claims / max(report.transactions, 1)
        if share_won < _LEAST_WON:
            raise SubjectFailed(
                f"strategy {strategy.name!r}: {verdict.claims} of {report.transactions} attempts won a conversation; "
                "at this rate it does not come to an end; name fewer --workers"
            )
    return count


def _proof(queue: Queue, strategy: Strategy, workers: int, claims: int, progress: Callable[[str], None]) -> Proof:
    count = _count(queue, strategy, workers, claims, progress)
    return Proof(
        server=queue.lab.server.label,
        strategy=strategy.name,
        control=not strategy.safe,
        workers=workers,
        rounds=count.rounds,
        claims=count.claims,
        distinct=count.distinct,
        doubles=count.doubles,
        attempts=count.attempts,
        seconds=round(count.seconds, 1),
        per_s=round(count.distinct / count.seconds, 1) if count.seconds else 0.0,
    )


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
    check_conditions([workers], claims, [0.0], 1.0)
    if workers == 1:
        raise UsageError("workers: 1 alone cannot race; name 2 or more")
    program = find_pgbench(server)
    check_room(server, workers)
    report = progress or (lambda _line: None)
    with open_lab(server, project, workers) as lab:
        report("filling the queue")
        length = min(QUEUE, max(claims, _CONTROL))
        queue = Queue(lab, program, workers, lab.open_inbox(workers, length), length)
        yield _proof(queue, control, workers, _CONTROL, report)
        for strategy in chosen:
            yield _proof(queue, strategy, workers, claims, report)


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
