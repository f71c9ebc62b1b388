"""What the owners asked for, shown on plans: what each index serves, what it does not, and the traps beside it."""

from __future__ import annotations

from tests.integration.bench.conftest import Lab

ACCOUNT = 1
LIST_BY_ACTIVITY = """
    SELECT * FROM conversations WHERE account_id = :account AND status = 'open'
    ORDER BY last_activity_at DESC, id DESC LIMIT 25
"""
LIST_BY_WAITING = """
    SELECT * FROM conversations WHERE account_id = :account AND status = 'open'
    ORDER BY waiting_since, created_at LIMIT 25
"""
OWNERS_LIST = """
    SELECT * FROM conversations WHERE inbox_id = :inbox AND status = 'open' AND assignee_id {}
    ORDER BY created_at LIMIT 25
"""


def test_c9_holds_no_sort_column_so_the_list_still_sorts(lab: Lab) -> None:
    """C9: every open conversation is read and sorted; with the order in the index the page is 25 entries."""
    lab.give("conversations_account_inbox_status_assignee_idx")
    owners = lab.explain_query("list_all", account=ACCOUNT)
    assert owners.sorts
    lab.give("conversations_account_status_activity_idx")
    ordered = lab.explain_query("list_all", account=ACCOUNT)
    assert not ordered.sorts
    assert ordered.indexes == ("conversations_account_status_activity_idx",)
    assert ordered.removed == 0


def test_c9_sorts_even_within_one_inbox_and_agent(lab: Lab) -> None:
    """C9: the case it is made for, all its columns given, sorts what it found."""
    lab.give("conversations_account_inbox_status_assignee_idx")
    lab.connection.execute("SET LOCAL enable_seqscan = off")
    plan = lab.explain(
        """
        SELECT * FROM conversations
        WHERE account_id = :account AND inbox_id = :inbox AND status = 'open' AND assignee_id = :agent
        ORDER BY last_activity_at DESC LIMIT 25
        """,
        account=ACCOUNT,
        inbox=1,
        agent=1,
    )
    assert plan.indexes == ("conversations_account_inbox_status_assignee_idx",)
    assert plan.sorts


def test_p2_1a_orders_one_agents_conversations(lab: Lab) -> None:
    """P2.1a serves what it says: one inbox, one status, one agent, by created_at."""
    lab.give("conversations_inbox_status_assignee_created_idx")
    lab.connection.execute("SET LOCAL enable_seqscan = off")
    lab.connection.execute("SET LOCAL enable_bitmapscan = off")  # which sorts by nature, and is cheap on few rows
    plan = lab.explain(OWNERS_LIST.format("= 1"), inbox=1)
    assert plan.indexes == ("conversations_inbox_status_assignee_created_idx",)
    assert not plan.sorts


def test_p2_1a_gives_no_order_for_unassigned(lab: Lab) -> None:
    """P2.1a: IS NULL is an index condition but no equality, so created_at behind it is in no known order."""
    lab.give("conversations_inbox_status_assignee_created_idx")
    lab.connection.execute("SET LOCAL enable_seqscan = off")
    lab.connection.execute("SET LOCAL enable_bitmapscan = off")  # which sorts by nature, and is cheap on few rows
    plan = lab.explain(OWNERS_LIST.format("IS NULL"), inbox=1)
    assert plan.indexes == ("conversations_inbox_status_assignee_created_idx",)
    assert plan.sorts
    lab.connection.execute(
        "CREATE INDEX partial ON conversations (inbox_id, status, created_at) WHERE assignee_id IS NULL"
    )
    partial = lab.explain(OWNERS_LIST.format("IS NULL"), inbox=1)
    assert partial.indexes == ("partial",)
    assert not partial.sorts
    assert partial.buffers < plan.buffers


