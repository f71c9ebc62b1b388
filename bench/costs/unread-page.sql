-- title: a page of 25 conversations shows how many messages are unread (10 each)
-- unit: page
-- ids: P2.3

--- way on-demand
-- meaning: count(*) over an index, for the whole page
-- ours: yes
-- call: count_page

--- way counter
-- meaning: the column
--- setup
ALTER TABLE conversations ADD COLUMN unread int NOT NULL DEFAULT 0;
UPDATE conversations SET unread = 10;
--- act
SELECT id, unread FROM conversations WHERE id = ANY (:page);
