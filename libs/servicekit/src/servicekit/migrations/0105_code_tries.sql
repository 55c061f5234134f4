-- How many codes of a purpose were typed right and wrong, over all replicas, and until when new ones are longer (OTP-6).
CREATE TABLE code_tries (
    purpose text NOT NULL,
    minute timestamptz NOT NULL,
    correct int NOT NULL,
    wrong int NOT NULL,
    PRIMARY KEY (purpose, minute)
);
CREATE TABLE code_alarm (
    purpose text PRIMARY KEY,
    until timestamptz NOT NULL
);
