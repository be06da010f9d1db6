-- Sample data: three publishers, two subscribers, three topics with messages in each.
-- Signing in as tientavu@tamu.edu brings five unread messages.

INSERT INTO accounts (email, role) VALUES
    ('orders@example.com', 'publisher'),
    ('weather@example.com', 'publisher'),
    ('news@example.com', 'publisher'),
    ('tientavu@tamu.edu', 'subscriber'),
    ('sam@example.com', 'subscriber');

INSERT INTO topics (name, head, created_by)
SELECT name, head, accounts.id
FROM (VALUES
    ('ORDERS', 4, 'orders@example.com'),
    ('WEATHER', 3, 'weather@example.com'),
    ('NEWS', 3, 'news@example.com')
) AS sample (name, head, creator)
JOIN accounts ON accounts.email = sample.creator;

-- A block's bodies are its messages as JSON strings, each ended by a newline.
INSERT INTO blocks (topic_id, first_seq, count, batch, publishers, bodies)
SELECT topics.id, sample.first_seq, sample.count, sample.batch,
       ARRAY(
           SELECT accounts.id FROM unnest(sample.publishers) WITH ORDINALITY AS one (email, place)
           JOIN accounts USING (email) ORDER BY place
       ),
       convert_to(sample.bodies, 'UTF8')
FROM (VALUES
    ('ORDERS', 1, 2, 1, ARRAY['orders@example.com'],
     E'"order 1: 3 boxes of chalk"\n"order 2: a lamp"\n'),
    ('ORDERS', 3, 2, 2, ARRAY['orders@example.com'],
     E'"order 1 shipped"\n"{\\"order\\": 2, \\"state\\": \\"packed\\"}"\n'),
    ('WEATHER', 1, 1, 3, ARRAY['weather@example.com'],
     E'"College Station: 31 °C, clear"\n'),
    ('WEATHER', 2, 2, 4, ARRAY['weather@example.com'],
     E'"College Station: 33 °C, a light wind"\n"Storm warning until 21:00"\n'),
    ('NEWS', 1, 3, 5, ARRAY['news@example.com', 'news@example.com', 'orders@example.com'],
     E'"The library is open until midnight"\n"Room 113 moves to 115"\n"Chalk is back in stock"\n')
) AS sample (topic, first_seq, count, batch, publishers, bodies)
JOIN topics ON topics.name = sample.topic;

INSERT INTO subscriptions (account_id, topic_id, cursor)
SELECT accounts.id, topics.id, sample.cursor
FROM (VALUES
    ('tientavu@tamu.edu', 'ORDERS', 2),
    ('tientavu@tamu.edu', 'NEWS', 0),
    ('sam@example.com', 'WEATHER', 3),
    ('sam@example.com', 'ORDERS', 4)
) AS sample (email, topic, cursor)
JOIN accounts ON accounts.email = sample.email
JOIN topics ON topics.name = sample.topic;
