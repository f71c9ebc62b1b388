-- The statements of posting.py.

-- Computed from the row as it is now, in one statement: had the old values been read first, two writers could take
-- each other's back.
--- move
UPDATE conversations SET
    last_activity_at = greatest(last_activity_at, %(at)s),
    waiting_since = CASE
        WHEN %(asks)s THEN coalesce(waiting_since, %(at)s)
        WHEN NOT %(answers)s THEN waiting_since
    END,
    first_reply_created_at = CASE
        WHEN %(human)s THEN coalesce(first_reply_created_at, %(at)s)
        ELSE first_reply_created_at
    END
WHERE id = %(id)s

--- there
SELECT m.id, m.conversation_id, m.created_at FROM messages m
WHERE m.conversation_id = %(conversation)s AND m.echo_id = %(echo)s
UNION ALL
SELECT m.id, m.conversation_id, m.created_at FROM messages m
WHERE m.inbox_id = (SELECT inbox_id FROM conversations WHERE id = %(conversation)s) AND m.source_id = %(source)s
LIMIT 1

-- clock_timestamp() and not now(), which is when the transaction began: read under the lock, it puts the messages of a
-- conversation in the order in which they were taken. With now() a question that had waited for the lock would be
-- older than the reply it waited for, and its customer would wait since before an answer that did not answer them.
--- insert
WITH there AS MATERIALIZED ({there}), m AS (
    INSERT INTO messages (account_id, inbox_id, conversation_id, sender_type, sender_id, direction, message_type,
                          private, content_type, content_attributes, body, echo_id, source_id, created_at)
    SELECT c.account_id, c.inbox_id, c.id, %(sender_type)s, %(sender)s, %(direction)s, %(type)s,
           %(private)s, %(content_type)s, %(attributes)s, %(body)s, %(echo)s, %(source)s,
           coalesce(%(at)s, clock_timestamp())
    FROM conversations c WHERE c.id = %(conversation)s AND NOT EXISTS (SELECT FROM there)
    ON CONFLICT DO NOTHING
    RETURNING *
)
SELECT id, conversation_id, created_at, false, NULL FROM there
UNION ALL
SELECT m.id, m.conversation_id, m.created_at, true, ({notify})::text FROM m

-- A blocked contact reopens nothing, and in a resolved conversation nobody waits. Contacts are read after the lock:
-- a mute that held it has committed by now.
--- reopen
WITH old AS MATERIALIZED (
    SELECT c.id, c.status, k.blocked FROM conversations c JOIN contacts k ON k.id = c.contact_id
    WHERE c.id = %s AND c.status IN ('resolved', 'snoozed')
)
UPDATE conversations c SET
    status = CASE WHEN old.blocked THEN c.status ELSE 'open' END,
    waiting_since = CASE WHEN old.blocked AND old.status = 'resolved' THEN NULL ELSE c.waiting_since END,
    updated_at = now()
FROM old WHERE c.id = old.id
RETURNING old.status, old.blocked
