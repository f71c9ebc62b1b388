"""The number people use: display_id.

What:   conversations.display_id, and conversation_counters with the last number of each account. A trigger draws the
        next number for each new conversation; one on accounts gives new accounts their counter, starting at 0.
        A counter with last_display_id NULL is not open yet: its account still has unnumbered conversations, and new
        ones stay NULL until the next revision has opened it.
Why:    drawn by UPDATE … RETURNING on the counter row, a number is unique, and gap-free because it comes back when
        the transaction fails; max + 1 collides, a sequence leaves gaps. The price: inserts into one account queue
        behind each other until they commit. A display_id that a writer supplies is ignored, since honouring it
        would make gaps or collisions.
        An insert that finds the account not open holds a shared advisory lock until it ends; opening takes the
        exclusive one. (Row locks FOR SHARE would do until the account opens: then all who waited hold SHARE and
        want to update, which is a deadlock.)
        Accounts can be deleted as before: their counter goes with them.
Locks:  ACCESS EXCLUSIVE on conversations for the column, SHARE ROW EXCLUSIVE on accounts and conversations for the
        triggers, each for an instant and under lock_timeout.
Down:   drops column, triggers and counters. A later upgrade numbers anew by created_at, which can differ from what
        was drawn where conversations were not inserted in that order.
"""

from inboxbench.migrate import online

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None

phase = 2
ids = ("C1", "P3")
kind = "expand"

_COUNTERS = """(
    account_id      bigint PRIMARY KEY REFERENCES accounts ON DELETE CASCADE,
    last_display_id integer
) WITH (fillfactor = 50)"""

_OPEN_NEW_ACCOUNT = """RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO conversation_counters (account_id, last_display_id) VALUES (NEW.id, 0) ON CONFLICT DO NOTHING;
    RETURN NULL;
END
$$"""

_DRAW = """RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    UPDATE conversation_counters SET last_display_id = last_display_id + 1
    WHERE account_id = NEW.account_id AND last_display_id IS NOT NULL
    RETURNING last_display_id INTO NEW.display_id;
    IF FOUND THEN
        RETURN NEW;
    END IF;
    -- Not open: wait if it is just being opened, else keep it shut until we end; then look again.
    PERFORM pg_advisory_xact_lock_shared(hashtextextended('conversation_counters', NEW.account_id));
    IF current_setting('transaction_isolation') <> 'read committed' THEN
        -- Our snapshot may be older than the opening: then this fails with 40001 instead of missing it.
        PERFORM FROM conversation_counters WHERE account_id = NEW.account_id FOR SHARE;
    END IF;
    UPDATE conversation_counters SET last_display_id = last_display_id + 1
    WHERE account_id = NEW.account_id AND last_display_id IS NOT NULL
    RETURNING last_display_id INTO NEW.display_id;  -- no row: NULL
    RETURN NEW;
END
$$"""

_FILL = """
    INSERT INTO conversation_counters (account_id) SELECT id FROM accounts ON CONFLICT DO NOTHING
"""


def upgrade() -> None:
    db = online.session(revision)
    online.create_table(db, "conversation_counters", _COUNTERS)
    online.create_function(db, "accounts_open_counter", _OPEN_NEW_ACCOUNT)
    online.create_trigger(db, "accounts", "accounts_conversation_counter", "AFTER INSERT", "accounts_open_counter")
    # Every account that the trigger has not seen is committed by now.
    online.run(db, "a counter for every account", _FILL)
    online.add_column(db, "conversations", "display_id", "integer")
    online.create_function(db, "conversations_draw_display_id", _DRAW)
    online.create_trigger(
        db, "conversations", "conversations_display_id", "BEFORE INSERT", "conversations_draw_display_id"
    )


def downgrade() -> None:
    db = online.session(revision)
    online.drop_trigger(db, "conversations", "conversations_display_id")
    online.drop_function(db, "conversations_draw_display_id")
    online.drop_trigger(db, "accounts", "accounts_conversation_counter")
    online.drop_function(db, "accounts_open_counter")
    online.drop_column(db, "conversations", "display_id")
    online.drop_table(db, "conversation_counters")
