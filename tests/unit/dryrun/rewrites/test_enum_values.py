"""An enum with more values is the type that is there with ADD VALUE, when that is all that a revision is about."""

from __future__ import annotations

import pytest

from inboxbench.dryrun.rewrites.enum_values import added_values

_KINDS = {"mood": ("sad", "ok", "it's")}
_RETYPE = "ALTER TABLE app.person ALTER COLUMN mood TYPE app.mood USING mood::text::app.mood"


def _revision(values: str) -> list[str]:
    return [
        "ALTER TYPE app.mood RENAME TO mood_old",
        f"CREATE TYPE app.mood AS ENUM ({values})",
        "ALTER TABLE app.person ALTER COLUMN mood DROP DEFAULT",
        _RETYPE,
        "ALTER TABLE app.person ALTER COLUMN mood SET DEFAULT 'ok'::app.mood",
        "DROP TYPE app.mood_old",
    ]


@pytest.mark.parametrize(
    ("values", "steps"),
    [
        ("'sad', 'ok', 'it''s', 'glad'", ["ALTER TYPE app.mood ADD VALUE 'glad'"]),
        ("'sad', 'so', 'ok', 'it''s'", ["ALTER TYPE app.mood ADD VALUE 'so' AFTER 'sad'"]),
        ("'low', 'sad', 'ok', 'it''s'", ["ALTER TYPE app.mood ADD VALUE 'low' BEFORE 'sad'"]),
        ("'sad', 'ok', 'it''s', 'a''', 'b'",
         ["ALTER TYPE app.mood ADD VALUE 'a''' AFTER 'it''s'", "ALTER TYPE app.mood ADD VALUE 'b' AFTER 'a'''"]),
    ],
)  # fmt: skip
def test_values_are_added_in_their_order(values: str, steps: list[str]) -> None:
    found = added_values(_revision(values), _RETYPE, _KINDS)
    assert [step.sql for step in found or ()] == steps
    assert all(step.alone for step in found or ())


@pytest.mark.parametrize("values", ["'sad', 'glad'", "'ok', 'sad', 'it''s', 'glad'", "'sad', 'ok', 'it''s'"])
def test_what_takes_values_away_or_orders_them_anew_is_not_done_so(values: str) -> None:
    assert added_values(_revision(values), _RETYPE, _KINDS) is None


@pytest.mark.parametrize(
    "other",
    [
        "UPDATE app.person SET mood = 'ok'",
        "CREATE TYPE app.tone AS ENUM ('a')",
        "ALTER TABLE app.person ADD COLUMN c int",
        "ALTER TYPE app.tone RENAME TO tone_old",
    ],
)
def test_a_revision_that_does_more_is_left_alone(other: str) -> None:
    assert added_values([*_revision("'sad', 'ok', 'it''s', 'glad'"), other], _RETYPE, _KINDS) is None


def test_another_type_than_an_enum_is_none_of_this() -> None:
    retype = "ALTER TABLE app.person ALTER COLUMN n TYPE bigint"
    assert added_values([retype], retype, _KINDS) is None
