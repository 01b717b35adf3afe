-- Every query of the store on SQLite. A name in capitals is a fragment, {rows} stands for rows of parameters.
-- What answers with many rows gives them as one JSON array: see queries.py.

-- name: SEGMENT
json_array(s.number, s.state, s.connector_id, s.attempts, s.sent_us, s.ended_us, s.carrier_message_id, s.status,
    s.error, s.possible_duplicate)

-- name: HEAD
m.key, m.tail, m.account_id, m.sender, m.recipient, m.accepted_us, m.expires_us, m.direction, m.channel, m.type,
m.sender_kind, m.recipient_kind, m.encoding, m.segments, m.reference, m.at_most_once, m.flash, m.receipt_wanted,
m.entrance, m.entrance_data, m.client_ref, m.tags, m.metadata, m.callback, m.route, m.route_reason, m.country,
m.network, m.currency, m.price, m.state, m.version, m.connector_id, m.owner, m.due_us, m.attempts, m.sent_us,
m.ended_us, m.sent_seq, m.ended_seq, m.last_seq, m.carrier_message_id, m.status, m.error, m.segments_delivered,
m.possible_duplicate

-- name: MESSAGE
{HEAD},
json(CASE WHEN m.segments > 1 THEN
    (SELECT json_group_array({SEGMENT} ORDER BY s.number) FROM segments s WHERE s.key = m.key) END)

-- name: CONTENT
json((SELECT json_array(c.kind, hex(c.octets), c.udh_octets, c.key_id) FROM contents c WHERE c.key = m.key))

-- name: ATTEMPTS
json((SELECT json_group_array(json_array(a.segment, a.number, a.connector_id, a.at_us, a.status, a.error,
    a.carrier_message_id) ORDER BY a.at_us, a.segment, a.number) FROM attempts a WHERE a.key = m.key))

-- name: CORRELATION
json_array(c.connector_id, c.canonical, c.account_id, c.key, c.tail, c.segment, c.attempt)

-- name: ORPHAN
json_array(o.connector_id, o.canonical, o.arrived_us, o.fields, o.id)

-- name: DELIVERY
json_array(d.endpoint_id, d.id, d.account_id, d.events, d.tries, d.next_us, d.first_us, hex(d.body), d.body IS NULL,
    d.last_error)

-- name: CLAIM
json_array(c.account_id, c.scope, c.key, hex(c.body_hash), c.created_us, c.expires_us, c.made)

-- name: PART
json_array(p.connector_id, p.sender, p.recipient, p.reference, p.reference_octets, p.total, p.number, p.arrived_us,
    p.data_coding, hex(p.octets))

-- ===== writing: the group commit =====

-- name: insert_narrow
INSERT INTO messages (key, tail, account_id, sender, recipient, accepted_us, expires_us, direction, channel, type,
    sender_kind, recipient_kind, encoding, segments, receipt_wanted, entrance, route, route_reason, country, network,
    state, version, connector_id, owner, due_us, attempts)
VALUES {rows}

-- name: insert_message
INSERT INTO messages (key, tail, account_id, sender, recipient, accepted_us, expires_us, direction, channel, type,
    sender_kind, recipient_kind, encoding, segments, reference, at_most_once, flash, receipt_wanted, entrance,
    entrance_data, client_ref, tags, metadata, callback, route, route_reason, country, network, currency, price,
    state, version, connector_id, owner, due_us, attempts, sent_us, ended_us, sent_seq, ended_seq, last_seq,
    carrier_message_id, status, error, segments_delivered, possible_duplicate)
VALUES {rows}

-- name: insert_text
INSERT OR REPLACE INTO contents (key, octets) VALUES {rows}

-- name: insert_content
INSERT OR REPLACE INTO contents (key, kind, octets, udh_octets, key_id) VALUES {rows}

-- name: put_segments
INSERT OR REPLACE INTO segments (key, number, state, connector_id, attempts, sent_us, ended_us, carrier_message_id,
    status, error, possible_duplicate)
VALUES {rows}

-- name: update_messages
UPDATE messages SET state = v.column4, version = v.column5, connector_id = v.column6, owner = v.column7,
    due_us = v.column8, attempts = v.column9, sent_us = v.column10, ended_us = v.column11, sent_seq = v.column12,
    ended_seq = v.column13, last_seq = v.column14, carrier_message_id = v.column15, status = v.column16,
    error = v.column17, segments_delivered = v.column18, possible_duplicate = v.column19
FROM (VALUES {rows}) AS v
WHERE messages.key = v.column1 AND messages.version = v.column2 AND messages.account_id = v.column3

-- name: versions
WITH asked (key, tail, account_id) AS (VALUES {rows})
SELECT json_group_array(json_array(m.key, m.version)) FROM asked a
CROSS JOIN messages m ON m.key = a.key AND m.tail = a.tail AND m.account_id = a.account_id

-- name: put_attempts
INSERT OR REPLACE INTO attempts (key, segment, number, connector_id, at_us, status, error, carrier_message_id)
VALUES {rows}

-- name: put_events
INSERT OR REPLACE INTO events (key, sequence, account_id, at_us, kind, detail) VALUES {rows}

-- name: put_correlations
INSERT OR REPLACE INTO correlations (bucket, connector_id, canonical, account_id, key, tail, segment, attempt)
VALUES {rows}

-- name: insert_orphans
INSERT INTO orphans (connector_id, canonical, arrived_us, fields) VALUES {rows}

-- name: delete_orphans
DELETE FROM orphans WHERE id IN (VALUES {rows})

-- name: put_wires
INSERT OR REPLACE INTO wires (node_id, connector_id, ids) VALUES {rows}

-- name: put_claimed_from
INSERT OR REPLACE INTO nodes (node_id, claimed_from) VALUES (?, ?)

-- name: insert_outbox
INSERT INTO outbox (at_us, facts) VALUES (?, ?)

-- name: put_staged
INSERT INTO staged (number, whole) VALUES {rows}

-- name: delete_staged
DELETE FROM staged WHERE number IN (VALUES {rows})

