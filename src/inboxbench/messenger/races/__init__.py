"""The messenger's races: its race targets, and the families of the atlas that are Python (the others: bench/atlas)."""

from __future__ import annotations

from inboxbench.messenger.races.own_functions import MESSENGER
from inboxbench.race.atlas.model import Family

FAMILIES: tuple[Family, ...] = (MESSENGER,)
