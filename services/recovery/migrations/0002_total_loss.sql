-- A recovery without the mailbox: waits, announced every day, until it takes effect or is cancelled (REC-12).
CREATE TABLE total_loss_case (
    id uuid PRIMARY KEY,
    store_id uuid NOT NULL,
    application text NOT NULL,
    identifier text,                        -- as typed, until it is looked up
    new_address text,                       -- forgotten when it is over
    language text NOT NULL,
    requested_from text,
    account_id uuid,
    status text NOT NULL CHECK (status IN ('waiting', 'effective', 'cancelled', 'void')),
    notices uuid[] NOT NULL DEFAULT '{}',   -- flows of the cancel links; any of them works
    created_at timestamptz NOT NULL,
    takes_effect_at timestamptz NOT NULL
);
-- One at a time for an account: another start neither hurries nor restarts it.
CREATE UNIQUE INDEX total_loss_open ON total_loss_case (account_id) WHERE status = 'waiting' AND account_id IS NOT NULL;
CREATE INDEX total_loss_notices ON total_loss_case USING gin (notices);
CREATE INDEX total_loss_created ON total_loss_case (created_at);