-- name: staged
SELECT number, whole FROM staged ORDER BY number

-- name: keys_there
SELECT json_group_array(m.key) FROM messages m WHERE m.key IN (VALUES {rows})

-- name: put_claims
INSERT OR REPLACE INTO claims (account_id, scope, key, body_hash, created_us, expires_us, made) VALUES {rows}

-- name: taken_claims
WITH asked (account_id, scope, key, now_us) AS (VALUES {rows})
SELECT json_group_array({CLAIM}) FROM asked a
CROSS JOIN claims c ON c.account_id = a.account_id AND c.scope = a.scope AND c.key = a.key
WHERE c.expires_us > a.now_us

-- name: put_parts
INSERT OR IGNORE INTO parts (connector_id, sender, recipient, reference, reference_octets, total, number, arrived_us,
    data_coding, octets)
VALUES {rows}

-- name: delete_parts
DELETE FROM parts WHERE (connector_id, sender, recipient, reference, reference_octets, total) IN (VALUES {rows})

-- name: put_references
INSERT OR REPLACE INTO refs (connector_id, sender, recipient, reference, used_us) VALUES {rows}

-- name: put_endpoints
INSERT INTO endpoints (id, account_id, kind, url, events, secret, batch, position, created_us, deleted_us, tags,
    paused_us, old_secret, old_until_us)
VALUES {rows}
ON CONFLICT (id) DO UPDATE SET kind = excluded.kind, url = excluded.url, events = excluded.events,
    secret = excluded.secret, batch = excluded.batch, position = max(endpoints.position, excluded.position),
    tags = excluded.tags, paused_us = excluded.paused_us, old_secret = excluded.old_secret,
    old_until_us = excluded.old_until_us
    WHERE endpoints.account_id = excluded.account_id AND endpoints.deleted_us IS NULL

-- name: delete_endpoints
UPDATE endpoints SET deleted_us = v.column3 FROM (VALUES {rows}) AS v
WHERE endpoints.id = v.column2 AND endpoints.account_id = v.column1 AND endpoints.deleted_us IS NULL

-- name: delete_endpoint_deliveries
DELETE FROM deliveries WHERE endpoint_id IN (SELECT id FROM endpoints WHERE (account_id, id) IN (VALUES {rows}))

-- name: move_endpoints
UPDATE endpoints SET position = max(position, v.column2) FROM (VALUES {rows}) AS v WHERE endpoints.id = v.column1

-- name: put_deliveries
INSERT INTO deliveries (endpoint_id, id, account_id, events, tries, next_us, first_us, body, last_error)
VALUES {rows}
ON CONFLICT (id) DO UPDATE SET endpoint_id = excluded.endpoint_id, account_id = excluded.account_id,
    events = excluded.events, tries = excluded.tries, next_us = excluded.next_us, first_us = excluded.first_us,
    body = excluded.body, last_error = excluded.last_error

-- name: delete_deliveries
DELETE FROM deliveries WHERE id IN (VALUES {rows})

-- name: put_schedules
INSERT OR REPLACE INTO schedules (key, sequence, zone_version, fields) VALUES {rows}

-- name: put_validity
UPDATE messages SET expires_us = v.column2 FROM (VALUES {rows}) AS v
WHERE messages.key = v.column1 AND messages.expires_us <> v.column2

-- name: bump_config
UPDATE meta SET value = value + 1 WHERE name = 'config_version'

-- ===== writing: claims of lanes =====

-- name: claim
UPDATE messages SET owner = ?1, version = version + 1 WHERE key IN (
    SELECT value FROM json_each(?2))

-- name: claimable
SELECT json_group_array(key) FROM (
    SELECT key FROM messages INDEXED BY backlog
    WHERE connector_id = ?1 AND owner = 0 AND type = ?2 AND account_id = ?3 AND due_us IS NOT NULL AND due_us <= ?4
    ORDER BY due_us, key LIMIT ?5)

-- name: claimed
SELECT json_group_array(json_array({MESSAGE}, {CONTENT}) ORDER BY m.due_us, m.key) FROM json_each(?1) k
CROSS JOIN messages m ON m.key = k.value

-- name: owned_backlog
SELECT json_group_array(json_array(key, CAST(tail AS INTEGER))) FROM messages INDEXED BY backlog
WHERE connector_id = ?1 AND owner = ?2 AND due_us IS NOT NULL

-- name: owned_born
SELECT json_group_array(json_array(key, CAST(tail AS INTEGER), CAST(connector_id AS INTEGER))) FROM messages
WHERE key >= ?1 AND owner = ?2 AND due_us IS NULL AND state < 30

-- name: release
UPDATE messages SET owner = 0, due_us = ?2, version = version + 1 WHERE key IN (SELECT value FROM json_each(?1))

-- name: claimed_from
SELECT claimed_from FROM nodes WHERE node_id = ?

-- name: wires
SELECT json_group_array(json_array(connector_id, ids)) FROM wires WHERE node_id = ?

-- name: all_wires
SELECT json_group_array(ids) FROM wires

-- name: lives_of_keys
SELECT json_group_array(json_array({MESSAGE}) ORDER BY m.key) FROM json_each(?1) k CROSS JOIN messages m ON m.key = k.value

-- ===== one message alone, where one of many cannot be read =====

-- name: one_message
SELECT json_array({MESSAGE}) FROM messages m WHERE m.key = ?

-- name: one_record
SELECT json_array({MESSAGE}, {CONTENT}, {ATTEMPTS}) FROM messages m WHERE m.key = ?

-- name: one_head
SELECT json_array({HEAD}, NULL) FROM messages m WHERE m.key = ?

-- name: set_aside
UPDATE messages SET owner = ?1, version = version + 1 WHERE key = ?2 AND owner <> ?1

-- ===== the index of runs =====

-- name: last_run
SELECT json_array(coalesce(max(run), 0), coalesce(max(last_key), 0)) FROM runs

-- name: count_after
SELECT count(*) FROM messages WHERE key > ?

