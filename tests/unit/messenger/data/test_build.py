"""What blocks hold, and that nothing depends on who builds them: no server needed."""

from __future__ import annotations

import pickle
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from inboxbench.messenger.data.dialogue import RESOLVED, converse
from inboxbench.messenger.data.message_keys import (
    BOT,
    CONTACT,
    NEVER,
    NOTE,
    TEMPLATE,
    USER,
    kinds,
    moments,
    positions,
)
from inboxbench.messenger.data.outline import World, make_clock, span
from inboxbench.messenger.data.plan import Outline, outline, outline_tasks, window_tasks
from inboxbench.messenger.data.profile import load_profile, scaled
from inboxbench.messenger.data.table_layout import LAYOUTS
from inboxbench.project import find_project
from inboxbench.seed.load.task import Job
from inboxbench.seed.load.worker import Done, Worker

SEEDS = find_project().seeds
TINY = load_profile(SEEDS, "tiny")
# Several blocks of conversations, so that windows have more than one run of keys.
WIDE = scaled(TINY, messages=80_000)


def job(folder: Path, seed: int) -> Job:
    return Job(folder, WIDE, seed, LAYOUTS["baseline"], None)


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> tuple[Outline, list[Done], list[Done]]:
    folder = tmp_path_factory.mktemp("blocks")
    plan = outline(job(folder, 5), SEEDS / "vocabulary")
    worker = Worker(job(folder, 5))
    others = [worker.run(task) for task in outline_tasks(plan)]
    windows = window_tasks(plan, [done for done in others if done.table == "conversations"])
    return plan, others, [worker.run(task) for task in windows]


@pytest.fixture(scope="module")
def world(built: tuple[Outline, list[Done], list[Done]]) -> World:
    return built[0].world


def test_counts_are_exact(world: World) -> None:
    assert world.conversations.messages.sum() == 80_000
    assert world.conversations.messages.min() >= 1


def test_world_refers_only_to_what_is_there(world: World) -> None:
    talks, contacts, owners = world.conversations, world.contacts, world.owners
    assert (contacts.account[talks.contact - 1] == talks.account).all()
    assert (contacts.first_start[talks.contact - 1] <= talks.start).all()
    assert (owners.inboxes.account[talks.inbox - 1] == talks.account).all()
    assert (talks.start >= owners.joined[talks.account]).all()
    assert (np.diff(talks.start) >= 0).all()
    assert (owners.inboxes.created[talks.inbox - 1] < talks.start).all()


def test_members_are_of_the_inboxs_account(world: World) -> None:
    owners = world.owners
    inbox = np.repeat(np.arange(len(owners.member_count)), owners.member_count)
    assert (owners.users.account[owners.member_user - 1] == owners.inboxes.account[inbox]).all()
    assert owners.member_count.min() >= WIDE.membership.minimum
    pairs = inbox * 10_000 + owners.member_user
    assert len(np.unique(pairs)) == len(pairs)


def test_dialogue_state_follows_from_its_messages(world: World) -> None:
    block = converse(WIDE, world, make_clock(WIDE), 5, 1)
    moment, kind = moments(block.keys), kinds(block.keys)
    owner = positions(block.keys) - block.first
    assert (moment <= span(WIDE)).all()
    assert len(np.unique(owner)) == block.last - block.first
    for place in range(block.last - block.first):
        own = owner == place
        at, who = moment[own], kind[own]
        assert (np.diff(at) > 0).all()
        assert at[0] == block.start[place]
        assert at[-1] == block.last_message[place]
        human = at[who == USER]
        assert block.clocks.first_reply[place] == (human[0] if len(human) else NEVER)
        assert (block.assignee[place] > 0) or not len(human)
        ours = at[(who == USER) | (who == BOT)]
        waiting = at[(who == CONTACT) & (at > (ours[-1] if len(ours) else -1))]
        expected = waiting[0] if len(waiting) and block.status[place] != RESOLVED else NEVER
        assert block.clocks.waiting_since[place] == expected


def test_sides_take_turns(world: World) -> None:
    block = converse(WIDE, world, make_clock(WIDE), 5, 0)
    order = np.lexsort((moments(block.keys), positions(block.keys)))
    side = kinds(block.keys)[order] != CONTACT
    same = positions(block.keys)[order][1:] == positions(block.keys)[order][:-1]
    assert (side[1:] != side[:-1])[same].mean() == pytest.approx(WIDE.dialogue.turn_share, abs=0.01)
    assert set(np.unique(kinds(block.keys)).tolist()) == {CONTACT, USER, BOT, NOTE, TEMPLATE}


def test_windows_cover_every_message_once(built: tuple[Outline, list[Done], list[Done]]) -> None:
    _, _, windows = built
    assert sum(done.rows for done in windows) == 80_000
    assert len(windows) > 2


def sums(done: list[Done]) -> dict[tuple[str, int], int]:
    return {(one.table, one.number): one.checksum for one in done}


def test_blocks_do_not_depend_on_their_order(tmp_path: Path, built: tuple[Outline, list[Done], list[Done]]) -> None:
    """Another worker, in the opposite order, makes the same bytes."""
    plan = outline(job(tmp_path, 5), SEEDS / "vocabulary")
    worker = Worker(job(tmp_path, 5))
    others = [worker.run(task) for task in reversed(outline_tasks(plan))]
    talks = sorted((done for done in others if done.table == "conversations"), key=lambda done: done.number)
    windows = [worker.run(task) for task in reversed(window_tasks(plan, talks))]
    assert sums(others) == sums(built[1])
    assert sums(windows) == sums(built[2])


def test_another_seed_gives_other_rows(tmp_path: Path, built: tuple[Outline, list[Done], list[Done]]) -> None:
    plan = outline(job(tmp_path, 6), SEEDS / "vocabulary")
    worker = Worker(job(tmp_path, 6))
    other = sums([worker.run(task) for task in outline_tasks(plan)])
    assert [key for key, value in sums(built[1]).items() if other.get(key) == value] == []


def test_a_profile_key_changes_its_rows(world: World) -> None:
    calm = replace(WIDE, dialogue=replace(WIDE.dialogue, turn_share=0.1))
    first = converse(WIDE, world, make_clock(WIDE), 5, 0)
    second = converse(calm, world, make_clock(calm), 5, 0)
    assert not np.array_equal(first.keys, second.keys)


def test_a_job_travels_to_other_processes(tmp_path: Path) -> None:
    for layout in LAYOUTS.values():
        sent = Job(tmp_path, WIDE, 5, layout, None)
        assert pickle.loads(pickle.dumps(sent)) == sent  # noqa: S301 - our own bytes
