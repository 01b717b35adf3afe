-- What a key is called, from where it may be used (JSON, CIDR; empty: anywhere), and when it was used last.
ALTER TABLE keys ADD COLUMN name TEXT NOT NULL DEFAULT '';
ALTER TABLE keys ADD COLUMN addresses TEXT NOT NULL DEFAULT '[]';
ALTER TABLE keys ADD COLUMN last_used_us INTEGER;
