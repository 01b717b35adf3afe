-- The statements of the PostgreSQL store, by name (heliograph/store/postgres/queries.py).
--
-- Arrays come as text literals ($1::text::int4[]): the driver writes one long text much faster than
-- an array of values. Joins against such arrays are meant as nested loops over the primary key; the
-- store's connections switch hash and merge joins off. "id >= least" spares the older partitions; an
-- upper bound as well would look so selective that the planner could scan the range for each row. And
-- "BETWEEN (the least) AND (the most)" is always true: it makes the planner expect one row of an array, so that
-- it looks each up by key, also when it plans while the tables are still small. Accounts below 0 are sandboxes.

-- ==== pieces of statements ====================================================================

-- Every account that has messages, by a recursive ``holder``.
-- name: HOLDERS
RECURSIVE holder (account_id) AS (
    (SELECT m.account_id FROM messages AS m ORDER BY m.account_id LIMIT 1)
    UNION ALL
    SELECT next.account_id FROM holder CROSS JOIN LATERAL (
        SELECT m.account_id FROM messages AS m WHERE m.account_id > holder.account_id ORDER BY m.account_id LIMIT 1
    ) AS next
)

-- What a list asks of a message.
-- name: WANTED
($5::int2[] = '{}' OR m.state = ANY ($5)) AND ($6::text IS NULL OR m.recipient = $6)
    AND ($7::text IS NULL OR m.sender = $7) AND ($8::int4 IS NULL OR m.connector_id = $8)
    AND ($9::text IS NULL OR m.client_ref = $9) AND ($10::text IS NULL OR EXISTS (
        SELECT FROM message_labels AS t
        WHERE t.account_id = m.account_id AND t.label = 't' || $10 AND t.message_id = m.id
    ))
    AND ($11::int8 IS NULL OR m.accepted_us >= $11) AND ($12::int8 IS NULL OR m.accepted_us < $12)

-- What every transaction writes last: wires, the watermark, the facts.
-- name: ENDING
wired AS (
    INSERT INTO wires (node_id, connector_id, ids)
    SELECT $2::int4, * FROM unnest($3::int4[], $4::text[])
    ON CONFLICT (node_id, connector_id) DO UPDATE SET ids = excluded.ids
), marked AS (
    UPDATE watermarks SET lowest = $5 WHERE node_id = $2 AND kind = 0 AND $5::text IS NOT NULL
), told AS (
    INSERT INTO outbox (position, at_us, facts)
    SELECT pg_current_xact_id()::text::int8 + meta.outbox_base, $1, $6 FROM meta WHERE $6::bytea IS NOT NULL
)

-- ==== the write of a batch ====================================================================

-- name: take_claims
INSERT INTO claims AS held (account_id, scope, key, body_hash, created_us, expires_us, made)
SELECT * FROM unnest($1::int4[], $2::text[], $3::text[], $4::bytea[], $5::int8[], $6::int8[], $7::text[])
ON CONFLICT (account_id, scope, key) DO UPDATE
    SET body_hash = excluded.body_hash, created_us = excluded.created_us,
        expires_us = excluded.expires_us, made = excluded.made
    WHERE held.expires_us <= excluded.created_us
RETURNING account_id, scope, key

-- name: claims
SELECT c.account_id, c.scope, c.key, c.body_hash, c.created_us, c.expires_us, c.made
FROM unnest($1::int4[], $2::text[], $3::text[]) AS k (account_id, scope, key)
JOIN claims AS c USING (account_id, scope, key)
WHERE k.account_id BETWEEN -2147483647 AND 2147483647 AND c.expires_us > $4

-- name: apply
WITH changed AS (
    UPDATE messages AS m
    SET {set_progress}, queue_us = CASE WHEN u.owner = 0 THEN u.due_us END
    FROM unnest(
        $8::text::text[], $9::text::int4[], $10::text::int4[], $11::text::int2[], $12::text::int4[], $13::text::int4[],
        $14::text::int4[], $15::text::int8[], $16::text::int4[], $17::text::int8[], $18::text::int8[],
        $19::text::int4[], $20::text::int4[], $21::text::int4[], $22::text::text[], $23::text::int8[],
        $24::text::text[], $25::text::int4[], $26::text::bool[]
    ) AS u (
        id, account_id, base_version, state, version, connector_id, owner, due_us, attempts, sent_us, ended_us,
        sent_seq, ended_seq, last_seq, carrier_message_id, status, error, segments_delivered, possible_duplicate
    )
    WHERE u.account_id BETWEEN -2147483647 AND 2147483647
        AND m.account_id = u.account_id AND m.id = u.id AND m.version = u.base_version AND m.id >= $27
    RETURNING 1
), related AS (
    INSERT INTO correlations (connector_id, canonical, account_id, message_id, segment, attempt, written_us)
    SELECT *, $1::int8
    FROM unnest(
        $28::text::int4[], $29::text::text[], $30::text::int4[], $31::text::text[], $32::text::int2[], $33::text::int4[]
    )
), {ENDING}
SELECT pg_current_xact_id()::text::int8 AS xid, outbox_base, optout_version, (SELECT count(*) FROM changed) = $7 AS fresh
FROM meta

-- name: finish
WITH {ENDING}
SELECT pg_current_xact_id()::text::int8 AS xid, outbox_base, optout_version, $7::int8 = 0 AS fresh FROM meta

-- name: versions
SELECT m.id, m.version
FROM unnest($1::int4[], $2::text[]) AS k (account_id, id)
JOIN messages AS m ON m.account_id = k.account_id AND m.id = k.id
WHERE k.account_id BETWEEN -2147483647 AND 2147483647

-- name: outcome
SELECT pg_xact_status($1::text::xid8)

-- name: put_endpoints
INSERT INTO endpoints AS e (id, account_id, kind, url, events, secret, batch, created_us, deleted_us, tags, paused_us,
    old_secret, old_until_us)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13)
