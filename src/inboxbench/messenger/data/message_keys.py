"""A message in outline is one sort key of 63 bits: its moment (36 bits of milliseconds), its conversation (24)
and who wrote it (3). Keys are unique, so sorting them gives one order however they were brought together.
"""

from __future__ import annotations

import numpy as np

from inboxbench.seed.binary import Ints

CONTACT, USER, BOT = 0, 1, 2
# At head: a user's private note, a bot's template. Everything else about them is as for users and bots.
NOTE, TEMPLATE = 3, 4
# At head: lines about what a user, a bot or the contact did. The last bits of their moment say what (see activity.py).
LINE_USER, LINE_BOT, LINE_CONTACT = 5, 6, 7
SENDER = np.array([CONTACT, USER, BOT, USER, BOT, USER, BOT, CONTACT])
KIND_BITS = 3
MOMENT_SHIFT = 27
_CONVERSATION_MASK = (1 << 24) - 1
NEVER = -1

# What a message needs to know of its conversation; one cache line's gather for all of it.
STATE = np.dtype(
    [
        ("agent_read", "<i8"),  # incoming messages up to here are read; NEVER for none
        ("contact_read", "<i8"),  # outgoing ones
        ("account", "<i4"),
        ("inbox", "<i4"),
        ("contact", "<i4"),
        ("assignee", "<i4"),  # 0 for nobody
        ("russian", "<i4"),
        ("priority", "<i4"),  # at head: 0 to 3, -1 for none
        ("until", "<i8"),  # at head: when a snoozed one comes back, NEVER for others
    ]
)


def moments(keys: Ints) -> Ints:
    return keys >> MOMENT_SHIFT


def positions(keys: Ints) -> Ints:
    """Position (id - 1) of each message's conversation."""
    return (keys >> KIND_BITS) & _CONVERSATION_MASK


def kinds(keys: Ints) -> Ints:
    return keys & ((1 << KIND_BITS) - 1)


def read_moments(keys: Ints, agent_read: Ints, contact_read: Ints, end: int) -> Ints:
    """When the other side read each message: soon, but not after its last visit; NEVER for not yet.

    How soon is a scramble of the key and no draw, so that blocks and windows agree about it.
    """
    moment, place = moments(keys), positions(keys)
    until = np.where(kinds(keys) == CONTACT, agent_read, contact_read)
    draw = ((moment & 0xFFFFF) * 40_503 + place * 30_011 >> 5) & 0xFFFF
    soon = np.minimum(moment + 500 + (draw * draw >> 13), end)
    seen = (moment <= until) & (kinds(keys) != NOTE)  # no customer reads a note
    return np.where(seen, np.maximum(np.minimum(soon, until), moment), NEVER)
