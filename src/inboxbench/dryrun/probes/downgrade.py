"""`--downgrade`: the way back under traffic, measured like the way up, and whether data survives both."""

from __future__ import annotations

from dataclasses import dataclass

from inboxbench.database import connect
from inboxbench.database_copy import cloned
from inboxbench.dryrun.probes.data_survival import Loss, checksums, losses
from inboxbench.dryrun.run import current_of
from inboxbench.dryrun.tools.command import Chain, run_chain
from inboxbench.dryrun.under_traffic import Live, Load, run_live
from inboxbench.server import Server

BASE = "base"


@dataclass(frozen=True, slots=True)
class Back:
    """down: the measured way back; None when the way up failed. error: why it could not be measured."""

    target: str
    down: Live | None
    lost: tuple[Loss, ...]
    error: str | None


def there_and_back(server: Server, template: str, chain: Chain, load: Load, *, target: str = "head") -> Back:
    """On copies of `template`, to which no session may be connected.

    The losses are those of a copy without traffic: what traffic writes would look like data that changed.
    """
    floor = (current_of(server, template) or [BASE])[0]
    with cloned(server, template) as copy:
        up = run_chain(chain, server.url(copy), target)
        if up.status:
            return Back(floor, None, (), f"the way up failed: {up.complaint}")
        down = run_live(server, copy, chain, load, floor, downgrade=True)
    if down.leg.error:
        return Back(floor, down, (), down.leg.error)
    lost, error = _quietly(server, template, chain, target, floor)
    return Back(floor, down, lost, error)


def _quietly(
    server: Server, template: str, chain: Chain, target: str, floor: str
) -> tuple[tuple[Loss, ...], str | None]:
    with cloned(server, template) as copy:
        with connect(server.conninfo(copy)) as connection:
            before = checksums(connection)
        for goal, downgrade in ((target, False), (floor, True)):
            ended = run_chain(chain, server.url(copy), goal, downgrade=downgrade)
            if ended.status:
                return (), f"without traffic {'the way back' if downgrade else 'the way up'} failed: {ended.complaint}"
        with connect(server.conninfo(copy)) as connection:
            return losses(before, checksums(connection)), None
