"""What the poll saw, by session and by transaction."""

from __future__ import annotations

from inboxbench.dryrun.observe.catalog_view import View
from inboxbench.dryrun.observe.lock_attribution import LockAttribution
from inboxbench.dryrun.observe.log_statements import Draft, segments
from inboxbench.dryrun.observe.plan_work import Work
from inboxbench.dryrun.observe.sampler import Catalogue, Poll, Relation, Sample, parse_locks
from inboxbench.dryrun.observe.samples import Samples


def _poll(*texts: str) -> Poll:
    """Looks a millisecond apart."""
    return Poll(samples=[Sample(at, at + 0.5, 0, parse_locks(text)) for at, text in enumerate(texts)])


def test_a_lock_is_that_of_its_transaction_however_close_the_next_one_is() -> None:
    poll = _poll("7:1:ShareLock:t:3/14,8:1:ShareLock:t:4/2", "7:1:ShareLock:t:3/15", "7:2:ShareLock:t:3/0", "")
    samples = Samples(poll)
    assert [one.lock.relation for one in samples.of(7)] == [1, 1, 2]
    assert [one.lock.transaction for one in samples.of_transactions(7, range(14, 15))] == [14, 0]
    assert [one.lock.transaction for one in samples.of_transactions(7, range(15, 1000))] == [15, 0]
    assert samples.of_transactions(9, range(1, 5)) == []


def test_a_sighting_lasts_from_the_first_look_to_the_last() -> None:
    (one,) = Samples(_poll("", "7:1:ShareLock:t:3/14", "7:1:ShareLock:t:3/14", "")).of(7)
    assert (one.first, one.by, one.last) == (1, 1.5, 3)


def _draft(transaction: str, sql: str, started: float, finished: float, *, planned: bool = False) -> Draft:
    plans = [Work()] if planned else []
    return Draft(7, transaction, sql, started, finished, plans=plans)


def _holders(drafts: list[Draft], poll: Poll) -> list[str]:
    """Statements that are said to have locked anything."""
    poll.catalogues = [Catalogue(0.0, {1: Relation(1, "public", "orders", "r", 1)})]
    samples, view = Samples(poll), View(poll.catalogues)
    found = []
    for segment in segments(drafts, samples):
        taken = LockAttribution(segment, samples, view).taken({})
        found += [draft.sql for draft in segment.statements if taken[id(draft)]]
    return found


def test_a_lock_in_the_middle_of_its_commit_is_not_the_next_statements() -> None:
    """pg_locks shows it without a number, and the look ends when the next transaction has begun."""
    drafts = [
        _draft("3/14", "ALTER TABLE orders ADD c int", 0.2, 1.2),
        _draft("3/15", "SELECT 1 FROM pg_constraint", 1.4, 2.0, planned=True),
    ]
    looks = _poll("", "7:1:AccessExclusiveLock:t:3/0", "")
    assert _holders(drafts, looks) == ["ALTER TABLE orders ADD c int"]


def test_a_lock_that_is_found_late_is_the_commands_that_names_the_table() -> None:
    """LOCK tells of itself by no event; the look came when the UPDATE after it was under way."""
    drafts = [
        _draft("3/14", "BEGIN", 0.0, 0.1),
        _draft("3/14", "LOCK TABLE orders", 0.2, 0.3),
        _draft("3/14", "UPDATE alembic_version SET version_num = 'b'", 5.0, 9.0, planned=True),
        _draft("3/14", "COMMIT", 9.0, 9.1),
    ]
    looks = _poll(*[""] * 7, "7:1:AccessExclusiveLock:t:3/14", "7:1:AccessExclusiveLock:t:3/14", "")
    assert _holders(drafts, looks) == ["LOCK TABLE orders"]


def test_a_chain_in_one_transaction_is_read_in_no_time() -> None:
    """Twenty thousand statements and as many looks: by pairs this would take hours."""
    many = 20_000
    drafts = [_draft("3/14", "BEGIN", -2.0, -1.5)]
    drafts += [_draft("3/14", f"LOCK TABLE t{n}", n + 0.1, n + 0.9) for n in range(many)]
    drafts += [_draft("3/14", "COMMIT", many + 0.1, many + 0.2)]
    poll = Poll(samples=[Sample(-1.0, -0.9, 0, frozenset())])
    held = [parse_locks(f"7:{n % 50 + 1}:AccessExclusiveLock:t:3/14") for n in range(many)]
    poll.samples += [Sample(n + 0.3, n + 0.4, 0, held[n]) for n in range(many)]
    poll.catalogues = [Catalogue(0.0, {n + 1: Relation(n + 1, "public", f"t{n}", "r", n + 1) for n in range(50)})]
    samples, view = Samples(poll), View(poll.catalogues)
    (segment,) = segments(drafts, samples)
    taken = LockAttribution(segment, samples, view).taken({})
    found = {draft.sql: [one.relation for one in taken[id(draft)]] for draft in segment.statements[:50]}
    assert found == {f"LOCK TABLE t{n}": [f"public.t{n}"] for n in range(50)}
