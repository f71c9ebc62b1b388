"""A loaded database against its profile: every declared proportion, every rule between rows."""

from __future__ import annotations

import re
from typing import Protocol

import pytest

from inboxbench.messenger.data.profile import Profile
from inboxbench.seed import Dataset


class Loaded(Protocol):
    dataset: Dataset
    profile: Profile

    def value(self, query: str) -> object: ...
    def row(self, query: str) -> tuple[object, ...]: ...


def share(loaded: Loaded, condition: str, table: str) -> float:
    return float(str(loaded.value(f"SELECT (count(*) FILTER (WHERE {condition}))::float / count(*) FROM {table}")))


def test_row_counts_are_those_reported(tiny: Loaded) -> None:
    for table, rows in tiny.dataset.rows.items():
        assert tiny.value(f"SELECT count(*) FROM {table}") == rows
    assert tiny.dataset.rows["messages"] == tiny.profile.messages.count


# Each returns the number of rows that break a rule.
RULES = {
    "message of another account or inbox than its conversation": """
        SELECT count(*) FROM messages m JOIN conversations c ON c.id = m.conversation_id
        WHERE (m.account_id, m.inbox_id) IS DISTINCT FROM (c.account_id, c.inbox_id)""",
    "message outside its conversation's life": """
        SELECT count(*) FROM messages m JOIN conversations c ON c.id = m.conversation_id
        WHERE m.created_at NOT BETWEEN c.created_at AND c.updated_at""",
    "conversation that does not begin with its first message": """
        SELECT count(*) FROM conversations c WHERE c.created_at IS DISTINCT FROM
            (SELECT min(created_at) FROM messages WHERE conversation_id = c.id)""",
    "ids not in order of arrival": """
        SELECT count(*) FROM (SELECT created_at < lag(created_at) OVER (ORDER BY id) AS wrong FROM messages) x
        WHERE wrong""",
    "conversation ids not in order of arrival": """
        SELECT count(*) FROM (SELECT created_at < lag(created_at) OVER (ORDER BY id) AS wrong
                              FROM conversations) x WHERE wrong""",
    "two messages of a conversation at one moment": """
        SELECT count(*) FROM (SELECT 1 FROM messages GROUP BY conversation_id, created_at HAVING count(*) > 1) x""",
    "contact, inbox or assignee of another account": """
        SELECT count(*) FROM conversations c JOIN contacts k ON k.id = c.contact_id
        JOIN inboxes i ON i.id = c.inbox_id LEFT JOIN users u ON u.id = c.assignee_id
        WHERE k.account_id <> c.account_id OR i.account_id <> c.account_id OR u.account_id <> c.account_id""",
    "assignee who is no member of the inbox": """
        SELECT count(*) FROM conversations c WHERE assignee_id IS NOT NULL AND NOT EXISTS
            (SELECT 1 FROM inbox_members WHERE inbox_id = c.inbox_id AND user_id = c.assignee_id)""",
    "sender who has no business there": """
        SELECT count(*) FROM messages m JOIN conversations c ON c.id = m.conversation_id
        WHERE CASE sender_type
            WHEN 'contact' THEN m.sender_id IS DISTINCT FROM c.contact_id
            WHEN 'bot' THEN m.sender_id IS NOT NULL
            ELSE NOT EXISTS (SELECT 1 FROM inbox_members
                             WHERE inbox_id = m.inbox_id AND user_id = m.sender_id) END""",
    "direction that contradicts the sender": """
        SELECT count(*) FROM messages WHERE (sender_type = 'contact') <> (direction = 'incoming')""",
    "read before it was written, or after the end": """
        SELECT count(*) FROM messages WHERE read_at < created_at OR read_at > '2026-11-04 15:00:00+00'""",
    "assigned before it began, or read before assigned": """
        SELECT count(*) FROM conversations
        WHERE assignee_assigned_at < created_at OR assignee_last_read_at < assignee_assigned_at""",
    "assignment facts without an assignee": """
        SELECT count(*) FROM conversations
        WHERE num_nonnulls(assignee_id, assignee_assigned_at, assignee_last_read_at) NOT IN (0, 3)""",
    "unread message below one that was read later": """
        SELECT count(*) FROM messages a JOIN messages b USING (conversation_id)
        WHERE a.direction = 'incoming' AND b.direction = 'incoming'
          AND a.read_at IS NULL AND b.read_at IS NOT NULL AND b.id > a.id""",
    "rating of an unfinished conversation": """
        SELECT count(*) FROM conversations WHERE rating_score IS NOT NULL AND status <> 'resolved'
            OR rating_comment IS NOT NULL AND rating_score IS NULL
            OR (rated_at IS NULL) <> (rating_score IS NULL)""",
    "owner made after what it owns": """
        SELECT count(*) FROM conversations c JOIN inboxes i ON i.id = c.inbox_id
        JOIN accounts a ON a.id = c.account_id JOIN contacts k ON k.id = c.contact_id
        WHERE c.created_at < i.created_at OR i.created_at < a.created_at OR k.created_at > c.created_at""",
    "body without text, or over the limit": """
        SELECT count(*) FROM messages WHERE body IS NULL OR body = '' OR body <> btrim(body)
            OR char_length(body) > 150000""",
    "user's e-mail twice": "SELECT count(*) - count(DISTINCT email) FROM users",
    "uuid that is no version 4": "SELECT count(*) FROM conversations WHERE uuid::text !~ '^.{14}4.{4}[89ab]'",
}


