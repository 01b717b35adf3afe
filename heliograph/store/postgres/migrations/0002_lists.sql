-- compatible: 1
-- Labels of messages (client_ref behind r, a tag behind t; a message that has none has no row), in weeks like
-- the messages themselves. What a program of version 1 accepts beside this schema is not found by its labels.
CREATE TABLE message_labels (
    account_id integer NOT NULL,
    label text COLLATE "C" NOT NULL,
    message_id text COLLATE "C" NOT NULL,
    PRIMARY KEY (account_id, label, message_id)
) PARTITION BY RANGE (message_id);
CREATE TABLE message_labels_default PARTITION OF message_labels DEFAULT;

DO $$
DECLARE
    week record;
BEGIN
    FOR week IN
        SELECT substr(c.relname, 10) AS suffix, pg_get_expr(c.relpartbound, c.oid) AS bound
        FROM pg_inherits AS i JOIN pg_class AS c ON c.oid = i.inhrelid
        WHERE i.inhparent = 'messages'::regclass AND c.relname ~ '^messages_[0-9]{8}$'
    LOOP
        EXECUTE format('CREATE TABLE message_labels_%s PARTITION OF message_labels %s', week.suffix, week.bound);
    END LOOP;
END
$$;

INSERT INTO message_labels (account_id, label, message_id)
SELECT account_id, 'r' || client_ref, id FROM messages WHERE client_ref IS NOT NULL
UNION ALL
SELECT DISTINCT m.account_id, 't' || t.tag, m.id
FROM messages AS m CROSS JOIN LATERAL jsonb_array_elements_text(m.tags::jsonb) AS t (tag) WHERE m.tags IS NOT NULL;
