"""All families of the atlas."""

from __future__ import annotations

from collections.abc import Iterable

from inboxbench.errors import unknown
from inboxbench.race.atlas.assigning import ASSIGNING
from inboxbench.race.atlas.clocks import ACTIVITY, FIRST_REPLY, WAITING
from inboxbench.race.atlas.echoing import ECHOING
from inboxbench.race.atlas.family import Family
from inboxbench.race.atlas.handing import HANDING
from inboxbench.race.atlas.jobs import LOCK_ORDER, REOPENING
from inboxbench.race.atlas.limits import LIMITS
from inboxbench.race.atlas.losing import LOSING
from inboxbench.race.atlas.messenger import MESSENGER
from inboxbench.race.atlas.numbering import DELIVERY, NUMBERING
from inboxbench.race.atlas.queueing import QUEUEING
from inboxbench.race.atlas.teams import TEAMS
from inboxbench.race.atlas.turns import TURNS
from inboxbench.race.atlas.unread import UNREAD

FAMILIES: tuple[Family, ...] = (
    ASSIGNING,
    QUEUEING,
    LIMITS,
    TURNS,
    HANDING,
    TEAMS,
    NUMBERING,
    DELIVERY,
    ECHOING,
    ACTIVITY,
    FIRST_REPLY,
    WAITING,
    UNREAD,
    REOPENING,
    LOCK_ORDER,
    LOSING,
    MESSENGER,
)


def find_families(names: Iterable[str]) -> tuple[Family, ...]:
    """Families by name, all of them for none. Raises UsageError naming the nearest known."""
    known = {family.name: family for family in FAMILIES}
    for name in names:
        if name not in known:
            raise unknown("family", name, known)
    return tuple(known[name] for name in names) or FAMILIES