@pytest.mark.parametrize("rule", RULES)
def test_no_row_breaks(tiny: Loaded, rule: str) -> None:
    assert tiny.value(RULES[rule]) == 0


def test_largest_account_has_its_share(tiny: Loaded) -> None:
    largest = tiny.value(
        "SELECT max(n)::float / sum(n) FROM (SELECT count(*) n FROM conversations GROUP BY account_id) x"
    )
    assert largest == pytest.approx(tiny.profile.accounts.largest_share, abs=0.01)


def test_other_accounts_follow_zipf(tiny: Loaded) -> None:
    """Slope of log size over log rank, the largest left out since its share is set apart."""
    slope = tiny.value("""
        SELECT regr_slope(ln(n), ln(rank)) FROM (
            SELECT count(*) AS n, row_number() OVER (ORDER BY count(*) DESC) AS rank
            FROM conversations GROUP BY account_id) x WHERE rank > 1""")
    assert slope == pytest.approx(-tiny.profile.accounts.exponent, abs=0.1)


def test_conversations_have_a_long_tail(tiny: Loaded) -> None:
    median, most, mean = tiny.row("""
        SELECT percentile_cont(0.5) WITHIN GROUP (ORDER BY n), max(n), avg(n)::float
        FROM (SELECT count(*) n FROM messages GROUP BY conversation_id) x""")
    assert median == pytest.approx(tiny.profile.messages.median, abs=1)
    assert float(str(mean)) > 1.4 * float(str(median))
    assert int(str(most)) > 150


def test_status_follows_age(tiny: Loaded) -> None:
    """Shares of open by days since the last message; the last bucket holds most rows, so it is held tightest."""
    rows = tiny.connection.execute(  # type: ignore[attr-defined]
        """SELECT width_bucket(days, ARRAY[1, 3, 7, 30, 120]::float[]), count(*),
                  avg((status = 'open')::int)::float, avg((status = 'pending')::int)::float
           FROM (SELECT status, extract(epoch FROM timestamptz '2026-11-04 15:00:00+00' -
                    (SELECT max(created_at) FROM messages WHERE conversation_id = c.id)) / 86400 AS days
                 FROM conversations c) x GROUP BY 1"""
    ).fetchall()
    assert sum(count for _, count, _, _ in rows) == tiny.dataset.rows["conversations"]
    for bucket, count, opened, pending in rows:
        slack = 3 * (0.25 / count) ** 0.5
        assert opened == pytest.approx(tiny.profile.status.open[bucket], abs=slack)
        assert pending == pytest.approx(tiny.profile.status.pending[bucket], abs=slack)


