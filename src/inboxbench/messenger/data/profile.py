"""A messenger's profile: the keys of seeds/NAME.toml, each described beside its field, and what contradicts what."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, fields, replace
from datetime import datetime, timedelta

from inboxbench.errors import UsageError
from inboxbench.seed.profile import BaseProfile, NotNegative, Positive, Share
from inboxbench.seed.row_source import Problem

# Sort keys hold 36 bits of milliseconds and 24 bits of conversation (see message_keys.py).
MAX_WEEKS = 112
MAX_CONVERSATIONS = 1 << 24
BODY_LIMIT = 150_000
LONGEST_SENTENCE = 128


@dataclass(frozen=True, slots=True)
class Time:
    """Weeks of history up to the moment `ends`; traffic of an account grows as t ** (growth - 1)."""

    ends: datetime
    weeks: Positive[int]
    growth: Positive[float]

    @property
    def starts(self) -> datetime:
        return self.ends - timedelta(weeks=self.weeks)


@dataclass(frozen=True, slots=True)
class Accounts:
    """Zipf over accounts; `largest_share` of all conversations belongs to the first rank (0: as Zipf says)."""

    count: Positive[int]
    exponent: NotNegative
    largest_share: Share
    late_share: Share  # of the span, by the end of which the last account has joined


@dataclass(frozen=True, slots=True)
class Fleet:
    """Users or inboxes: `count` in all, shared out as account size ** power, at least `minimum` each."""

    count: Positive[int]
    power: NotNegative
    minimum: Positive[int]


@dataclass(frozen=True, slots=True)
class Membership:
    """Who answers where: a share of the account's users is in each inbox, at least `minimum`; Zipf over both."""

    share: Share
    minimum: Positive[int]
    inbox_exponent: NotNegative  # conversations over an account's inboxes: hot and cold ones
    agent_exponent: NotNegative  # conversations over an inbox's members
    administrators: Share  # share of users with that role beside the first of each account


@dataclass(frozen=True, slots=True)
class Contacts:
    """Who writes: share of conversations opened by a newcomer, and what is known of a contact."""

    new_share: Share
    email_share: Share
    phone_share: Share
    external_id_share: Share
    external_id_duplicates: Share  # share of those that repeat an earlier one of the account


@dataclass(frozen=True, slots=True)
class Messages:
    """How many, and how they fall on conversations: a lognormal body with a power-law tail."""

    count: Positive[int]
    median: Positive[float]
    sigma: Positive[float]
    tail_share: Share
    tail_exponent: Positive[float]
    largest: Positive[int]  # messages of the longest conversation


@dataclass(frozen=True, slots=True)
class Dialogue:
    """Turns and pauses of a conversation; pauses are medians in seconds of activity time."""

    turn_share: Share  # chance that the next message comes from the other side
    outgoing_first: Share  # share of conversations that we begin
    bot_second: Share  # share of second messages a bot answers, if ours
    bot_later: Share
    handover: Share  # share of human replies by a member who is not the assignee
    same_side_pause: Positive[float]
    agent_pause: Positive[float]
    contact_pause: Positive[float]
    pause_sigma: Positive[float]
    return_share: Share  # of a customer's pauses: back only after hours or days
    return_pause: Positive[float]  # seconds, median


@dataclass(frozen=True, slots=True)
class Status:
    """Shares of open and pending conversations by days since the last message; the rest is resolved."""

    days: tuple[float, ...]
    open: tuple[Share, ...]
    pending: tuple[Share, ...]


@dataclass(frozen=True, slots=True)
class ByStatus:
    """Shares of conversations, by status."""

    open: Share
    pending: Share
    resolved: Share


@dataclass(frozen=True, slots=True)
class Reading:
    """Shares of unfinished conversations whose latest messages nobody read yet."""

    agent_unread: Share
    contact_unread: Share


@dataclass(frozen=True, slots=True)
class Rating:
    """Of resolved conversations: share rated, weights of the scores 1..5, share of the rated with a comment."""

    share: Share
    scores: tuple[float, ...]
    comment_share: Share


@dataclass(frozen=True, slots=True)
class Labels:
    """Branches and regions: how many an account has at most, Zipf over them, share of accounts without any."""

    branches: Positive[int]
    regions: Positive[int]
    exponent: NotNegative
    without: Share


