-- Channels beside e-mail: lanes, receipts, fall-back, what it costs, and who can't be reached.
ALTER TABLE delivery
    ADD COLUMN lane smallint NOT NULL DEFAULT 3,      -- contracts' LANES: 0 security, 1 code, 2 activation, 3 other, 4 bulk
    ADD COLUMN short boolean NOT NULL DEFAULT false,  -- of use for minutes only: a code alone
    ADD COLUMN provider_id text,                      -- the provider's own name of it
    ADD COLUMN recipient bytea,                       -- keyed hash of the address
    ADD COLUMN masked text,                           -- the address as reps may see it
    ADD COLUMN segments smallint,
    ADD COLUMN cost bigint NOT NULL DEFAULT 0,        -- 1/10,000 of the currency, as reserved
    ADD COLUMN heard smallint NOT NULL DEFAULT 0,     -- times that a call said its code
    ADD COLUMN went text[] NOT NULL DEFAULT '{}',     -- channels tried before this one, for the same cause
    ADD COLUMN watch_at timestamptz,                  -- without a receipt by then it goes another way
    ADD COLUMN caused_at timestamptz,                 -- when that happened which it is about; a newer one of its flow supersedes it
    DROP CONSTRAINT delivery_state_check,
    ADD CONSTRAINT delivery_state_check CHECK (state IN ('queued', 'sending', 'submitting', 'handed_over', 'accepted', 'delivered', 'failed', 'suppressed', 'expired')) NOT VALID;
DROP INDEX delivery_due;
CREATE INDEX delivery_due ON delivery (channel, lane, due_at) WHERE state = 'queued';
CREATE INDEX delivery_short ON delivery (channel) WHERE state = 'queued' AND short;
CREATE INDEX delivery_expiring ON delivery (expires_at) WHERE state = 'queued';
CREATE INDEX delivery_watched ON delivery (watch_at) WHERE watch_at IS NOT NULL;

-- Addresses that can't or must not be written to, by keyed hash: the address itself is kept nowhere here.
CREATE TABLE suppression (
    channel text NOT NULL,
    recipient bytea NOT NULL,
    reason text NOT NULL CHECK (reason IN ('bounced', 'complained', 'opted_out')),
    since timestamptz NOT NULL,
    until timestamptz NOT NULL,
    PRIMARY KEY (channel, recipient)
);

-- What SMS and voice of an application have cost, reserved before the provider is asked (FRD-3).
CREATE TABLE spending (
    application text NOT NULL,
    period text NOT NULL CHECK (period IN ('hour', 'day')),
    starts_at timestamptz NOT NULL,
    amount bigint NOT NULL,
    PRIMARY KEY (application, period, starts_at)
);

-- Kill switches (FRD-11). '' is every country, every application.
CREATE TABLE channel_switch (
    channel text NOT NULL,
    country text NOT NULL DEFAULT '',
    application text NOT NULL DEFAULT '',
    off_since timestamptz NOT NULL,
    drop_waiting boolean NOT NULL,
    PRIMARY KEY (channel, country, application)
);

-- Providers that a replica has given up on for now; fresh rows only count.
CREATE TABLE provider_trouble (
    replica uuid NOT NULL,
    provider text NOT NULL,
    seen_at timestamptz NOT NULL,
    PRIMARY KEY (replica, provider)
);
