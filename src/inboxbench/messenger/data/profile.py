"""A profile: what a dataset looks like, read from seeds/NAME.toml. Every key is described beside its field."""

from __future__ import annotations

import math
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, fields, is_dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, get_args, get_origin, get_type_hints

from inboxbench.errors import UsageError, unknown
from inboxbench.messenger.data.profile_checks import contradictions


@dataclass(frozen=True, slots=True)
class Time:
    """Weeks of history up to the moment `ends`; traffic of an account grows as t ** (growth - 1)."""

    ends: datetime
    weeks: int
    growth: float

    @property
    def starts(self) -> datetime:
        return self.ends - timedelta(weeks=self.weeks)


@dataclass(frozen=True, slots=True)
class Accounts:
    """Zipf over accounts; `largest_share` of all conversations belongs to the first rank (0: as Zipf says)."""

    count: int
    exponent: float
    largest_share: float
    late_share: float  # of the span, by the end of which the last account has joined


@dataclass(frozen=True, slots=True)
class Fleet:
    """Users or inboxes: `count` in all, shared out as account size ** power, at least `minimum` each."""

    count: int
    power: float
    minimum: int


@dataclass(frozen=True, slots=True)
class Membership:
    """Who answers where: a share of the account's users is in each inbox, at least `minimum`; Zipf over both."""

    share: float
    minimum: int
    inbox_exponent: float  # conversations over an account's inboxes: hot and cold ones
    agent_exponent: float  # conversations over an inbox's members
    administrators: float  # share of users with that role beside the first of each account


@dataclass(frozen=True, slots=True)
class Contacts:
    """Who writes: share of conversations opened by a newcomer, and what is known of a contact."""

    new_share: float
    email_share: float
    phone_share: float
    external_id_share: float
    external_id_duplicates: float  # share of those that repeat an earlier one of the account


@dataclass(frozen=True, slots=True)
class Messages:
    """How many, and how they fall on conversations: a lognormal body with a power-law tail."""

    count: int
    median: float
    sigma: float
    tail_share: float
    tail_exponent: float
    largest: int  # messages of the longest conversation


@dataclass(frozen=True, slots=True)
class Dialogue:
    """Turns and pauses of a conversation; pauses are medians in seconds of activity time."""

    turn_share: float  # chance that the next message comes from the other side
    outgoing_first: float  # share of conversations that we begin
    bot_second: float  # share of second messages a bot answers, if ours
    bot_later: float
    handover: float  # share of human replies by a member who is not the assignee
    same_side_pause: float
    agent_pause: float
    contact_pause: float
    pause_sigma: float
    return_share: float  # of a customer's pauses: back only after hours or days
    return_pause: float  # seconds, median


@dataclass(frozen=True, slots=True)
class Status:
    """Shares of open and pending conversations by days since the last message; the rest is resolved."""

    days: tuple[float, ...]
    open: tuple[float, ...]
    pending: tuple[float, ...]


@dataclass(frozen=True, slots=True)
class Assignment:
    """Shares of conversations with an assignee, by status."""

    open: float
    pending: float
    resolved: float


@dataclass(frozen=True, slots=True)
class Reading:
    """Shares of unfinished conversations whose latest messages nobody read yet."""

    agent_unread: float
    contact_unread: float


@dataclass(frozen=True, slots=True)
class Rating:
    """Of resolved conversations: share rated, weights of the scores 1..5, share of the rated with a comment."""

    share: float
    scores: tuple[float, ...]
    comment_share: float


@dataclass(frozen=True, slots=True)
class Labels:
    """Branches and regions: how many an account has at most, Zipf over them, share of accounts without any."""

    branches: int
    regions: int
    exponent: float
    without: float


@dataclass(frozen=True, slots=True)
class Features:
    """Shares of what only the schema at head can hold. All zero: exactly what the migrations make of the baseline."""

    private_notes: float  # of human messages on our side: notes among colleagues
    templates: float  # of a bot's messages: prepared ones, which answer nobody
    attachments: float  # of messages: files, described in content_attributes
    outside_inboxes: float  # of inboxes that belong to another channel, whose messages carry its source_id
    source_id_repeats: float  # of those: delivered to another inbox too, under the same source_id
    identifiers: float  # of conversations with a key of an outside system
    priority: tuple[float, ...]  # of conversations: low, medium, high, urgent; the rest has none
    snoozed: float  # of open conversations that somebody holds
    snoozed_due: float  # of those: their time has come, and nobody woke them yet
    snoozed_days: float  # until the others come back, median
    blocked: float  # of contacts


@dataclass(frozen=True, slots=True)
class Text:
    """Languages and bodies. Shares of accounts that speak only Russian, only English; the others speak both."""

    russian: float
    english: float
    largest: str  # language of the largest account: ru, en or mixed
    mixed_russian: float  # share of Russian contacts where both are spoken
    russian_words: int
    english_words: int
    sentences: int  # in the pool of each language
    phrase_share: float  # of sentences that are written support phrases
    token_share: float  # of messages with a number or address never used before
    pieces: tuple[float, ...]  # weights of bodies of 1, 2, 3 … sentences
    long_share: float  # of messages with a very long body
    long_smallest: int  # characters
    long_largest: int


