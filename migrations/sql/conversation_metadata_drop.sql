-- Takes back all that conversation_metadata.sql installs.
DROP TRIGGER IF EXISTS conversations_metadata_insert ON conversations;
DROP TRIGGER IF EXISTS conversations_metadata_update ON conversations;
DROP FUNCTION IF EXISTS conversations_sync_metadata();
DROP FUNCTION IF EXISTS conversation_metadata_follow(jsonb, jsonb, jsonb);
DROP FUNCTION IF EXISTS conversation_metadata_merge(jsonb, jsonb);
DROP FUNCTION IF EXISTS conversation_metadata_split(jsonb);
DROP FUNCTION IF EXISTS conversation_metadata_origin(jsonb);
DROP FUNCTION IF EXISTS conversation_metadata_object(jsonb);
DROP FUNCTION IF EXISTS conversation_origin_keys();