ON CONFLICT (id) DO UPDATE
    SET kind = excluded.kind, url = excluded.url, events = excluded.events, secret = excluded.secret,
        batch = excluded.batch, tags = excluded.tags, paused_us = excluded.paused_us,
        old_secret = excluded.old_secret, old_until_us = excluded.old_until_us
    WHERE e.account_id = excluded.account_id AND e.deleted_us IS NULL

-- name: begin_position
INSERT INTO positions (endpoint_id, position) VALUES ($1, $2) ON CONFLICT (endpoint_id) DO NOTHING

-- name: delete_endpoint
UPDATE endpoints SET deleted_us = $3 WHERE account_id = $1 AND id = $2 AND deleted_us IS NULL

-- name: drop_endpoint_deliveries
DELETE FROM deliveries WHERE account_id = $1 AND endpoint_id = $2

-- name: bump_config
UPDATE meta SET config_version = config_version + 1

-- name: bump_opt_outs
UPDATE meta SET config_version = config_version + 1, optout_version = optout_version + 1

-- name: set_segments
UPDATE segments AS s
SET state = u.state, connector_id = u.connector_id, attempts = u.attempts, sent_us = u.sent_us,
    ended_us = u.ended_us, carrier_message_id = u.carrier_message_id, status = u.status, error = u.error,
    possible_duplicate = u.possible_duplicate
FROM unnest(
    $1::text::text[], $2::text::int4[], $3::text::int2[], $4::text::int2[], $5::text::int4[], $6::text::int4[],
    $7::text::int8[], $8::text::int8[], $9::text::text[], $10::text::int8[], $11::text::text[], $12::text::bool[]
) AS u (
    message_id, account_id, number, state, connector_id, attempts, sent_us, ended_us, carrier_message_id, status,
    error, possible_duplicate
)
WHERE u.account_id BETWEEN -2147483647 AND 2147483647
    AND s.account_id = u.account_id AND s.message_id = u.message_id AND s.number = u.number
    AND s.message_id >= $13

-- name: add_attempts
INSERT INTO attempts (message_id, account_id, segment, number, connector_id, at_us, status, error, carrier_message_id)
SELECT * FROM unnest(
    $1::text::text[], $2::text::int4[], $3::text::int2[], $4::text::int4[], $5::text::int4[], $6::text::int8[],
    $7::text::int8[], $8::text::text[], $9::text::text[]
)
ON CONFLICT (account_id, message_id, segment, number) DO UPDATE
    SET connector_id = excluded.connector_id, at_us = excluded.at_us, status = excluded.status,
        error = excluded.error, carrier_message_id = excluded.carrier_message_id

-- name: add_events
INSERT INTO events (message_id, account_id, sequence, at_us, kind, detail)
SELECT * FROM unnest(
    $1::text::text[], $2::text::int4[], $3::text::int4[], $4::text::int8[], $5::text::text[], $6::text::text[]
)
ON CONFLICT (account_id, message_id, sequence) DO UPDATE
    SET at_us = excluded.at_us, kind = excluded.kind, detail = excluded.detail

-- name: add_orphans
INSERT INTO orphans (connector_id, canonical, arrived_us, fields)
SELECT * FROM unnest($1::int4[], $2::text[], $3::int8[], $4::text[])

-- name: drop_orphans
DELETE FROM orphans WHERE id = ANY ($1::int8[])

-- name: move_positions
UPDATE positions AS p SET position = u.position
FROM unnest($1::text[], $2::int8[]) AS u (endpoint_id, position)
WHERE p.endpoint_id = u.endpoint_id AND p.position < u.position

-- name: put_deliveries
INSERT INTO deliveries (endpoint_id, id, account_id, events, tries, next_us, first_us, body, last_error)
SELECT * FROM unnest(
    $1::text[], $2::text[], $3::int4[], $4::bytea[], $5::int4[], $6::int8[], $7::int8[], $8::bytea[], $9::text[]
)
ON CONFLICT (id) DO UPDATE
    SET endpoint_id = excluded.endpoint_id, account_id = excluded.account_id, events = excluded.events,
        tries = excluded.tries, next_us = excluded.next_us, first_us = excluded.first_us, body = excluded.body,
        last_error = excluded.last_error

-- name: drop_deliveries
DELETE FROM deliveries WHERE id = ANY ($1::text[])

-- name: add_parts
INSERT INTO inbound_parts
    (connector_id, sender, recipient, reference, reference_octets, total, number, arrived_us, data_coding, octets)
SELECT * FROM unnest(
    $1::int4[], $2::text[], $3::text[], $4::int4[], $5::int2[], $6::int2[], $7::int2[], $8::int8[], $9::int2[],
    $10::bytea[]
)
ON CONFLICT DO NOTHING

-- name: drop_parts
DELETE FROM inbound_parts AS p
USING unnest($1::int4[], $2::text[], $3::text[], $4::int4[], $5::int2[], $6::int2[])
    AS k (connector_id, sender, recipient, reference, reference_octets, total)
WHERE k.connector_id BETWEEN 0 AND 2147483647
    AND p.connector_id = k.connector_id AND p.sender = k.sender AND p.recipient = k.recipient
    AND p.reference = k.reference AND p.reference_octets = k.reference_octets AND p.total = k.total

-- name: put_schedules
INSERT INTO schedules (message_id, account_id, sequence, zone_version, fields)
SELECT * FROM unnest($1::text[], $2::int4[], $3::int4[], $4::text[], $5::text[])
ON CONFLICT (message_id, account_id, sequence) DO UPDATE
    SET zone_version = excluded.zone_version, fields = excluded.fields

-- name: put_validity
UPDATE messages AS m SET expires_us = u.expires_us
FROM unnest($1::text[], $2::int4[], $3::int8[]) AS u (id, account_id, expires_us)
WHERE u.account_id BETWEEN -2147483647 AND 2147483647
    AND m.account_id = u.account_id AND m.id = u.id AND m.expires_us <> u.expires_us AND m.id >= $4