@dataclass(frozen=True, slots=True)
class WorkingHours:
    """Local opening hours, traffic outside them, weight of each weekday from Monday, timezones in use."""

    opens: int
    closes: int
    night: float
    weekdays: tuple[float, ...]
    timezones: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Churn:
    """A live database's past: shares of rows updated, and of messages stored and deleted again."""

    conversations_updated: float
    messages_updated: float
    messages_deleted: float
    rounds: int  # of updates, with a vacuum before the last


@dataclass(frozen=True, slots=True)
class Profile:
    name: str
    title: str
    time: Time
    accounts: Accounts
    users: Fleet
    inboxes: Fleet
    membership: Membership
    contacts: Contacts
    messages: Messages
    dialogue: Dialogue
    status: Status
    assignment: Assignment
    reading: Reading
    rating: Rating
    labels: Labels
    features: Features
    text: Text
    hours: WorkingHours
    churn: Churn


def profile_names(folder: Path) -> list[str]:
    return sorted(path.stem for path in folder.glob("*.toml"))


def load_profile(folder: Path, name: str) -> Profile:
    """The profile `name` of `folder`. Raises UsageError naming file and key for anything that is wrong in it."""
    path = folder / f"{name}.toml"
    if not path.is_file():
        raise unknown("profile", name, profile_names(folder))
    return parse_profile(path.read_text(encoding="utf-8"), name, str(path))


def parse_profile(source: str, name: str, where: str) -> Profile:
    """A profile from TOML text; `where` is how messages call it."""
    try:
        data = tomllib.loads(source)
    except tomllib.TOMLDecodeError as error:
        raise UsageError(f"{where}: not TOML: {error}") from None
    profile: Profile = _section(Profile, {"name": name, **data}, where, "")
    for key, problem in contradictions(profile):
        raise UsageError(f"{where}: {key}: {problem}")
    return profile


def scaled(profile: Profile, *, scale: float = 1.0, messages: int | None = None) -> Profile:
    """The profile at another size: accounts keep their number and shares, everything they own follows.

    Raises UsageError when both sizes are given, one is no size, or the result is empty.
    """
    if not 0 < scale < math.inf:
        raise UsageError(f"--scale {scale:g} is no size; name a number above 0, such as 0.1 or 10")
    if messages is not None and scale != 1.0:
        raise UsageError("--scale and --messages both set the size; give one of them")
    count = messages if messages is not None else round(profile.messages.count * scale)
    if count < profile.accounts.count:
        raise UsageError(
            f"{count} messages are fewer than the {profile.accounts.count} accounts of profile {profile.name!r}; "
            "choose a larger size"
        )
    factor = count / profile.messages.count
    sized = replace(
        profile,
        messages=replace(profile.messages, count=count),
        users=_fleet(profile.users, factor, profile.accounts.count),
        inboxes=_fleet(profile.inboxes, factor, profile.accounts.count),
    )
    for key, problem in contradictions(sized):
        raise UsageError(f"profile {profile.name!r} with {count} messages: {key}: {problem}")
    return sized


def without_features(profile: Profile) -> Profile:
    """The profile whose rows at head are exactly what the migrations make of its rows at the baseline."""
    none = {field.name: 0.0 for field in fields(Features)}
    return replace(profile, features=Features(**none | {"priority": (0.0,) * 4, "snoozed_days": 1.0}))  # type: ignore[arg-type]


def _fleet(fleet: Fleet, factor: float, accounts: int) -> Fleet:
    """Users and inboxes follow the size by its square root, as firms do not hire a person per customer."""
    return replace(fleet, count=max(round(fleet.count * factor**0.5), fleet.minimum * accounts))


def _section(kind: type[Any], data: Mapping[str, Any], where: str, prefix: str) -> Any:
    names = [field.name for field in fields(kind)]
    for key in data:
        if key not in names:
            raise unknown("key", prefix + key, [prefix + name for name in names], where=where)
    for name in names:
        if name not in data:
            raise UsageError(f"{where}: key {prefix + name!r} is missing")
    types = get_type_hints(kind)
    return kind(**{name: _value(types[name], data[name], where, prefix + name) for name in names})


def _value(kind: Any, value: Any, where: str, key: str) -> Any:
    if is_dataclass(kind):
        if not isinstance(value, Mapping):
            raise UsageError(f"{where}: {key} must be a table, not {value!r}")
        return _section(kind, value, where, f"{key}.")  # type: ignore[arg-type]
    if get_origin(kind) is tuple:
        if not isinstance(value, list):
            raise UsageError(f"{where}: {key} must be a list, not {value!r}")
        return tuple(_value(get_args(kind)[0], item, where, key) for item in value)
    if kind is float and isinstance(value, int) and not isinstance(value, bool):
        return float(value)
    if not isinstance(value, kind) or (kind is int and isinstance(value, bool)):
        raise UsageError(f"{where}: {key} must be {_WORDS[kind]}, not {value!r}")
    if kind is datetime and value.tzinfo is None:
        return value.replace(tzinfo=UTC)
    return value


_WORDS = {int: "a whole number", float: "a number", str: "a text", datetime: "a date with time"}
