-- name: search_conversation
-- title: conversations by their outside key or by a piece of what is known of the contact
-- family: search
-- ids: C2 C7 K2
-- params: account bigint, piece text
-- classes: contact_rare contact_median
-- order: ordered
--
-- Two tables, so UNION: an OR between them can be answered by neither's index, and every conversation of the account
-- is joined to its contact first (see the traps). The contacts are found first, then their conversations.

SELECT found.id, found.display_id, found.contact_id, found.last_activity_at
FROM (
    SELECT c.id, c.display_id, c.contact_id, c.last_activity_at
    FROM conversations c
    WHERE c.account_id = :account AND c.identifier = :piece
    UNION
    SELECT c.id, c.display_id, c.contact_id, c.last_activity_at
    FROM contacts k
    JOIN conversations c ON c.contact_id = k.id
    WHERE k.account_id = :account
      AND (k.name ILIKE '%' || :piece || '%' OR k.email ILIKE '%' || :piece || '%'
           OR k.phone_number ILIKE '%' || :piece || '%' OR k.external_id ILIKE '%' || :piece || '%')
) found
ORDER BY found.last_activity_at DESC, found.id DESC
LIMIT 15
