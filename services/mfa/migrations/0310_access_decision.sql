-- What was decided of a sign-in or step-up, and why: for `latchkey access explain`. No address and no place is in it.
CREATE TABLE access_decision (
    flow_id uuid PRIMARY KEY,
    kind text NOT NULL CHECK (kind IN ('sign_in', 'step_up')),
    account_id uuid NOT NULL,
    application text NOT NULL,
    policy text NOT NULL,
    decision text NOT NULL CHECK (decision IN ('allow', 'challenge', 'deny')),
    reasons text[] NOT NULL,
    rules jsonb NOT NULL,                   -- each that was looked at, and which of its conditions didn't hold
    decided_at timestamptz NOT NULL
);
CREATE INDEX access_decision_at ON access_decision (decided_at);

-- Where sign-ins of the last day came from, to a tenth of a degree, where a rule asks for improbable travel. `arrived_at`: nothing more
-- was needed.
CREATE TABLE sign_in_place (
    flow_id uuid PRIMARY KEY,
    account_id uuid NOT NULL,
    latitude double precision NOT NULL,
    longitude double precision NOT NULL,
    seen_at timestamptz NOT NULL,
    arrived_at timestamptz
);
CREATE INDEX sign_in_place_account ON sign_in_place (account_id, arrived_at) WHERE arrived_at IS NOT NULL;
CREATE INDEX sign_in_place_seen ON sign_in_place (seen_at);
