"""What all blocks share, and the list of blocks."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from inboxbench.messenger.data.columns import CONTACT_BLOCK
from inboxbench.messenger.data.dialogue import BLOCK, block_count
from inboxbench.messenger.data.head_outline import Head, build_head, save_head
from inboxbench.messenger.data.names import save_people
from inboxbench.messenger.data.outline import World, build_world, save_arrays
from inboxbench.messenger.data.text import build_sentences, save_sentences
from inboxbench.seed.load.background import beside
from inboxbench.seed.load.task import Job, Task
from inboxbench.seed.load.worker import Done

# Sentences of a language from which on their pool is worth a process of its own.
_LARGE_POOL = 1 << 17


@dataclass(frozen=True, slots=True)
class Outline:
    world: World
    head: Head | None


def outline(job: Job, vocabulary: Path) -> Outline:
    """Build what all blocks share and leave it in the job's folder for the workers."""
    text = partial(_leave_text, job, vocabulary)
    with beside(text, alone=job.profile.text.sentences < _LARGE_POOL):
        world = build_world(job.profile, job.seed)
        save_arrays(job.folder, world)
        save_people(job.folder)
        head = build_head(world) if job.layout.at_head else None
        if head is not None:
            save_head(job.folder, head)
    return Outline(world, head)


def _leave_text(job: Job, vocabulary: Path) -> None:
    save_sentences(job.folder, build_sentences(job.profile.text, vocabulary, job.seed))


def total_rows(plan: Outline) -> int:
    owners, head = plan.world.owners, plan.head
    rows = len(owners.created) + len(owners.users.account) + len(owners.inboxes.account) + len(owners.member_user)
    rows += len(plan.world.contacts.account) + len(plan.world.conversations.start)
    if head is not None:
        rows += len(head.entry_contact) + len(head.counters) + len(head.twin)
    return rows + int(plan.world.conversations.messages.sum())


def _blocks(table: str, rows: int) -> list[Task]:
    return [Task(table, number) for number in range(-(-rows // CONTACT_BLOCK))]


def outline_tasks(plan: Outline) -> list[Task]:
    """Everything but messages. Conversations come first: their blocks prepare the windows."""
    conversations = block_count(len(plan.world.conversations.start))
    tasks = [Task("conversations", number) for number in range(conversations)]
    tasks += _blocks("contacts", len(plan.world.contacts.account))
    tasks += [Task(table) for table in ("accounts", "users", "inboxes", "inbox_members")]
    if plan.head is not None:
        tasks += _blocks("contact_inboxes", len(plan.head.entry_contact))
        tasks += [Task("conversation_counters"), Task("duplicate_resolutions")]
    return tasks


def window_tasks(plan: Outline, blocks: Iterable[Done]) -> list[Task]:
    """A task for each window of time: the runs of keys that the conversation blocks left for it."""
    first_message = plan.world.conversations.first_message
    runs: dict[int, list[tuple[int, int]]] = {}
    for number, block in enumerate(blocks):
        place = int(first_message[number * BLOCK])
        first_window, counts = block.windows
        for window, count in enumerate(counts, first_window):
            if count:
                runs.setdefault(window, []).append((place, count))
                place += count
    tasks, first_id = [], 1
    for window in sorted(runs):
        tasks.append(Task("messages", window, first_id, tuple(runs[window])))
        first_id += sum(count for _, count in runs[window])
    return tasks
