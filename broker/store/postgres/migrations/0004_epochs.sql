-- Several brokers may serve one database. An epoch tells the newest session of a subscriber, and
-- of a producer, from those before it; what an older one asks for is not done.

ALTER TABLE accounts ADD COLUMN epoch bigint NOT NULL DEFAULT 0;
ALTER TABLE producers ADD COLUMN epoch bigint NOT NULL DEFAULT 0;

-- Signing in moves an account's epoch: the new row version finds room on the same page.
ALTER TABLE accounts SET (fillfactor = 70);
