-- An address or number that somebody's account only claims, without proof, is its true owner's to register: both rows stand
-- until one of them is proven, then the other goes.
ALTER TABLE identifier ADD COLUMN contested boolean NOT NULL DEFAULT false;
ALTER TABLE identifier DROP CONSTRAINT identifier_store_id_kind_canonical_key;
CREATE UNIQUE INDEX identifier_canonical ON identifier (store_id, kind, canonical, contested);
