"""What blocks hold, and that nothing depends on who builds them: no server needed."""

from __future__ import annotations

import pickle
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pytest

from inboxbench.messenger.data import ROW_SOURCE
from inboxbench.messenger.data.conversations import converse
from inboxbench.messenger.data.dialogue import RESOLVED
from inboxbench.messenger.data.message_keys import (
    BOT,
    CONTACT,
    LINE_CONTACT,
    LINE_USER,
    NEVER,
    USER,
    kinds,
    moments,
    positions,
)
from inboxbench.messenger.data.outline import Outline, build_head, load_outline, make_clock, span
from inboxbench.project import find_project
from inboxbench.seed.load.worker import Worker
from inboxbench.seed.profile import read_profile, scaled
from inboxbench.seed.row_source import Done, Job, Plan, row_source_name

SEEDS = find_project().seeds
LAYOUTS = ROW_SOURCE.layouts
TINY = read_profile(ROW_SOURCE, SEEDS, "tiny")
# Several blocks of conversations, so that windows have more than one run of keys.
WIDE = scaled(ROW_SOURCE, TINY, size=80_000)


def job(folder: Path, seed: int) -> Job:
    return Job(folder, row_source_name(find_project()), WIDE, seed, LAYOUTS["baseline"], None)


@dataclass(frozen=True)
class Loaded:
    outline: Outline
    others: list[Done]
    windows: list[Done]


def planned(folder: Path, seed: int) -> Plan:
    return ROW_SOURCE.plan(job(folder, seed), SEEDS)


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Loaded:
    folder = tmp_path_factory.mktemp("blocks")
    plan = planned(folder, 5)
    worker = Worker(job(folder, 5))
    others = [worker.run(task) for task in plan.phases[0]({})]
    windows = plan.phases[1]({"conversations": [done for done in others if done.table == "conversations"]})
    return Loaded(load_outline(folder, WIDE, 5), others, [worker.run(task) for task in windows])


@pytest.fixture(scope="module")
def outline(built: Loaded) -> Outline:
    return built.outline


def test_counts_are_exact(outline: Outline) -> None:
    assert outline.conversations.messages.sum() == 80_000
    assert outline.conversations.messages.min() >= 1


def test_the_outline_refers_only_to_what_is_there(outline: Outline) -> None:
    talks, contacts, owners = outline.conversations, outline.contacts, outline.owners
    assert (contacts.account[talks.contact - 1] == talks.account).all()
    assert (contacts.first_start[talks.contact - 1] <= talks.start).all()
    assert (owners.inboxes.account[talks.inbox - 1] == talks.account).all()
    assert (talks.start >= owners.joined[talks.account]).all()
    assert (np.diff(talks.start) >= 0).all()
    assert (owners.inboxes.created[talks.inbox - 1] < talks.start).all()


def test_members_are_of_the_inboxs_account(outline: Outline) -> None:
    owners = outline.owners
    inbox = np.repeat(np.arange(len(owners.member_count)), owners.member_count)
    assert (owners.users.account[owners.member_user - 1] == owners.inboxes.account[inbox]).all()
    assert owners.member_count.min() >= WIDE.membership.minimum
    pairs = inbox * 10_000 + owners.member_user
    assert len(np.unique(pairs)) == len(pairs)


def test_dialogue_state_follows_from_its_messages(outline: Outline) -> None:
    block = converse(WIDE, outline, make_clock(WIDE), 5, 1, head=build_head(outline, WIDE, 5))
    moment, kind = moments(block.keys), kinds(block.keys)
    owner = positions(block.keys) - block.first
    assert (moment <= span(WIDE)).all()
    assert len(np.unique(owner)) == block.last - block.first
    for place in range(block.last - block.first):
        own = owner == place
        at, who = moment[own], kind[own]
        said = at[who < LINE_USER]
        assert (np.diff(said) > 0).all()
        assert at[0] == said[0] == block.start[place]
        assert said[-1] == block.last_message[place]
        assert at[-1] == block.last_activity[place]
        human = at[who == USER]
        assert block.clocks.first_reply[place] == (human[0] if len(human) else NEVER)
        assert (block.assignee[place] > 0) or not len(human)
        ours = at[(who == USER) | (who == BOT)]
        waiting = at[(who == CONTACT) & (at > (ours[-1] if len(ours) else -1))]
        expected = waiting[0] if len(waiting) and block.status[place] != RESOLVED else NEVER
        assert block.clocks.waiting_since[place] == expected


def test_sides_take_turns(outline: Outline) -> None:
    block = converse(WIDE, outline, make_clock(WIDE), 5, 0, head=build_head(outline, WIDE, 5))
    order = np.lexsort((moments(block.keys), positions(block.keys)))
    order = order[kinds(block.keys)[order] < LINE_USER]
    side = kinds(block.keys)[order] != CONTACT
    same = positions(block.keys)[order][1:] == positions(block.keys)[order][:-1]
    assert (side[1:] != side[:-1])[same].mean() == pytest.approx(WIDE.dialogue.turn_share, abs=0.01)
    assert set(np.unique(kinds(block.keys)).tolist()) == set(range(LINE_CONTACT + 1))


def test_windows_cover_every_message_once(built: Loaded) -> None:
    windows = built.windows
    assert sum(done.rows for done in windows) == 80_000
    assert len(windows) > 2


def sums(done: list[Done]) -> dict[tuple[str, int], int]:
    return {(block.table, block.number): block.checksum for block in done}


def test_blocks_do_not_depend_on_their_order(tmp_path: Path, built: Loaded) -> None:
    """Another worker, in the opposite order, makes the same bytes."""
    plan = planned(tmp_path, 5)
    worker = Worker(job(tmp_path, 5))
    others = [worker.run(task) for task in reversed(plan.phases[0]({}))]
    talks = sorted((done for done in others if done.table == "conversations"), key=lambda done: done.number)
    windows = [worker.run(task) for task in reversed(plan.phases[1]({"conversations": talks}))]
    assert sums(others) == sums(built.others)
    assert sums(windows) == sums(built.windows)


def test_another_seed_gives_other_rows(tmp_path: Path, built: Loaded) -> None:
    plan = planned(tmp_path, 6)
    worker = Worker(job(tmp_path, 6))
    other = sums([worker.run(task) for task in plan.phases[0]({})])
    assert [key for key, value in sums(built.others).items() if other.get(key) == value] == []


def test_a_profile_key_changes_its_rows(outline: Outline) -> None:
    calm = replace(WIDE, dialogue=replace(WIDE.dialogue, turn_share=0.1))
    first = converse(WIDE, outline, make_clock(WIDE), 5, 0, head=build_head(outline, WIDE, 5))
    second = converse(calm, outline, make_clock(calm), 5, 0, head=build_head(outline, calm, 5))
    assert not np.array_equal(first.keys, second.keys)


def test_a_job_travels_to_other_processes(tmp_path: Path) -> None:
    for layout in LAYOUTS.values():
        sent = replace(job(tmp_path, 5), layout=layout)
        assert pickle.loads(pickle.dumps(sent)) == sent  # noqa: S301 - our own bytes
