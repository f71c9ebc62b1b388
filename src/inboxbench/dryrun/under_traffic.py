"""A leg of the chain under live traffic: what the chain did, and what everybody else felt of it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager, ExitStack
from dataclasses import dataclass, field, replace

from inboxbench.database import connect
from inboxbench.dryrun.model import DryRun, Felt
from inboxbench.dryrun.run import Leg, described, rehearse, watch
from inboxbench.dryrun.stalls.lock_waits import watch_waits
from inboxbench.dryrun.stalls.summary import NOTICED_MS, summarise
from inboxbench.dryrun.tools.command import Chain
from inboxbench.dryrun.traffic_choice import choose_traffic
from inboxbench.server import Server
from inboxbench.traffic.clock import Pulse
from inboxbench.traffic.engine import DEFAULT_RATE, live_traffic
from inboxbench.traffic.generated import Generated
from inboxbench.traffic.request import RequestClass
from inboxbench.units import millis

NO_TABLES = "no traffic: the copy has no table to read or write before the chain begins"


@dataclass(frozen=True, slots=True)
class Load:
    """The traffic of a run: its classes, requests a second in all, and what could not be made."""

    classes: tuple[RequestClass, ...]
    rate: float = DEFAULT_RATE
    notes: tuple[str, ...] = ()
    seed: int = 1


@dataclass(frozen=True, slots=True)
class Live:
    leg: Leg
    felt: tuple[Felt, ...] = ()
    notes: tuple[str, ...] = field(default=())


def load_for(server: Server, database: str, made: Generated | None = None, *, rate: float = DEFAULT_RATE) -> Load:
    """Fixed now, from the copy as it is before the chain: deployed code does not change with the schema."""
    if made is None:
        with connect(server.conninfo(database)) as connection:
            made = choose_traffic(connection)
    return Load(made.classes, rate, made.notes if made.classes else (*made.notes, NO_TABLES))


def run_live(
    server: Server,
    database: str,
    chain: Chain,
    load: Load,
    target: str = "head",
    *,
    downgrade: bool = False,
    beside: Iterable[AbstractContextManager[object]] = (),
) -> Live:
    """A leg with traffic, and whatever else goes on `beside` it, from before its start until after its end."""
    conninfo = server.conninfo(database)
    with ExitStack() as stack:
        waits = stack.enter_context(watch_waits(conninfo))
        traffic = stack.enter_context(live_traffic(conninfo, load.classes, rate=load.rate, seed=load.seed))
        for other in beside:
            stack.enter_context(other)
        watched = watch(server, database, chain, target, downgrade=downgrade)
    leg = described(watched)
    felt = summarise(traffic, waits, leg.statements, leg.observer.epoch * 1000)
    problem = (f"the watch for waits ended early ({waits.problem}): stalls may lack their cause",)
    return Live(leg, felt, (*load.notes, *_stillness(traffic.pulse), *(problem if waits.problem else ())))


def _stillness(pulse: Pulse) -> Iterator[str]:
    """What a stall must not be blamed on."""
    long = [end - begin for begin, end in pulse.machine if end - begin >= NOTICED_MS]
    if long:
        yield (
            f"the machine gave a process of ours no time, {len(long)} times for {millis(NOTICED_MS)} or longer, at "
            f"most {millis(max(long))}: traffic[].stalls[].still_ms says of which stalls that is a part"
        )
    if pulse.own_ms >= NOTICED_MS:
        yield f"the traffic's own process stood still for {millis(pulse.own_ms)} while the machine did not"


def rehearse_live(
    server: Server,
    database: str,
    chain: Chain,
    load: Callable[[], Load],
    *,
    source: str,
    begin: str | None,
    target: str,
) -> DryRun:
    """As `run.rehearse`, under traffic; `load` is asked for it once the copy stands at `begin`."""
    lives: list[Live] = []

    def run(server: Server, database: str, chain: Chain, target: str) -> Leg:
        lives.append(run_live(server, database, chain, load(), target))
        return lives[-1].leg

    done = rehearse(server, database, chain, source=source, begin=begin, target=target, run=run)
    return replace(done, traffic=lives[-1].felt, notes=(*done.notes, *lives[-1].notes))
