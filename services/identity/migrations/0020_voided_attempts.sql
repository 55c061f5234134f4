-- Voided: the account was activated by another attempt, so this one leads nowhere any more. Whoever began it sees no difference
-- (ENU-1), so it is no status. Restarted: by whoever held a valid link of an older one, in a window of her own; counted apart.
ALTER TABLE registration_attempt ADD COLUMN voided_at timestamptz;
ALTER TABLE registration_attempt ADD COLUMN restarted boolean NOT NULL DEFAULT false;
