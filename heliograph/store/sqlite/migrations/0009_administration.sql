-- Credentials of every kind stand in keys: kind, what only it has (JSON), and how often it was changed.
ALTER TABLE keys ADD COLUMN kind TEXT NOT NULL DEFAULT 'key';
ALTER TABLE keys ADD COLUMN settings TEXT NOT NULL DEFAULT '{}';
ALTER TABLE keys ADD COLUMN version INTEGER NOT NULL DEFAULT 1;

-- Accounts are a tree; settings (JSON) are what an account says itself.
ALTER TABLE accounts ADD COLUMN parent_id INTEGER REFERENCES accounts;
ALTER TABLE accounts ADD COLUMN settings TEXT NOT NULL DEFAULT '{}';
ALTER TABLE accounts ADD COLUMN version INTEGER NOT NULL DEFAULT 1;
ALTER TABLE accounts ADD COLUMN closed_us INTEGER;

-- Everything else that is configured. document is JSON; account_id 0 is the operator's.
CREATE TABLE objects (
    kind TEXT NOT NULL,
    name TEXT NOT NULL,
    account_id INTEGER NOT NULL DEFAULT 0,
    version INTEGER NOT NULL,
    document TEXT NOT NULL,
    created_us INTEGER NOT NULL,
    changed_us INTEGER NOT NULL,
    PRIMARY KEY (kind, name)
) WITHOUT ROWID;

-- Who changed what: rows are added, and dropped by age alone.
CREATE TABLE audit (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    at_us INTEGER NOT NULL,
    account_id INTEGER NOT NULL,
    actor_kind TEXT NOT NULL,
    actor TEXT NOT NULL,
    address TEXT,
    action TEXT NOT NULL,
    object_kind TEXT NOT NULL,
    object_name TEXT NOT NULL,
    outcome TEXT NOT NULL,
    before TEXT,
    after TEXT
);
CREATE INDEX audit_account ON audit (account_id, id);
