-- What SMS and voice of an application have cost, by whose money it is; in place of `spending`, which a later release drops.
CREATE TABLE budget (
    application text NOT NULL,
    scope text NOT NULL,                    -- all, strangers, or country:DE
    period text NOT NULL CHECK (period IN ('hour', 'day', 'month')),
    starts_at timestamptz NOT NULL,
    amount bigint NOT NULL DEFAULT 0,       -- 1/10,000 of the currency, reserved before a provider is asked
    told text[] NOT NULL DEFAULT '{}',      -- whose cap was told as reached
    PRIMARY KEY (application, scope, period, starts_at)
);
INSERT INTO budget (application, scope, period, starts_at, amount) SELECT application, 'all', period, starts_at, amount FROM spending;
INSERT INTO budget (application, scope, period, starts_at, amount)
    SELECT application, 'all', 'month', date_trunc('month', starts_at, 'UTC'), sum(amount) FROM spending WHERE period = 'day' GROUP BY 1, 4;

-- Counted by number and range already: a try that sent nothing is not counted again.
ALTER TABLE delivery ADD COLUMN admitted_at timestamptz;

-- Codes to numbers that weren't proven, and which of them were used (FRD-5). Ranges only, no number.
CREATE TABLE conversion (
    message_id uuid PRIMARY KEY,
    flow_id uuid NOT NULL,
    prefix text NOT NULL,                   -- the number without its last four digits
    network text NOT NULL,
    region text NOT NULL,
    sent_at timestamptz NOT NULL,
    used_at timestamptz
);
CREATE INDEX conversion_flow ON conversion (flow_id);
CREATE INDEX conversion_prefix ON conversion (prefix, sent_at);
CREATE INDEX conversion_network ON conversion (network, sent_at);
CREATE INDEX conversion_region ON conversion (region, sent_at);

-- Ranges that strangers' numbers can't be reached in. When `until` is over one message probes.
CREATE TABLE range_block (
    range text PRIMARY KEY,
    region text,
    level smallint NOT NULL,
    since timestamptz NOT NULL,
    until timestamptz NOT NULL,
    probe uuid,                             -- the message that probes; its code used ends the block
    cleared_at timestamptz,                 -- what was sent before doesn't count any more
    sent int NOT NULL,
    used int NOT NULL
);

-- Numbers that an operator vouches for, by keyed hash (FRD-8).
CREATE TABLE vouched (
    channel text NOT NULL,
    recipient bytea NOT NULL,
    since timestamptz NOT NULL,
    PRIMARY KEY (channel, recipient)
);
