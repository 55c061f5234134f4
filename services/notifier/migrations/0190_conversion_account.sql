-- Whose a code was, to find its account's next sign-in at the price of one look (FRD-5); and when that was.
ALTER TABLE conversion ADD COLUMN account_id uuid;
ALTER TABLE conversion ADD COLUMN returned_at timestamptz;
UPDATE conversion AS c SET account_id = d.account_id FROM delivery AS d WHERE d.id = c.message_id;
CREATE INDEX conversion_account ON conversion (account_id) WHERE used_at IS NOT NULL;
