"""The blocks of a load: what all of them share, which there are, and how each is built.

Blocks of conversations come first. Each leaves the sort keys of its messages and the state of its conversations in
files of the job's folder; windows of messages, which come then, find them there, whoever built them.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from inboxbench.messenger.data import head_rows, messages
from inboxbench.messenger.data import tables as rows
from inboxbench.messenger.data.activity_rows import activity_rows
from inboxbench.messenger.data.context import CONTACT_BLOCK, Context, load_context
from inboxbench.messenger.data.conversations import BLOCK, Block, block_count, converse
from inboxbench.messenger.data.message_keys import LINE_USER, MOMENT_SHIFT, STATE, kinds
from inboxbench.messenger.data.outline import HeadOutline, Outline, build_head, build_outline, save_head, save_outline
from inboxbench.messenger.data.profile import Profile
from inboxbench.messenger.data.text import build_sentences, save_people, save_sentences
from inboxbench.seed.binary import AnyArray, Ints, Octets
from inboxbench.seed.binary.copy_format import interleaved
from inboxbench.seed.load.process_pool import in_background
from inboxbench.seed.row_source import Blocks, Built, Job, Part, Plan, Task

KEYS = "messages.keys"
STATES = "conversations.state"
_KEY = 8  # bytes
# Sentences of a language from which on their pool is worth a process of its own.
_LARGE_POOL = 1 << 17

_WHOLE: dict[str, Callable[[Context], Octets]] = {
    "accounts": rows.accounts,
    "users": rows.users,
    "inboxes": rows.inboxes,
    "inbox_members": rows.inbox_members,
    "conversation_counters": head_rows.conversation_counters,
    "duplicate_resolutions": head_rows.duplicate_resolutions,
}
_BLOCKS: dict[str, Callable[[Context, int], Octets]] = {
    "contacts": rows.contacts,
    "contact_inboxes": head_rows.contact_inboxes,
}


def plan(job: Job, seeds: Path) -> Plan:
    """Build what all blocks share and leave it in the job's folder; then conversations and the rest, then messages."""
    outline, head = make_outline(job, seeds)
    counts = row_counts(outline, head)
    return Plan(
        rows=sum(counts.values()) + int(outline.conversations.messages.sum()) + _expected_lines(job, outline),
        phases=(lambda _: _first_tasks(job, counts), partial(_window_tasks, _key_edges(job, outline).tolist())),
    )


def make_outline(job: Job, seeds: Path) -> tuple[Outline, HeadOutline | None]:
    """The outline of conversations and contacts, left in the job's folder with the pools of text and names."""
    text = partial(_save_text, job, seeds / "vocabulary")
    with in_background(text, alone=job.profile.text.sentences < _LARGE_POOL):
        outline = build_outline(job.profile, job.seed)
        save_outline(job.folder, outline)
        save_people(job.folder)
        head = build_head(outline, job.profile, job.seed) if job.layout.at_head else None
        if head is not None:
            save_head(job.folder, head)
    return outline, head


def _save_text(job: Job, vocabulary: Path) -> None:
    save_sentences(job.folder, build_sentences(job.profile.text, vocabulary, job.seed))


def row_counts(outline: Outline, head: HeadOutline | None) -> dict[str, int]:
    """Rows of every table but messages; those that only the schema at head has are 0 below it."""
    owners = outline.owners
    return {
        "accounts": len(owners.created),
        "users": len(owners.users.account),
        "inboxes": len(owners.inboxes.account),
        "inbox_members": len(owners.member_user),
        "contacts": len(outline.contacts.account),
        "conversations": len(outline.conversations.start),
        "contact_inboxes": len(head.entry_contact) if head else 0,
        "conversation_counters": len(head.counters) if head else 0,
        "duplicate_resolutions": len(head.twin) if head else 0,
    }


