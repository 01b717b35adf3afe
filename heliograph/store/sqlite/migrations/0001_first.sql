-- Times are microseconds since 1970 UTC. A message's id is 95 bits: key holds the first 63, tail the other 32.
-- Keys rise with time, so every large table grows at its right edge alone.

CREATE TABLE messages (
    key INTEGER PRIMARY KEY,
    tail INTEGER NOT NULL,
    account_id INTEGER NOT NULL,
    sender TEXT NOT NULL,
    recipient TEXT NOT NULL,
    accepted_us INTEGER NOT NULL,
    expires_us INTEGER NOT NULL,
    direction INTEGER NOT NULL DEFAULT 0,
    channel TEXT NOT NULL DEFAULT 'sms',
    type INTEGER NOT NULL DEFAULT 1,
    sender_kind INTEGER NOT NULL DEFAULT 0,
    recipient_kind INTEGER NOT NULL DEFAULT 0,
    encoding INTEGER NOT NULL DEFAULT 0,
    segments INTEGER NOT NULL DEFAULT 1,
    reference INTEGER NOT NULL DEFAULT 0,
    at_most_once INTEGER NOT NULL DEFAULT 0,
    flash INTEGER NOT NULL DEFAULT 0,
    receipt_wanted INTEGER NOT NULL DEFAULT 1,
    entrance TEXT NOT NULL DEFAULT 'rest',
    entrance_data TEXT,
    client_ref TEXT,
    tags TEXT,
    metadata TEXT,
    callback TEXT,
    route TEXT,
    route_reason TEXT,
    country TEXT,
    network TEXT,
    currency TEXT,
    price TEXT,
    state INTEGER NOT NULL DEFAULT 10,
    version INTEGER NOT NULL DEFAULT 1,
    connector_id INTEGER NOT NULL DEFAULT 0,
    owner INTEGER NOT NULL DEFAULT 0,
    due_us INTEGER,
    attempts INTEGER NOT NULL DEFAULT 0,
    sent_us INTEGER,
    ended_us INTEGER,
    sent_seq INTEGER NOT NULL DEFAULT 0,
    ended_seq INTEGER NOT NULL DEFAULT 0,
    last_seq INTEGER NOT NULL DEFAULT 1,
    carrier_message_id TEXT,
    status INTEGER,
    error TEXT,
    segments_delivered INTEGER NOT NULL DEFAULT 0,
    possible_duplicate INTEGER NOT NULL DEFAULT 0
);
-- Only messages that wait in the store are in these two; one born claimed never touches them.
CREATE INDEX backlog ON messages (connector_id, owner, type, account_id, due_us, key) WHERE due_us IS NOT NULL;
CREATE INDEX validity ON messages (expires_us) WHERE due_us IS NOT NULL;

CREATE TABLE contents (
    key INTEGER PRIMARY KEY,
    octets BLOB NOT NULL,
    kind INTEGER NOT NULL DEFAULT 0,
    udh_octets INTEGER NOT NULL DEFAULT 0,
    key_id INTEGER NOT NULL DEFAULT 0
);

CREATE TABLE segments (
    key INTEGER NOT NULL,
    number INTEGER NOT NULL,
    state INTEGER NOT NULL,
    connector_id INTEGER NOT NULL,
    attempts INTEGER NOT NULL,
    sent_us INTEGER,
    ended_us INTEGER,
    carrier_message_id TEXT,
    status INTEGER,
    error TEXT,
    possible_duplicate INTEGER NOT NULL,
    PRIMARY KEY (key, number)
) WITHOUT ROWID;

CREATE TABLE attempts (
    key INTEGER NOT NULL,
    segment INTEGER NOT NULL,
    number INTEGER NOT NULL,
    connector_id INTEGER NOT NULL,
    at_us INTEGER NOT NULL,
    status INTEGER,
    error TEXT,
    carrier_message_id TEXT,
    PRIMARY KEY (key, segment, number)
) WITHOUT ROWID;

CREATE TABLE events (
    key INTEGER NOT NULL,
    sequence INTEGER NOT NULL,
    account_id INTEGER NOT NULL,
    at_us INTEGER NOT NULL,
    kind TEXT NOT NULL,
    detail TEXT,
    PRIMARY KEY (key, sequence)
) WITHOUT ROWID;

-- bucket is about 19 hours of message ids (key >> 48): inserts stay in the newest, retention drops the oldest.
CREATE TABLE correlations (
    bucket INTEGER NOT NULL,
    connector_id INTEGER NOT NULL,
    canonical TEXT NOT NULL,
    account_id INTEGER NOT NULL,
    key INTEGER NOT NULL,
    tail INTEGER NOT NULL,
    segment INTEGER NOT NULL,
    attempt INTEGER NOT NULL,
    PRIMARY KEY (bucket, connector_id, canonical)
) WITHOUT ROWID;

-- Who wrote to whom, indexed some thousand messages at a time (a run), sorted, after they were committed.
-- What came after the last run is found by reading the messages themselves.
CREATE TABLE runs (
    run INTEGER PRIMARY KEY,
    first_key INTEGER NOT NULL,
    last_key INTEGER NOT NULL
);
CREATE TABLE run_recipients (
    run INTEGER NOT NULL,
    recipient TEXT NOT NULL,
    account_id INTEGER NOT NULL,
    key INTEGER NOT NULL,
    PRIMARY KEY (run, recipient, account_id, key)
) WITHOUT ROWID;
CREATE TABLE run_accounts (
    account_id INTEGER NOT NULL,
    run INTEGER NOT NULL,
    PRIMARY KEY (account_id, run)
) WITHOUT ROWID;

