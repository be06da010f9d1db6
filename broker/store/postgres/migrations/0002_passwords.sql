-- Passwords of accounts, as argon2id hashes. An account that has none signs in with its e-mail
-- alone, where the broker allows that.

ALTER TABLE accounts ADD COLUMN password_hash text;
