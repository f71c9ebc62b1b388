"""Frames of PostgreSQL's protocol, wherever a block of bytes ends."""

from __future__ import annotations

from inboxbench.race.explore.relay import Frame, split_frames

SYNC = b"S\0\0\0\4"
QUERY = b"Q\0\0\0\x0dSELECT 1\0"


def test_frames_are_split_where_they_end_and_not_where_a_block_does() -> None:
    stream = QUERY + SYNC + QUERY
    for cut in range(len(stream) + 1):
        first, rest = split_frames(stream[:cut])
        second, left = split_frames(rest + stream[cut:])
        assert (first + second, left) == ([Frame(b"Q", QUERY), Frame(b"S", SYNC), Frame(b"Q", QUERY)], b"")


def test_the_body_is_what_follows_the_length() -> None:
    assert split_frames(QUERY)[0][0].body == b"SELECT 1\0"
