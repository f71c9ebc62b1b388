"""C8: metadata is split in two, each side follows the other while both exist, and nothing is ever lost."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from hypothesis import given, settings
from hypothesis import strategies as st
from psycopg.types.json import Jsonb

from inboxbench.migrate import runner

if TYPE_CHECKING:
    from tests.migrations.conftest import Messenger

At = Callable[[str], "Messenger"]

# The rule once more, by hand: what the filler's rows hold that says where the customer came from.
ORIGIN = {"browser", "os", "referrer"}
ALL = "SELECT id, additional_attributes, custom_attributes FROM conversations ORDER BY id"
ONE = "SELECT metadata, additional_attributes, custom_attributes FROM conversations WHERE id = %s"
OLD_INSERT = """
    INSERT INTO conversations (account_id, inbox_id, contact_id, metadata)
    SELECT account_id, inbox_id, contact_id, %s FROM conversations WHERE id = 1 RETURNING id
"""


def expected(metadata: dict[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    return (
        {key: value for key, value in metadata.items() if key in ORIGIN},
        {key: value for key, value in metadata.items() if key not in ORIGIN},
    )


def keep_few(messenger: Messenger) -> None:
    """Whole histories run faster over fifty conversations."""
    messenger.execute("DELETE FROM messages WHERE conversation_id > 50")
    messenger.execute("DELETE FROM conversations WHERE id > 50")


def test_old_rows_are_split(messenger_at: At) -> None:
    messenger = messenger_at("0021")
    before = dict(messenger.rows("SELECT id, metadata FROM conversations"))
    assert messenger.value("SELECT count(*) FROM conversations WHERE additional_attributes <> '{}'") == 0
    messenger.up("0022")
    split = {id_: (additional, custom) for id_, additional, custom in messenger.rows(ALL)}
    assert split == {id_: expected(metadata) for id_, metadata in before.items()}
    assert dict(messenger.rows("SELECT id, metadata FROM conversations")) == before


def test_what_old_code_writes_reaches_the_columns(messenger_at: At) -> None:
    messenger = messenger_at("0021")
    new = messenger.value(OLD_INSERT, Jsonb({"browser": "Opera", "plan": "free"}))
    assert messenger.rows(ONE, new)[0][1:] == ({"browser": "Opera"}, {"plan": "free"})
    update = "UPDATE conversations SET metadata = %s WHERE id = %s"
    messenger.execute(update, Jsonb({"os": "BSD", "plan": "paid", "seats": [1, 2]}), new)
    assert messenger.rows(ONE, new)[0][1:] == ({"os": "BSD"}, {"plan": "paid", "seats": [1, 2]})


def test_what_new_code_writes_reaches_metadata(messenger_at: At) -> None:
    messenger = messenger_at("0022")
    messenger.execute("UPDATE conversations SET metadata = %s WHERE id = 1", Jsonb({"os": "Linux", "plan": 1}))
    messenger.execute(
        "UPDATE conversations SET custom_attributes = custom_attributes - 'plan' || '{\"tier\": \"gold\"}' WHERE id = 1"
    )
    assert messenger.rows(ONE, 1) == [({"os": "Linux", "tier": "gold"}, {"os": "Linux"}, {"tier": "gold"})]


def test_a_row_that_waits_for_its_batch_loses_nothing(messenger_at: At) -> None:
    """Both kinds of code write to rows the backfill has not reached: it adds the rest and overwrites nothing."""
    messenger = messenger_at("0020")
    metadata = Jsonb({"browser": "Firefox", "plan": 3, "vip": True})
    messenger.execute("UPDATE conversations SET metadata = %s WHERE id <= 3", metadata)
    messenger.up("0021")
    messenger.execute("UPDATE conversations SET metadata = metadata - 'vip' || '{\"plan\": 4}' WHERE id = 1")
    messenger.execute('UPDATE conversations SET custom_attributes = \'{"plan": 5, "own": null}\' WHERE id = 2')
    messenger.execute("UPDATE conversations SET status = 'resolved' WHERE id = 3")
    messenger.up("0022")
    assert messenger.rows(
        "SELECT additional_attributes, custom_attributes FROM conversations WHERE id <= 3 ORDER BY id"
    ) == [
        ({"browser": "Firefox"}, {"plan": 4}),
        ({"browser": "Firefox"}, {"plan": 5, "own": None, "vip": True}),
        ({"browser": "Firefox"}, {"plan": 3, "vip": True}),
    ]
    assert messenger.rows(ONE, 2)[0][0] == {"browser": "Firefox", "plan": 5, "own": None, "vip": True}


def test_down_from_head_brings_metadata_back(messenger_at: At) -> None:
    messenger = messenger_at("")
    before = dict(messenger.rows("SELECT id, metadata FROM conversations"))
    messenger.up()
    assert messenger.value("SELECT count(*) FROM pg_attribute WHERE attname = 'metadata' AND NOT attisdropped") == 0
    messenger.down("0020")
    assert dict(messenger.rows("SELECT id, metadata FROM conversations")) == before


# Contents nobody planned for: a key in the column where it does not belong, in both, with any value.
ODD = [
    ({"browser": "x"}, {"browser": "y"}),
    ({"plan": 1}, {"os": None}),
    ({}, {"os": {"name": "Linux"}}),
    ({"unheard_of": [1, {"a": None}]}, {}),
    ({"referrer": ""}, {"": 0, "ключ": "значение"}),
]


def test_down_and_up_keep_whatever_new_code_wrote(messenger_at: At) -> None:
    """C8, the columns' side: all of it travels through metadata and comes back where it was."""
    messenger = messenger_at("0040")
    keep_few(messenger)
    for id_, (additional, custom) in enumerate(ODD, start=1):
        messenger.execute(
            "UPDATE conversations SET additional_attributes = %s, custom_attributes = %s WHERE id = %s",
            Jsonb(additional),
            Jsonb(custom),
            id_,
        )
    before = messenger.rows(ALL)
    assert [(a, c) for _, a, c in before[: len(ODD)]] == ODD
    messenger.down("0020")
    messenger.up()
    assert messenger.rows(ALL) == before


