-- Which message the waiting page tells of: the newest one asked for. Events of those that were seen before it change nothing.
ALTER TABLE registration_attempt ADD COLUMN delivery_channel text;
ALTER TABLE registration_attempt ADD COLUMN delivery_message uuid;
ALTER TABLE registration_attempt ADD COLUMN delivery_seen uuid[] NOT NULL DEFAULT '{}';
