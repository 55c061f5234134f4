-- What If-Match is held against: counts up with every change of profile or language (RFC 9110).
ALTER TABLE account ADD COLUMN profile_version bigint NOT NULL DEFAULT 1;
