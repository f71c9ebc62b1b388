"""Columns that several tables share."""

from __future__ import annotations

import numpy as np

from inboxbench.messenger.data.context import Material
from inboxbench.seed.binary.arrays import Ints, Octets
from inboxbench.seed.binary.copy_format import digits, texts, timestamps
from inboxbench.seed.binary.fields import Framed, framed

CONTACT_BLOCK = 4096  # rows of contacts and of their entries; part of the generator's version
_CONTACT_BEFORE = 250


def ids(first: int, last: int) -> Ints:
    return np.arange(first + 1, last + 1)


def listed(names: list[str]) -> Framed:
    return Framed(framed(texts(names)), np.arange(len(names)))


def digit_part(values: Ints, width: int) -> tuple[Octets, Ints]:
    return digits(values, width), np.full(len(values), width, dtype=np.int64)


def contact_created(m: Material, first_start: Ints) -> Ints:
    """A widget makes the contact a moment before the conversation."""
    return timestamps(m.epoch, first_start - _CONTACT_BEFORE)
