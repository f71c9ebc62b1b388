"""When an agent, any agent, and when the customer last looked.

What:   conversations.agent_last_seen_at, shared by all agents, and contact_last_seen_at; both drive unread counts.
        assignee_last_read_at stays what the assignee alone has read.
Why:    old code goes on writing assignee_last_read_at and messages.read_at, so triggers carry both over. greatest()
        keeps the clocks from going backwards; reading a hundred messages at one instant writes the conversation once.
Locks:  ACCESS EXCLUSIVE on conversations for each column, SHARE ROW EXCLUSIVE on conversations and messages for the
        triggers, each for an instant and under lock_timeout.
Down:   drops triggers and columns; the next upgrade computes both again, without what only new code wrote.
"""

from inboxbench.migrate import online

revision = "0018"
down_revision = "0017"
branch_labels = None
depends_on = None

phase = 2
ids = ("C6", "P3")
kind = "expand"

_ASSIGNEE_READ = """RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    NEW.agent_last_seen_at := greatest(NEW.agent_last_seen_at, NEW.assignee_last_read_at);
    RETURN NEW;
END
$$"""

_MESSAGE_READ = """RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF NEW.direction = 'incoming' THEN
        UPDATE conversations SET agent_last_seen_at = NEW.read_at
        WHERE id = NEW.conversation_id AND (agent_last_seen_at IS NULL OR agent_last_seen_at < NEW.read_at);
    ELSE
        UPDATE conversations SET contact_last_seen_at = NEW.read_at
        WHERE id = NEW.conversation_id AND (contact_last_seen_at IS NULL OR contact_last_seen_at < NEW.read_at);
    END IF;
    RETURN NULL;
END
$$"""


def upgrade() -> None:
    db = online.session(revision)
    online.add_column(db, "conversations", "agent_last_seen_at", "timestamptz")
    online.add_column(db, "conversations", "contact_last_seen_at", "timestamptz")
    online.create_function(db, "conversations_assignee_read", _ASSIGNEE_READ)
    online.create_trigger(
        db,
        "conversations",
        "conversations_last_seen",
        "BEFORE INSERT OR UPDATE OF assignee_last_read_at",
        "conversations_assignee_read",
        condition="NEW.assignee_last_read_at IS NOT NULL",
    )
    online.create_function(db, "messages_read", _MESSAGE_READ)
    online.create_trigger(
        db,
        "messages",
        "messages_last_seen",
        "AFTER INSERT OR UPDATE OF read_at",
        "messages_read",
        condition="NEW.read_at IS NOT NULL",
    )


def downgrade() -> None:
    db = online.session(revision)
    online.drop_trigger(db, "messages", "messages_last_seen")
    online.drop_function(db, "messages_read")
    online.drop_trigger(db, "conversations", "conversations_last_seen")
    online.drop_function(db, "conversations_assignee_read")
    online.drop_column(db, "conversations", "contact_last_seen_at")
    online.drop_column(db, "conversations", "agent_last_seen_at")