def _first_tasks(job: Job, counts: dict[str, int]) -> list[Task]:
    """Every block but those of messages. Conversations come first: they take longest."""
    tasks = [Task("conversations", number) for number in range(block_count(counts["conversations"]))]
    for table in (*_BLOCKS, *_WHOLE):
        if table in job.layout.columns:
            blocks = -(-counts[table] // CONTACT_BLOCK) if table in _BLOCKS else 1
            tasks += [Task(table, number) for number in range(blocks)]
    return tasks


def _expected_lines(job: Job, outline: Outline) -> int:
    """About how many lines of activity there will be: they are drawn with their conversations."""
    profile: Profile = job.profile
    if not job.layout.at_head:
        return 0
    each = profile.assignment.resolved + 1 + sum(profile.features.priority)
    return round(len(outline.conversations.start) * (each * profile.features.activity + profile.features.surveys))


def _key_edges(job: Job, outline: Outline) -> Ints:
    """Where the keys of each block of conversations begin in the file of keys, and where those of the last one end.

    At head there is room for the lines of activity, at most four a conversation and two for each return. The file is
    sparse.
    """
    conversations = outline.conversations
    total = int(conversations.first_message[-1] + conversations.messages[-1])
    messages: Ints = np.append(conversations.first_message[::BLOCK], total)
    if not job.layout.at_head:
        return messages
    return np.asarray(3 * messages + 4 * np.minimum(np.arange(len(messages)) * BLOCK, len(conversations.start)))


def _window_tasks(edges: list[int], done: Blocks) -> list[Task]:
    """A task for each window of time, with its first id, the number of its first message (lines of activity have none)
    and the runs of keys that blocks of conversations left for it: (first key, keys) in the file of keys."""
    runs: dict[int, list[tuple[int, int]]] = {}
    lines: dict[int, int] = {}
    for block, edge in zip(done["conversations"], edges, strict=False):
        place = edge
        first_window, counts, active = block.note
        for window, (count, of_them) in enumerate(zip(counts, active, strict=True), first_window):
            if count:
                runs.setdefault(window, []).append((place, count))
                lines[window] = lines.get(window, 0) + of_them
                place += count
    tasks, first_id, first_number = [], 1, 1
    for window in sorted(runs):
        tasks.append(Task("messages", window, (first_id, first_number, tuple(runs[window]))))
        count = sum(count for _, count in runs[window])
        first_id += count
        first_number += count - lines[window]
    return tasks


class BlockBuilder:
    """Builds the rows of any block from what the job's folder holds."""

    def __init__(self, job: Job) -> None:
        self._context = load_context(job)
        self._folder = job.folder
        self._counts = row_counts(self._context.outline, self._context.head)
        self._edges = _key_edges(job, self._context.outline)

    def needs(self, task: Task) -> list[Part]:
        """A window needs its keys, and the state of the blocks of conversations that they are of."""
        if task.table != "messages":
            return []
        _, _, runs = task.details
        blocks = (np.searchsorted(self._edges, [place for place, _ in runs], side="right") - 1).tolist()
        keys = [
            Part(KEYS, int(self._edges[block]) * _KEY, place * _KEY, count * _KEY)
            for block, (place, count) in zip(blocks, runs, strict=True)
        ]
        return keys + [_states(block) for block in blocks]

    def build(self, task: Task) -> Built:
        if task.table == "messages":
            return self._window(task)
        if task.table == "conversations":
            return self._conversations(task)
        count = self._counts[task.table]
        if task.table in _BLOCKS:
            here = min((task.number + 1) * CONTACT_BLOCK, count) - task.number * CONTACT_BLOCK
            return Built(_BLOCKS[task.table](self._context, task.number), here)
        return Built(_WHOLE[task.table](self._context), count)

    def _window(self, task: Task) -> Built:
        first_id, first_number, runs = task.details
        path = self._folder / KEYS
        keys = np.concatenate([np.fromfile(path, dtype=np.int64, count=n, offset=at * _KEY) for at, n in runs])
        keys.sort()
        states: AnyArray = np.asarray(np.memmap(self._folder / STATES, dtype=STATE, mode="r"))
        ids, active = np.arange(first_id, first_id + len(keys)), kinds(keys) >= LINE_USER
        said = ~active
        numbers = np.arange(first_number, first_number + np.count_nonzero(said))
        rows = messages.window(self._context, states, keys[said], ids[said], numbers, number=task.number)
        if not active.any():
            return Built(rows[0], len(keys))
        lines = activity_rows(self._context, states, keys[active], ids[active])
        return Built(interleaved([rows, lines], active.astype(np.int64)), len(keys))

    def _conversations(self, task: Task) -> Built:
        context = self._context
        block = converse(context.profile, context.outline, context.clock, context.seed, task.number, head=context.head)
        first = int(self._edges[task.number]) * _KEY
        _write_at(self._folder / KEYS, first, block.keys)
        _write_at(self._folder / STATES, block.first * STATE.itemsize, block.state)
        return Built(
            rows.conversations(context, block),
            block.last - block.first,
            note=_windows(context, block),
            left=(Part(KEYS, first, first, len(block.keys) * _KEY), _states(task.number)),
        )


def _states(block: int) -> Part:
    size = BLOCK * STATE.itemsize
    return Part(STATES, block * size, block * size, size, again=True)


def _windows(context: Context, block: Block) -> list[Any]:
    """The first window of time with messages of the block, how many fall on each from there on, and how many of them
    are lines of activity.

    Windows begin with the blocks of conversations.
    """
    starts = np.array(context.outline.conversations.start[::BLOCK])
    starts[0] = 0
    edges = np.searchsorted(block.keys, starts << MOMENT_SHIFT)
    edges = np.append(edges, len(block.keys))
    lines = np.concatenate(([0], np.cumsum(kinds(block.keys) >= LINE_USER)))
    used = np.flatnonzero(np.diff(edges))
    part = slice(int(used[0]), int(used[-1]) + 1)
    return [part.start, np.diff(edges)[part].tolist(), np.diff(lines[edges])[part].tolist()]


def _write_at(path: Path, offset: int, array: AnyArray) -> None:
    handle = os.open(path, os.O_WRONLY | os.O_CREAT, 0o600)
    try:
        os.pwrite(handle, np.ascontiguousarray(array).data, offset)
    finally:
        os.close(handle)
