"""What no profile may say: values out of range, and keys that contradict each other."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import fields, is_dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from inboxbench.messenger.data.profile import Profile

# Sort keys hold 36 bits of milliseconds and 24 bits of conversation (see dialogue.py).
MAX_WEEKS = 112
MAX_CONVERSATIONS = 1 << 24
BODY_LIMIT = 150_000
LONGEST_SENTENCE = 128

Problem = tuple[str, str]

_SHARES: dict[str, tuple[str, ...]] = {
    "accounts": ("largest_share", "late_share"),
    "membership": ("share", "administrators"),
    "contacts": ("new_share", "email_share", "phone_share", "external_id_share", "external_id_duplicates"),
    "messages": ("tail_share",),
    "dialogue": ("turn_share", "outgoing_first", "bot_second", "bot_later", "handover", "return_share"),
    "status": ("open", "pending"),
    "assignment": ("open", "pending", "resolved"),
    "reading": ("agent_unread", "contact_unread"),
    "rating": ("share", "comment_share"),
    "labels": ("without",),
    "features": (
        "private_notes",
        "templates",
        "attachments",
        "outside_inboxes",
        "source_id_repeats",
        "identifiers",
        "priority",
        "snoozed",
        "snoozed_due",
        "blocked",
    ),
    "text": ("russian", "english", "mixed_russian", "phrase_share", "token_share", "long_share"),
    "hours": ("night",),
    "churn": ("conversations_updated", "messages_updated", "messages_deleted"),
}
_POSITIVE: dict[str, tuple[str, ...]] = {
    "time": ("weeks", "growth"),
    "accounts": ("count",),
    "users": ("count", "minimum"),
    "inboxes": ("count", "minimum"),
    "membership": ("minimum",),
    "messages": ("count", "median", "sigma", "tail_exponent", "largest"),
    "dialogue": ("same_side_pause", "agent_pause", "contact_pause", "pause_sigma", "return_pause"),
    "labels": ("branches", "regions"),
    "features": ("snoozed_days",),
    "churn": ("rounds",),
    "text": ("russian_words", "english_words", "sentences", "long_smallest"),
}


def contradictions(profile: Profile) -> Iterator[Problem]:
    """(key, what is wrong) for each rule that `profile` breaks, the simplest first."""
    yield from _no_numbers(profile)
    yield from _out_of_range(profile)
    yield from _lists(profile)
    yield from _owners(profile)
    yield from _sizes(profile)
    yield from _words_and_hours(profile)


def _each(value: Any) -> Sequence[float]:
    return value if isinstance(value, tuple) else (value,)


def _no_numbers(profile: Profile) -> Iterator[Problem]:
    """TOML knows nan and inf, and nan passes every comparison that asks whether a value is too small."""
    for section in fields(profile):
        section_value = getattr(profile, section.name)
        for field in fields(section_value) if is_dataclass(section_value) else ():
            for value in _each(getattr(section_value, field.name)):
                if isinstance(value, float) and not math.isfinite(value):
                    yield f"{section.name}.{field.name}", f"{value:g} is no number that anything can be measured by"


def _out_of_range(profile: Profile) -> Iterator[Problem]:
    for section, keys in _SHARES.items():
        for key in keys:
            for value in _each(getattr(getattr(profile, section), key)):
                if not 0 <= value <= 1:
                    yield f"{section}.{key}", f"{value:g} is no share: it must lie between 0 and 1"
    for section, keys in _POSITIVE.items():
        for key in keys:
            if getattr(getattr(profile, section), key) <= 0:
                yield f"{section}.{key}", "must be more than 0"
    for field in fields(profile):
        section_value = getattr(profile, field.name)
        for name in ("exponent", "inbox_exponent", "agent_exponent", "power"):
            if getattr(section_value, name, 0) < 0:
                yield f"{field.name}.{name}", "must not be negative"


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