-- name: put_references
INSERT INTO concat_references (connector_id, sender, recipient, reference, used_us)
SELECT *, $5::int8 FROM unnest($1::int4[], $2::text[], $3::text[], $4::int4[])
ON CONFLICT (connector_id, sender, recipient) DO UPDATE
    SET reference = excluded.reference, used_us = excluded.used_us

-- ==== nodes, claims, what a crash left ========================================================

-- name: lock_node
SELECT pg_try_advisory_lock($1, $2)

-- name: node_holder
SELECT pid FROM pg_locks
WHERE locktype = 'advisory' AND classid = $1::int4::oid AND objid = $2::int4::oid AND objsubid = 2 AND granted
    AND database = (SELECT oid FROM pg_database WHERE datname = current_database())

-- name: take_node
INSERT INTO nodes AS n (id, fence, taken_us, seals_fence) VALUES ($1, 1, $2, 1)
ON CONFLICT (id) DO UPDATE SET fence = n.fence + 1, taken_us = excluded.taken_us, seals_fence = n.fence + 1
RETURNING fence

-- name: nodes_that_cannot_open
SELECT count(*) FROM nodes AS n
WHERE n.seals_fence IS DISTINCT FROM n.fence AND EXISTS (
    SELECT FROM pg_locks AS l
    WHERE l.locktype = 'advisory' AND l.classid = $1::int4::oid AND l.objid = n.id::oid AND l.objsubid = 2 AND l.granted
        AND l.database = (SELECT oid FROM pg_database WHERE datname = current_database()))

-- name: refuse_older_programs
UPDATE schema_versions SET compatible = version WHERE name = 'sealed_secrets' AND compatible < version

-- name: secrets
SELECT id, account_id, secret, old_secret FROM endpoints WHERE id > $1 ORDER BY id LIMIT $2

-- name: seal_secrets
UPDATE endpoints AS e SET secret = v.secret, old_secret = v.old_secret
FROM unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::text[]) AS v (id, secret, old_secret, was, old_was)
WHERE e.id = v.id AND e.secret = v.was AND e.old_secret IS NOT DISTINCT FROM v.old_was
RETURNING e.id

-- name: node_fence
SELECT fence FROM nodes WHERE id = $1

-- name: add_watermarks
INSERT INTO watermarks (node_id, kind) VALUES ($1, 0), ($1, 1) ON CONFLICT DO NOTHING

-- name: watermarks
SELECT kind, lowest FROM watermarks WHERE node_id = $1

-- name: raise_watermark
UPDATE watermarks SET lowest = $2 WHERE node_id = $1 AND kind = 1

-- name: claim
WITH picked AS (
    SELECT m.account_id, m.id FROM messages AS m
    WHERE m.connector_id = $1 AND m.type = $2 AND m.account_id = $3 AND m.queue_us <= $4
    ORDER BY m.queue_us, m.id
    LIMIT $5
    FOR UPDATE SKIP LOCKED
), taken AS (
    UPDATE messages AS m SET owner = $6, version = m.version + 1, queue_us = NULL
    FROM picked AS p
    WHERE m.account_id = p.account_id AND m.id = p.id AND (SELECT fence FROM nodes WHERE id = $6) = $7
    RETURNING {message}
), marked AS (
    UPDATE watermarks SET lowest = least(lowest, (SELECT min(id) FROM taken)) WHERE node_id = $6 AND kind = 1
)
SELECT m.*, c.kind, c.octets, c.udh_octets, c.key_id
FROM taken AS m LEFT JOIN contents AS c ON c.account_id = m.account_id AND c.message_id = m.id
ORDER BY m.due_us, m.id

-- name: owned
WITH {HOLDERS}
SELECT owned.*
FROM holder AS a CROSS JOIN LATERAL (
    SELECT {message} FROM messages AS m WHERE m.account_id = a.account_id AND m.id >= $2 AND m.owner = $1
) AS owned
WHERE $3::int4 IS NULL OR owned.connector_id = $3
ORDER BY owned.id

-- name: give_back
UPDATE messages AS m SET owner = 0, version = m.version + 1, due_us = $3, queue_us = $3
FROM unnest($1::text::text[], $2::text::int4[]) AS k (id, account_id)
WHERE k.account_id BETWEEN -2147483647 AND 2147483647 AND m.account_id = k.account_id AND m.id = k.id AND m.owner = $4

-- name: set_aside
UPDATE messages SET owner = $1, version = version + 1, queue_us = NULL WHERE id = $2 AND owner <> $1

-- name: wires
SELECT connector_id, ids FROM wires WHERE node_id = $1 AND ($2::int4 IS NULL OR connector_id = $2)

-- name: all_wires
SELECT ids FROM wires WHERE ids <> ''

-- ==== the pipeline's reads ====================================================================

-- name: newest_id
WITH {HOLDERS}
SELECT max(newest.id)
FROM holder AS a CROSS JOIN LATERAL (
    SELECT m.id FROM messages AS m WHERE m.account_id = a.account_id ORDER BY m.id DESC LIMIT 1
) AS newest

-- name: opted_out
SELECT o.account_id, o.recipient
FROM unnest($1::int4[], $2::text[]) AS k (account_id, recipient) JOIN opt_outs AS o USING (account_id, recipient)
WHERE k.account_id BETWEEN -2147483647 AND 2147483647

-- name: references
SELECT r.connector_id, r.sender, r.recipient, r.reference
FROM unnest($1::int4[], $2::text[], $3::text[]) AS k (connector_id, sender, recipient)
JOIN concat_references AS r USING (connector_id, sender, recipient)
WHERE k.connector_id BETWEEN 0 AND 2147483647

-- name: correlate
SELECT DISTINCT ON (c.connector_id, c.canonical)
    c.connector_id, c.canonical, c.account_id, c.message_id, c.segment, c.attempt
FROM unnest($1::text::int4[], $2::text::text[]) AS k (connector_id, canonical)
JOIN correlations AS c ON c.connector_id = k.connector_id AND c.canonical = k.canonical
WHERE k.connector_id BETWEEN 0 AND 2147483647 AND c.message_id >= $3
ORDER BY c.connector_id, c.canonical, c.written_us DESC, c.message_id DESC

