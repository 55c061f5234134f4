-- What became of the messages of a flow, as the notifier tells it (E33). By flow: the newest message that was asked for.
CREATE TABLE flow_asked (
    flow_id uuid PRIMARY KEY,
    cause uuid,                             -- the event that asked for it; null: any, from before this table
    state text NOT NULL,                    -- until the notifier has spoken of it
    at timestamptz NOT NULL
);
CREATE INDEX flow_asked_at ON flow_asked (at);
CREATE TABLE flow_message (
    message_id uuid PRIMARY KEY,
    flow_id uuid NOT NULL,
    cause uuid,                             -- the event that asked for it; null: the notifier of the release before didn't say
    way smallint NOT NULL,                  -- 0: as it was asked for; each other way that it went afterwards is one more
    channel text,
    version bigint NOT NULL,                -- of the event that was heard last
    state text NOT NULL,
    at timestamptz NOT NULL,
    left_at timestamptz                     -- handed over to its provider, at first
);
CREATE INDEX flow_message_flow ON flow_message (flow_id);
CREATE INDEX flow_message_at ON flow_message (at);
