-- compatible: 1
-- What a webhook hears is chosen by tags too; it can rest, and have two valid secrets for a while.
ALTER TABLE endpoints
    ADD COLUMN tags text[] NOT NULL DEFAULT '{}',
    ADD COLUMN paused_us bigint,
    ADD COLUMN old_secret text,
    ADD COLUMN old_until_us bigint NOT NULL DEFAULT 0;
