-- What each node has used of the limits of accounts and keys: of the newest day and month that it knows.
CREATE TABLE usage (
    subject TEXT NOT NULL,
    period TEXT NOT NULL,
    node_id INTEGER NOT NULL,
    start_us INTEGER NOT NULL,
    requests INTEGER NOT NULL,
    segments INTEGER NOT NULL,
    spend INTEGER NOT NULL,
    PRIMARY KEY (subject, period, node_id)
) WITHOUT ROWID;
