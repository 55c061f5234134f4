-- What a customer doesn't want to get, or wants again (D27). No row: as we send it by ourselves.
CREATE TABLE preference (
    account_id uuid NOT NULL,
    kind text NOT NULL,
    channel text NOT NULL,
    wanted boolean NOT NULL,
    at timestamptz NOT NULL,
    PRIMARY KEY (account_id, kind, channel)
);
