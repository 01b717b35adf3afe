-- What a webhook hears is chosen by tags too; it can rest, and have two valid secrets for a while.
ALTER TABLE endpoints ADD COLUMN tags TEXT NOT NULL DEFAULT '[]';
ALTER TABLE endpoints ADD COLUMN paused_us INTEGER;
ALTER TABLE endpoints ADD COLUMN old_secret TEXT;
ALTER TABLE endpoints ADD COLUMN old_until_us INTEGER NOT NULL DEFAULT 0;
