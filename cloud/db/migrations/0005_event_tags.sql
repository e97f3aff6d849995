-- Several conditions of one code at one device are told apart by their tag (a bit of an alarm word).

ALTER TABLE events ADD COLUMN tag text NOT NULL DEFAULT '';
COMMENT ON COLUMN events.tag IS 'with station, device and code the identity of a condition';

DROP INDEX events_by_point;
CREATE INDEX events_by_point ON events (station, device, code, tag, at_ms DESC);
