"""Regressions that a gate has to catch, each put into head on its own, and the class it belongs to.

An injection changes head's schema (`sql`), a query's text (`query`, `old`, `new`), or both; `before` is put into both
sides, and so is the edited query of a `both`. `expected`: at least one change of this verdict and metric, at a place
that begins with `where`. `shop`: head is somebody else's schema (see write_regressions.py) and not the messenger;
`role`: whom it is measured as.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Regression:
    name: str
    kind: str
    where: str
    expected: tuple[str, str]
    sql: str = ""
    before: str = ""
    query: str = ""
    old: str = ""
    new: str = ""
    both: bool = False
    shop: bool = False
    role: str | None = None

    @property
    def timed(self) -> bool:
        """Counters cannot see it: --time has to."""
        return self.expected[1] == "time"


_LIST_INDEX = "conversations_account_status_last_activity_idx"
# Every index of a table that is no rule, so that a change to one cannot be made good by a neighbour.
_BARE = """
    DO $$ DECLARE one record; BEGIN
        FOR one IN SELECT indexrelid::regclass AS name FROM pg_index
                   WHERE indrelid = '%s'::regclass AND NOT indisunique AND NOT indisexclusion LOOP
            EXECUTE format('DROP INDEX %%s', one.name);
        END LOOP; END $$;
"""
_LIST_ALONE = (
    _BARE % "conversations"
    + f"""
    CREATE INDEX {_LIST_INDEX} ON conversations (account_id, status, last_activity_at DESC, id DESC);
"""
)
_THREAD_ALONE = (
    _BARE % "messages"
    + """
    CREATE INDEX messages_conversation_created_idx ON messages (conversation_id, created_at, id);
"""
)
_SEARCH_ALONE = (
    _BARE % "messages"
    + """
    CREATE EXTENSION IF NOT EXISTS pg_trgm;
    CREATE INDEX messages_body_trgm_idx ON messages USING gin (body gin_trgm_ops);
"""
)
_UNREAD_ALONE = (
    _BARE % "messages"
    + """
    CREATE INDEX messages_unread_idx ON messages (conversation_id, created_at) INCLUDE (account_id, message_type);
"""
)
# What a row of the list costs to compute: the same rows, pages and plan whatever the number of rounds.
_EFFORT = """
    CREATE OR REPLACE FUNCTION effort(seed bigint) RETURNS integer LANGUAGE plpgsql AS
        $$DECLARE x text := seed::text; BEGIN FOR i IN 1..%d LOOP x := md5(x); END LOOP; RETURN length(x); END$$;