@pytest.mark.parametrize(("status", "slack"), [("resolved", 0.03), ("open", 0.15)])
def test_assignment_share(tiny: Loaded, status: str, slack: float) -> None:
    found = share(tiny, "assignee_id IS NOT NULL", f"conversations WHERE status = '{status}'")
    assert found == pytest.approx(getattr(tiny.profile.assignment, status), abs=slack)


@pytest.mark.parametrize("column", ["email", "phone", "external_id"])
def test_contacts_known_by(tiny: Loaded, column: str) -> None:
    name = "phone_number" if column == "phone" else column
    expected = getattr(tiny.profile.contacts, f"{column}_share")
    assert share(tiny, f"{name} IS NOT NULL", "contacts") == pytest.approx(expected, abs=0.05)


def test_external_ids_repeat_inside_an_account_only(tiny: Loaded) -> None:
    repeats, holders = tiny.row(
        "SELECT count(external_id) - count(DISTINCT (account_id, external_id)) FILTER (WHERE external_id IS NOT NULL),"
        " count(external_id) FROM contacts"
    )
    across = tiny.value("""
        SELECT count(*) FROM (SELECT external_id FROM contacts WHERE external_id IS NOT NULL
                              GROUP BY external_id HAVING count(DISTINCT account_id) > 1) x""")
    assert across == 0
    assert 1 <= int(str(repeats)) <= 0.05 * int(str(holders))


def test_newcomers(tiny: Loaded) -> None:
    ratio = tiny.value("SELECT (SELECT count(*) FROM contacts)::float / (SELECT count(*) FROM conversations)")
    assert ratio == pytest.approx(tiny.profile.contacts.new_share, abs=0.04)


def test_sides_alternate(tiny: Loaded) -> None:
    turns = tiny.value("""
        SELECT avg((direction <> before)::int)::float FROM (
            SELECT direction, lag(direction) OVER (PARTITION BY conversation_id ORDER BY id) AS before
            FROM messages) x WHERE before IS NOT NULL""")
    assert turns == pytest.approx(tiny.profile.dialogue.turn_share, abs=0.02)


def test_ratings(tiny: Loaded) -> None:
    rating = tiny.profile.rating
    assert share(tiny, "rating_score IS NOT NULL", "conversations WHERE status = 'resolved'") == pytest.approx(
        rating.share, abs=0.04
    )
    assert share(tiny, "rating_score = 5", "conversations WHERE rating_score IS NOT NULL") == pytest.approx(
        rating.scores[4], abs=0.1
    )


def test_languages_belong_to_accounts(tiny: Loaded) -> None:
    """Some accounts write Russian only, some English only, some both; the largest speaks both."""
    rows = tiny.connection.execute(  # type: ignore[attr-defined]
        "SELECT avg((body ~ '[а-яА-Я]')::int)::float, count(*) FROM messages GROUP BY account_id ORDER BY 2 DESC"
    ).fetchall()
    assert 0.3 < rows[0][0] < 0.9
    kinds = {"ru" if part > 0.97 else "en" if part < 0.03 else "mixed" for part, _ in rows}
    assert kinds == {"ru", "en", "mixed"}


def test_bodies_from_one_word_to_out_of_line(tiny: Loaded) -> None:
    shortest, median, longest = tiny.row("""
        SELECT min(length(body)), percentile_disc(0.5) WITHIN GROUP (ORDER BY length(body)), max(length(body))
        FROM messages""")
    assert int(str(shortest)) < 12
    assert 30 < int(str(median)) < 120
    assert 20_000 < int(str(longest)) <= 150_000
    toasted = tiny.value("SELECT pg_relation_size(reltoastrelid) FROM pg_class WHERE oid = 'messages'::regclass")
    assert int(str(toasted)) > 0


