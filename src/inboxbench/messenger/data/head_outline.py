"""What the rules of the schema at head would have made of the same conversations: numbers and ways in.

Clocks that follow messages (waiting_since, last seen …) are worked out block by block in dialogue.py.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from pathlib import Path

import numpy as np

from inboxbench.messenger.data.outline import World
from inboxbench.seed.binary.arrays import Ints


@dataclass(frozen=True, slots=True)
class Head:
    display: Ints  # C1, by conversation: its number in its account
    counters: Ints  # by account: the last number given
    entry: Ints  # K1, by conversation: id of its entry in contact_inboxes
    entry_contact: Ints  # by entry, in order of its first conversation
    entry_inbox: Ints
    twin: Ints  # K2: contacts that lost their external_id …
    kept: Ints  # … and the oldest of the account that has it


def build_head(world: World) -> Head:
    talks = world.conversations
    pair = talks.contact << 32 | talks.inbox
    _, first, entry = np.unique(pair, return_index=True, return_inverse=True)
    rank = np.empty(len(first), dtype=np.int64)
    order = np.argsort(first)
    rank[order] = np.arange(1, len(first) + 1)
    number = world.contacts.external
    twin = np.flatnonzero((number > 0) & (number != np.arange(1, len(number) + 1))) + 1
    return Head(
        display=_display(talks.account),
        counters=np.bincount(talks.account, minlength=len(world.owners.created)),
        entry=rank[entry],
        entry_contact=talks.contact[first[order]],
        entry_inbox=talks.inbox[first[order]],
        twin=twin,
        kept=number[twin - 1],
    )


def _display(account: Ints) -> Ints:
    """1, 2, 3 … inside each account, in order of id, which is that of creation."""
    order = np.argsort(account, kind="stable")
    count = np.bincount(account)
    first = (np.cumsum(count) - count)[account[order]]
    display = np.empty(len(account), dtype=np.int64)
    display[order] = np.arange(len(account)) - first + 1
    return display


def save_head(folder: Path, head: Head) -> None:
    for field in fields(head):
        np.save(folder / f"head.{field.name}.npy", getattr(head, field.name))


def load_head(folder: Path) -> Head:
    return Head(*(np.asarray(np.load(folder / f"head.{field.name}.npy", mmap_mode="r")) for field in fields(Head)))
