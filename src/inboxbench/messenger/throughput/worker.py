"""A process of race workers, driven by `crowd` over its standard streams.

One thread a worker, each with a warm connection of its own. A line in is an order (a Task as JSON, then "go");
a line out is "ready", then a Tally as JSON. End of file on standard input ends the process.

Threads, because a worker waits nearly always: for a round trip, a lock or its pause. Several processes, because
one interpreter cannot keep 64 of them busy.
"""

from __future__ import annotations

import json
import signal
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, field

import psycopg
from psycopg import errors

from inboxbench.database import Connection
from inboxbench.messenger.races.strategies import Attempt, Strategy, find_strategy

# psycopg prepares a statement when it has seen it five times; a warm worker is past that.
_WARM_UPS = 6


@dataclass(frozen=True, slots=True)
class Task:
    """One round for one process. `idle_inbox_id` is an empty inbox to warm up on; seconds bounds the round."""

    conninfo: str
    strategy: str
    inbox_id: int
    idle_inbox_id: int
    agent_ids: list[int]
    think_s: float
    seconds: float


@dataclass(slots=True)
class Tally:
    """What one worker saw. wins: (conversation id, seconds from its first attempt to its commit, at second)."""

    agent_id: int
    wins: list[tuple[int, float, float]] = field(default_factory=list)
    lost: int = 0
    empty: int = 0
    deadlocks: int = 0
    serialization_failures: int = 0
    error: str | None = None


def _left(connection: Connection, inbox_id: int) -> bool:
    """Whether any conversation is still free; asked outside of the strategy, in a transaction of its own."""
    row = connection.execute(
        "SELECT EXISTS (SELECT FROM conversations WHERE inbox_id = %s AND status = 'open' AND assignee_id IS NULL)",
        (inbox_id,),
    ).fetchone()
    connection.commit()
    return row is not None and bool(row[0])


def _attempt(connection: Connection, tally: Tally, act: Callable[[], Attempt]) -> Attempt | None:
    """One transaction. None: the server refused it, which is counted and may be tried again."""
    try:
        attempt = act()
        if attempt.outcome == "won":
            connection.commit()
        else:
            connection.rollback()
    except errors.DeadlockDetected:
        connection.rollback()
        tally.deadlocks += 1
    except errors.SerializationFailure:
        connection.rollback()
        tally.serialization_failures += 1
    else:
        return attempt
    return None


def _work(connection: Connection, task: Task, strategy: Strategy, tally: Tally, think: Callable[[], None]) -> None:
    """Take conversations until none is left or the time is up."""
    begun = since = time.perf_counter()
    while time.perf_counter() - begun < task.seconds:
        attempt = _attempt(connection, tally, lambda: strategy.take(connection, task.inbox_id, tally.agent_id, think))
        if attempt is None:
            continue
        if attempt.outcome == "won" and attempt.conversation_id is not None:
            now = time.perf_counter()
            tally.wins.append((attempt.conversation_id, now - since, now - begun))
            since = now
        elif attempt.outcome == "lost":
            tally.lost += 1
        elif _left(connection, task.inbox_id):
            tally.empty += 1
        else:
            return


def _warm(connection: Connection, task: Task, strategy: Strategy, agent_id: int) -> None:
    connection.isolation_level = strategy.isolation
    for _ in range(_WARM_UPS):
        strategy.take(connection, task.idle_inbox_id, agent_id, lambda: None)
        connection.rollback()
        _left(connection, task.idle_inbox_id)


def _pause(seconds: float) -> Callable[[], None]:
    return (lambda: time.sleep(seconds)) if seconds else (lambda: None)


class _Line:
    """The starting line of one process: every worker reports there, warm or broken, and waits for the shot."""

    def __init__(self, runners: int) -> None:
        self._arrived = threading.Barrier(runners + 1)
        self._shot = threading.Event()

    def wait(self) -> None:
        self._arrived.wait()
        self._shot.wait()

    def wait_for_all(self) -> None:
        self._arrived.wait()

    def fire(self) -> None:
        self._shot.set()


def _run_worker(task: Task, strategy: Strategy, tally: Tally, line: _Line) -> None:
    """A thread's life. Its error goes into the tally: a thread has nobody to raise to."""
    arrived = False
    try:
        # The limits are far above any wait that a round can hold; they turn a hang into an error.
        with psycopg.connect(task.conninfo, options="-c statement_timeout=20s -c lock_timeout=20s") as connection:
            _warm(connection, task, strategy, tally.agent_id)
            arrived = True
            line.wait()
            _work(connection, task, strategy, tally, _pause(task.think_s))
    except Exception as error:
        tally.error = f"{type(error).__name__}: {error}".splitlines()[0]
    finally:
        if not arrived:
            line.wait()


def _say(text: str) -> None:
    print(text, flush=True)  # noqa: T201  (this process talks to its parent through its standard output)


def _round(task: Task) -> None:
    strategy = find_strategy(task.strategy)
    tallies = [Tally(agent_id) for agent_id in task.agent_ids]
    line = _Line(len(tallies))
    threads = [threading.Thread(target=_run_worker, args=(task, strategy, tally, line)) for tally in tallies]
    for thread in threads:
        thread.start()
    line.wait_for_all()
    _say("ready")
    sys.stdin.readline()
    line.fire()
    for thread in threads:
        thread.join()
    _say(json.dumps([asdict(tally) for tally in tallies]))


def main() -> None:
    """Rounds until end of file. Ctrl-C is the parent's to hear: it ends us through its own clean-up."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    for order in sys.stdin:
        _round(Task(**json.loads(order)))