CREATE TABLE orphans (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    connector_id INTEGER NOT NULL,
    canonical TEXT NOT NULL,
    arrived_us INTEGER NOT NULL,
    fields TEXT NOT NULL
);
CREATE INDEX orphans_canonical ON orphans (connector_id, canonical);

-- One row a transaction that has facts; facts is MessagePack.
CREATE TABLE outbox (
    position INTEGER PRIMARY KEY AUTOINCREMENT,
    at_us INTEGER NOT NULL,
    facts BLOB NOT NULL
);

CREATE TABLE wires (
    node_id INTEGER NOT NULL,
    connector_id INTEGER NOT NULL,
    ids TEXT NOT NULL,
    PRIMARY KEY (node_id, connector_id)
) WITHOUT ROWID;

-- No message before claimed_from was born claimed by the node and is still with it.
CREATE TABLE nodes (
    node_id INTEGER PRIMARY KEY,
    claimed_from INTEGER NOT NULL
);

CREATE TABLE claims (
    account_id INTEGER NOT NULL,
    scope TEXT NOT NULL,
    key TEXT NOT NULL,
    body_hash BLOB NOT NULL,
    created_us INTEGER NOT NULL,
    expires_us INTEGER NOT NULL,
    made TEXT,
    PRIMARY KEY (account_id, scope, key)
) WITHOUT ROWID;

CREATE TABLE parts (
    connector_id INTEGER NOT NULL,
    sender TEXT NOT NULL,
    recipient TEXT NOT NULL,
    reference INTEGER NOT NULL,
    reference_octets INTEGER NOT NULL,
    total INTEGER NOT NULL,
    number INTEGER NOT NULL,
    arrived_us INTEGER NOT NULL,
    data_coding INTEGER NOT NULL,
    octets BLOB NOT NULL,
    PRIMARY KEY (connector_id, sender, recipient, reference, reference_octets, total, number)
) WITHOUT ROWID;

CREATE TABLE refs (
    connector_id INTEGER NOT NULL,
    sender TEXT NOT NULL,
    recipient TEXT NOT NULL,
    reference INTEGER NOT NULL,
    used_us INTEGER NOT NULL,
    PRIMARY KEY (connector_id, sender, recipient)
) WITHOUT ROWID;

CREATE TABLE endpoints (
    id TEXT PRIMARY KEY,
    account_id INTEGER NOT NULL,
    kind TEXT NOT NULL,
    url TEXT NOT NULL,
    events TEXT NOT NULL,
    secret TEXT NOT NULL,
    batch INTEGER NOT NULL,
    position INTEGER NOT NULL,
    created_us INTEGER NOT NULL,
    deleted_us INTEGER
) WITHOUT ROWID;

CREATE TABLE deliveries (
    id TEXT PRIMARY KEY,
    endpoint_id TEXT NOT NULL,
    account_id INTEGER NOT NULL,
    events TEXT NOT NULL,
    tries INTEGER NOT NULL,
    next_us INTEGER NOT NULL,
    first_us INTEGER NOT NULL,
    body BLOB,
    last_error TEXT
);
CREATE INDEX deliveries_due ON deliveries (endpoint_id, next_us);
CREATE INDEX deliveries_next ON deliveries (next_us);

CREATE TABLE counts (
    hour_us INTEGER NOT NULL,
    account_id INTEGER NOT NULL,
    direction INTEGER NOT NULL,
    country TEXT NOT NULL,
    network TEXT NOT NULL,
    sender TEXT NOT NULL,
    connector_id INTEGER NOT NULL,
    type INTEGER NOT NULL,
    state INTEGER NOT NULL,
    count INTEGER NOT NULL,
    PRIMARY KEY (hour_us, account_id, direction, country, network, sender, connector_id, type, state)
) WITHOUT ROWID;

CREATE TABLE accounts (
    id INTEGER PRIMARY KEY,
    name TEXT NOT NULL UNIQUE,
    created_us INTEGER NOT NULL,
    recipients TEXT NOT NULL,
    default_region TEXT
);

CREATE TABLE keys (
    id INTEGER PRIMARY KEY,
    account_id INTEGER NOT NULL REFERENCES accounts,
    prefix TEXT NOT NULL UNIQUE,
    hash BLOB NOT NULL UNIQUE,
    scopes TEXT NOT NULL,
    created_us INTEGER NOT NULL,
    expires_us INTEGER,
    revoked_us INTEGER
);

CREATE TABLE connectors (
    id INTEGER PRIMARY KEY,
    name TEXT NOT NULL UNIQUE
);

-- sequence never repeats: who remembers the last one sees what was added since.
CREATE TABLE optouts (
    sequence INTEGER PRIMARY KEY AUTOINCREMENT,
    account_id INTEGER NOT NULL,
    recipient TEXT NOT NULL,
    created_us INTEGER NOT NULL,
    source TEXT NOT NULL,
    UNIQUE (account_id, recipient)
);

CREATE TABLE meta (
    name TEXT PRIMARY KEY,
    value INTEGER NOT NULL
) WITHOUT ROWID;
INSERT INTO meta (name, value) VALUES ('config_version', 1), ('counts_position', 0);
