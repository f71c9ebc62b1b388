"""Search by words, newest first.

What:   on messages: a GIN index of the words of the body, and (account_id, created_at DESC, id DESC); then ANALYZE, for
        PostgreSQL knows how frequent a word is only once the expression has statistics.
Why:    trigrams (M9c) do not serve @@ at all. A frequent word is found by walking back in time, a rare one by its
        entry, one between by intersecting both over a stretch of time (bench/queries/search_word.sql). The
        configuration 'russian' stems Latin words as English.
Evidence: pages read with the worst parameters, under the owners' set and with these, profile small, seed 1:
        search_word, absent     50,082 → 16      search_word, rare_ru   12,407 → 248
        search_word, middle_ru   2,807 → 48      search_phrase          12,265 → 1,370
        `inboxbench bench --profile small --sets owners,recommended`
Locks:  CONCURRENTLY: SHARE UPDATE EXCLUSIVE; reads and writes go on. What a failed build leaves behind is found and
        built anew.
Down:   drops them, CONCURRENTLY too.
"""

from typing import LiteralString

from inboxbench.migrate import online

revision = "0042"
down_revision = "0041"
branch_labels = None
depends_on = None

phase = 4
ids = ("M3", "M9b", "M9c")
kind = "index"

_INDEXES: tuple[tuple[str, str, LiteralString], ...] = (
    ("messages_account_created_idx", "messages", "(account_id, created_at DESC, id DESC)"),
    ("messages_body_words_idx", "messages", "USING gin (to_tsvector('russian', body))"),
)


def upgrade() -> None:
    db = online.session(revision)
    for name, table, definition in _INDEXES:
        online.create_index(db, name, table, definition)
    db.step("analyze messages")
    db.connection.execute("ANALYZE messages")


def downgrade() -> None:
    db = online.session(revision)
    for name, _table, _definition in reversed(_INDEXES):
        online.drop_index(db, name)
