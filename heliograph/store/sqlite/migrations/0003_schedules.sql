-- One row a date of a message; the last one holds. fields is JSON; zone_version tells with which zone data a wall
-- time was read, and is null where an instant was given.
CREATE TABLE schedules (
    key INTEGER NOT NULL,
    sequence INTEGER NOT NULL,
    zone_version TEXT,
    fields TEXT NOT NULL,
    PRIMARY KEY (key, sequence)
) WITHOUT ROWID;
