"""What counts as a refusal, in whatever it is wrapped, and what is bad whatever an oracle says."""

from __future__ import annotations

import pytest
from psycopg import errors
from sqlalchemy.exc import IntegrityError

from inboxbench.errors import UsageError
from inboxbench.race.explore.model import Leftover, Outcome, ScheduleRun
from inboxbench.race.explore.refusals import failures, parse_fail_on, refusal, refusal_names, refusal_text


class Conflict(Exception):
    pass


class Taken(Conflict):
    pass


def caused(outer: Exception, inner: Exception) -> Exception:
    outer.__cause__ = inner
    return outer


def context(outer: Exception, inner: Exception) -> Exception:
    outer.__context__ = inner
    return outer


UNIQUE = errors.UniqueViolation("duplicate")


@pytest.mark.parametrize(
    ("error", "sqlstate"),
    [
        (UNIQUE, "23505"),
        (errors.DeadlockDetected("x"), "40P01"),
        (errors.LockNotAvailable("x"), "55P03"),
        (IntegrityError("INSERT", {}, UNIQUE), "23505"),
        (caused(RuntimeError("wrapped"), UNIQUE), "23505"),
        (caused(RuntimeError("twice"), caused(ValueError("once"), errors.SerializationFailure("x"))), "40001"),
        (ExceptionGroup("tasks", [UNIQUE]), "23505"),
    ],
)
def test_errors_of_the_database_refuse_also_when_they_are_wrapped(error: Exception, sqlstate: str) -> None:
    assert refusal(error, ()) == Outcome("refused", sqlstate=sqlstate)


@pytest.mark.parametrize(
    "error",
    [
        ValueError("no"),
        errors.SyntaxError("x"),
        errors.UndefinedTable("x"),
        context(NameError("a slip while a violation was handled"), UNIQUE),
        caused(RuntimeError("wrapped"), errors.UndefinedColumn("x")),
        ExceptionGroup("tasks", [UNIQUE, ValueError("no")]),
        SystemExit(7),
    ],
)
def test_all_else_is_a_failure(error: BaseException) -> None:
    assert refusal(error, ()) is None


@pytest.mark.parametrize("name", ["Taken", "Conflict", f"{__name__}.Taken", f"{__name__}:Conflict", Conflict])
def test_an_application_refuses_by_a_name_its_class_or_a_base(name: str | type[BaseException]) -> None:
    assert refusal(Taken("409\nmore"), refusal_names([name])) == Outcome("refused", reason="Taken: 409")


def test_a_similar_name_is_another_exception() -> None:
    assert refusal(Taken("409"), ("Tak", "conflict", "other.Taken")) is None


@pytest.mark.parametrize(
    ("given", "words"),
    [
        (["deadlock,session-lock"], ("deadlock", "session-lock")),
        (["none"], ()),
        ([], ()),
        (["23505", "refused, 40P01"], ("23505", "refused", "40P01")),
    ],
)
def test_what_to_fail_on(given: list[str], words: tuple[str, ...]) -> None:
    assert parse_fail_on(given) == words


@pytest.mark.parametrize("word", ["deadlocks", "2350", "everything", "235055"])
def test_a_word_that_is_not_known_is_refused(word: str) -> None:
    with pytest.raises(UsageError, match="use deadlock, refused, session-lock, a SQLSTATE"):
        parse_fail_on([word])


def went(*outcomes: Outcome, left: tuple[Leftover, ...] = ()) -> ScheduleRun:
    return ScheduleRun("AB", (), (), outcomes, (1, 1), diverged=False, left=left)


DONE, DEADLOCK = Outcome("committed"), Outcome("refused", sqlstate="40P01")
DUPLICATE = Outcome("refused", sqlstate="23505")


@pytest.mark.parametrize(
    ("outcome", "fail_on", "found"),
    [
        (DEADLOCK, ("deadlock",), [("deadlock", "session B was ended by a deadlock (40P01)")]),
        (DEADLOCK, ("40P01",), [("40P01", "session B was ended by a deadlock (40P01)")]),
        (DUPLICATE, ("deadlock",), []),
        (DUPLICATE, ("23505",), [("23505", "session B was refused with 23505 (unique violation)")]),
        (Outcome("refused", reason="Taken: 409"), ("refused",), [("refused", "session B was refused: Taken: 409")]),
        (Outcome("died"), ("refused",), []),
    ],
)
def test_failures_of_a_schedule(outcome: Outcome, fail_on: tuple[str, ...], found: list[tuple[str, str]]) -> None:
    assert list(failures(went(DONE, outcome), fail_on)) == found


def test_a_lock_that_outlives_its_function_is_bad() -> None:
    run = went(DONE, DONE, left=(Leftover(0, "advisory lock 7", lock=True), Leftover(1, "temporary table t")))
    assert list(failures(run, ("session-lock",))) == [
        ("session-lock", "session A still holds advisory lock 7 after its end")
    ]
    assert list(failures(run, ())) == []


def test_an_unknown_sqlstate_has_no_name() -> None:
    assert refusal_text(Outcome("refused", sqlstate="IB001")) == "refused with IB001"
