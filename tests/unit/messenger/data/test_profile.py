"""Profiles are read strictly: every mistake is one line that names file and key."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from inboxbench.errors import UsageError
from inboxbench.messenger.data import ROW_SOURCE
from inboxbench.messenger.data.profile import Profile
from inboxbench.project import find_project
from inboxbench.seed import profile as profiles
from inboxbench.seed.profile import profile_names

SEEDS = find_project().seeds
TINY = (SEEDS / "tiny.toml").read_text(encoding="utf-8")


def load_profile(folder: Path, name: str) -> Profile:
    return profiles.read_profile(ROW_SOURCE, folder, name)


def scaled(profile: Profile, *, scale: float = 1.0, size: int | None = None) -> Profile:
    return profiles.scaled(ROW_SOURCE, profile, scale=scale, size=size)


def changed(old: str, new: str) -> str:
    assert old in TINY
    return TINY.replace(old, new, 1)


def message(source: str) -> str:
    with pytest.raises(UsageError) as caught:
        profiles.parse_profile(ROW_SOURCE, source, "mine", "seeds/mine.toml")
    assert "\n" not in str(caught.value)
    return str(caught.value)


@pytest.mark.parametrize("name", ["tiny", "small", "medium", "large", "xlarge"])
def test_shipped_profiles_load(name: str) -> None:
    profile = load_profile(SEEDS, name)
    assert profile.name == name
    assert profile.title


def test_shipped_sizes() -> None:
    counts = {name: load_profile(SEEDS, name).messages.count for name in profile_names(SEEDS)}
    assert counts == {
        "tiny": 20_000,
        "small": 350_000,
        "medium": 5_000_000,
        "large": 20_000_000,
        "xlarge": 100_000_000,
    }


def test_unknown_profile_names_the_nearest() -> None:
    with pytest.raises(UsageError, match=r"unknown profile 'meduim'; did you mean 'medium'\?"):
        load_profile(SEEDS, "meduim")


def test_unknown_key_names_the_nearest() -> None:
    text = message(changed("turn_share", "turn_chare"))
    assert text.startswith("seeds/mine.toml: unknown key 'dialogue.turn_chare'; did you mean 'dialogue.turn_share'?")


def test_missing_key() -> None:
    assert message(changed("growth = 1.6\n", "")) == "seeds/mine.toml: key 'time.growth' is missing"


def test_keys_that_came_later_are_optional() -> None:
    """A profile written for an earlier version is read, with the shares of the shipped ones."""
    late = ("activity = ", "reopened = ", "surveys = ", "cards = ", "stickers = ")
    lines = [line for line in TINY.splitlines() if not line.startswith(late)]
    start = lines.index("[last_word]")
    old = "\n".join(lines[:start] + lines[start + 4 :])
    assert old.count("\n") < TINY.count("\n") - 8
    read = profiles.parse_profile(ROW_SOURCE, old, "mine", "seeds/mine.toml")
    assert replace(read, name="tiny") == load_profile(SEEDS, "tiny")


def test_wrong_type() -> None:
    assert (
        message(changed("count = 20_000", 'count = "many"'))
        == "seeds/mine.toml: messages.count must be a whole number, not 'many'"
    )


def test_not_toml() -> None:
    assert message("[time").startswith("seeds/mine.toml: not TOML: ")


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        (
            "new_share = 0.6",
            "new_share = 1.6",
            "seeds/mine.toml: contacts.new_share: 1.6 is no share: it must lie between 0 and 1",
        ),
        (
            "priority = [0.06,",
            "priority = [0.96,",
            "seeds/mine.toml: features.priority: needs four shares, low to urgent, that make at most 1 together",
        ),
        (
            "private_notes = 0.05",
            "private_notes = -0.05",
            "seeds/mine.toml: features.private_notes: -0.05 is no share: it must lie between 0 and 1",
        ),
        (
            "russian = 0.45",
            "russian = 0.75",
            "seeds/mine.toml: text.english: with text.russian it makes 1.1, more than 1",
        ),
        (
            "open = [0.62,",
            "open = [0.92,",
            "seeds/mine.toml: status.pending: with status.open it makes 1.04, more than 1, of one age",
        ),
        (
            "[membership]\nshare = 0.35\nminimum = 2",
            "[membership]\nshare = 0.35\nminimum = 5",
            "seeds/mine.toml: membership.minimum: 5 agents in an inbox are more than the 2 users (users.minimum) "
            "of a small account",
        ),
        (
            "[users]\ncount = 60",
            "[users]\ncount = 20",
            "seeds/mine.toml: users.count: 20 cannot give 12 accounts at least 2 each",
        ),
        (
            "long_largest = 150_000",
            "long_largest = 150_001",
            "seeds/mine.toml: text.long_largest: must lie between text.long_smallest (6000) and 150000 characters",
        ),
        (
            "weeks = 26",
            "weeks = 500",
            "seeds/mine.toml: time.weeks: 500 weeks are more than the 112 that sort keys can hold",
        ),
        (
            "days = [1.0, 3.0, 7.0, 30.0, 120.0]",
            "days = [1.0, 3.0]",
            "seeds/mine.toml: status.open: needs 3 shares: one below each of status.days and one above",
        ),
        (
            "opens = 9\ncloses = 19",
            "opens = 19\ncloses = 9",
            "seeds/mine.toml: hours.closes: must come after hours.opens, both within 0..24",
        ),
        (
            "growth = 1.6",
            "growth = nan",
            "seeds/mine.toml: time.growth: nan is no number that anything can be measured by",
        ),
        (
            "pieces = [54.0,",
            "pieces = [inf,",
            "seeds/mine.toml: text.pieces: inf is no number that anything can be measured by",
        ),
        (
            "scores = [0.09, 0.05, 0.09, 0.21, 0.56]",
            "scores = [0.0, 0.0, 0.0, 0.0, 0.0]",
            "seeds/mine.toml: rating.scores: needs five weights, one for each score from 1 to 5, that are not all 0",
        ),
        (
            "largest_share = 0.4",
            "largest_share = 1.0",
            "seeds/mine.toml: accounts.largest_share: 1 leaves nothing to the other 11 accounts",
        ),
    ],
)
def test_contradictions(old: str, new: str, expected: str) -> None:
    assert message(changed(old, new)) == expected


def test_scaled_follows_in_every_owner() -> None:
    tiny = load_profile(SEEDS, "tiny")
    four = scaled(tiny, scale=4)
    assert four.messages.count == 80_000
    assert four.users.count == 2 * tiny.users.count
    assert four.accounts == tiny.accounts


def test_scaled_to_a_count() -> None:
    assert scaled(load_profile(SEEDS, "medium"), size=7_000_000).messages.count == 7_000_000


def test_both_sizes_are_refused() -> None:
    with pytest.raises(UsageError, match="--scale and --messages both set the size"):
        scaled(load_profile(SEEDS, "tiny"), scale=2, size=10)


def test_too_small_is_refused() -> None:
    with pytest.raises(UsageError, match="2 messages are fewer than the 12 accounts of profile 'tiny'"):
        scaled(load_profile(SEEDS, "tiny"), size=2)


def test_profiles_of_another_project(tmp_path: Path) -> None:
    (tmp_path / "mine.toml").write_text(TINY, encoding="utf-8")
    assert replace(load_profile(tmp_path, "mine"), name="tiny") == load_profile(SEEDS, "tiny")
