-- What the help desk has done for a person's factors, who did it and why (R23, E23). The reason is in nobody's words but here.
CREATE TABLE assistance (
    id uuid PRIMARY KEY,
    account_id uuid NOT NULL REFERENCES holder (account_id) ON DELETE CASCADE,
    application text NOT NULL,
    act text NOT NULL,
    actor text NOT NULL,
    reason text NOT NULL,
    at timestamptz NOT NULL
);
CREATE INDEX assistance_account ON assistance (account_id, at);
CREATE INDEX assistance_at ON assistance (at);

-- A while without the second step at sign-in; it counts once a second person has approved it (E23, E24).
CREATE TABLE bypass (
    id uuid PRIMARY KEY,
    account_id uuid NOT NULL REFERENCES holder (account_id) ON DELETE CASCADE,
    application text NOT NULL,
    hours int NOT NULL CHECK (hours BETWEEN 1 AND 24),
    once boolean NOT NULL,                  -- for one sign-in
    requested_by text NOT NULL,
    approved_by text CHECK (approved_by <> requested_by),
    created_at timestamptz NOT NULL,
    until timestamptz,                      -- once it is approved
    ended_at timestamptz,
    used_flow uuid                          -- the first sign-in that it let in
);
CREATE INDEX bypass_account ON bypass (account_id, created_at);
