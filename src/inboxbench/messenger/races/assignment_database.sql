-- The statements of assignment_database.py.

--- agents
INSERT INTO users (id, account_id, name, email)
SELECT n, 1, 'Agent ' || n, 'agent' || n || '@example.test' FROM generate_series(1, %s) n

--- conversations
INSERT INTO conversations (account_id, inbox_id, contact_id, created_at)
SELECT 1, %s, 1, timestamptz '2024-01-01' + n * interval '1 second' FROM generate_series(%s::int, %s::int) n

-- One round trip. The second statement: the first one's trigger has appended "nobody" to the row's history.
--- put back
UPDATE conversations SET assignee_id = NULL, assignee_assigned_at = NULL WHERE claims <> '{}';
UPDATE conversations SET claims = '{}' WHERE claims <> '{}'
