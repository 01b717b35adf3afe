-- compatible: 1
-- One row a date of a message; the last one holds. fields is JSON; zone_version tells with which zone data a wall
-- time was read, and is null where an instant was given. Not in partitions: few messages have a date.
CREATE TABLE schedules (
    message_id text COLLATE "C" NOT NULL,
    account_id integer NOT NULL,
    sequence integer NOT NULL,
    zone_version text,
    fields text NOT NULL,
    PRIMARY KEY (message_id, account_id, sequence)
);
