-- Messages up to a topic's tail have been taken out: by retention, or because the topic is
-- being deleted.

ALTER TABLE topics ADD COLUMN tail bigint NOT NULL DEFAULT 0 CHECK (tail >= 0);
