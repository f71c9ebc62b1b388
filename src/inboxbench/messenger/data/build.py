"""Build the rows of any task from what a job's folder holds."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import numpy as np

from inboxbench.messenger.data import head_rows, messages
from inboxbench.messenger.data import tables as rows
from inboxbench.messenger.data.columns import CONTACT_BLOCK
from inboxbench.messenger.data.context import Material
from inboxbench.messenger.data.dialogue import BLOCK, Block, converse
from inboxbench.messenger.data.message_keys import MOMENT_SHIFT, STATE
from inboxbench.seed.binary.arrays import AnyArray, Ints, Octets
from inboxbench.seed.load.task import Built, Task

KEYS = "messages.keys"
STATES = "conversations.state"

_WHOLE: dict[str, Callable[[Material], Octets]] = {
    "accounts": rows.accounts,
    "users": rows.users,
    "inboxes": rows.inboxes,
    "inbox_members": rows.inbox_members,
    "conversation_counters": head_rows.conversation_counters,
    "duplicate_resolutions": head_rows.duplicate_resolutions,
}
_BLOCKS: dict[str, Callable[[Material, int], Octets]] = {
    "contacts": rows.contacts,
    "contact_inboxes": head_rows.contact_inboxes,
}


class Builder:
    """Blocks of conversations leave keys and state in the folder; windows of messages find them there."""

    def __init__(self, material: Material, folder: Path) -> None:
        self._material = material
        self._folder = folder

    def build(self, task: Task) -> tuple[Octets, Built]:
        """COPY rows, without header and trailer."""
        if task.table == "messages":
            return self._window(task)
        if task.table == "conversations":
            return self._conversations(task)
        count = len_of(self._material, task.table)
        if task.table in _BLOCKS:
            here = min((task.number + 1) * CONTACT_BLOCK, count) - task.number * CONTACT_BLOCK
            return _BLOCKS[task.table](self._material, task.number), Built(here)
        return _WHOLE[task.table](self._material), Built(count)

    def _window(self, task: Task) -> tuple[Octets, Built]:
        keys = self._keys(task.runs)
        data = messages.window(self._material, self._state(), keys, task.first_id, task.number)
        return data, Built(len(keys))

    def _conversations(self, task: Task) -> tuple[Octets, Built]:
        m = self._material
        block = converse(m.profile, m.world, m.clock, m.seed, task.number, at_head=m.layout.at_head)
        first = int(m.world.conversations.first_message[block.first])
        _write_at(self._folder / KEYS, first * 8, block.keys)
        _write_at(self._folder / STATES, block.first * STATE.itemsize, block.state)
        return rows.conversations(m, block), Built(block.last - block.first, _windows(m, block))

    def _keys(self, runs: tuple[tuple[int, int], ...]) -> Ints:
        path = self._folder / KEYS
        return np.sort(np.concatenate([np.fromfile(path, dtype=np.int64, count=n, offset=at * 8) for at, n in runs]))

    def _state(self) -> AnyArray:
        return np.asarray(np.memmap(self._folder / STATES, dtype=STATE, mode="r"))


def _windows(m: Material, block: Block) -> tuple[int, tuple[int, ...]]:
    """Messages of the block by window of time. Windows begin with the blocks of conversations."""
    starts = np.array(m.world.conversations.start[::BLOCK])
    starts[0] = 0
    edges = np.searchsorted(block.keys, starts << MOMENT_SHIFT)
    counts = np.diff(np.concatenate((edges, [len(block.keys)])))
    used = np.flatnonzero(counts)
    first, last = int(used[0]), int(used[-1])
    return first, tuple(counts[first : last + 1].tolist())


def len_of(m: Material, table: str) -> int:
    """Rows of any table but messages."""
    owners, head = m.world.owners, m.head
    return {
        "accounts": len(owners.created),
        "users": len(owners.users.account),
        "inboxes": len(owners.inboxes.account),
        "inbox_members": len(owners.member_user),
        "contacts": len(m.world.contacts.account),
        "conversations": len(m.world.conversations.start),
        "contact_inboxes": len(head.entry_contact) if head else 0,
        "conversation_counters": len(head.counters) if head else 0,
        "duplicate_resolutions": len(head.twin) if head else 0,
    }[table]


def _write_at(path: Path, offset: int, array: AnyArray) -> None:
    handle = os.open(path, os.O_WRONLY | os.O_CREAT, 0o600)
    try:
        os.pwrite(handle, array.tobytes(), offset)
    finally:
        os.close(handle)
