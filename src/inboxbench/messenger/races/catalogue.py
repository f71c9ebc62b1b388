"""All families of the atlas."""

from __future__ import annotations

from collections.abc import Iterable

from inboxbench.errors import unknown
from inboxbench.messenger.races.assign_one import ASSIGNING
from inboxbench.messenger.races.background_jobs import LOCK_ORDER, REOPENING
from inboxbench.messenger.races.clocks import ACTIVITY, FIRST_REPLY, WAITING
from inboxbench.messenger.races.handover import HANDING
from inboxbench.messenger.races.idempotent_send import ECHOING
from inboxbench.messenger.races.limits import LIMITS
from inboxbench.messenger.races.own_functions import MESSENGER
from inboxbench.messenger.races.round_robin import TURNS
from inboxbench.messenger.races.take_next import QUEUEING
from inboxbench.messenger.races.teams import TEAMS
from inboxbench.messenger.races.unique_numbers import DELIVERY, NUMBERING
from inboxbench.messenger.races.unread_counters import UNREAD
from inboxbench.messenger.races.worker_death import LOSING
from inboxbench.race.atlas.family import Family

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
