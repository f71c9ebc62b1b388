-- name: lookup_source_id
-- title: a message by its id in the channel
-- family: lookup
-- ids: M6
-- params: inbox bigint, source_id text
-- classes: channel
-- order: unordered
--
-- Asked before a delivered message is stored. Chatwoot's index on source_id alone needs no inbox, and keeps nothing
-- unique; here the rule (inbox_id, source_id) answers under every set.

SELECT m.id, m.conversation_id, m.created_at
FROM messages m
WHERE m.inbox_id = :inbox AND m.source_id = :source_id
