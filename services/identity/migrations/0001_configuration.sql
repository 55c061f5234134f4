CREATE TABLE configuration (
    kind text NOT NULL,                     -- store, self_service_policy, application
    id uuid NOT NULL,
    name text NOT NULL,
    revision int NOT NULL,
    content jsonb NOT NULL,
    updated_at timestamptz NOT NULL,
    PRIMARY KEY (kind, id)
);
