-- compatible: 1
-- Counts by the hour in which a message was accepted, beside those by the hour of the event, which a program of
-- an earlier version goes on counting with a place of its own (counter.position). An account's own hours stand together.
CREATE TABLE tallies (
    hour_us bigint NOT NULL,
    account_id integer NOT NULL,
    direction smallint NOT NULL,
    country text COLLATE "C" NOT NULL,
    network text COLLATE "C" NOT NULL,
    sender text COLLATE "C" NOT NULL,
    connector_id integer NOT NULL,
    type smallint NOT NULL,
    event smallint NOT NULL,
    was smallint NOT NULL,
    error text COLLATE "C" NOT NULL,
    waited smallint NOT NULL,
    messages bigint NOT NULL,
    segments bigint NOT NULL,
    PRIMARY KEY (account_id, hour_us, event, direction, country, network, sender, connector_id, type, was, error, waited)
) WITH (fillfactor = 80);

ALTER TABLE counter ADD COLUMN tallied bigint NOT NULL DEFAULT 0;
UPDATE counter SET tallied = position;