-- name: run_end
SELECT max(key) FROM (SELECT key FROM messages WHERE key > ? ORDER BY key LIMIT ?)

-- name: insert_run
INSERT INTO runs (run, first_key, last_key)
SELECT ?1, min(key), max(key) FROM messages WHERE key > ?2 AND key <= ?3

-- name: index_recipients
INSERT INTO run_recipients (run, recipient, account_id, key)
SELECT ?1, recipient, account_id, key FROM messages WHERE key > ?2 AND key <= ?3 ORDER BY recipient, account_id, key

-- name: index_accounts
INSERT OR IGNORE INTO run_accounts (account_id, run)
SELECT DISTINCT account_id, ?1 FROM messages WHERE key > ?2 AND key <= ?3

-- name: index_senders
INSERT OR IGNORE INTO run_senders (run, sender, account_id)
SELECT DISTINCT ?1, sender, account_id FROM messages WHERE key > ?2 AND key <= ?3

-- name: index_labels
INSERT OR IGNORE INTO run_labels (run, label, account_id, key)
SELECT ?1, 'r' || client_ref, account_id, key FROM messages
WHERE key > ?2 AND key <= ?3 AND client_ref IS NOT NULL
UNION ALL
SELECT ?1, 't' || t.value, m.account_id, m.key FROM messages m CROSS JOIN json_each(CASE WHEN json_valid(m.tags) THEN m.tags END) t
WHERE m.key > ?2 AND m.key <= ?3 AND m.tags IS NOT NULL
ORDER BY 2, 3, 4

-- name: run_of
SELECT coalesce((SELECT run FROM runs WHERE first_key <= ?1 ORDER BY run DESC LIMIT 1), (SELECT min(run) FROM runs))

-- name: widen_run
UPDATE runs SET first_key = min(first_key, ?2), last_key = max(last_key, ?2) WHERE run = ?1

-- name: index_late_recipient
INSERT OR IGNORE INTO run_recipients (run, recipient, account_id, key) VALUES (?, ?, ?, ?)

-- name: index_late_account
INSERT OR IGNORE INTO run_accounts (account_id, run) VALUES (?, ?)

-- name: index_late_sender
INSERT OR IGNORE INTO run_senders (run, sender, account_id) SELECT ?1, sender, account_id FROM messages WHERE key = ?2

-- name: forget_senders
DELETE FROM run_senders WHERE run = ?

-- name: forget_labels
DELETE FROM run_labels WHERE run = ?

-- ===== the pipeline's reads =====

-- name: newest
SELECT json_array(key, tail) FROM messages ORDER BY key DESC LIMIT 1

-- name: opted_out
WITH asked (account_id, recipient) AS (VALUES {rows})
SELECT json_group_array(json_array(o.account_id, o.recipient)) FROM asked a
CROSS JOIN optouts o ON o.account_id = a.account_id AND o.recipient = a.recipient

-- name: optouts_since
SELECT json_group_array(json_array(sequence, account_id, recipient)) FROM (
    SELECT sequence, account_id, recipient FROM optouts WHERE sequence > ? ORDER BY sequence LIMIT 20000)

-- name: last_optout
SELECT coalesce(max(sequence), 0) FROM optouts

-- name: references
WITH asked (connector_id, sender, recipient) AS (VALUES {rows})
SELECT json_group_array(json_array(r.connector_id, r.sender, r.recipient, r.reference)) FROM asked a
CROSS JOIN refs r ON r.connector_id = a.connector_id AND r.sender = a.sender AND r.recipient = a.recipient

-- name: newest_bucket
SELECT max(bucket) FROM correlations

-- name: buckets
WITH RECURSIVE found (bucket) AS (
    SELECT max(bucket) FROM correlations
    UNION ALL
    SELECT (SELECT max(bucket) FROM correlations WHERE bucket < found.bucket) FROM found WHERE found.bucket IS NOT NULL)
SELECT json_group_array(bucket) FROM found WHERE bucket IS NOT NULL

-- name: correlate
WITH asked (bucket, connector_id, canonical) AS (VALUES {rows})
SELECT json_group_array({CORRELATION}) FROM asked a
CROSS JOIN correlations c ON c.bucket = a.bucket AND c.connector_id = a.connector_id AND c.canonical = a.canonical

-- name: live
WITH asked (key, tail, account_id) AS (VALUES {rows})
SELECT json_group_array(json_array({MESSAGE})) FROM asked a
CROSS JOIN messages m ON m.key = a.key AND m.tail = a.tail AND m.account_id = a.account_id

-- name: orphans
WITH asked (connector_id, canonical) AS (VALUES {rows})
SELECT json_group_array({ORPHAN}) FROM orphans o
WHERE (o.connector_id, o.canonical) IN (SELECT connector_id, canonical FROM asked)

-- name: matched_orphans
SELECT json_group_array(json_array({ORPHAN}, {CORRELATION}) ORDER BY o.id) FROM (
    SELECT o.id AS orphan_id, max(c.bucket) AS newest FROM json_each(?1) b
    CROSS JOIN orphans o
    CROSS JOIN correlations c ON c.bucket = b.value AND c.connector_id = o.connector_id AND c.canonical = o.canonical
    GROUP BY o.id ORDER BY o.id LIMIT ?2) found
CROSS JOIN orphans o ON o.id = found.orphan_id
CROSS JOIN correlations c ON c.bucket = found.newest AND c.connector_id = o.connector_id AND c.canonical = o.canonical

-- name: one_orphan
SELECT {ORPHAN} FROM orphans o WHERE o.id = ?

-- name: recent_writer_tail
SELECT json_array(account_id, accepted_us) FROM messages
WHERE key > ?1 AND recipient = ?2 AND sender = ?3 AND direction = 0 AND accepted_us >= ?4 AND account_id > 0
ORDER BY key DESC LIMIT 1

