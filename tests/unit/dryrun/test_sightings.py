"""What the poll saw, by session and by transaction."""

from __future__ import annotations

from inboxbench.dryrun.poll import Poll, Sample, parse_locks
from inboxbench.dryrun.sightings import Sightings


def _poll(*texts: str) -> Poll:
    """Looks a millisecond apart."""
    return Poll(samples=[Sample(at, at + 0.5, 0, parse_locks(text)) for at, text in enumerate(texts)])


def test_a_lock_is_that_of_its_transaction_however_close_the_next_one_is() -> None:
    poll = _poll("7:1:ShareLock:t:3/14,8:1:ShareLock:t:4/2", "7:1:ShareLock:t:3/15", "7:2:ShareLock:t:3/0", "")
    sightings = Sightings(poll)
    assert [one.lock.relation for one in sightings.of(7)] == [1, 1, 2]
    assert [one.lock.transaction for one in sightings.of_transactions(7, range(14, 15))] == [14, 0]
    assert [one.lock.transaction for one in sightings.of_transactions(7, range(15, 1000))] == [15, 0]
    assert sightings.of_transactions(9, range(1, 5)) == []


def test_a_sighting_lasts_from_the_first_look_to_the_last() -> None:
    (one,) = Sightings(_poll("", "7:1:ShareLock:t:3/14", "7:1:ShareLock:t:3/14", "")).of(7)
    assert (one.first, one.by, one.last) == (1, 1.5, 3)
