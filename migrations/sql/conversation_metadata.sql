-- C8: metadata and the two columns that replace it follow each other for as long as both exist.
-- Installed by the revision that adds the columns, removed by the one that drops metadata, installed again by
-- that one's downgrade.

-- Where the customer came from and with what; every other key of metadata was defined by a user of the messenger.
CREATE OR REPLACE FUNCTION conversation_origin_keys() RETURNS text[]
LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
    SELECT ARRAY['browser', 'browser_version', 'browser_language', 'os', 'os_version', 'platform', 'device',
                 'screen', 'user_agent', 'ip', 'referrer', 'referer', 'landing_page', 'initiated_at',
                 'utm_source', 'utm_medium', 'utm_campaign', 'utm_term', 'utm_content']
$$;

-- A value that is no object (nothing ever forbade one) travels under a key of ours.
CREATE OR REPLACE FUNCTION conversation_metadata_object(value jsonb) RETURNS jsonb
LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
    SELECT CASE jsonb_typeof(value) WHEN 'object' THEN value ELSE jsonb_build_object('metadata:whole', value) END
$$;

-- The entries of an object that have an origin key. (Those that have none are object - conversation_origin_keys().)
CREATE OR REPLACE FUNCTION conversation_metadata_origin(object jsonb) RETURNS jsonb
LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE AS $$
BEGIN
    IF NOT object ?| conversation_origin_keys() THEN
        RETURN '{}';
    END IF;
    RETURN (SELECT jsonb_object_agg(key, value) FROM jsonb_each(object) WHERE key = ANY (conversation_origin_keys()));
END
$$;

-- metadata → what belongs into each of the two columns.
CREATE OR REPLACE FUNCTION conversation_metadata_split(metadata jsonb, OUT additional jsonb, OUT custom jsonb)
LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE AS $$
DECLARE
    object jsonb := conversation_metadata_object(metadata);
    placed jsonb := object -> 'metadata:placed';
BEGIN
    additional := conversation_metadata_origin(object);
    custom := object - conversation_origin_keys() - 'metadata:placed';
    IF placed IS NOT NULL THEN
        additional := additional || coalesce(placed -> 'additional', '{}');
        custom := custom || coalesce(placed -> 'custom', '{}');
    END IF;
END
$$;

-- The two columns → metadata. Entries that split would put into the other column are marked with their place, so
-- that split undoes merge. (The keys 'metadata:…' are taken: nobody else may use them.)
CREATE OR REPLACE FUNCTION conversation_metadata_merge(additional jsonb, custom jsonb) RETURNS jsonb
LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE AS $$
DECLARE
    a jsonb := conversation_metadata_object(additional);
    c jsonb := conversation_metadata_object(custom);
    a_out_of_place jsonb := a - conversation_origin_keys();
    c_out_of_place jsonb := conversation_metadata_origin(c);
    whole jsonb := c -> 'metadata:whole';
BEGIN
    IF a_out_of_place <> '{}' OR c_out_of_place <> '{}' THEN
        RETURN conversation_metadata_origin(a) || (c - conversation_origin_keys())
            || jsonb_build_object('metadata:placed',
                                  jsonb_build_object('additional', a_out_of_place, 'custom', c_out_of_place));
    END IF;
    IF a = '{}' AND c - 'metadata:whole' = '{}' AND jsonb_typeof(whole) <> 'object' THEN
        RETURN whole;
    END IF;
    RETURN a || c;
END
$$;

-- target after the change that turned before into after: other writers' entries stay.
CREATE OR REPLACE FUNCTION conversation_metadata_follow(target jsonb, before jsonb, after jsonb) RETURNS jsonb
LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE AS $$
BEGIN
    IF before = after THEN
        RETURN target;
    ELSIF 'object' <> ANY (ARRAY[jsonb_typeof(target), jsonb_typeof(before), jsonb_typeof(after)]) THEN
        RETURN after;
    ELSIF before = '{}' THEN
        RETURN target || after;
    END IF;
    RETURN target - ARRAY(SELECT jsonb_object_keys(before) EXCEPT SELECT jsonb_object_keys(after))
        || coalesce((SELECT jsonb_object_agg(key, value) FROM jsonb_each(after)
                     WHERE before -> key IS DISTINCT FROM value), '{}');
END
$$;

CREATE OR REPLACE FUNCTION conversations_sync_metadata() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    before record;
    after record;
BEGIN
    IF TG_OP = 'INSERT' THEN
        SELECT * INTO after FROM conversation_metadata_split(NEW.metadata);
        NEW.additional_attributes := after.additional || NEW.additional_attributes;
        NEW.custom_attributes := after.custom || NEW.custom_attributes;
        NEW.metadata := conversation_metadata_merge(NEW.additional_attributes, NEW.custom_attributes);
        RETURN NEW;
    END IF;
    IF NEW.metadata <> OLD.metadata THEN
        SELECT * INTO before FROM conversation_metadata_split(OLD.metadata);
        SELECT * INTO after FROM conversation_metadata_split(NEW.metadata);
        NEW.additional_attributes :=
            conversation_metadata_follow(NEW.additional_attributes, before.additional, after.additional);
        NEW.custom_attributes := conversation_metadata_follow(NEW.custom_attributes, before.custom, after.custom);
    END IF;
    NEW.metadata := conversation_metadata_follow(
        NEW.metadata,
        conversation_metadata_merge(OLD.additional_attributes, OLD.custom_attributes),
        conversation_metadata_merge(NEW.additional_attributes, NEW.custom_attributes));
    RETURN NEW;
END
$$;

CREATE OR REPLACE TRIGGER conversations_metadata_insert BEFORE INSERT ON conversations
FOR EACH ROW EXECUTE FUNCTION conversations_sync_metadata();

-- BEFORE UPDATE without a column list: another trigger may change these columns too.
CREATE OR REPLACE TRIGGER conversations_metadata_update BEFORE UPDATE ON conversations
FOR EACH ROW WHEN ((NEW.metadata, NEW.additional_attributes, NEW.custom_attributes)
                   IS DISTINCT FROM (OLD.metadata, OLD.additional_attributes, OLD.custom_attributes))
EXECUTE FUNCTION conversations_sync_metadata();
