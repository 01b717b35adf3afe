-- Counts by the hour in which a message was accepted; who counted by the hour of the event before begins anew.
-- An account's own hours stand together: they are what it asks for. error and waited: docs/explanation/counts.md
DROP TABLE counts;
CREATE TABLE tallies (
    hour_us INTEGER NOT NULL,
    account_id INTEGER NOT NULL,
    direction INTEGER NOT NULL,
    country TEXT NOT NULL,
    network TEXT NOT NULL,
    sender TEXT NOT NULL,
    connector_id INTEGER NOT NULL,
    type INTEGER NOT NULL,
    event INTEGER NOT NULL,
    was INTEGER NOT NULL,
    error TEXT NOT NULL,
    waited INTEGER NOT NULL,
    messages INTEGER NOT NULL,
    segments INTEGER NOT NULL,
    PRIMARY KEY (account_id, hour_us, event, direction, country, network, sender, connector_id, type, was, error, waited)
) WITHOUT ROWID;
