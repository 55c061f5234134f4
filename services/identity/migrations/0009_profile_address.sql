-- A reminder may be asked for by an address or number that stands in a profile (D7). Without an index that reads all profiles
-- of a store, for whoever asks.
CREATE FUNCTION profile_addresses(profile jsonb) RETURNS text[] LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
    SELECT coalesce(array_agg(CASE WHEN value LIKE '%@%' THEN lower(value) ELSE regexp_replace(value, '[^0-9+]', '', 'g') END), '{}')
    FROM jsonb_each_text(profile) WHERE value LIKE '%@%' OR value ~ '^[+(]?[0-9][-0-9 ()/.]{5,}$'
$$;
CREATE INDEX account_profile_address ON account USING gin (profile_addresses(profile));