@dataclass(frozen=True, slots=True)
class Features:
    """Shares of what only the schema at head can hold. All zero: exactly what the migrations make of the baseline."""

    private_notes: Share  # of human messages on our side: notes among colleagues
    templates: Share  # of a bot's messages: prepared ones, which answer nobody
    attachments: Share  # of messages: files, described in content_attributes
    outside_inboxes: Share  # of inboxes that belong to another channel, whose messages carry its source_id
    source_id_repeats: Share  # of those: delivered to another inbox too, under the same source_id
    identifiers: Share  # of conversations with a key of an outside system
    priority: tuple[Share, ...]  # of conversations: low, medium, high, urgent; the rest has none
    snoozed: Share  # of open conversations that somebody holds
    snoozed_due: Share  # of those: their time has come, and nobody woke them yet
    snoozed_days: Positive[float]  # until the others come back, median
    blocked: Share  # of contacts
    activity: Share = 1.0  # of changes (status, assignee, priority, mute) that left their line in the conversation
    reopened: Share = 0.5  # of customers who came back after a day or more: what they found was resolved
    surveys: Share = 0.4  # of resolved conversations: asked for a rating; who gave one always was
    cards: Share = 0.35  # of templates: cards, forms, articles and lists to choose from
    stickers: Share = 0.01  # of the customers' messages


@dataclass(frozen=True, slots=True)
class Text:
    """Languages and bodies. Shares of accounts that speak only Russian, only English; the others speak both."""

    russian: Share
    english: Share
    largest: str  # language of the largest account: ru, en or mixed
    mixed_russian: Share  # share of Russian contacts where both are spoken
    russian_words: Positive[int]
    english_words: Positive[int]
    sentences: Positive[int]  # in the pool of each language
    phrase_share: Share  # of sentences that are written support phrases
    token_share: Share  # of messages with a number or address never used before
    pieces: tuple[float, ...]  # weights of bodies of 1, 2, 3 … sentences
    long_share: Share  # of messages with a very long body
    long_smallest: Positive[int]  # characters
    long_largest: int


@dataclass(frozen=True, slots=True)
class WorkingHours:
    """Local opening hours, traffic outside them, weight of each weekday from Monday, timezones in use."""

    opens: int
    closes: int
    night: Share
    weekdays: tuple[float, ...]
    timezones: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Churn:
    """A live database's past: shares of rows updated, and of messages stored and deleted again."""

    conversations_updated: Share
    messages_updated: Share
    messages_deleted: Share
    rounds: Positive[int]  # of updates, with a vacuum before the last


@dataclass(frozen=True, slots=True)
class Profile(BaseProfile):
    """A messenger's profile; the largest sections are `messages` (how many), `dialogue` (how they follow each other)
    and `text` (what they say)."""

    time: Time
    accounts: Accounts
    users: Fleet
    inboxes: Fleet
    membership: Membership
    contacts: Contacts
    messages: Messages
    dialogue: Dialogue
    status: Status
    assignment: ByStatus  # with an assignee
    reading: Reading
    rating: Rating
    labels: Labels
    features: Features
    text: Text
    hours: WorkingHours
    churn: Churn
    last_word: ByStatus = ByStatus(0.22, 0.4, 0.86)  # whose last message is ours


def resized(profile: Profile, size: int) -> Profile:
    """The profile with `size` messages: accounts keep their number and shares, everything they own follows.

    Raises UsageError when there are fewer messages than accounts.
    """
    if size < profile.accounts.count:
        raise UsageError(
            f"{size} messages are fewer than the {profile.accounts.count} accounts of profile {profile.name!r}; "
            "choose a larger size"
        )
    factor = size / profile.messages.count
    return replace(
        profile,
        messages=replace(profile.messages, count=size),
        users=_fleet(profile.users, factor, profile.accounts.count),
        inboxes=_fleet(profile.inboxes, factor, profile.accounts.count),
    )


def _fleet(fleet: Fleet, factor: float, accounts: int) -> Fleet:
    """Users and inboxes follow the size by its square root, as firms do not hire a person per customer."""
    return replace(fleet, count=max(round(fleet.count * factor**0.5), fleet.minimum * accounts))


def without_features(profile: Profile) -> Profile:
    """The profile whose rows at head are exactly what the migrations make of its rows at the baseline."""
    none = {field.name: 0.0 for field in fields(Features)}
    return replace(profile, features=Features(**none | {"priority": (0.0,) * 4, "snoozed_days": 1.0}))  # type: ignore[arg-type]


