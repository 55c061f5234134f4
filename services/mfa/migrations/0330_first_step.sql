-- Sign-ins of applications that ask for a factor first, before anything is proven: for known and unknown names alike (ENU-1). Whose it is
-- is found out behind the customer's answer. What was typed goes with the row, as soon as its time is over.
CREATE TABLE first_step (
    id uuid PRIMARY KEY,                    -- the sign-in's
    store_id uuid NOT NULL,
    application text NOT NULL,
    browser bytea,
    identifier text NOT NULL,
    requested_from text,
    language text NOT NULL,
    match text NOT NULL,
    channel text NOT NULL,                  -- what was asked for last
    form text NOT NULL CHECK (form IN ('code', 'link')),
    press int NOT NULL DEFAULT 1,           -- which press that was: an older one sends nothing any more
    account_id uuid,
    factor_id uuid,                         -- null: an address or number of the account that is no factor
    masked text,
    link_ended boolean NOT NULL DEFAULT false,
    status text NOT NULL CHECK (status IN ('waiting', 'proven', 'ended')),
    methods text[] NOT NULL DEFAULT '{}',
    created_at timestamptz NOT NULL,
    expires_at timestamptz NOT NULL,
    proven_at timestamptz
);
CREATE INDEX first_step_expires ON first_step (expires_at);
CREATE INDEX first_step_account ON first_step (account_id) WHERE status = 'waiting';
