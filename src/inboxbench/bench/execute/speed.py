"""What a matrix says of speed, beside the counters that decide: the client's overhead, throughput of writes."""

from __future__ import annotations

from dataclasses import dataclass, field

from inboxbench.bench.execute.client import Overhead, measure_overhead
from inboxbench.bench.execute.throughput import Speed, Throughput, measure_throughput
from inboxbench.bench.request import Request
from inboxbench.bench.sets.indexset import IndexSet
from inboxbench.errors import ServerError
from inboxbench.server import Server


@dataclass
class Speedometer:
    """What a run says of speed. Whatever keeps it from being measured is a note and no failure."""

    server: Server
    request: Request
    speed: Speed | None
    overhead: Overhead | None = None
    notes: dict[str, None] = field(default_factory=dict)

    def watch_client(self, database: str) -> None:
        """Once a run, on the first set's database."""
        if self.speed is None or self.overhead:
            return
        found = measure_overhead(self.server, database)
        if isinstance(found, Overhead):
            self.overhead = found
        else:
            self.notes[found] = None

    def watch_writes(self, database: str, one: IndexSet) -> tuple[Throughput, ...]:
        """Last of all on a set's database: it writes as much as it can."""
        request = self.request
        if self.speed is None or not self.speed.seconds or not request.writes:
            return ()
        try:
            found, failed = measure_throughput(
                self.server, database, request.writes, request.targets, speed=self.speed, timeout_s=request.timeout_s
            )
        except ServerError as error:
            self.notes[f"throughput: {error}"] = None
            return ()
        self.notes |= dict.fromkeys(f"{problem}, under {one.title}" for problem in failed)
        return found
