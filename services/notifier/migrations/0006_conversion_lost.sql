-- Whoever typed a code to have its text paid keeps no account: one that was frozen or disabled within a day of the use (FRD-5).
ALTER TABLE conversion ADD COLUMN lost_at timestamptz;
