-- A wrong number ends a link and not the code in the same mail (LNK-3, D17).
ALTER TABLE one_time_secret ADD COLUMN link_ended_at timestamptz;