-- name: recent_writer
SELECT json_array(m.account_id, m.accepted_us) FROM runs r
CROSS JOIN run_recipients i ON i.run = r.run AND i.recipient = ?2
CROSS JOIN messages m ON m.key = i.key
WHERE r.last_key >= ?1 AND m.sender = ?3 AND m.direction = 0 AND m.accepted_us >= ?4 AND m.account_id > 0
ORDER BY r.run DESC, m.accepted_us DESC LIMIT 1

-- name: parts
WITH asked (connector_id, sender, recipient, reference, reference_octets, total) AS (VALUES {rows})
SELECT json_group_array({PART} ORDER BY p.number) FROM parts p
WHERE (connector_id, sender, recipient, reference, reference_octets, total) IN (SELECT * FROM asked)

-- name: stale_parts
SELECT json_group_array({PART} ORDER BY p.number) FROM parts p
WHERE (connector_id, sender, recipient, reference, reference_octets, total) IN (
    SELECT connector_id, sender, recipient, reference, reference_octets, total FROM parts
    GROUP BY connector_id, sender, recipient, reference, reference_octets, total
    HAVING max(arrived_us) < ?1 ORDER BY max(arrived_us) LIMIT ?2)

-- name: stale_parts_apart
-- What SQLite can write no JSON of is octets here: each part can be read on its own.
SELECT p.connector_id, CAST(p.sender AS BLOB), CAST(p.recipient AS BLOB), p.reference, p.reference_octets, p.total,
    p.number, p.arrived_us, p.data_coding, hex(p.octets) FROM parts p
WHERE (connector_id, sender, recipient, reference, reference_octets, total) IN (
    SELECT connector_id, sender, recipient, reference, reference_octets, total FROM parts
    GROUP BY connector_id, sender, recipient, reference, reference_octets, total
    HAVING max(arrived_us) < ?1 ORDER BY max(arrived_us) LIMIT ?2)
ORDER BY p.number

-- name: backlog
-- Steps from one (type, account) to the next without walking over the messages of either.
WITH RECURSIVE lane (key) AS (
    SELECT (SELECT key FROM messages INDEXED BY backlog
        WHERE connector_id = ?1 AND owner = 0 AND due_us IS NOT NULL ORDER BY type, account_id LIMIT 1)
    UNION ALL
    SELECT coalesce(
        (SELECT n.key FROM messages n INDEXED BY backlog
            WHERE n.connector_id = ?1 AND n.owner = 0 AND n.due_us IS NOT NULL
              AND n.type = m.type AND n.account_id > m.account_id
            ORDER BY n.account_id LIMIT 1),
        (SELECT n.key FROM messages n INDEXED BY backlog
            WHERE n.connector_id = ?1 AND n.owner = 0 AND n.due_us IS NOT NULL AND n.type > m.type
            ORDER BY n.type, n.account_id LIMIT 1))
    FROM lane CROSS JOIN messages m ON m.key = lane.key WHERE lane.key IS NOT NULL)
SELECT json_group_array(json_array(m.type, m.account_id)) FROM lane CROSS JOIN messages m ON m.key = lane.key
WHERE typeof(m.type) = 'integer' AND typeof(m.account_id) = 'integer' AND EXISTS (
    SELECT 1 FROM messages n INDEXED BY backlog
    WHERE n.connector_id = ?1 AND n.owner = 0 AND n.type = m.type AND n.account_id = m.account_id
      AND n.due_us IS NOT NULL AND n.due_us <= ?2)

-- name: backlog_connectors
WITH RECURSIVE found (connector_id) AS (
    SELECT min(connector_id) FROM messages INDEXED BY backlog WHERE due_us IS NOT NULL
    UNION ALL
    SELECT (SELECT min(connector_id) FROM messages INDEXED BY backlog
        WHERE due_us IS NOT NULL AND connector_id > found.connector_id) FROM found WHERE found.connector_id IS NOT NULL)
SELECT json_group_array(connector_id) FROM found WHERE typeof(connector_id) = 'integer'

-- name: expired_waiting
SELECT json_group_array(json_array({MESSAGE})) FROM (
    SELECT key FROM messages INDEXED BY validity
    WHERE due_us IS NOT NULL AND expires_us <= ?1 AND owner = 0 ORDER BY expires_us LIMIT ?2) k
CROSS JOIN messages m ON m.key = k.key

-- name: window
SELECT json_array(max(key), count(*), min(accepted_us), sum(state < 40 AND owner <> -1)) FROM (
    SELECT key, accepted_us, state, owner FROM messages WHERE key > ?1 ORDER BY key LIMIT ?2)

-- name: overdue
SELECT json_group_array(json_array({MESSAGE})) FROM (
    SELECT * FROM messages
    WHERE key > ?1 AND key <= ?2 AND state < 40 AND state <> 1 AND owner <> -1 AND accepted_us < ?3
    ORDER BY key LIMIT ?4) m

-- name: schedules
SELECT json_group_array(s.fields) FROM schedules s WHERE s.key IN (VALUES {rows})

-- name: moved_zones
SELECT json_group_array(json_array({MESSAGE}) ORDER BY m.key) FROM (
    SELECT s.key FROM schedules s CROSS JOIN messages o ON o.key = s.key
    WHERE s.key > ?2 AND s.zone_version IS NOT NULL AND s.zone_version <> ?1
      AND o.state = 1 AND o.owner = 0 AND o.due_us < ?3
      AND s.sequence = (SELECT max(l.sequence) FROM schedules l WHERE l.key = s.key)
    ORDER BY s.key LIMIT ?4) k
CROSS JOIN messages m ON m.key = k.key

-- name: tail_of
SELECT tail FROM messages WHERE key = ?

-- ===== outbox and deliveries =====

-- name: outbox
SELECT position, CAST(facts AS BLOB) FROM outbox WHERE position > ? ORDER BY position LIMIT ?

-- name: outbox_end
SELECT coalesce((SELECT seq FROM sqlite_sequence WHERE name = 'outbox'), 0)

-- name: due_deliveries
SELECT json_group_array({DELIVERY}) FROM (
    SELECT rowid, * FROM deliveries WHERE endpoint_id = ? AND next_us <= ? ORDER BY next_us, first_us LIMIT ?) d