def test_p2_1a_gives_no_order_by_last_activity(lab: Lab) -> None:
    """P2.1a: the list is sorted by last_activity_at, which it does not hold."""
    lab.give("conversations_inbox_status_assignee_created_idx")
    lab.connection.execute("SET LOCAL enable_bitmapscan = off")  # which sorts by nature, and is cheap on few rows
    assert lab.explain_query("list_unassigned", account=ACCOUNT).sorts
    lab.give("conversations_account_status_activity_idx")
    plan = lab.explain_query("list_unassigned", account=ACCOUNT)
    assert plan.indexes == ("conversations_account_status_activity_idx",)
    assert not plan.sorts
    assert plan.removed == 0  # IS NULL is asked within the index, behind the order


def _longest(lab: Lab) -> int:
    row = lab.connection.execute(
        "SELECT conversation_id FROM messages GROUP BY 1 ORDER BY count(*) DESC, 1 LIMIT 1"
    ).fetchone()
    assert row is not None
    return int(row[0])


def test_p2_1b_does_not_serve_the_latest_20(lab: Lab) -> None:
    """P2.1b: direction stands before created_at; without a condition on it all messages are read and sorted."""
    longest = _longest(lab)
    lab.give("messages_conversation_direction_created_idx")
    owners = lab.explain_query("thread_latest", conversation=longest)
    assert owners.sorts
    lab.give("messages_thread_covering_idx")
    thread = lab.explain_query("thread_latest", conversation=longest)
    assert thread.indexes == ("messages_thread_covering_idx",)
    assert not thread.sorts
    assert thread.buffers * 3 < owners.buffers


def test_p2_1b_serves_the_latest_of_one_direction(lab: Lab) -> None:
    """P2.1b: with the direction given, it does."""
    lab.give("messages_conversation_direction_created_idx")
    plan = lab.explain(
        """
        SELECT * FROM messages WHERE conversation_id = :conversation AND direction = 'incoming'
        ORDER BY created_at DESC LIMIT 20
        """,
        conversation=_longest(lab),
    )
    assert plan.indexes == ("messages_conversation_direction_created_idx",)
    assert not plan.sorts


def test_m9a_serves_reports_and_counts_not_the_latest_20(lab: Lab) -> None:
    """M9a: one type of message by time, yes; the newest of all types, no."""
    longest = _longest(lab)
    lab.give("messages_conversation_account_type_created_idx")
    assert lab.explain_query("thread_latest", conversation=longest).sorts
    row = lab.connection.execute("SELECT account_id FROM conversations WHERE id = %s", (longest,)).fetchone()
    assert row is not None
    report = lab.explain(
        """
        SELECT created_at FROM messages
        WHERE conversation_id = :conversation AND account_id = :account AND message_type = 0
        ORDER BY created_at DESC LIMIT 20
        """,
        conversation=longest,
        account=row[0],
    )
    assert report.indexes == ("messages_conversation_account_type_created_idx",)
    assert not report.sorts


def test_m9b_serves_survey_counts(lab: Lab) -> None:
    """M9b: answers of one content type of one account, by time, straight from the index."""
    lab.give("messages_account_content_type_created_idx")
    plan = lab.explain(
        """
        SELECT id FROM messages WHERE account_id = :account AND content_type = 9
        ORDER BY created_at DESC LIMIT 25
        """,
        account=ACCOUNT,
    )
    assert plan.indexes == ("messages_account_content_type_created_idx",)
    assert not plan.sorts
    assert plan.removed == 0


def test_m9b_does_not_serve_search(lab: Lab) -> None:
    """M9b "for search": it knows neither words nor the order of all content types; at best it finds the tenant."""
    lab.give("messages_account_content_type_created_idx")
    plan = lab.explain_query("search_word_plain", account=ACCOUNT, term="щукозавр")
    assert plan.sorts
    row = lab.connection.execute("SELECT count(*) FROM messages WHERE account_id = %s", (ACCOUNT,)).fetchone()
    assert row is not None
    assert plan.removed >= row[0]


