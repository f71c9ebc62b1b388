"""Messages of PostgreSQL's protocol, wherever a block of bytes ends."""

from __future__ import annotations

from inboxbench.race.explore.relay import Message, split_messages

SYNC = b"S\0\0\0\4"
QUERY = b"Q\0\0\0\x0dSELECT 1\0"


def test_messages_are_split_where_they_end_and_not_where_a_block_does() -> None:
    stream = QUERY + SYNC + QUERY
    for cut in range(len(stream) + 1):
        first, rest = split_messages(stream[:cut])
        second, left = split_messages(rest + stream[cut:])
        assert (first + second, left) == ([Message(b"Q", QUERY), Message(b"S", SYNC), Message(b"Q", QUERY)], b"")


def test_the_body_is_what_follows_the_length() -> None:
    assert split_messages(QUERY)[0][0].body == b"SELECT 1\0"