-- name: deliveries
SELECT json_group_array({DELIVERY}) FROM (
    SELECT rowid, * FROM deliveries WHERE endpoint_id = ? AND next_us >= ? AND next_us < ?
    ORDER BY next_us DESC, id LIMIT ?) d

-- name: one_delivery
SELECT {DELIVERY} FROM deliveries d WHERE d.rowid = ?

-- name: bury_delivery
UPDATE deliveries SET next_us = max(next_us, 4611686018427387904) WHERE rowid = ?

-- name: purge_dead_letters
DELETE FROM deliveries WHERE id IN (
    SELECT id FROM deliveries WHERE next_us >= ?1 AND next_us < ?2 ORDER BY next_us LIMIT ?3)

-- name: crowded_dead_letters
SELECT json_group_array(json_array(endpoint_id, surplus)) FROM (
    SELECT endpoint_id, count(*) - ?1 AS surplus FROM deliveries WHERE next_us >= 4611686018427387904
    GROUP BY endpoint_id HAVING surplus > 0)

-- name: drop_dead_letters
DELETE FROM deliveries WHERE id IN (
    SELECT id FROM deliveries WHERE endpoint_id = ?1 AND next_us >= 4611686018427387904 ORDER BY next_us, id LIMIT ?2)

-- name: put_tallies
INSERT INTO tallies (hour_us, account_id, direction, country, network, sender, connector_id, type, event, was, error,
    waited, messages, segments)
VALUES {rows}
ON CONFLICT DO UPDATE SET messages = messages + excluded.messages, segments = segments + excluded.segments

-- name: set_counts_position
UPDATE meta SET value = ? WHERE name = 'counts_position'

-- name: commits_between
SELECT count(*) FROM outbox WHERE position > ? AND position <= ?

-- name: tallies
SELECT json_group_array(json_array(at, account, country, network, sender, connector, type, error, event, was, waited,
    messages, segments)) FROM (
    SELECT hour_us / :step * :step AS at, iif(:by_account, account_id, NULL) AS account,
        iif(:by_country, country, NULL) AS country, iif(:by_network, network, NULL) AS network,
        iif(:by_sender, sender, NULL) AS sender, iif(:by_connector, connector_id, NULL) AS connector,
        iif(:by_type, type, NULL) AS type, iif(:by_error, error, NULL) AS error, event, was, waited,
        sum(messages) AS messages, sum(segments) AS segments
    FROM tallies
    WHERE account_id IN (SELECT value FROM json_each(:accounts)) AND hour_us >= :from_us AND hour_us < :to_us
    GROUP BY 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11
    ORDER BY 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11 LIMIT :limit)

-- name: counts_position
SELECT value FROM meta WHERE name = 'counts_position'

-- ===== what customers see =====

-- name: records
WITH asked (key, tail, account_id) AS (VALUES {rows})
SELECT json_group_array(json_array({MESSAGE}, {CONTENT}, {ATTEMPTS})) FROM asked a
CROSS JOIN messages m ON m.key = a.key AND m.tail = a.tail AND m.account_id = a.account_id

-- name: WANTED
(:states IS NULL OR m.state IN (SELECT value FROM json_each(:states)))
      AND (:recipient IS NULL OR m.recipient = :recipient) AND (:sender IS NULL OR m.sender = :sender)
      AND (:connector IS NULL OR m.connector_id = :connector)
      AND (:client_ref IS NULL OR m.client_ref = :client_ref)
      AND (:tag IS NULL OR EXISTS (SELECT 1 FROM json_each(CASE WHEN json_valid(m.tags) THEN m.tags END) t WHERE t.value = :tag))
      AND (:from_us IS NULL OR m.accepted_us >= :from_us) AND (:to_us IS NULL OR m.accepted_us < :to_us)

-- name: list_tail
SELECT json_group_array(json_array({MESSAGE}, {CONTENT})) FROM (
    SELECT * FROM messages m WHERE m.key > :after AND m.key < :before AND m.account_id = :account AND {WANTED}
    ORDER BY m.key DESC LIMIT :left) m

-- name: list_account
-- One upper bound of the key: of two SQLite would use one alone, and walk over all later runs for each.
SELECT json_group_array(json_array({MESSAGE}, {CONTENT})) FROM (
    SELECT m.* FROM run_accounts a
    CROSS JOIN runs r ON r.run = a.run
    CROSS JOIN messages m ON m.key >= max(r.first_key, :lowest) AND m.key <= min(r.last_key, :before - 1)
    WHERE a.account_id = :account AND a.run <= :run AND a.run > :floor AND m.account_id = :account AND {WANTED}
    ORDER BY a.run DESC, m.key DESC LIMIT :left) m

-- name: list_sender
-- The + keeps SQLite from making an index of its own over all messages.
SELECT json_group_array(json_array({MESSAGE}, {CONTENT})) FROM (
    SELECT m.* FROM runs r
    CROSS JOIN run_senders i ON i.run = r.run AND i.sender = :sender AND i.account_id = :account
    CROSS JOIN messages m ON m.key >= max(r.first_key, :lowest) AND m.key <= min(r.last_key, :before - 1)
    WHERE r.run <= :run AND r.run > :floor AND +m.account_id = :account AND {WANTED}
    ORDER BY r.run DESC, m.key DESC LIMIT :left) m

-- name: list_recipient
SELECT json_group_array(json_array({MESSAGE}, {CONTENT})) FROM (
    SELECT m.* FROM runs r
    CROSS JOIN run_recipients i ON i.run = r.run AND i.recipient = :recipient AND i.account_id = :account
    CROSS JOIN messages m ON m.key = i.key
    WHERE r.run <= :run AND r.run > :floor AND i.key < :before AND i.key >= :lowest AND {WANTED}
    ORDER BY r.run DESC, i.key DESC LIMIT :left) m

