-- Indexes of lists, made with each run: which senders it has, and the labels of its messages
-- (client_ref behind r, a tag behind t; a message that has none has no entry).
CREATE TABLE run_senders (
    run INTEGER NOT NULL,
    sender TEXT NOT NULL,
    account_id INTEGER NOT NULL,
    PRIMARY KEY (run, sender, account_id)
) WITHOUT ROWID;
CREATE TABLE run_labels (
    run INTEGER NOT NULL,
    label TEXT NOT NULL,
    account_id INTEGER NOT NULL,
    key INTEGER NOT NULL,
    PRIMARY KEY (run, label, account_id, key)
) WITHOUT ROWID;

INSERT INTO run_senders (run, sender, account_id)
SELECT DISTINCT r.run, m.sender, m.account_id FROM runs r
CROSS JOIN messages m ON m.key >= r.first_key AND m.key <= r.last_key
ORDER BY 1, 2, 3;
INSERT OR IGNORE INTO run_labels (run, label, account_id, key)
SELECT r.run, 'r' || m.client_ref, m.account_id, m.key FROM runs r
CROSS JOIN messages m ON m.key >= r.first_key AND m.key <= r.last_key
WHERE m.client_ref IS NOT NULL;
INSERT OR IGNORE INTO run_labels (run, label, account_id, key)
SELECT r.run, 't' || t.value, m.account_id, m.key FROM runs r
CROSS JOIN messages m ON m.key >= r.first_key AND m.key <= r.last_key
CROSS JOIN json_each(m.tags) t
WHERE m.tags IS NOT NULL;
