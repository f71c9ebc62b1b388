"""Django on the connection of a session: what its manual says of races, found or refuted by real code."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import django
import pytest
from django.conf import settings
from psycopg import IsolationLevel
from tests.conftest import Database

from inboxbench.database import Connection
from inboxbench.errors import SubjectFailed
from inboxbench.race.engine import django_of
from inboxbench.race.explore.gated_connection import GatedConnection
from inboxbench.race.explore.model import Bounds, Scenario
from inboxbench.race.explore.oracle import SerialEquivalence
from inboxbench.race.explore.result import Exploration
from inboxbench.race.explore.run import explore

if not settings.configured:
    engine = {"ENGINE": "django.db.backends.postgresql", "NAME": "nowhere"}
    settings.configure(
        DATABASES={"default": engine, "replica": engine},
        USE_TZ=True,
        INSTALLED_APPS=[],
        DEFAULT_AUTO_FIELD="django.db.models.BigAutoField",
    )
    django.setup()

from django.db import IntegrityError, connection, connections, models, transaction
from django.db.models import F


class Account(models.Model):  # type: ignore[misc]
    name = models.TextField(unique=True)
    balance = models.IntegerField(default=0)
    other = models.IntegerField(default=0)

    class Meta:
        app_label = "bank"
        db_table = "account"


SETUP = """
    CREATE TABLE account (id bigserial PRIMARY KEY, name text UNIQUE, balance int DEFAULT 0, other int DEFAULT 0);
    INSERT INTO account (name) VALUES ('x'), ('z');
"""
Work = Callable[[int], Any]
Play = Callable[..., Exploration]
RC, RR = IsolationLevel.READ_COMMITTED, IsolationLevel.REPEATABLE_READ


def reset(control: Connection) -> None:
    control.execute("DELETE FROM account WHERE name NOT IN ('x', 'z'); UPDATE account SET balance = 0, other = 0")


@pytest.fixture
def play(database: Database) -> Play:
    with database.connect() as control:
        control.execute(SETUP.encode())

    def run(work: Work, level: IsolationLevel = RC, preemptions: int | None = None) -> Exploration:
        def session(gated: GatedConnection, number: int) -> Any:
            django_of(gated)
            return work(number)

        scenario = Scenario((session, session), reset, SerialEquivalence(), level)
        return explore(database.conninfo, scenario, Bounds(preemptions=preemptions))

    return run


def old_update_or_create(number: int) -> None:
    """Before Django locked the row (ticket 26804)."""
    with transaction.atomic():
        row = Account.objects.get(name="x")
        setattr(row, ("balance", "other")[number], 1)
        row.save()


def update_or_create(number: int) -> None:
    with transaction.atomic():
        Account.objects.update_or_create(name="x", defaults={("balance", "other")[number]: 1})


def stale_save(_number: int) -> None:
    row = Account.objects.get(name="x")
    with transaction.atomic():
        Account.objects.select_for_update().get(name="x")
        row.balance += 10
        row.save()


def locked_save(_number: int) -> None:
    with transaction.atomic():
        row = Account.objects.select_for_update().get(name="x")
        row.balance += 10
        row.save()


def raw_cursor(_number: int) -> None:
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("SELECT balance FROM account WHERE name = %s", ["x"])
        cursor.execute("UPDATE account SET balance = %s WHERE name = 'x'", [cursor.fetchone()[0] + 1])


@pytest.mark.parametrize(
    ("work", "bad", "schedules"),
    [(old_update_or_create, 12, 14), (stale_save, 22, 24), (locked_save, 0, 6), (raw_cursor, 12, 14)],
    ids=lambda value: getattr(value, "__name__", None),
)
def test_counts_are_those_of_the_statements(play: Play, work: Work, bad: int, schedules: int) -> None:
    found = play(work)
    assert (found.bad, found.schedules, found.aborted, found.left) == (bad, schedules, 0, ())


def test_update_or_create_locks_its_row(play: Play) -> None:
    found = play(update_or_create)
    assert (found.bad, found.aborted) == (0, 0)
    assert found.waited > 0


def get_or_create(_number: int) -> bool:
    with transaction.atomic():
        return bool(Account.objects.get_or_create(name="new")[1])


def test_get_or_create_is_right_below_repeatable_read_alone(play: Play) -> None:
    """Above it the second look uses the old snapshot, so the violation reaches the caller: a refusal, wrapped."""
    assert play(get_or_create, preemptions=2).aborted == 0
    found = play(get_or_create, RR, preemptions=2)
    assert found.bad == 0
    assert found.aborted > 0


def test_a_deadlock_is_one_in_djangos_words_too(play: Play) -> None:
    def crosswise(number: int) -> None:
        with transaction.atomic():
            for name in ("x", "z") if number == 0 else ("z", "x"):
                Account.objects.filter(name=name).update(balance=F("balance") + 1)

    found = play(crosswise)
    assert (found.bad, found.schedules, found.deadlocked) == (4, 8, 4)


def test_a_violation_that_the_function_handles_is_no_refusal(play: Play) -> None:
    def create(_number: int) -> bool:
        try:
            with transaction.atomic():
                Account.objects.create(name="new")
        except IntegrityError:
            return False
        return True

    found = play(create)
    assert (found.bad, found.aborted) == (0, 0)
    assert found.waited > 0


def test_another_connection_of_the_project_is_named(play: Play) -> None:
    def replica(_number: int) -> None:
        Account.objects.count()
        Account.objects.using("replica").count()

    with pytest.raises(SubjectFailed, match="session A used Django's connection 'replica'"):
        play(replica)


def test_a_closed_connection_is_not_opened_again(play: Play) -> None:
    def closing(_number: int) -> None:
        Account.objects.count()
        connection.close()
        Account.objects.count()

    with pytest.raises(SubjectFailed, match="session A closed Django's connection and went on"):
        play(closing)


def test_outside_of_a_session_django_has_its_own_connections(play: Play) -> None:
    play(locked_save)
    assert connections["default"].settings_dict["NAME"] == "nowhere"