-- name: list_label
SELECT json_group_array(json_array({MESSAGE}, {CONTENT})) FROM (
    SELECT m.* FROM runs r
    CROSS JOIN run_labels i ON i.run = r.run AND i.label = :label AND i.account_id = :account
    CROSS JOIN messages m ON m.key = i.key
    WHERE r.run <= :run AND r.run > :floor AND i.key < :before AND i.key >= :lowest AND {WANTED}
    ORDER BY r.run DESC, i.key DESC LIMIT :left) m

-- name: list_tail_within
SELECT json_group_array(json_array({MESSAGE}, {CONTENT})) FROM (
    SELECT * FROM messages m WHERE m.key > :after AND m.key < :before
    AND +m.account_id IN (SELECT value FROM json_each(:accounts)) AND {WANTED}
    ORDER BY m.key DESC LIMIT :left) m

-- name: list_account_within
-- Runs that have something of theirs, and in those every message is looked at.
SELECT json_group_array(json_array({MESSAGE}, {CONTENT})) FROM (
    SELECT m.* FROM runs r
    CROSS JOIN messages m ON m.key >= max(r.first_key, :lowest) AND m.key <= min(r.last_key, :before - 1)
    WHERE r.run <= :run AND r.run > :floor AND r.run IN (
        SELECT i.run FROM json_each(:accounts) a
        CROSS JOIN run_accounts i ON i.account_id = a.value AND i.run <= :run AND i.run > :floor)
    AND +m.account_id IN (SELECT value FROM json_each(:accounts)) AND {WANTED}
    ORDER BY r.run DESC, m.key DESC LIMIT :left) m

-- name: list_sender_within
-- Not EXISTS, of which SQLite would make a join with an index of its own over all senders.
SELECT json_group_array(json_array({MESSAGE}, {CONTENT})) FROM (
    SELECT m.* FROM runs r
    CROSS JOIN messages m ON m.key >= max(r.first_key, :lowest) AND m.key <= min(r.last_key, :before - 1)
    WHERE r.run <= :run AND r.run > :floor AND (
        SELECT 1 FROM run_senders i WHERE i.run = r.run AND i.sender = :sender
        AND +i.account_id IN (SELECT value FROM json_each(:accounts)) LIMIT 1) = 1
    AND +m.account_id IN (SELECT value FROM json_each(:accounts)) AND {WANTED}
    ORDER BY r.run DESC, m.key DESC LIMIT :left) m

-- name: list_recipient_within
SELECT json_group_array(json_array({MESSAGE}, {CONTENT})) FROM (
    SELECT m.* FROM runs r
    CROSS JOIN run_recipients i ON i.run = r.run AND i.recipient = :recipient
    CROSS JOIN messages m ON m.key = i.key
    WHERE r.run <= :run AND r.run > :floor AND i.key < :before AND i.key >= :lowest
    AND +i.account_id IN (SELECT value FROM json_each(:accounts)) AND {WANTED}
    ORDER BY i.key DESC LIMIT :left) m

-- name: list_label_within
SELECT json_group_array(json_array({MESSAGE}, {CONTENT})) FROM (
    SELECT m.* FROM runs r
    CROSS JOIN run_labels i ON i.run = r.run AND i.label = :label
    CROSS JOIN messages m ON m.key = i.key
    WHERE r.run <= :run AND r.run > :floor AND i.key < :before AND i.key >= :lowest
    AND +i.account_id IN (SELECT value FROM json_each(:accounts)) AND {WANTED}
    ORDER BY i.key DESC LIMIT :left) m

-- name: owner_within
SELECT account_id FROM messages
WHERE key = ?1 AND tail = ?2 AND +account_id IN (SELECT value FROM json_each(?3))

-- name: first_key_after_run
SELECT first_key FROM runs WHERE run > ? ORDER BY run LIMIT 1

-- name: run_before
SELECT coalesce(max(run), 0) FROM runs WHERE first_key < ?

-- name: scheduled
SELECT json_group_array(json_array(m.due_us, m.key, json_array({MESSAGE}, {CONTENT}))) FROM (
    SELECT key FROM messages INDEXED BY backlog
    WHERE connector_id = ?1 AND owner = 0 AND type = ?2 AND account_id = ?3 AND due_us IS NOT NULL
      AND (due_us, key) > (?4, ?5) AND due_us < ?6 AND state = 1
    ORDER BY due_us, key LIMIT ?7) k
CROSS JOIN messages m ON m.key = k.key

-- name: logged
SELECT json_group_array(json_array(e.sequence, e.at_us, e.kind, e.detail) ORDER BY e.sequence) FROM events e
WHERE e.key = ?1 AND e.account_id = ?3 AND EXISTS (SELECT 1 FROM messages m WHERE m.key = ?1 AND m.tail = ?2)

-- ===== configuration =====

-- name: config_version
SELECT value FROM meta WHERE name = 'config_version'

-- name: ACCOUNT
id, name, created_us, recipients, default_region, smart_encoding, national_tables, parent_id, settings, version,
    closed_us

-- name: accounts
SELECT {ACCOUNT} FROM accounts ORDER BY id

-- name: insert_account
INSERT INTO accounts (name, created_us, recipients, default_region, smart_encoding, national_tables, settings)
VALUES (?, ?, ?, ?, ?, ?, ?)

-- name: set_account
UPDATE accounts SET recipients = ?2, default_region = ?3, smart_encoding = ?4, national_tables = ?5, settings = ?6,
    version = version + 1
WHERE id = ?1

-- name: place_account
UPDATE accounts SET parent_id = ?2, closed_us = ?3, version = ?4 WHERE id = ?1

-- name: account_version
SELECT version FROM accounts WHERE id = ?1 OR name = ?2

-- name: connectors
SELECT name, id FROM connectors

-- name: insert_connector
INSERT OR IGNORE INTO connectors (name) VALUES (?)

-- name: CREDENTIAL
id, account_id, prefix, hash, scopes, created_us, expires_us, revoked_us, name, addresses, last_used_us, kind, settings,
    version

-- name: credentials
SELECT {CREDENTIAL} FROM keys WHERE kind = ? ORDER BY id

-- name: every_credential
SELECT {CREDENTIAL} FROM keys ORDER BY id

