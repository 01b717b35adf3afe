-- What an account allows with its texts: look-alikes replaced, national language tables.
ALTER TABLE accounts
    ADD COLUMN smart_encoding boolean NOT NULL DEFAULT true,
    ADD COLUMN national_tables boolean NOT NULL DEFAULT false;
