-- compatible: 6
-- Tokens for browsers come and go by the thousand beside the keys: each question has an index that holds no others.
CREATE INDEX api_keys_kind ON api_keys (kind, id);
CREATE INDEX publishable_hashes ON api_keys (hash) WHERE kind = 'publishable';
CREATE INDEX publishable_names ON api_keys (account_id, prefix COLLATE "C") WHERE kind = 'publishable';
CREATE INDEX publishable_open ON api_keys (account_id, expires_us) WHERE kind = 'publishable';
CREATE INDEX publishable_ends ON api_keys (expires_us) WHERE kind = 'publishable';

-- Their numbers go round below 0: they live for days, and must not use up those of the keys.
CREATE SEQUENCE publishable_ids AS integer MINVALUE -2147483648 MAXVALUE -1 START -2147483648 CYCLE;
