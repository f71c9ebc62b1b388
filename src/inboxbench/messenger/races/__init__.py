"""The messenger's races: the families of the atlas that its project names."""

from __future__ import annotations

from inboxbench.messenger.races.assign import ASSIGNING, QUEUEING
from inboxbench.messenger.races.automatic import LIMITS, ROTATION
from inboxbench.messenger.races.clocks import ACTIVITY, FIRST_REPLY, UNREAD, WAITING
from inboxbench.messenger.races.handover import HANDING, TEAMS
from inboxbench.messenger.races.jobs import LOCK_ORDER, LOSING, REOPENING
from inboxbench.messenger.races.own_functions import MESSENGER
from inboxbench.messenger.races.unique_keys import DELIVERY, ECHOING, NUMBERING
from inboxbench.race.atlas.model import Family

FAMILIES: tuple[Family, ...] = (
    ASSIGNING,
    QUEUEING,
    LIMITS,
    ROTATION,
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
