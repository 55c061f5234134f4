-- What became of a total-loss recovery's notices is in the kit's table from now on; total_loss_notice stays, unused.
INSERT INTO flow_message (message_id, flow_id, cause, way, channel, version, state, at, left_at)
SELECT message_id, case_id, NULL, 0, NULL, version, CASE WHEN failed THEN 'failed' ELSE 'handed_over' END, coalesce(left_at, now()), left_at
FROM total_loss_notice
ON CONFLICT DO NOTHING;
