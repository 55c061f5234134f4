CREATE TABLE configuration (
    kind text NOT NULL,                     -- store, self_service_policy, application
    id uuid NOT NULL,
    name text NOT NULL,
    revision int NOT NULL,
    content jsonb NOT NULL,
    published_at timestamptz NOT NULL,      -- last, changed or as it was (once a day again)
    PRIMARY KEY (kind, id)
);
