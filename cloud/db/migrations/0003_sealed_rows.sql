-- Keys that can be replaced, and rows whose content is sealed with the station's data key.

-- Keys --------------------------------------------------------------------------------------

ALTER TABLE station_keys ADD COLUMN generation integer NOT NULL DEFAULT 1;
ALTER TABLE station_keys ALTER COLUMN generation DROP DEFAULT;
ALTER TABLE station_keys ADD COLUMN seals bigint NOT NULL DEFAULT 0;
COMMENT ON TABLE station_keys IS 'data keys: the newest seals, the others go on opening';
COMMENT ON COLUMN station_keys.generation IS 'of the key-encryption key that wrapped it';
COMMENT ON COLUMN station_keys.seals IS 'bodies it has sealed, as far as processes have counted';

-- Rows --------------------------------------------------------------------------------------
-- SQL cannot seal. What was in clear moves to tables of its own, from which the next start
-- (cloud/sealing.py) seals it row by row; it drops each table when it is empty.

CREATE TABLE events_in_clear AS
SELECT station, id, text_en, text_zh, value, limit_value FROM events;
CREATE TABLE orders_in_clear AS SELECT station, id::text AS id, body FROM orders;
CREATE TABLE receipts_in_clear AS
SELECT station, order_id::text AS order_id, outcome, body FROM receipts;

ALTER TABLE events DROP COLUMN text_en, DROP COLUMN text_zh, DROP COLUMN value,
    DROP COLUMN limit_value, ADD COLUMN sealed bytea;
COMMENT ON COLUMN events.sealed IS 'texts, value and limit';

ALTER TABLE orders ADD COLUMN for_date date;
UPDATE orders SET for_date = (payload ->> 'date')::date WHERE kind = 'schedule';
CREATE INDEX orders_by_day ON orders (station, for_date, counter) WHERE for_date IS NOT NULL;
ALTER TABLE orders DROP COLUMN payload, DROP COLUMN body, ADD COLUMN sealed bytea;
COMMENT ON COLUMN orders.for_date IS 'market day of a schedule';
COMMENT ON COLUMN orders.sealed IS 'signed order, JSON bytes exactly as the station receives them';

ALTER TABLE receipts DROP COLUMN reason, DROP COLUMN body, ADD COLUMN sealed bytea;
COMMENT ON COLUMN receipts.sealed IS 'signed receipt, as the station sent it';

-- A fingerprint of a schedule confirms a guess of its powers; the order itself has them all.
-- (The table is written anew; an UPDATE would leave the old versions of its rows.)
ALTER TABLE audit ALTER COLUMN detail TYPE jsonb USING
    CASE WHEN action = 'send_schedule' THEN detail - 'fingerprint' ELSE detail END;

-- Dropped columns stay in a table's file until it is written anew.
CLUSTER events USING events_pkey;
CLUSTER orders USING orders_pkey;
CLUSTER receipts USING receipts_pkey;
ALTER TABLE events SET WITHOUT CLUSTER;
ALTER TABLE orders SET WITHOUT CLUSTER;
ALTER TABLE receipts SET WITHOUT CLUSTER;

DO $$
DECLARE
    name text;
    is_used boolean;
BEGIN
    FOREACH name IN ARRAY ARRAY['events', 'orders', 'receipts'] LOOP
        EXECUTE format('SELECT EXISTS (SELECT FROM %I)', name) INTO is_used;
        IF NOT is_used THEN
            EXECUTE format('DROP TABLE %I', name || '_in_clear');
            EXECUTE format('ALTER TABLE %I ALTER COLUMN sealed SET NOT NULL', name);
        END IF;
    END LOOP;
END $$;