-- name: live
SELECT {message}
FROM unnest($1::text::int4[], $2::text::text[]) AS k (account_id, id)
JOIN messages AS m ON m.account_id = k.account_id AND m.id = k.id
WHERE k.account_id BETWEEN -2147483647 AND 2147483647 AND m.id >= $3

-- name: segments
SELECT s.message_id, s.number, s.state, s.connector_id, s.attempts, s.sent_us, s.ended_us, s.carrier_message_id,
    s.status, s.error, s.possible_duplicate
FROM unnest($1::text::int4[], $2::text::text[]) AS k (account_id, message_id)
JOIN segments AS s ON s.account_id = k.account_id AND s.message_id = k.message_id
WHERE k.account_id BETWEEN -2147483647 AND 2147483647 AND s.message_id >= $3
ORDER BY s.message_id, s.number

-- name: attempts
SELECT t.message_id, t.account_id, t.segment, t.number, t.connector_id, t.at_us, t.status, t.error,
    t.carrier_message_id
FROM unnest($1::text::int4[], $2::text::text[]) AS k (account_id, message_id)
JOIN attempts AS t ON t.account_id = k.account_id AND t.message_id = k.message_id
WHERE k.account_id BETWEEN -2147483647 AND 2147483647 AND t.message_id >= $3
ORDER BY t.message_id, t.at_us, t.segment, t.number

-- name: contents
SELECT c.message_id, c.kind, c.octets, c.udh_octets, c.key_id
FROM unnest($1::text::int4[], $2::text::text[]) AS k (account_id, message_id)
JOIN contents AS c ON c.account_id = k.account_id AND c.message_id = k.message_id
WHERE k.account_id BETWEEN -2147483647 AND 2147483647 AND c.message_id >= $3

-- name: orphans
SELECT o.connector_id, o.canonical, o.arrived_us, o.fields, o.id
FROM unnest($1::int4[], $2::text[]) AS k (connector_id, canonical)
JOIN orphans AS o USING (connector_id, canonical)
WHERE k.connector_id BETWEEN 0 AND 2147483647
ORDER BY o.id

-- name: matched_orphans
SELECT o.connector_id, o.canonical, o.arrived_us, o.fields, o.id, c.account_id, c.message_id, c.segment, c.attempt
FROM orphans AS o CROSS JOIN LATERAL (
    SELECT c.account_id, c.message_id, c.segment, c.attempt FROM correlations AS c
    WHERE c.canonical = o.canonical AND c.connector_id = o.connector_id AND c.message_id >= $1
    ORDER BY c.written_us DESC, c.message_id DESC LIMIT 1
) AS c
ORDER BY o.id LIMIT $2

-- name: recent_writer
SELECT m.account_id FROM messages AS m
WHERE m.recipient = $2 AND m.sender = $1 AND m.direction = 0 AND m.accepted_us >= $3 AND m.id >= $4
    AND m.account_id > 0
ORDER BY m.id DESC LIMIT 1

-- name: parts
SELECT p.*
FROM unnest($1::int4[], $2::text[], $3::text[], $4::int4[], $5::int2[], $6::int2[])
    AS k (connector_id, sender, recipient, reference, reference_octets, total)
JOIN inbound_parts AS p USING (connector_id, sender, recipient, reference, reference_octets, total)
WHERE k.connector_id BETWEEN 0 AND 2147483647
ORDER BY p.arrived_us, p.number

-- name: stale_parts
WITH stale AS (
    SELECT connector_id, sender, recipient, reference, reference_octets, total
    FROM inbound_parts
    GROUP BY connector_id, sender, recipient, reference, reference_octets, total
    HAVING max(arrived_us) < $1
    ORDER BY max(arrived_us)
    LIMIT $2
)
SELECT p.* FROM inbound_parts AS p JOIN stale USING (connector_id, sender, recipient, reference, reference_octets, total)
ORDER BY p.arrived_us, p.number

-- name: backlog
WITH RECURSIVE heads AS (
    (
        SELECT m.type, m.account_id, m.queue_us FROM messages AS m
        WHERE m.connector_id = $1 AND m.queue_us IS NOT NULL
        ORDER BY m.type, m.account_id, m.queue_us LIMIT 1
    )
    UNION ALL
    SELECT head.* FROM heads AS h CROSS JOIN LATERAL (
        SELECT m.type, m.account_id, m.queue_us FROM messages AS m
        WHERE m.connector_id = $1 AND m.queue_us IS NOT NULL AND (m.type, m.account_id) > (h.type, h.account_id)
        ORDER BY m.type, m.account_id, m.queue_us LIMIT 1
    ) AS head
)
SELECT type, account_id FROM heads WHERE queue_us <= $2

-- name: waiting
WITH RECURSIVE heads AS (
    (
        SELECT m.connector_id, m.type, m.account_id FROM messages AS m
        WHERE m.queue_us IS NOT NULL
        ORDER BY m.connector_id, m.type, m.account_id LIMIT 1
    )
    UNION ALL
    SELECT head.* FROM heads AS h CROSS JOIN LATERAL (
        SELECT m.connector_id, m.type, m.account_id FROM messages AS m
        WHERE m.queue_us IS NOT NULL
            AND (m.connector_id, m.type, m.account_id) > (h.connector_id, h.type, h.account_id)
        ORDER BY m.connector_id, m.type, m.account_id LIMIT 1
    ) AS head
)
SELECT connector_id, type, account_id FROM heads

-- name: first_open
WITH {HOLDERS}
SELECT min(open.id)
FROM holder AS a CROSS JOIN LATERAL (
    SELECT m.id FROM messages AS m
    WHERE m.account_id = a.account_id AND m.id >= $1 AND m.state < 40 AND m.owner <> -1 ORDER BY m.id LIMIT 1
) AS open

