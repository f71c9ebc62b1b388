"""Contacts by a piece of what is known of them.

What:   a GIN index of trigrams over name, e-mail, telephone and outside id.
Why:    the four columns are searched at once by pieces of text; without it every contact of the account is read.
Evidence: pages read with the worst parameters, under the owners' set and with these, profile small, seed 1:
        search_contact, contact_rare        323 → 97
        search_conversation, contact_rare   328 → 102
        `inboxbench bench --profile small --sets owners,recommended`
Locks:  CONCURRENTLY: SHARE UPDATE EXCLUSIVE; reads and writes go on. What a failed build leaves behind is found and
        built anew.
Down:   drops them, CONCURRENTLY too.
"""

from typing import LiteralString

from inboxbench.migrate import online

revision = "0043"
down_revision = "0042"
branch_labels = None
depends_on = None

phase = 4
ids = ("K2",)
kind = "index"

_INDEXES: tuple[tuple[str, str, LiteralString], ...] = (
    (
        "contacts_search_trgm_idx",
        "contacts",
        "USING gin (name gin_trgm_ops, email gin_trgm_ops, phone_number gin_trgm_ops, external_id gin_trgm_ops)",
    ),
)


def upgrade() -> None:
    db = online.session(revision)
    for name, table, definition in _INDEXES:
        online.create_index(db, name, table, definition)


def downgrade() -> None:
    db = online.session(revision)
    for name, _table, _definition in reversed(_INDEXES):
        online.drop_index(db, name)
