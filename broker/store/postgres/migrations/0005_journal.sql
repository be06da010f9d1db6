-- Where a commit goes to many topics, a few messages to each, a row a topic would cost more than
-- all else. Such messages are written to the journal as they came, a row a commit, and moved from
-- there to blocks a little later, many of a topic together.

-- Topics, seqs and publishers hold a number a message, packed (number_at); bodies are those of a
-- block. A message counts as long as its seq is above its topic's head: the head moves in the
-- statement that writes its block.
CREATE TABLE journal (
    page         bigint PRIMARY KEY,
    batch        bigint NOT NULL,
    committed_at timestamptz NOT NULL DEFAULT now(),
    topics       bytea NOT NULL,
    seqs         bytea NOT NULL,
    publishers   bytea NOT NULL,
    bodies       bytea NOT NULL
);
ALTER TABLE journal ALTER COLUMN topics SET STORAGE EXTERNAL;
ALTER TABLE journal ALTER COLUMN seqs SET STORAGE EXTERNAL;
ALTER TABLE journal ALTER COLUMN publishers SET STORAGE EXTERNAL;
ALTER TABLE journal ALTER COLUMN bodies SET STORAGE EXTERNAL;

-- Where a block's messages were not committed together: when each was, packed, in microseconds
-- since 1970. Then committed_at is the time of the last one.
ALTER TABLE blocks ADD COLUMN times bytea;
ALTER TABLE blocks ALTER COLUMN times SET STORAGE EXTERNAL;

-- Packed numbers take eight bytes each, the highest first; the first one's place is 1.
CREATE FUNCTION number_at(packed bytea, place bigint) RETURNS bigint
LANGUAGE sql IMMUTABLE
RETURN ('x' || encode(substr(packed, (8 * place - 7)::integer, 8), 'hex'))::bit(64)::bigint;

-- The time of a block's message, or of its last one, if it has no such message.
CREATE FUNCTION time_at(times bytea, place bigint, otherwise timestamptz) RETURNS timestamptz
LANGUAGE sql IMMUTABLE
RETURN CASE WHEN place BETWEEN 1 AND octet_length(times) / 8
    THEN timestamptz '1970-01-01 00:00:00Z' + number_at(times, place) * interval '1 microsecond'
    ELSE otherwise END;

CREATE OR REPLACE VIEW messages AS
SELECT topics.name AS topic,
       one.seq,
       accounts.email AS publisher,
       one.committed_at AS published_at,
       one.body::json AS message
FROM (
    SELECT blocks.topic_id,
           blocks.first_seq + body.position - 1 AS seq,
           coalesce(blocks.publishers[body.position], blocks.publishers[1]) AS publisher,
           time_at(blocks.times, body.position, blocks.committed_at) AS committed_at,
           body.text AS body
    FROM blocks
    CROSS JOIN LATERAL string_to_table(
        rtrim(convert_from(blocks.bodies, 'UTF8'), E'\n'), E'\n'
    ) WITH ORDINALITY AS body (text, position)
    UNION ALL
    SELECT topics.id,
           number_at(journal.seqs, body.position),
           number_at(journal.publishers, body.position),
           journal.committed_at,
           body.text
    FROM (
        -- Out of line they lie in pieces, which would be put together for each message.
        SELECT topics || ''::bytea AS topics,
               seqs || ''::bytea AS seqs,
               publishers || ''::bytea AS publishers,
               committed_at,
               bodies
        FROM journal
        OFFSET 0
    ) AS journal
    CROSS JOIN LATERAL string_to_table(
        rtrim(convert_from(journal.bodies, 'UTF8'), E'\n'), E'\n'
    ) WITH ORDINALITY AS body (text, position)
    JOIN topics ON topics.id = number_at(journal.topics, body.position)
    WHERE number_at(journal.seqs, body.position) > topics.head
) AS one
JOIN topics ON topics.id = one.topic_id
LEFT JOIN accounts ON accounts.id = one.publisher;