def test_tokens_occur_once(tiny: Loaded) -> None:
    """Numbers of orders, parcels, contracts and links: the rare end of search."""
    with_token, distinct = tiny.row(r"""
        SELECT count(token), count(DISTINCT token)
        FROM (SELECT substring(body FROM '\d{8}') AS token FROM messages WHERE length(body) < 6000) x""")
    assert with_token == distinct
    expected = tiny.profile.text.token_share * tiny.dataset.rows["messages"]
    assert int(str(with_token)) == pytest.approx(expected, rel=0.03)


def test_words_are_rare_and_frequent(tiny: Loaded) -> None:
    words, once, most = tiny.row("""
        SELECT count(*), count(*) FILTER (WHERE ndoc = 1), max(ndoc)
        FROM ts_stat('SELECT to_tsvector(''simple'', body) FROM messages WHERE length(body) < 6000')""")
    assert int(str(words)) > 10_000
    assert int(str(once)) > 3_000
    assert int(str(most)) > 2_000


@pytest.mark.parametrize(
    ("config", "word", "forms"),
    [("russian", "заказа", {"заказ", "заказа", "заказы", "заказов"}), ("english", "orders", {"order", "orders"})],
)
def test_words_are_inflected(tiny: Loaded, config: str, word: str, forms: set[str]) -> None:
    """Stemming finds messages with other forms of a word than the one asked for."""
    matching = f"to_tsvector('{config}', body) @@ to_tsquery('{config}', '{word}')"
    bodies = str(tiny.value(f"SELECT string_agg(lower(body), chr(0x7F)) FROM messages WHERE {matching}"))
    found = bodies.split("\x7f")
    used = {each for body in found for each in re.findall(r"\w+", body)}
    assert forms <= used
    assert sum(word not in body for body in found) > 20


def test_metadata_is_what_the_widget_sends(tiny: Loaded) -> None:
    total, known, own, distinct = tiny.row("""
        SELECT count(*), count(*) FILTER (WHERE metadata ?& ARRAY['browser', 'os']),
               count(*) FILTER (WHERE metadata ? 'plan'), count(DISTINCT metadata -> 'order_number')
        FROM conversations""")
    assert known == total
    assert 0.5 < int(str(own)) / int(str(total)) < 1
    assert int(str(distinct)) > 0.99 * int(str(total))


def test_branch_and_region_are_an_accounts_own(tiny: Loaded) -> None:
    few, none = tiny.row("""
        SELECT max(branches), count(*) FILTER (WHERE branches = 0)::int FROM (
            SELECT count(DISTINCT branch) AS branches FROM conversations GROUP BY account_id) x""")
    assert 5 < int(str(few)) <= tiny.profile.labels.branches
    assert int(str(none)) >= 1


def test_traffic_keeps_working_hours(tiny: Loaded) -> None:
    """On weekends an account has far less traffic than on workdays."""
    weekend = share(tiny, "extract(isodow FROM created_at) >= 6", "messages")
    weights = tiny.profile.hours.weekdays
    assert weekend == pytest.approx(sum(weights[5:]) / sum(weights), abs=0.05)


def test_rows_of_tenants_interleave(tiny: Loaded) -> None:
    """Physical order is order of arrival: correlated with time, and pages shared by accounts."""
    correlation = tiny.value("SELECT correlation FROM pg_stats WHERE tablename = 'messages' AND attname = 'created_at'")
    assert 0.8 < float(str(correlation)) < 1  # churn has moved some rows
    per_page = tiny.value("""
        SELECT avg(n)::float FROM (SELECT count(DISTINCT conversation_id) n FROM messages
                                   GROUP BY (ctid::text::point)[0]) x""")
    assert float(str(per_page)) > 3
