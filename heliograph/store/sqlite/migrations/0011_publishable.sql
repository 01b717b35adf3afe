-- Tokens for browsers come and go by the thousand beside the keys: each question has an index that holds no others.
CREATE INDEX keys_kind ON keys (kind, id);
CREATE INDEX publishable_names ON keys (account_id, prefix) WHERE kind = 'publishable';
CREATE INDEX publishable_open ON keys (account_id, expires_us) WHERE kind = 'publishable';
CREATE INDEX publishable_ends ON keys (expires_us) WHERE kind = 'publishable';
