-- What an account allows with its texts: look-alikes replaced, national language tables.
ALTER TABLE accounts ADD COLUMN smart_encoding INTEGER NOT NULL DEFAULT 1;
ALTER TABLE accounts ADD COLUMN national_tables INTEGER NOT NULL DEFAULT 0;