-- name: overdue
WITH {HOLDERS}
SELECT late.*
FROM holder AS a CROSS JOIN LATERAL (
    SELECT {message} FROM messages AS m
    WHERE m.account_id = a.account_id AND m.id > $1 AND m.id < $4 AND m.accepted_us < $2
        AND m.state < 40 AND m.state <> 1 AND m.owner <> -1
    ORDER BY m.id LIMIT $3
) AS late
ORDER BY late.id LIMIT $3

-- name: expired_waiting
SELECT {message} FROM messages AS m
WHERE m.queue_us IS NOT NULL AND m.expires_us <= $1
ORDER BY m.expires_us LIMIT $2

-- name: schedules
SELECT s.message_id, s.fields
FROM unnest($1::text::int4[], $2::text::text[]) AS k (account_id, message_id)
JOIN schedules AS s ON s.message_id = k.message_id AND s.account_id = k.account_id
WHERE k.account_id BETWEEN -2147483647 AND 2147483647 AND s.message_id >= $3
ORDER BY s.message_id, s.sequence

-- name: moved_zones
SELECT {message} FROM schedules AS s JOIN messages AS m ON m.account_id = s.account_id AND m.id = s.message_id
WHERE s.message_id > $2 AND s.zone_version <> $1 AND m.state = 1 AND m.owner = 0 AND m.due_us < $3
    AND s.sequence = (
        SELECT max(l.sequence) FROM schedules AS l WHERE l.message_id = s.message_id AND l.account_id = s.account_id
    )
ORDER BY s.message_id LIMIT $4

-- ==== outbox ==================================================================================

-- name: outbox
SELECT position, facts FROM outbox
WHERE position > $1
    AND position < (SELECT outbox_base FROM meta) + pg_snapshot_xmin(pg_current_snapshot())::text::int8
ORDER BY position LIMIT $2

-- name: outbox_end
SELECT greatest(outbox_base + pg_snapshot_xmin(pg_current_snapshot())::text::int8 - 1, 0) FROM meta

-- name: due_deliveries
SELECT endpoint_id, id, account_id, events, tries, next_us, first_us, body, last_error
FROM deliveries WHERE endpoint_id = $1 AND next_us <= $2
ORDER BY next_us, first_us, id LIMIT $3

-- name: bury_delivery
UPDATE deliveries SET next_us = greatest(next_us, $2) WHERE id = $1

-- name: deliveries
SELECT endpoint_id, id, account_id, events, tries, next_us, first_us, body, last_error
FROM deliveries WHERE endpoint_id = $1 AND next_us >= $2 AND next_us < $3
ORDER BY next_us DESC, id LIMIT $4

-- name: purge_dead_letters
DELETE FROM deliveries WHERE id IN (
    SELECT id FROM deliveries WHERE next_us >= 4611686018427387904 AND next_us < 4611686018427387904 + $1
    ORDER BY next_us LIMIT $2
)

-- name: crowded_dead_letters
SELECT endpoint_id, count(*) - $1::bigint AS surplus FROM deliveries WHERE next_us >= 4611686018427387904
GROUP BY endpoint_id HAVING count(*) > $1::bigint

-- name: drop_dead_letters
DELETE FROM deliveries WHERE id IN (
    SELECT id FROM deliveries WHERE endpoint_id = $1 AND next_us >= 4611686018427387904
    ORDER BY next_us, id LIMIT $2
)

-- name: add_tallies
INSERT INTO tallies AS t (
    hour_us, account_id, direction, country, network, sender, connector_id, type, event, was, error, waited, messages,
    segments
)
SELECT * FROM unnest(
    $1::text::int8[], $2::text::int4[], $3::text::int2[], $4::text::text[], $5::text::text[], $6::text::text[],
    $7::text::int4[], $8::text::int2[], $9::text::int2[], $10::text::int2[], $11::text::text[], $12::text::int2[],
    $13::text::int8[], $14::text::int8[]
)
ON CONFLICT (account_id, hour_us, event, direction, country, network, sender, connector_id, type, was, error, waited)
    DO UPDATE SET messages = t.messages + excluded.messages, segments = t.segments + excluded.segments

-- name: move_counter
-- Only from where the counter was, over exactly the rows that were counted, and over none that can still come.
UPDATE counter SET position = greatest(position, $2), tallied = $2
WHERE tallied = $1
    AND $2 < (SELECT outbox_base FROM meta) + pg_snapshot_xmin(pg_current_snapshot())::text::int8
    AND (SELECT count(*) FROM outbox WHERE position > $1 AND position <= $2) = $3
RETURNING tallied

-- name: counter
SELECT tallied FROM counter

-- name: tallies
SELECT hour_us / $4::int8 * $4 AS at, CASE WHEN 'account' = ANY ($5::text[]) THEN account_id END,
    CASE WHEN 'country' = ANY ($5) THEN country END, CASE WHEN 'network' = ANY ($5) THEN network END,
    CASE WHEN 'sender' = ANY ($5) THEN sender END, CASE WHEN 'connector' = ANY ($5) THEN connector_id END,
    CASE WHEN 'type' = ANY ($5) THEN type END, CASE WHEN 'error' = ANY ($5) THEN error END, event, was, waited,
    sum(messages)::int8, sum(segments)::int8
FROM tallies
WHERE account_id = ANY ($1::int4[]) AND hour_us >= $2 AND hour_us < $3
GROUP BY 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11
ORDER BY 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11 LIMIT $6

-- name: raise_outbox_base
UPDATE meta SET outbox_base = newest.position + 1 - pg_current_xact_id()::text::int8
FROM (SELECT max(position) AS position FROM outbox) AS newest
WHERE newest.position >= pg_current_xact_id()::text::int8 + meta.outbox_base

-- ==== what customers see ======================================================================

-- name: list
SELECT {message} FROM messages AS m
WHERE m.account_id = $1 AND m.id < $2 AND m.id >= $3 AND {WANTED}
ORDER BY m.id DESC LIMIT $4

-- name: list_by_recipient
WITH theirs AS MATERIALIZED (
    SELECT {message} FROM messages AS m WHERE m.recipient = $6 AND m.account_id = $1 AND m.id < $2 AND m.id >= $3
)
SELECT * FROM theirs AS m WHERE {WANTED}
ORDER BY id DESC LIMIT $4

