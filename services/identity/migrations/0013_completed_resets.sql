-- Resets are forgotten after 30 days.
CREATE INDEX completed_reset_completed ON completed_reset (completed_at);