def contradictions(profile: Profile) -> Iterator[Problem]:
    """(key, what is wrong) for each rule that `profile` breaks, the simplest first."""
    yield from _lists(profile)
    yield from _owners(profile)
    yield from _sizes(profile)
    yield from _words_and_hours(profile)


def _lists(profile: Profile) -> Iterator[Problem]:
    status = profile.status
    if list(status.days) != sorted(set(status.days)):
        yield "status.days", "ages must grow from one to the next"
    for key in ("open", "pending"):
        if len(getattr(status, key)) != len(status.days) + 1:
            yield (
                f"status.{key}",
                f"needs {len(status.days) + 1} shares: one below each of status.days and one above",
            )
    for opened, pending in zip(status.open, status.pending, strict=False):
        if opened + pending > 1:
            yield "status.pending", f"with status.open it makes {opened + pending:g}, more than 1, of one age"
    scores = profile.rating.scores
    if len(scores) != 5 or min(scores) < 0 or sum(scores) <= 0:
        yield "rating.scores", "needs five weights, one for each score from 1 to 5, that are not all 0"
    if len(profile.features.priority) != 4 or sum(profile.features.priority) > 1:
        yield "features.priority", "needs four shares, low to urgent, that make at most 1 together"
    if len(profile.hours.weekdays) != 7 or min(profile.hours.weekdays, default=0) < 0:
        yield "hours.weekdays", "needs seven weights, from Monday to Sunday"
    if not profile.hours.timezones:
        yield "hours.timezones", "needs at least one timezone"
    if not profile.text.pieces or sum(profile.text.pieces) <= 0:
        yield "text.pieces", "needs at least one positive weight"


def _owners(profile: Profile) -> Iterator[Problem]:
    accounts = profile.accounts
    for section in ("users", "inboxes"):
        fleet = getattr(profile, section)
        if fleet.count < fleet.minimum * accounts.count:
            yield (
                f"{section}.count",
                f"{fleet.count} cannot give {accounts.count} accounts at least {fleet.minimum} each",
            )
    if profile.membership.minimum > profile.users.minimum:
        yield (
            "membership.minimum",
            f"{profile.membership.minimum} agents in an inbox are more than the {profile.users.minimum} users "
            "(users.minimum) of a small account",
        )


def _sizes(profile: Profile) -> Iterator[Problem]:
    accounts, messages = profile.accounts, profile.messages
    if profile.time.weeks > MAX_WEEKS:
        yield "time.weeks", f"{profile.time.weeks} weeks are more than the {MAX_WEEKS} that sort keys can hold"
    if messages.count < accounts.count:
        yield "messages.count", f"{messages.count} messages are fewer than the {accounts.count} accounts"
    if accounts.largest_share == 1 and accounts.count > 1:
        yield "accounts.largest_share", f"1 leaves nothing to the other {accounts.count - 1} accounts"
    if messages.largest < messages.median:
        yield "messages.largest", f"{messages.largest} is less than messages.median, {messages.median:g}"
    if messages.count / messages.median > MAX_CONVERSATIONS:
        yield "messages.count", f"makes more than the {MAX_CONVERSATIONS} conversations that sort keys can hold"


def _words_and_hours(profile: Profile) -> Iterator[Problem]:
    text = profile.text
    if text.russian + text.english > 1:
        yield "text.english", f"with text.russian it makes {text.russian + text.english:g}, more than 1"
    if text.largest not in ("ru", "en", "mixed"):
        yield "text.largest", f"{text.largest!r} is none of ru, en, mixed"
    if text.long_smallest < LONGEST_SENTENCE:
        yield "text.long_smallest", f"must be at least {LONGEST_SENTENCE}: a very long body holds whole sentences"
    if not text.long_smallest <= text.long_largest <= BODY_LIMIT:
        yield (
            "text.long_largest",
            f"must lie between text.long_smallest ({text.long_smallest}) and {BODY_LIMIT} characters",
        )
    if not 0 <= profile.hours.opens < profile.hours.closes <= 24:
        yield "hours.closes", "must come after hours.opens, both within 0..24"
    if profile.hours.night * max(profile.hours.weekdays) <= 0 or min(profile.hours.weekdays) <= 0:
        yield "hours.night", "night and every weekday need some traffic (more than 0), or time would stand still"