-- name: list_by_label
SELECT {message}
FROM (
    SELECT account_id, message_id FROM message_labels
    WHERE account_id = $1 AND label = $13 AND message_id < $2 AND message_id >= $3
    ORDER BY message_id DESC
) AS l
JOIN messages AS m ON m.account_id = l.account_id AND m.id = l.message_id
WHERE l.account_id BETWEEN -2147483647 AND 2147483647 AND m.id >= $3 AND {WANTED}
ORDER BY l.message_id DESC LIMIT $4

-- name: newest_within
-- The newest of each account say which of them can be on the page, and how far back it can reach.
WITH heads AS MATERIALIZED (
    SELECT a.account_id, h.id FROM unnest($1::int4[]) AS a (account_id) CROSS JOIN LATERAL (
        SELECT m.id FROM messages AS m WHERE m.account_id = a.account_id AND m.id < $2 AND m.id >= $3
        ORDER BY m.id DESC LIMIT 1
    ) AS h
    ORDER BY h.id DESC LIMIT $4
), reach AS MATERIALIZED (
    SELECT CASE WHEN count(*) < $4 THEN $3 ELSE min(id) END AS id FROM heads
)
SELECT h.account_id, n.id FROM heads AS h CROSS JOIN LATERAL (
    SELECT m.id FROM messages AS m
    WHERE m.account_id = h.account_id AND m.id < $2 AND m.id >= (SELECT id FROM reach)
    ORDER BY m.id DESC LIMIT $4
) AS n
ORDER BY n.id DESC LIMIT $4

-- name: search_within
SELECT found.* FROM unnest($1::int4[]) AS a (account_id) CROSS JOIN LATERAL (
    SELECT {message} FROM messages AS m
    WHERE m.account_id = a.account_id AND m.id < $2 AND m.id >= $3 AND {WANTED}
    ORDER BY m.id DESC LIMIT $4
) AS found
ORDER BY found.id DESC LIMIT $4

-- name: recipient_within
WITH theirs AS MATERIALIZED (
    SELECT {message} FROM messages AS m
    WHERE m.recipient = $6 AND m.account_id = ANY ($1::int4[]) AND m.id < $2 AND m.id >= $3
)
SELECT * FROM theirs AS m WHERE {WANTED}
ORDER BY id DESC LIMIT $4

-- name: label_within
-- Where the label is all that is asked for, $14 labels of each account are enough.
SELECT {message}
FROM unnest($1::int4[]) AS a (account_id) CROSS JOIN LATERAL (
    SELECT account_id, message_id FROM message_labels
    WHERE account_id = a.account_id AND label = $13 AND message_id < $2 AND message_id >= $3
    ORDER BY message_id DESC LIMIT $14
) AS l
JOIN messages AS m ON m.account_id = l.account_id AND m.id = l.message_id
WHERE m.id >= $3 AND {WANTED}
ORDER BY l.message_id DESC LIMIT $4

-- name: owner_within
SELECT m.account_id FROM unnest($1::int4[]) AS a (account_id)
CROSS JOIN LATERAL (SELECT account_id FROM messages WHERE account_id = a.account_id AND id = $2) AS m
LIMIT 1

-- name: list_floor
SELECT id FROM messages WHERE account_id = $1 AND id < $2 AND id >= $3 ORDER BY id DESC OFFSET $4 LIMIT 1

-- name: list_floor_of_label
SELECT message_id FROM message_labels
WHERE account_id = $1 AND label = $5 AND message_id < $2 AND message_id >= $3
ORDER BY message_id DESC OFFSET $4 LIMIT 1

-- name: scheduled
WITH lane AS (
    SELECT c.id AS connector_id, kind.type FROM connectors AS c CROSS JOIN unnest('{0,1,2}'::int2[]) AS kind (type)
)
SELECT soonest.*
FROM lane AS l CROSS JOIN LATERAL (
    SELECT {message} FROM messages AS m
    WHERE m.connector_id = l.connector_id AND m.type = l.type AND m.account_id = $1 AND m.queue_us IS NOT NULL
        AND (m.queue_us, m.id) > ($2, $3) AND m.queue_us < $4 AND m.state = 1
    ORDER BY m.queue_us, m.id LIMIT $5
) AS soonest
ORDER BY soonest.due_us, soonest.id LIMIT $5

-- name: logged
SELECT message_id, account_id, sequence, at_us, kind, detail FROM events
WHERE account_id = $1 AND message_id = $2 ORDER BY sequence

-- ==== configuration ===========================================================================

-- name: config_version
SELECT config_version FROM meta

-- name: accounts
SELECT id, name, created_us, recipients, default_region, smart_encoding, national_tables, parent_id, settings, version,
    closed_us
FROM accounts ORDER BY id

-- name: add_account
INSERT INTO accounts (name, created_us, recipients, default_region, smart_encoding, national_tables, settings)
VALUES ($1, $2, $3, $4, $5, $6, $7)
ON CONFLICT (name) DO NOTHING RETURNING id

-- name: set_account
UPDATE accounts SET recipients = $2, default_region = $3, smart_encoding = $4, national_tables = $5, settings = $6,
    version = version + 1
WHERE id = $1 RETURNING id

-- name: place_account
UPDATE accounts SET parent_id = $2, closed_us = $3, version = $4 WHERE id = $1

-- name: account_version
SELECT version FROM accounts WHERE id = $1 OR name = $2 FOR UPDATE

-- name: add_connectors
INSERT INTO connectors (name) SELECT name FROM unnest($1::text[]) WITH ORDINALITY AS n (name, at)
WHERE NOT EXISTS (SELECT FROM connectors AS c WHERE c.name = n.name) ORDER BY at
ON CONFLICT (name) DO NOTHING

-- name: connectors
SELECT name, id FROM connectors WHERE name = ANY ($1::text[])

-- name: credentials
SELECT id, account_id, prefix, hash, scopes, created_us, expires_us, revoked_us, name, addresses, last_used_us, kind, settings,
    version
