-- Each service's own copy of what identity publishes (docs/architecture.md).
CREATE TABLE configuration_copy (
    kind text NOT NULL,
    id uuid NOT NULL,
    name text NOT NULL,
    version bigint NOT NULL,
    content jsonb NOT NULL,
    PRIMARY KEY (kind, id)
);