def test_m9c_is_useless_to_words(lab: Lab) -> None:
    """M9c: a trigram index cannot serve @@, even when scanning the table is all but forbidden."""
    lab.give("messages_body_trgm_idx")
    lab.connection.execute("SET LOCAL enable_seqscan = off")
    row = lab.connection.execute("SELECT body FROM messages ORDER BY id LIMIT 1").fetchone()
    assert row is not None
    term = str(row[0]).split()[0]
    words = lab.explain_query("search_word_plain", account=ACCOUNT, term=term)
    assert "messages_body_trgm_idx" not in words.indexes
    lab.give("messages_body_words_idx")
    served = lab.explain_query("search_word_plain", account=ACCOUNT, term="щукозавр")
    assert "messages_body_words_idx" in served.indexes


def test_m9c_serves_pieces_of_three_letters_and_more(lab: Lab) -> None:
    """M9c: what it is for. Two letters make no trigram: every entry of the index is read and every row rechecked."""
    lab.give("messages_body_trgm_idx")
    lab.connection.execute("SET LOCAL enable_seqscan = off")
    text = "SELECT id FROM messages WHERE body ILIKE '%' || :piece || '%'"
    served = lab.explain(text, piece="щукозавр")
    assert served.indexes == ("messages_body_trgm_idx",)
    row = lab.connection.execute("SELECT count(*) FROM messages").fetchone()
    assert row is not None
    pair = lab.explain(text, piece="щу")
    assert pair.removed >= row[0] - pair.rows
    assert served.buffers * 10 < pair.buffers


def test_c3_one_column_waiting_since_is_a_trap(late_lab: Lab) -> None:
    """C3: the one-column index lures the planner through everybody's waiting customers; the composite does not."""
    late_lab.give("conversations_waiting_since_idx", "conversations_account_id_idx")
    trapped = late_lab.explain(LIST_BY_WAITING, account=2)
    assert "conversations_waiting_since_idx" in trapped.indexes
    assert trapped.removed == 57_000
    late_lab.give("conversations_account_status_waiting_idx")
    served = late_lab.explain(LIST_BY_WAITING, account=2)
    assert served.indexes == ("conversations_account_status_waiting_idx",)
    assert not served.sorts
    assert served.removed == 0
    assert served.buffers * 20 < trapped.buffers


def test_c7_global_last_activity_index_is_harmful(late_lab: Lab) -> None:
    """C7: an index on last_activity_at over all accounts makes the list worse than it was without."""
    late_lab.give("conversations_account_id_idx")
    before = late_lab.explain(LIST_BY_ACTIVITY, account=2)
    late_lab.connection.execute("CREATE INDEX everywhere ON conversations (last_activity_at)")
    trapped = late_lab.explain(LIST_BY_ACTIVITY, account=2)
    assert trapped.indexes == ("everywhere",)
    assert trapped.removed == 57_000
    assert trapped.buffers > 5 * before.buffers
    late_lab.give("conversations_account_status_activity_idx")
    served = late_lab.explain(LIST_BY_ACTIVITY, account=2)
    assert served.indexes == ("conversations_account_status_activity_idx",)
    assert not served.sorts
    assert served.buffers < before.buffers


def test_global_created_at_lures_the_planner_from_an_old_conversation(late_lab: Lab) -> None:
    """P2.1b: the thread of an old, long conversation is sought through everything written since.

    Adding the right index is not the cure: the planner believes that the 20 rows are spread evenly, and a walk
    back in time looks cheaper to it. The trap goes when the index on created_at alone goes.
    """
    late_lab.give("messages_created_at_idx", "messages_conversation_id_idx")
    trapped = late_lab.explain_query("thread_latest", conversation=60_000)
    assert trapped.indexes == ("messages_created_at_idx",)
    assert trapped.removed == 60_000
    late_lab.give("messages_conversation_created_idx")
    assert late_lab.explain_query("thread_latest", conversation=60_000).indexes == ("messages_created_at_idx",)
    late_lab.connection.execute("DROP INDEX messages_created_at_idx")
    served = late_lab.explain_query("thread_latest", conversation=60_000)
    assert served.indexes == ("messages_conversation_created_idx",)
    assert served.buffers * 20 < trapped.buffers
