-- What must hold in a messenger at head, whoever wrote to it and however many at once. Each query returns the rows
-- that break its rule, so every answer should be empty. `scope: lab` ones need the column that the race lab adds.

-- name: no_double_assignment
-- ids: A1 P1.2
-- scope: lab
-- title: nobody is given a conversation that somebody else holds
SELECT id, claims
FROM conversations
WHERE EXISTS (
    SELECT FROM generate_series(2, cardinality(claims)) AS n
    WHERE claims[n] IS NOT NULL AND claims[n - 1] IS NOT NULL
);

-- name: last_claim_holds
-- ids: A1 P1.2
-- scope: lab
-- title: the holder of a conversation is the one who was given it last
SELECT id, assignee_id, claims
FROM conversations
WHERE cardinality(claims) > 0 AND assignee_id IS DISTINCT FROM claims[cardinality(claims)];

-- name: assignee_works_in_inbox
-- ids: A1 A2
-- title: a conversation is held by a member of its inbox or by an administrator of its account
SELECT c.id, c.inbox_id, c.assignee_id
FROM conversations c
JOIN users u ON u.id = c.assignee_id
WHERE u.account_id <> c.account_id
   OR (u.role <> 'administrator'
       AND NOT EXISTS (SELECT FROM inbox_members m WHERE m.inbox_id = c.inbox_id AND m.user_id = u.id));

-- name: assigned_at_with_assignee
-- ids: A1
-- title: a time of assignment stands where somebody is assigned, and nowhere else
SELECT id, assignee_id, assignee_assigned_at
FROM conversations
WHERE (assignee_id IS NULL) <> (assignee_assigned_at IS NULL);

-- name: display_id_unique
-- ids: C1
-- title: no two conversations of an account share a number, and each has one
SELECT account_id, display_id, count(*) AS conversations
FROM conversations
GROUP BY account_id, display_id
HAVING count(*) > 1 OR display_id IS NULL;

-- name: display_id_counted
-- ids: C1
-- title: an account's counter is at or above its highest number
SELECT c.account_id, max(c.display_id) AS highest, k.last_display_id
FROM conversations c
LEFT JOIN conversation_counters k ON k.account_id = c.account_id
GROUP BY c.account_id, k.last_display_id
HAVING k.last_display_id IS NULL OR k.last_display_id < max(c.display_id);

-- name: identifier_unique
-- ids: C2
-- title: an outside key names one conversation of its account
SELECT account_id, identifier, count(*) AS conversations
FROM conversations
WHERE identifier IS NOT NULL
GROUP BY account_id, identifier
HAVING count(*) > 1;

-- name: waiting_since_is_a_question
-- ids: C3
-- title: a wait begins with a message of the customer that nobody answered since, in an unresolved conversation
SELECT c.id, c.status, c.waiting_since
FROM conversations c
WHERE c.waiting_since IS NOT NULL
  AND (c.status = 'resolved'
       OR NOT EXISTS (
           SELECT FROM messages m
           WHERE m.conversation_id = c.id AND m.created_at = c.waiting_since
             AND m.sender_type = 'contact' AND m.message_type = 0 AND NOT m.private)
       OR EXISTS (
           SELECT FROM messages m
           WHERE m.conversation_id = c.id AND m.created_at > c.waiting_since
             AND m.sender_type IN ('user', 'bot') AND m.message_type = 1 AND NOT m.private
             AND NOT m.content_attributes ? 'automation_rule_id'));

-- name: snoozed_until_while_snoozed
-- ids: C4
-- title: only a snoozed conversation has a time to come back
SELECT id, status, snoozed_until
FROM conversations
WHERE snoozed_until IS NOT NULL AND status <> 'snoozed';

-- name: first_reply_is_a_reply
-- ids: C5
-- title: the first answer is remembered where there is one, and is the time of a public human reply
SELECT c.id, c.first_reply_created_at
FROM conversations c
CROSS JOIN LATERAL (
    SELECT count(*) AS replies, count(*) FILTER (WHERE m.created_at = c.first_reply_created_at) AS that_one
    FROM messages m
    WHERE m.conversation_id = c.id AND m.sender_type = 'user' AND m.message_type = 1 AND NOT m.private
      AND NOT m.content_attributes ? 'automation_rule_id'
) AS found
WHERE (c.first_reply_created_at IS NULL) <> (found.replies = 0)
   OR (c.first_reply_created_at IS NOT NULL AND found.that_one = 0);

-- name: last_activity_not_behind
-- ids: C7
-- title: a conversation's last activity is no older than its newest message
SELECT c.id, c.last_activity_at, newest.at
FROM conversations c
CROSS JOIN LATERAL (SELECT max(m.created_at) AS at FROM messages m WHERE m.conversation_id = c.id) AS newest
WHERE newest.at > c.last_activity_at;

-- name: echo_id_unique
-- ids: M1
-- title: a client's retry of one send is one message
SELECT conversation_id, echo_id, count(*) AS messages
FROM messages
WHERE echo_id IS NOT NULL
GROUP BY conversation_id, echo_id
HAVING count(*) > 1;

-- name: source_id_unique
-- ids: M6
-- title: an outside message is stored once in its inbox
SELECT inbox_id, source_id, count(*) AS messages
FROM messages
WHERE source_id IS NOT NULL
GROUP BY inbox_id, source_id
HAVING count(*) > 1;

-- name: body_within_limit
-- ids: M7 P1.3
-- title: no message is longer than 150,000 characters
SELECT id, char_length(body) AS characters
FROM messages
WHERE char_length(body) > 150000;

-- name: message_in_its_conversation
-- title: a message belongs to the account and inbox of its conversation
SELECT m.id, m.account_id, m.inbox_id, m.conversation_id
FROM messages m
JOIN conversations c ON c.id = m.conversation_id
WHERE m.account_id <> c.account_id OR m.inbox_id <> c.inbox_id;

-- name: address_unique
-- ids: K1
-- title: an address of an inbox is one contact, and a conversation's address is its contact's
SELECT c.id, c.contact_id, a.contact_id AS contact_of_address
FROM conversations c
JOIN contact_inboxes a ON a.id = c.contact_inbox_id
WHERE a.contact_id <> c.contact_id OR a.inbox_id <> c.inbox_id;

-- name: external_id_unique
-- ids: K2
-- title: an outside key names one contact of its account
SELECT account_id, external_id, count(*) AS contacts
FROM contacts
WHERE external_id IS NOT NULL
GROUP BY account_id, external_id
HAVING count(*) > 1;
