"""Every message and line of every conversation lies inside its life, whatever the profile: no server needed."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from inboxbench.errors import UsageError
from inboxbench.messenger.data import ROW_SOURCE
from inboxbench.messenger.data.conversations import Block, block_count, converse
from inboxbench.messenger.data.dialogue import RESOLVED
from inboxbench.messenger.data.message_keys import BOT, CONTACT, LINE_USER, NEVER, USER, kinds, moments, positions
from inboxbench.messenger.data.outline import build_head, build_outline, make_clock, span
from inboxbench.messenger.data.profile import Profile
from inboxbench.project import find_project
from inboxbench.seed.binary import Flags, Ints
from inboxbench.seed.profile import read_profile, scaled


def shipped(name: str, size: int | None = None) -> Profile:
    return scaled(ROW_SOURCE, read_profile(ROW_SOURCE, find_project().seeds, name), size=size)


def long_ones(weeks: int, largest: int, return_pause: float) -> Profile:
    """Many very long conversations with long pauses: most would run past the end."""
    base = shipped("tiny", 300_000)
    return replace(
        base,
        time=replace(base.time, weeks=weeks),
        messages=replace(base.messages, median=40.0, tail_share=0.4, tail_exponent=0.5, largest=largest),
        dialogue=replace(base.dialogue, return_share=0.4, return_pause=return_pause),
    )


PROFILES = {
    "tiny": shipped("tiny"),
    "small": shipped("small"),
    "medium, 2 M": shipped("medium", 2_000_000),
    "longest span": long_ones(112, 60_000, 1e7),
    "one week": long_ones(1, 60_000, 100_000.0),
}


def first_and_last(values: Ints, owner: Ints, chosen: Flags, count: int) -> tuple[Ints, Ints]:
    """By conversation the first and the last chosen moment; NEVER where there is none."""
    first, last = np.full(count, np.iinfo(np.int64).max), np.full(count, NEVER)
    np.minimum.at(first, owner[chosen], values[chosen])
    np.maximum.at(last, owner[chosen], values[chosen])
    return np.where(last == NEVER, NEVER, first), last


def check(block: Block, end: int) -> None:
    owner, moment, kind = positions(block.keys) - block.first, moments(block.keys), kinds(block.keys)
    count, said = block.last - block.first, kind < LINE_USER
    assert (np.diff(block.keys) > 0).all()
    begins, last_said = first_and_last(moment, owner, said, count)
    assert (begins == block.start).all()
    assert (last_said == block.last_message).all()
    earliest, latest = first_and_last(moment, owner, np.ones_like(said), count)
    assert (earliest == block.start).all()
    assert (latest == block.last_activity).all()
    assert latest.max() <= end
    order = np.lexsort((moment[said], owner[said]))
    same = np.diff(owner[said][order]) == 0
    assert (np.diff(moment[said][order])[same] > 0).all()
    assigned = block.assignee > 0
    assert ((block.assigned_at >= block.start) & (block.assigned_at < end))[assigned].all()
    assert ((block.closed_at > block.last_message) & (block.closed_at < end)).all()


def check_clocks(block: Block) -> None:
    owner, moment, kind = positions(block.keys) - block.first, moments(block.keys), kinds(block.keys)
    count = block.last - block.first
    first_reply, _ = first_and_last(moment, owner, kind == USER, count)
    assert (block.clocks.first_reply == first_reply).all()
    _, answered = first_and_last(moment, owner, (kind == USER) | (kind == BOT), count)
    asked, _ = first_and_last(moment, owner, (kind == CONTACT) & (moment > answered[owner]), count)
    assert (block.clocks.waiting_since == np.where(block.status == RESOLVED, NEVER, asked)).all()


@pytest.mark.parametrize("name", PROFILES)
def test_messages_and_lines_lie_in_their_conversations(name: str) -> None:
    profile = PROFILES[name]
    outline, clock, end = build_outline(profile, 1), make_clock(profile), span(profile)
    head = build_head(outline, profile, 1)
    for number in range(block_count(len(outline.conversations.start))):
        check(converse(profile, outline, clock, 1, number, head=None), end)
        block = converse(profile, outline, clock, 1, number, head=head)
        check(block, end)
        check_clocks(block)


def test_lengths_fit_into_what_is_left_of_the_span() -> None:
    for name in ("longest span", "one week"):
        profile = PROFILES[name]
        talks = build_outline(profile, 1).conversations
        assert talks.messages.sum() == profile.messages.count
        assert (talks.messages <= (span(profile) - talks.start) // 1000).all()


def test_more_messages_than_the_span_holds_are_refused() -> None:
    base = shipped("tiny")
    full = replace(
        base,
        accounts=replace(base.accounts, count=1),
        time=replace(base.time, weeks=1),
        messages=replace(base.messages, count=700_000, median=1e6, largest=1_000_000),
    )
    with pytest.raises(UsageError, match="700000 messages do not fit into its 1 weeks"):
        build_outline(full, 1)
