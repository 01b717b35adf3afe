-- compatible: 6
-- What a key is called, from where it may be used (CIDR; empty: anywhere), and when it was used last, to the minute.
ALTER TABLE api_keys
    ADD COLUMN name text NOT NULL DEFAULT '',
    ADD COLUMN addresses text[] NOT NULL DEFAULT '{}',
    ADD COLUMN last_used_us bigint;
