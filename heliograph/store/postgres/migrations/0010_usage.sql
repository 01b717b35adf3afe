-- compatible: 6
-- What each node has used of the limits of accounts and keys: of the newest day and month that it knows.
CREATE TABLE usage (
    subject text COLLATE "C" NOT NULL,
    period text COLLATE "C" NOT NULL,
    node_id integer NOT NULL,
    start_us bigint NOT NULL,
    requests bigint NOT NULL,
    segments bigint NOT NULL,
    spend bigint NOT NULL,
    PRIMARY KEY (subject, period, node_id)
) WITH (fillfactor = 50);
