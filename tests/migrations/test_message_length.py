"""M7, P1.3: at most 150,000 characters, whatever their bytes; old rows above it stop the upgrade cleanly."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import psycopg
import pytest

from inboxbench.errors import SubjectFailed
from inboxbench.migrate.session import Event, StepStarted

if TYPE_CHECKING:
    from tests.migrations.conftest import Messenger

LIMIT = 150_000
CONSTRAINT = "messages_body_length_check"


@pytest.mark.parametrize("character", ["a", "я", "€", "😀"], ids=["1 byte", "2 bytes", "3 bytes", "4 bytes"])
def test_the_boundary_is_in_characters(messenger_at: Callable[[str], Messenger], character: str) -> None:
    messenger = messenger_at("0006")
    messenger.execute("UPDATE messages SET body = repeat(%s, %s) WHERE id = 1", character, LIMIT)
    with pytest.raises(psycopg.errors.CheckViolation, match=CONSTRAINT):
        messenger.execute("UPDATE messages SET body = repeat(%s, %s) WHERE id = 1", character, LIMIT + 1)


def test_a_message_without_text_is_allowed(messenger_at: Callable[[str], Messenger]) -> None:
    messenger = messenger_at("0006")
    messenger.execute("UPDATE messages SET body = NULL WHERE id = 1")
    assert messenger.value("SELECT body FROM messages WHERE id = 1") is None


def _constraint(messenger: Messenger) -> list[tuple[Any, ...]]:
    return messenger.rows("SELECT convalidated FROM pg_constraint WHERE conname = %s", CONSTRAINT)


def test_it_is_validated(messenger_at: Callable[[str], Messenger]) -> None:
    assert _constraint(messenger_at("0006")) == [(True,)]


def test_too_long_old_rows_are_reported_and_nothing_is_changed(messenger_at: Callable[[str], Messenger]) -> None:
    messenger = messenger_at("0005")
    messenger.execute("UPDATE messages SET body = repeat('x', 150001) WHERE id % 2000 = 0")
    with pytest.raises(SubjectFailed) as failure:
        messenger.up("0006")
    assert str(failure.value) == (
        "0006: 8 rows of messages would break messages_body_length_check (id 2000, 4000, 6000, 8000, 10000, …); "
        "nothing was changed: shorten their body to 150000 characters or move the rest elsewhere, "
        "then run the upgrade again"
    )
    assert (_constraint(messenger), messenger.current()) == ([], "0005")
    messenger.execute("UPDATE messages SET body = left(body, 150000)")
    messenger.up("0006")
    assert _constraint(messenger) == [(True,)]


def test_a_long_row_that_slips_in_before_the_constraint_leaves_nothing_half_done(
    messenger_at: Callable[[str], Messenger],
) -> None:
    messenger = messenger_at("0005")

    def slip_in(event: Event) -> None:
        if isinstance(event, StepStarted) and event.text == f"add constraint {CONSTRAINT}, not valid yet":
            messenger.execute("UPDATE messages SET body = repeat('x', 150001) WHERE id = 3")

    with pytest.raises(SubjectFailed, match=r"1 row of messages would break .* \(id 3\)"):
        messenger.up("0006", listener=slip_in)
    assert (_constraint(messenger), messenger.current()) == ([], "0005")
