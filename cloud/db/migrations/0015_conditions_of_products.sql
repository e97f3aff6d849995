-- A condition that the cloud finds is of a station, or of something of it: a product of a market.
ALTER TABLE cloud_edges ADD COLUMN tag text NOT NULL DEFAULT '';
DROP INDEX cloud_edges_by_time;
CREATE INDEX cloud_edges_by_place ON cloud_edges (code, station, tag, at_ms DESC, id DESC);
COMMENT ON COLUMN cloud_edges.tag IS 'what of the station: a product, as market/product; empty: all of it';

CREATE OR REPLACE FUNCTION feed_cloud_alarms() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO alarm_inbox (station, device, code, tag, severity, at_ms)
    VALUES (NEW.station, '', NEW.code, NEW.tag, 3, NEW.at_ms);
    RETURN NULL;
END $$;

-- The watch of deadlines looks at what is not over, the desk at the gates of some days.
CREATE INDEX bids_by_end ON bids (end_ms);
CREATE INDEX bids_by_gate ON bids (station, gate_ms);
