-- compatible: 6
-- Whoever logs in is found by name, however many there are.
CREATE INDEX api_keys_called ON api_keys (
    kind, (CASE kind WHEN 'person' THEN substr(prefix, strpos(prefix, ':') + 1) ELSE prefix END), id
) WHERE kind IN ('person', 'smpp');