"""

REGRESSIONS = (
    Regression(
        "index dropped", "index", "list_all", ("worse", "buffers"), before=_LIST_ALONE, sql=f"DROP INDEX {_LIST_INDEX}"
    ),
    Regression(
        "columns in the wrong order", "index", "list_all", ("worse", "buffers"), before=_LIST_ALONE,
        sql=f"DROP INDEX {_LIST_INDEX}; "
            f"CREATE INDEX {_LIST_INDEX} ON conversations (last_activity_at, status, account_id)",
    ),
    Regression(
        "sort column lost", "index", "thread_latest", ("worse", "buffers"), before=_THREAD_ALONE,
        sql="DROP INDEX messages_conversation_created_idx; "
            "CREATE INDEX messages_conversation_created_idx ON messages (conversation_id)",
    ),
    Regression(
        "INCLUDE lost", "index", "unread_page", ("worse", "buffers"), before=_UNREAD_ALONE,
        sql="DROP INDEX messages_unread_idx; "
            "CREATE INDEX messages_unread_idx ON messages (conversation_id, created_at)",
    ),
    Regression(
        "partial index that no longer fits", "index", "list_all", ("worse", "buffers"),
        before=_LIST_ALONE,
        sql=f"DROP INDEX {_LIST_INDEX}; CREATE INDEX {_LIST_INDEX} ON conversations "
            "(account_id, status, last_activity_at DESC, id DESC) WHERE priority IS NOT NULL",
    ),
    Regression(
        "search index replaced by a b-tree", "index", "search_substring", ("worse", "buffers"), before=_SEARCH_ALONE,
        sql="DROP INDEX messages_body_trgm_idx; CREATE INDEX messages_body_trgm_idx ON messages (left(body, 100))",
    ),
    Regression(
        "function around a column", "query", "list_all", ("worse", "buffers"), before=_LIST_ALONE,
        query="list_all", old="c.status = 'open'", new="lower(c.status) = 'open'",
    ),
    Regression(
        "implicit cast", "query", "thread_latest", ("worse", "buffers"),
        query="thread_latest", old="m.conversation_id = :conversation",
        new="m.conversation_id = :conversation::numeric",
    ),
    Regression(
        "a query for each row (N+1)", "query", "list_all", ("worse", "buffers"),
        query="list_all", old="WHERE c.account_id",
        new="WHERE (SELECT count(*) FROM messages m WHERE m.conversation_id = c.id) > 0 AND c.account_id",
    ),
    Regression(
        "OFFSET for keyset", "query", "list_deep_keyset", ("worse", "buffers"), before=_LIST_ALONE,
        query="list_deep_keyset", old="AND (c.last_activity_at, c.id) < (:cursor_at, :cursor_id)",
        new="AND c.id IN (SELECT o.id FROM conversations o WHERE o.account_id = :account AND o.status = 'open' "
            "ORDER BY o.last_activity_at DESC, o.id DESC OFFSET (SELECT count(*) FROM conversations p WHERE "
            "p.account_id = :account AND p.status = 'open' "
            "AND (p.last_activity_at, p.id) >= (:cursor_at, :cursor_id)))",
    ),
    Regression(
        "OR that no index serves", "query", "thread_latest", ("worse", "buffers"),
        query="thread_latest", old="m.conversation_id = :conversation",
        new="(m.conversation_id = :conversation OR m.body = 'never said by anybody')",
    ),
    Regression(
        "sort that no index gives", "query", "thread_latest", ("worse", "buffers"), before=_THREAD_ALONE,
        query="thread_latest", old="ORDER BY m.created_at DESC, m.id DESC",
        new="ORDER BY m.created_at + interval '0', m.id DESC",
    ),
    Regression(
        "index on a hot column ends HOT", "write", "mark_read", ("worse", "hot"),
        sql="CREATE INDEX hot_idx ON conversations (agent_last_seen_at)",
    ),
    Regression(
        "duplicate index", "size", "migrated", ("worse", "size"),
        sql="CREATE INDEX twin_idx ON messages (conversation_id, account_id, created_at)",
    ),
    Regression(
        "index set outgrown", "size", "migrated", ("worse", "size"),
        sql="CREATE INDEX wide_idx ON messages (account_id, inbox_id, conversation_id, created_at, id)",
    ),
    Regression(
        "trigger made heavier", "write", "insert_message", ("worse", "wal"),
        sql="""
            CREATE TABLE audit (id bigint GENERATED ALWAYS AS IDENTITY, what jsonb);
            CREATE FUNCTION audited() RETURNS trigger LANGUAGE plpgsql AS
                $$BEGIN INSERT INTO audit (what) VALUES (to_jsonb(NEW)); RETURN NULL; END$$;
            CREATE TRIGGER audited AFTER INSERT ON messages FOR EACH ROW EXECUTE FUNCTION audited()""",
    ),
    Regression(
        "trigger that touches the row twice", "write", "mark_read", ("worse", "wal"),
        sql="""
            CREATE FUNCTION touched() RETURNS trigger LANGUAGE plpgsql AS
                $$BEGIN UPDATE conversations SET updated_at = now() WHERE id = NEW.id; RETURN NULL; END$$;
            CREATE TRIGGER touched AFTER UPDATE OF agent_last_seen_at ON conversations
                FOR EACH ROW EXECUTE FUNCTION touched()""",
    ),
    Regression(
        "rows made wider", "schema", "list_", ("worse", "buffers"),
        sql="ALTER TABLE conversations ADD COLUMN notes text NOT NULL DEFAULT repeat('note ', 120); "
            "UPDATE conversations SET notes = notes; VACUUM FULL conversations",
    ),
    Regression(
        "pages left half empty", "schema", "unread_", ("worse", "buffers"),
        sql="ALTER TABLE conversations SET (fillfactor = 15); VACUUM FULL conversations",
    ),
    Regression(
        "rows scattered", "schema", "thread_latest", ("worse", "buffers"),
        sql="CREATE INDEX scatter_idx ON messages (md5(id::text)); CLUSTER messages USING scatter_idx; "
            "DROP INDEX scatter_idx",
    ),
    Regression(
        "statistics missing", "planner", "", ("worse", "buffers"),
        sql="""
            DO $$ DECLARE c record; BEGIN
                FOR c IN SELECT attname FROM pg_attribute WHERE attrelid = 'conversations'::regclass AND attnum > 0
                         AND NOT attisdropped LOOP
                    EXECUTE format('ALTER TABLE conversations ALTER COLUMN %I SET STATISTICS 0', c.attname);
                END LOOP; END $$;
            DELETE FROM pg_statistic WHERE starelid = 'conversations'::regclass""",
    ),
    Regression(
        "backfill that went wrong", "answer", "list_all", ("broken", "answer"),
        sql="UPDATE conversations SET last_activity_at = created_at WHERE id % 7 = 0",
    ),
    Regression(
        "column renamed", "answer", "list_", ("broken", "cell"),
        sql="ALTER TABLE conversations RENAME COLUMN priority TO urgency",
    ),
    Regression(
        "function a fifth slower", "time", "list_all", ("worse", "time"), before=_EFFORT % 200, sql=_EFFORT % 240,
        query="list_all", old="SELECT ", new="SELECT effort(c.id), ", both=True,
    ),
)  # fmt: skip
