"""Many clients at once, by pgbench: the same statements as one client's, with pgbench's variables as parameters."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

from inboxbench.database import connect
from inboxbench.messenger.labs.counter import Crowd, Way
from inboxbench.messenger.labs.office import CONVERSATIONS
from inboxbench.server import Server
from inboxbench.server.pgbench import Load, Report, find_pgbench, run_scripts

_FLAGS = ("--no-vacuum", "--protocol=prepared")
_SAMPLE_S = 0.02
_WAITS = """
    SELECT count(*) FILTER (WHERE wait_event_type = 'Lock'), count(*) FROM pg_stat_activity
    WHERE datname = current_database() AND application_name = 'pgbench' AND state = 'active'
"""


def script(way: Way, event: str, conversations: int) -> str:
    """One transaction: an event in one of the first `conversations`, drawn at random."""
    body = "\n".join(f"{statement};" for statement in way.statements(event))
    return f"\\set conversation random(1, {conversations})\nBEGIN;\n{body}\nCOMMIT;\n"


def drive(server: Server, conninfo: str, way: Way, kinds: Sequence[str], load: Load, *, conversations: int) -> int:
    """Events of `kinds`, drawn with equal chances, in the first `conversations`; how many there were."""
    scripts = [script(way, kind, conversations) for kind in kinds]
    return run_scripts(find_pgbench(server), conninfo, scripts, load, _FLAGS).transactions


def crowds(server: Server, conninfo: str, way: Way, clients: Sequence[int], seconds: int) -> tuple[Crowd, ...]:
    """Arrivals in all of the inbox's conversations, by so many clients: they share what is kept for the inbox."""
    text = script(way, "arrive", CONVERSATIONS)
    return tuple(_crowd(server, conninfo, text, Load(count, seconds)) for count in clients)


def _crowd(server: Server, conninfo: str, text: str, load: Load) -> Crowd:
    with _waits(conninfo) as waiting:
        report: Report = run_scripts(find_pgbench(server), conninfo, [text], load, _FLAGS)
    return Crowd(load.clients, round(report.per_s, 1), round(waiting(), 3))


@contextmanager
def _waits(conninfo: str) -> Iterator[Callable[[], float]]:
    """Samples of what the clients are doing; the share that waited for somebody's lock."""
    ended, seen = threading.Event(), [0, 0]

    def watch() -> None:
        with connect(conninfo) as connection:
            while not ended.wait(_SAMPLE_S):
                row = connection.execute(_WAITS).fetchone()
                assert row is not None
                seen[0] += row[0]
                seen[1] += row[1]

    watcher = threading.Thread(target=watch, daemon=True)
    watcher.start()
    try:
        yield lambda: seen[0] / max(seen[1], 1)
    finally:
        ended.set()
        watcher.join()