FROM api_keys WHERE kind = $1 ORDER BY id

-- name: every_credential
SELECT id, account_id, prefix, hash, scopes, created_us, expires_us, revoked_us, name, addresses, last_used_us, kind, settings,
    version
FROM api_keys ORDER BY id

-- name: logins
SELECT id, account_id, prefix, hash, scopes, created_us, expires_us, revoked_us, name, addresses, last_used_us, kind, settings,
    version
FROM api_keys
WHERE kind IN ('person', 'smpp') AND kind = $1
    AND CASE kind WHEN 'person' THEN substr(prefix, strpos(prefix, ':') + 1) ELSE prefix END = $2
ORDER BY id

-- name: publishable
SELECT id, account_id, prefix, hash, scopes, created_us, expires_us, revoked_us, name, addresses, last_used_us, kind, settings,
    version
FROM api_keys WHERE kind = 'publishable' AND hash = $1

-- name: publishable_of
SELECT id, account_id, prefix, hash, scopes, created_us, expires_us, revoked_us, name, addresses, last_used_us, kind, settings,
    version
FROM api_keys
WHERE kind = 'publishable' AND account_id = $1 AND prefix COLLATE "C" > $2 AND prefix COLLATE "C" < $3
ORDER BY prefix COLLATE "C" DESC LIMIT $4

-- name: open_publishable
SELECT count(*) FROM api_keys
WHERE kind = 'publishable' AND account_id = $1 AND expires_us > $2 AND revoked_us IS NULL

-- name: credential_version
SELECT version, id FROM api_keys WHERE prefix = $1 FOR UPDATE

-- name: insert_credential
INSERT INTO api_keys (account_id, prefix, hash, scopes, created_us, expires_us, revoked_us, name, addresses, kind,
    settings, version)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12) RETURNING id

-- name: insert_publishable
INSERT INTO api_keys (id, account_id, prefix, hash, scopes, created_us, expires_us, revoked_us, name, addresses, kind,
    settings, version)
VALUES (nextval('publishable_ids'), $1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12) RETURNING id

-- name: update_credential
UPDATE api_keys SET hash = $2, scopes = $3, expires_us = $4, revoked_us = $5, name = $6, addresses = $7, settings = $8,
    version = $9
WHERE prefix = $1

-- name: objects
SELECT kind, name, document, account_id, version, created_us, changed_us FROM objects
WHERE $1::text IS NULL OR kind = $1 ORDER BY kind COLLATE "C", name

-- name: object_version
SELECT version, created_us FROM objects WHERE kind = $1 AND name = $2 FOR UPDATE

-- name: insert_object
INSERT INTO objects (kind, name, document, account_id, version, created_us, changed_us)
VALUES ($1, $2, $3, $4, $5, $6, $7)

-- name: update_object
UPDATE objects SET document = $3, account_id = $4, version = $5, changed_us = $7
WHERE kind = $1 AND name = $2 AND created_us = $6

-- name: delete_object
DELETE FROM objects WHERE kind = $1 AND name = $2

-- name: insert_audit
INSERT INTO audit (at_us, actor, action, object_kind, object_name, account_id, actor_kind, address, outcome, before, after)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)

-- name: audit
SELECT at_us, actor, action, object_kind, object_name, id, account_id, actor_kind, address, outcome, before, after
FROM audit
WHERE ($1::text IS NULL OR actor = $1)
    AND ($2::text IS NULL OR action = $2) AND ($3::text IS NULL OR object_kind = $3)
    AND ($4::text IS NULL OR object_name = $4) AND ($5::text IS NULL OR outcome = $5)
    AND at_us >= $6 AND at_us < $7 AND id < $8
ORDER BY id DESC LIMIT $9

-- name: audit_of
-- Each account by its own index, so that entries of others are not walked over.
SELECT at_us, actor, action, object_kind, object_name, id, account_id, actor_kind, address, outcome, before, after
FROM audit WHERE id = ANY (ARRAY(
    SELECT found.id FROM unnest($10::int4[]) AS a (account_id) CROSS JOIN LATERAL (
        SELECT t.id FROM audit AS t
        WHERE t.account_id = a.account_id AND ($1::text IS NULL OR t.actor = $1)
            AND ($2::text IS NULL OR t.action = $2) AND ($3::text IS NULL OR t.object_kind = $3)
            AND ($4::text IS NULL OR t.object_name = $4) AND ($5::text IS NULL OR t.outcome = $5)
            AND t.at_us >= $6 AND t.at_us < $7 AND t.id < $8
        ORDER BY t.id DESC LIMIT $9
    ) AS found
    ORDER BY found.id DESC LIMIT $9
))
ORDER BY id DESC

-- name: purge_audit
DELETE FROM audit WHERE id IN (SELECT id FROM audit WHERE at_us < $1 ORDER BY id LIMIT $2)

-- name: note_key_uses
UPDATE api_keys SET last_used_us = greatest(last_used_us, $2) WHERE prefix = ANY ($1::text[])

-- name: endpoints
SELECT e.id, e.account_id, e.kind, e.url, e.events, e.secret, e.batch, coalesce(p.position, 0) AS position, e.created_us,
    e.deleted_us, e.tags, e.paused_us, e.old_secret, e.old_until_us
FROM endpoints AS e LEFT JOIN positions AS p ON p.endpoint_id = e.id
WHERE e.deleted_us IS NULL AND ($1::int4 IS NULL OR e.account_id = $1)
ORDER BY e.created_us, e.id

-- name: webhooks_of
SELECT id, account_id, kind, url, events, '' AS secret, batch, created_us, deleted_us, tags, paused_us, old_until_us
FROM endpoints
WHERE deleted_us IS NULL AND kind = 'webhook' AND account_id = ANY ($1::int4[])
    AND (created_us, id) > ($2::int8, $3::text)
ORDER BY created_us, id LIMIT $4

