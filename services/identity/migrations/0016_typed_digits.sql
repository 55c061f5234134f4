-- Identifiers are read by one normaliser now: digits of every script are ASCII, every dash is a hyphen. What was registered before is compared
-- alike, unless somebody has that identifier already.
CREATE FUNCTION pg_temp.plain(text, digits text) RETURNS text LANGUAGE sql AS $$
    SELECT translate($1, '٠١٢٣٤٥٦٧٨٩۰۱۲۳۴۵۶۷۸۹०१२३४५६७८९০১২৩৪৫৬৭৮৯๐๑๒๓๔๕๖๗๘๙‐‑‒–—―−', repeat(digits, 5) || '-------')
$$;
UPDATE identifier AS i
SET canonical = pg_temp.plain(i.canonical, '0123456789'), skeleton = pg_temp.plain(i.skeleton, 'ol234s6789')
WHERE i.canonical <> pg_temp.plain(i.canonical, '0123456789') AND NOT EXISTS (
    SELECT FROM identifier AS other
    WHERE other.id <> i.id AND other.store_id = i.store_id AND (
        (other.kind = i.kind AND pg_temp.plain(other.canonical, '0123456789') = pg_temp.plain(i.canonical, '0123456789'))
        OR pg_temp.plain(other.skeleton, 'ol234s6789') = pg_temp.plain(i.skeleton, 'ol234s6789')
    )
);
