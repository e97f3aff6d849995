-- Keys that can be replaced, and rows that are sealed.
ALTER TABLE station_keys ADD COLUMN generation integer NOT NULL DEFAULT 1;
ALTER TABLE station_keys ALTER COLUMN generation DROP DEFAULT;
ALTER TABLE station_keys ADD COLUMN seals bigint NOT NULL DEFAULT 0;
