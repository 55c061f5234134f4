-- Sign-ins that need a factor added before their session begins (D32).
CREATE TABLE required_factor (
    flow_id uuid PRIMARY KEY,
    account_id uuid NOT NULL,
    application text NOT NULL,
    browser bytea,
    wanted boolean NOT NULL,                -- by a rule
    had uuid[] NOT NULL,                    -- the factors that the account had when it was decided
    expires_at timestamptz NOT NULL
);
CREATE INDEX required_factor_expires ON required_factor (expires_at);
-- In which sign-in it was added; null: by whoever was signed in.
ALTER TABLE factor ADD COLUMN flow_id uuid;
