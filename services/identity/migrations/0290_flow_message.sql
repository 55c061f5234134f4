-- The waiting page reads the kit's tables from now on; the columns delivery_* of registration_attempt stay, unused.
INSERT INTO flow_asked (flow_id, cause, state, at)
SELECT id, NULL, CASE WHEN delivery_message IS NULL THEN delivery_state ELSE 'queued' END, delivery_at FROM registration_attempt
ON CONFLICT DO NOTHING;
INSERT INTO flow_message (message_id, flow_id, cause, way, channel, version, state, at)
SELECT delivery_message, id, NULL, 0, delivery_channel, delivery_version, delivery_state, delivery_at
FROM registration_attempt WHERE delivery_message IS NOT NULL
ON CONFLICT DO NOTHING;
ALTER TABLE registration_attempt ALTER COLUMN delivery_at DROP NOT NULL;