def test_writes_while_metadata_comes_back_are_not_lost(messenger_at: At) -> None:
    """New code goes on writing during the downgrade: at each batch another row changes under the backfill."""
    messenger = messenger_at("0040")
    wrote: list[int] = []

    def interfere(event: Any) -> None:
        if getattr(event, "name", "") == "conversations.metadata" and len(wrote) < 5:
            id_ = 1 + 700 * len(wrote)
            wrote.append(id_)
            messenger.execute(
                "UPDATE conversations SET custom_attributes = custom_attributes || '{\"late\": 1}' WHERE id = %s", id_
            )

    runner.downgrade(messenger.conninfo, messenger.project, to="0039", settings=messenger.settings, listener=interfere)
    assert len(wrote) >= 2
    found = [id_ for (id_,) in messenger.rows("SELECT id FROM conversations WHERE metadata ? 'late' ORDER BY id")]
    assert found == wrote
    assert (
        messenger.value(
            "SELECT count(*) FROM conversations WHERE metadata <> additional_attributes || custom_attributes"
        )
        == 0
    )


def test_metadata_that_is_no_object_survives(messenger_at: At) -> None:
    messenger = messenger_at("0020")
    keep_few(messenger)
    values = ["null", "[1, 2]", '"text"', "7"]
    for id_, value in enumerate(values, start=1):
        messenger.execute("UPDATE conversations SET metadata = %s::jsonb WHERE id = %s", value, id_)
    messenger.up()
    messenger.down("0020")
    found = messenger.rows("SELECT metadata::text FROM conversations ORDER BY id LIMIT 4")
    assert [text for (text,) in found] == values


KEYS = st.sampled_from(["browser", "os", "utm_source", "plan", "vip", "", "ключ"])
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**40), 2**40) | st.text("aбв\\\"'", max_size=4),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(KEYS, inner, max_size=2),
    max_leaves=6,
)
OBJECTS = st.dictionaries(KEYS, VALUES, max_size=4)


def test_split_and_merge_undo_each_other(messenger_at: At) -> None:
    messenger = messenger_at("0022")
    split_of_merge = "SELECT additional, custom FROM conversation_metadata_split(conversation_metadata_merge(%s, %s))"
    merge_of_split = "SELECT conversation_metadata_merge(additional, custom) FROM conversation_metadata_split(%s)"

    with messenger.connect() as connection:

        @given(OBJECTS, OBJECTS)
        @settings(max_examples=150, deadline=None)
        def columns(additional: dict[str, Any], custom: dict[str, Any]) -> None:
            row = connection.execute(split_of_merge, (Jsonb(additional), Jsonb(custom))).fetchone()
            assert row == (additional, custom)

        @given(VALUES | OBJECTS)
        @settings(max_examples=150, deadline=None)
        def metadata(value: Any) -> None:
            assert connection.execute(merge_of_split, (Jsonb(value),)).fetchone() == (value,)

        columns()
        metadata()