-- name: add_opt_outs
WITH added AS (
    INSERT INTO opt_outs (account_id, recipient, created_us, source)
    SELECT * FROM unnest($1::int4[], $2::text[], $3::int8[], $4::text[])
    ON CONFLICT (account_id, recipient) DO NOTHING
    RETURNING account_id, recipient, created_us
), counted AS (
    INSERT INTO tallies AS t (
        hour_us, account_id, direction, country, network, sender, connector_id, type, event, was, error, waited,
        messages, segments
    )
    SELECT created_us - created_us % 3600000000, account_id, 0, '', '', '', 0, -1, $5::int2, 0, '', -1, count(*), 0
    FROM added GROUP BY 1, 2
    ON CONFLICT (account_id, hour_us, event, direction, country, network, sender, connector_id, type, was, error, waited)
        DO UPDATE SET messages = t.messages + excluded.messages
)
SELECT account_id, recipient FROM added

-- name: remove_opt_outs
DELETE FROM opt_outs AS o USING unnest($1::int4[], $2::text[]) AS k (account_id, recipient)
WHERE k.account_id BETWEEN -2147483647 AND 2147483647 AND o.account_id = k.account_id AND o.recipient = k.recipient
RETURNING o.account_id, o.recipient

-- name: opt_outs
SELECT account_id, recipient, created_us, source FROM opt_outs
WHERE account_id = $1 AND recipient > $2 ORDER BY recipient LIMIT $3

-- name: first_opt_outs
SELECT found.* FROM unnest($1::int4[]) AS a (account_id) CROSS JOIN LATERAL (
    SELECT account_id, recipient, created_us, source FROM opt_outs
    WHERE account_id = a.account_id ORDER BY recipient LIMIT $2
) AS found
ORDER BY found.account_id, found.recipient LIMIT $2

-- name: optout_version
SELECT optout_version, pg_snapshot_xmin(pg_current_snapshot())::text::int8 AS xmin FROM meta

-- name: opt_outs_since
SELECT account_id, recipient FROM opt_outs WHERE xid >= $1::text::xid8 LIMIT $2

-- name: every_opt_out
SELECT account_id, recipient FROM opt_outs

-- ==== retention and care ======================================================================

-- name: purge_orphans
DELETE FROM orphans WHERE id IN (SELECT id FROM orphans WHERE arrived_us < $1 ORDER BY arrived_us LIMIT $2)

-- name: purge_claims
DELETE FROM claims WHERE ctid = ANY (ARRAY(SELECT ctid FROM claims WHERE expires_us < $1 ORDER BY expires_us LIMIT $2))

-- name: purge_publishable
DELETE FROM api_keys WHERE id IN (
    SELECT id FROM api_keys WHERE kind = 'publishable' AND expires_us < $1 ORDER BY expires_us LIMIT $2)

-- name: purge_references
DELETE FROM concat_references WHERE ctid = ANY (ARRAY(SELECT ctid FROM concat_references WHERE used_us < $1 LIMIT $2))

-- name: purge_outbox
DELETE FROM outbox WHERE position IN (
    SELECT o.position FROM outbox AS o
    WHERE o.at_us < $1
        AND o.position <= (SELECT tallied FROM counter)
        AND o.position <= ALL (
            SELECT coalesce(p.position, 0) FROM endpoints AS e LEFT JOIN positions AS p ON p.endpoint_id = e.id
            WHERE e.deleted_us IS NULL
        )
    ORDER BY o.position LIMIT $2
)

-- name: partitions
SELECT child.relname AS name, parent.relname AS parent, pg_get_expr(child.relpartbound, child.oid) AS bound
FROM pg_inherits AS i
JOIN pg_class AS child ON child.oid = i.inhrelid
JOIN pg_class AS parent ON parent.oid = i.inhparent
WHERE parent.relkind = 'p' AND parent.relnamespace = current_schema()::regnamespace
    AND child.relkind IN ('r', 'p')
ORDER BY parent.relname, child.relname

-- name: depth
SELECT
    (SELECT count(*) FROM messages WHERE queue_us IS NOT NULL) AS waiting,
    (SELECT count(*) FROM outbox) AS outbox_rows,
    (SELECT count(*) FROM deliveries WHERE next_us < 4611686018427387904) AS pending_deliveries,
    (SELECT count(*) FROM deliveries WHERE next_us >= 4611686018427387904) AS dead_letters

-- name: add_usage
INSERT INTO usage AS u (subject, period, node_id, start_us, requests, segments, spend)
SELECT subject, period, $7, start_us, requests, segments, spend
FROM unnest($1::text[], $2::text[], $3::bigint[], $4::bigint[], $5::bigint[], $6::bigint[])
    AS t (subject, period, start_us, requests, segments, spend)
ON CONFLICT (subject, period, node_id) DO UPDATE SET
    requests = excluded.requests + CASE WHEN u.start_us = excluded.start_us THEN u.requests ELSE 0 END,
    segments = excluded.segments + CASE WHEN u.start_us = excluded.start_us THEN u.segments ELSE 0 END,
    spend = excluded.spend + CASE WHEN u.start_us = excluded.start_us THEN u.spend ELSE 0 END,
    start_us = excluded.start_us
WHERE u.start_us <= excluded.start_us

-- name: usage
SELECT subject, period, node_id, start_us, requests, segments, spend FROM usage WHERE start_us >= $1

-- ==== looking the store over ==================================================================

-- name: look_messages
SELECT {message}, c.kind, c.octets, c.udh_octets, c.key_id
FROM messages AS m LEFT JOIN contents AS c ON c.account_id = m.account_id AND c.message_id = m.id

-- name: look_schedules
SELECT message_id AS id, fields FROM schedules

-- name: look_outbox
SELECT position AS id, facts FROM outbox

-- name: look_segments
SELECT m.id FROM messages AS m
WHERE m.segments > 1 AND m.direction = 0 AND m.segments <> (
    SELECT count(*) FROM segments AS s WHERE s.account_id = m.account_id AND s.message_id = m.id
)

-- name: count_aside
SELECT count(*) FROM messages WHERE owner = $1