-- name: logins
SELECT {CREDENTIAL} FROM keys
WHERE kind IN ('person', 'smpp') AND kind = ?1
    AND CASE kind WHEN 'person' THEN substr(prefix, instr(prefix, ':') + 1) ELSE prefix END = ?2
ORDER BY id

-- name: publishable
SELECT {CREDENTIAL} FROM keys WHERE hash = ? AND kind = 'publishable'

-- name: publishable_of
SELECT {CREDENTIAL} FROM keys WHERE kind = 'publishable' AND account_id = ?1 AND prefix > ?2 AND prefix < ?3
ORDER BY prefix DESC LIMIT ?4

-- name: open_publishable
SELECT count(*) FROM keys
WHERE kind = 'publishable' AND account_id = ?1 AND expires_us > ?2 AND revoked_us IS NULL

-- name: credential_version
SELECT version, id FROM keys WHERE prefix = ?

-- name: put_credential
INSERT INTO keys ({CREDENTIAL}) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
ON CONFLICT (prefix) DO UPDATE SET hash = excluded.hash, scopes = excluded.scopes, expires_us = excluded.expires_us,
    revoked_us = excluded.revoked_us, name = excluded.name, addresses = excluded.addresses, settings = excluded.settings,
    version = excluded.version

-- name: objects
SELECT kind, name, document, account_id, version, created_us, changed_us FROM objects
WHERE ?1 IS NULL OR kind = ?1 ORDER BY kind, name

-- name: object_version
SELECT version, created_us FROM objects WHERE kind = ? AND name = ?

-- name: put_object
INSERT OR REPLACE INTO objects (kind, name, document, account_id, version, created_us, changed_us)
VALUES (?, ?, ?, ?, ?, ?, ?)

-- name: delete_object
DELETE FROM objects WHERE kind = ? AND name = ?

-- name: AUDIT
at_us, actor, action, object_kind, object_name, id, account_id, actor_kind, address, outcome, before, after

-- name: insert_audit
INSERT INTO audit ({AUDIT}) VALUES {rows}

-- name: AUDIT_WANTED
(?1 IS NULL OR actor = ?1) AND (?2 IS NULL OR action = ?2) AND (?3 IS NULL OR object_kind = ?3)
    AND (?4 IS NULL OR object_name = ?4) AND (?5 IS NULL OR outcome = ?5) AND at_us >= ?6 AND at_us < ?7 AND id < ?8

-- name: audit
SELECT {AUDIT} FROM audit
WHERE {AUDIT_WANTED}
ORDER BY id DESC LIMIT ?9

-- name: audit_of
-- Each account by its own index, so that entries of others are not walked over.
SELECT {AUDIT} FROM audit WHERE id IN (
    SELECT found.id FROM json_each(?10) AS a CROSS JOIN audit AS found ON found.id IN (
        SELECT id FROM audit WHERE account_id = a.value AND {AUDIT_WANTED} ORDER BY id DESC LIMIT ?9)
    ORDER BY found.id DESC LIMIT ?9)
ORDER BY id DESC

-- name: purge_audit
DELETE FROM audit WHERE id IN (SELECT id FROM audit WHERE at_us < ? ORDER BY id LIMIT ?)

-- name: note_key_use
UPDATE keys SET last_used_us = max(coalesce(last_used_us, ?2), ?2) WHERE prefix = ?1

-- name: endpoints
SELECT id, account_id, kind, url, events, secret, batch, position, created_us, deleted_us, tags, paused_us, old_secret,
    old_until_us
FROM endpoints
WHERE deleted_us IS NULL AND (?1 IS NULL OR account_id = ?1) ORDER BY created_us, id

-- name: webhooks_of
SELECT id, account_id, kind, url, events, '', batch, position, created_us, deleted_us, tags, paused_us, NULL, old_until_us
FROM endpoints
WHERE deleted_us IS NULL AND kind = 'webhook' AND account_id IN (SELECT value FROM json_each(?1))
    AND (created_us, id) > (?2, ?3)
ORDER BY created_us, id LIMIT ?4

-- name: secrets
SELECT id, account_id, secret, old_secret FROM endpoints WHERE id > ?1 ORDER BY id LIMIT ?2

-- name: seal_secrets
UPDATE endpoints SET secret = ?3, old_secret = ?4 WHERE id = ?1 AND account_id = ?2

-- name: whole_endpoints
SELECT * FROM endpoints

-- name: clear_endpoints
DELETE FROM endpoints

-- name: insert_optouts
INSERT OR IGNORE INTO optouts (account_id, recipient, created_us, source) VALUES {rows}

-- name: delete_optouts
DELETE FROM optouts WHERE (account_id, recipient) IN (VALUES {rows})

-- name: list_optouts
SELECT json_group_array(json_array(account_id, recipient, created_us, source)) FROM (
    SELECT * FROM optouts WHERE account_id = ?1 AND recipient > ?2 ORDER BY recipient LIMIT ?3)

-- name: first_optouts
SELECT json_group_array(json_array(account_id, recipient, created_us, source)) FROM (
    SELECT * FROM optouts WHERE account_id IN (SELECT value FROM json_each(?1)) ORDER BY account_id, recipient LIMIT ?2)

-- ===== retention and care =====

-- name: content_window
SELECT json_array(max(key), count(*)) FROM (SELECT key FROM contents WHERE key > ?1 ORDER BY key LIMIT ?2)

-- name: ended_contents
SELECT json_group_array(key) FROM (
    SELECT c.key FROM contents c CROSS JOIN messages m ON m.key = c.key
    WHERE c.key > ?1 AND c.key <= ?2 AND m.state >= 40 AND coalesce(m.ended_us, m.accepted_us) < ?3
    ORDER BY c.key LIMIT ?4)

-- name: young_contents
SELECT min(m.accepted_us) >= ?3 FROM contents c CROSS JOIN messages m ON m.key = c.key WHERE c.key > ?1 AND c.key <= ?2

-- name: delete_contents
DELETE FROM contents WHERE key IN (SELECT value FROM json_each(?))

