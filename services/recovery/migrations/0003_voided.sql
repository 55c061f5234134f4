-- Voided: the account was secured in another way (another flow was proven, its password changed, it was frozen or disabled), so this
-- one leads nowhere any more. Whoever asked sees no difference (ENU-1), so it is no status.
ALTER TABLE request
    ADD COLUMN voided_at timestamptz,
    ADD COLUMN renewed boolean NOT NULL DEFAULT false,  -- by whoever held the older link, who may not know what was typed (ENU-3)
    ADD COLUMN contact jsonb;                           -- sealed: where it goes if not to an address of the account (REC-12)
