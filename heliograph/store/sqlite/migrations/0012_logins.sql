-- Whoever logs in is found by name, however many there are.
CREATE INDEX keys_called ON keys (
    kind, CASE kind WHEN 'person' THEN substr(prefix, instr(prefix, ':') + 1) ELSE prefix END, id
) WHERE kind IN ('person', 'smpp');