-- name: ended_messages
SELECT json_group_array(key) FROM (
    SELECT key FROM messages
    WHERE key > ?1 AND key <= ?2 AND state >= 40 AND coalesce(ended_us, accepted_us) < ?3 ORDER BY key LIMIT ?4)

-- name: delete_messages
DELETE FROM messages WHERE key IN (SELECT value FROM json_each(?))

-- name: delete_segments
DELETE FROM segments WHERE key IN (SELECT value FROM json_each(?))

-- name: delete_attempts
DELETE FROM attempts WHERE key IN (SELECT value FROM json_each(?))

-- name: delete_schedules
DELETE FROM schedules WHERE key IN (SELECT value FROM json_each(?))

-- name: delete_events
DELETE FROM events WHERE key IN (SELECT value FROM json_each(?))

-- name: oldest_bucket
SELECT coalesce((SELECT key FROM messages ORDER BY key LIMIT 1), 1 << 62) >> 48

-- name: delete_correlations
DELETE FROM correlations WHERE (bucket, connector_id, canonical) IN (
    SELECT bucket, connector_id, canonical FROM correlations WHERE bucket < ?1 ORDER BY bucket LIMIT ?2)

-- name: empty_run
SELECT run FROM (SELECT run, first_key, last_key FROM runs ORDER BY run LIMIT 1) r
WHERE NOT EXISTS (SELECT 1 FROM messages WHERE key >= r.first_key AND key <= r.last_key)
  AND r.run < (SELECT max(run) FROM runs)

-- name: delete_run_accounts
DELETE FROM run_accounts WHERE (account_id, run) IN (SELECT DISTINCT account_id, run FROM run_recipients WHERE run = ?)

-- name: delete_run_recipients
DELETE FROM run_recipients WHERE run = ?

-- name: delete_run
DELETE FROM runs WHERE run = ?

-- name: passed_position
SELECT min(position) FROM (
    SELECT value AS position FROM meta WHERE name = 'counts_position'
    UNION ALL SELECT position FROM endpoints WHERE deleted_us IS NULL)

-- name: purge_outbox
DELETE FROM outbox WHERE position IN (
    SELECT position FROM outbox WHERE position <= ?1 AND at_us < ?2 ORDER BY position LIMIT ?3)

-- name: purge_orphans
DELETE FROM orphans WHERE id IN (SELECT id FROM orphans WHERE arrived_us < ?1 ORDER BY id LIMIT ?2)

-- name: expired_claims
SELECT json_group_array(json_array(account_id, scope, key)) FROM (
    SELECT account_id, scope, key FROM claims WHERE expires_us < ?1 LIMIT ?2)

-- name: delete_claims
DELETE FROM claims WHERE expires_us < ?1 AND (account_id, scope, key) IN (
    SELECT value ->> 0, value ->> 1, value ->> 2 FROM json_each(?2))

-- name: old_references
SELECT json_group_array(json_array(connector_id, sender, recipient)) FROM (
    SELECT connector_id, sender, recipient FROM refs WHERE used_us < ?1 LIMIT ?2)

-- name: purge_publishable
DELETE FROM keys WHERE id IN (
    SELECT id FROM keys INDEXED BY publishable_ends
    WHERE kind = 'publishable' AND expires_us < ?1 ORDER BY expires_us LIMIT ?2)

-- name: delete_references
DELETE FROM refs WHERE used_us < ?1 AND (connector_id, sender, recipient) IN (
    SELECT value ->> 0, value ->> 1, value ->> 2 FROM json_each(?2))

-- name: step_end
SELECT max(key) FROM (SELECT key FROM messages WHERE key > ?1 ORDER BY key LIMIT ?2)

-- name: step
SELECT json_group_array(json_array({MESSAGE}, {CONTENT}, {ATTEMPTS})) FROM messages m WHERE m.key > ?1 AND m.key <= ?2

-- name: count_aside
SELECT count(*) FROM messages WHERE owner = ?

-- name: lost_contents
SELECT count(*) FROM contents c WHERE NOT EXISTS (SELECT 1 FROM messages m WHERE m.key = c.key)

-- name: lost_segments
SELECT count(*) FROM segments c WHERE NOT EXISTS (SELECT 1 FROM messages m WHERE m.key = c.key)

-- name: lost_attempts
SELECT count(*) FROM attempts c WHERE NOT EXISTS (SELECT 1 FROM messages m WHERE m.key = c.key)

-- name: lost_events
SELECT count(*) FROM events c WHERE NOT EXISTS (SELECT 1 FROM messages m WHERE m.key = c.key)

-- name: lost_schedules
SELECT count(*) FROM schedules c WHERE NOT EXISTS (SELECT 1 FROM messages m WHERE m.key = c.key)

-- name: lost_deliveries
SELECT count(*) FROM deliveries d WHERE NOT EXISTS (SELECT 1 FROM endpoints e WHERE e.id = d.endpoint_id)

-- name: depth
SELECT json_array(
    (SELECT count(*) FROM messages INDEXED BY backlog WHERE due_us IS NOT NULL AND owner = 0),
    (SELECT coalesce(max(position) - min(position) + 1, 0) FROM outbox),
    (SELECT count(*) FROM deliveries WHERE next_us < 4611686018427387904),
    (SELECT count(*) FROM deliveries WHERE next_us >= 4611686018427387904))

-- name: add_usage
INSERT INTO usage AS u (subject, period, node_id, start_us, requests, segments, spend) VALUES {rows}
ON CONFLICT (subject, period, node_id) DO UPDATE SET
    requests = excluded.requests + iif(u.start_us = excluded.start_us, u.requests, 0),
    segments = excluded.segments + iif(u.start_us = excluded.start_us, u.segments, 0),
    spend = excluded.spend + iif(u.start_us = excluded.start_us, u.spend, 0),
    start_us = excluded.start_us
WHERE u.start_us <= excluded.start_us

-- name: usage
SELECT subject, period, node_id, start_us, requests, segments, spend FROM usage WHERE start_us >= ?1
