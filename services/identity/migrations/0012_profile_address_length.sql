-- A longer text than an index's key may be (2712 bytes) failed the activation. No address or number has more than 320 characters.
DROP INDEX account_profile_address;
CREATE OR REPLACE FUNCTION profile_addresses(profile jsonb) RETURNS text[] LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
    SELECT coalesce(array_agg(CASE WHEN value LIKE '%@%' THEN lower(value) ELSE regexp_replace(value, '[^0-9+]', '', 'g') END), '{}')
    FROM jsonb_each_text(profile)
    WHERE char_length(value) <= 320 AND (value LIKE '%@%' OR value ~ '^[+(]?[0-9][-0-9 ()/.]{5,}$')
$$;
CREATE INDEX account_profile_address ON account USING gin (profile_addresses(profile));
