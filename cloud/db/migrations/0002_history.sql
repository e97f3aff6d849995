-- History that lasts fifteen years: blocks by month, sealed rollups, archives, key generations.

-- Blocks ------------------------------------------------------------------------------------
-- Partitioned by month of their hour (UTC), so that a month is dropped at once. Where the
-- server has TimescaleDB, the table becomes a hypertable of 30-day chunks instead.

ALTER TABLE blocks RENAME TO blocks_before;
ALTER TABLE blocks_before RENAME CONSTRAINT blocks_pkey TO blocks_before_pkey;
DROP INDEX blocks_parts;

CREATE FUNCTION month_start_ms(at_ms bigint) RETURNS bigint LANGUAGE sql IMMUTABLE AS $$
    SELECT (extract(epoch FROM date_trunc('month', to_timestamp(at_ms / 1000.0) AT TIME ZONE 'UTC')
        AT TIME ZONE 'UTC') * 1000)::bigint
$$;

CREATE FUNCTION next_month_ms(at_ms bigint) RETURNS bigint LANGUAGE sql IMMUTABLE AS $$
    SELECT (extract(epoch FROM (date_trunc('month', to_timestamp(at_ms / 1000.0)
        AT TIME ZONE 'UTC') + interval '1 month') AT TIME ZONE 'UTC') * 1000)::bigint
$$;

DO $$
DECLARE
    body text := 'CREATE TABLE blocks (
        station         text NOT NULL,
        device          text NOT NULL,
        layout          bytea NOT NULL,
        hour_ms         bigint NOT NULL,
        step_ms         integer NOT NULL,
        phase_ms        integer NOT NULL,
        part            bigint NOT NULL,
        n               integer NOT NULL,
        repeated        integer NOT NULL DEFAULT 0,
        t_first_ms      bigint NOT NULL,
        t_last_ms       bigint NOT NULL,
        body            bytea NOT NULL,
        written_at      timestamptz NOT NULL DEFAULT now(),
        PRIMARY KEY (station, device, layout, hour_ms, step_ms, phase_ms, part))';
BEGIN
    IF EXISTS (SELECT FROM pg_extension WHERE extname = 'timescaledb') THEN
        EXECUTE body;
        PERFORM create_hypertable('blocks', by_range('hour_ms', 2592000000));
    ELSE
        EXECUTE body || ' PARTITION BY RANGE (hour_ms)';
    END IF;
END $$;
ALTER TABLE blocks ALTER COLUMN body SET STORAGE EXTERNAL;
CREATE INDEX blocks_parts ON blocks (station, hour_ms) WHERE part > 0;
COMMENT ON TABLE blocks IS 'device x hour; part 0 is the merged hour, others wait to be merged';
COMMENT ON COLUMN blocks.repeated IS 'samples that were stored more than once before merging';

-- Make the partitions that hold these hours. Nothing to do under TimescaleDB, which makes its
-- chunks itself.
CREATE FUNCTION make_block_months(hours_ms bigint[]) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    first_ms bigint;
    name text;
BEGIN
    IF NOT EXISTS (SELECT FROM pg_partitioned_table WHERE partrelid = 'blocks'::regclass) THEN
        RETURN;
    END IF;
    FOR first_ms IN SELECT DISTINCT month_start_ms(h) FROM unnest(hours_ms) AS h ORDER BY 1 LOOP
        name := 'blocks_' || to_char(to_timestamp(first_ms / 1000.0) AT TIME ZONE 'UTC', 'YYYY_MM');
        IF to_regclass(name) IS NULL THEN
            PERFORM pg_advisory_xact_lock(1398030157);
            EXECUTE format('CREATE TABLE IF NOT EXISTS %I (LIKE blocks INCLUDING ALL)', name);
            EXECUTE format('ALTER TABLE %I ALTER COLUMN body SET STORAGE EXTERNAL', name);
            IF NOT EXISTS (SELECT FROM pg_inherits WHERE inhrelid = to_regclass(name)) THEN
                EXECUTE format('ALTER TABLE blocks ATTACH PARTITION %I FOR VALUES FROM (%s) TO (%s)',
                               name, first_ms, next_month_ms(first_ms));
            END IF;
        END IF;
    END LOOP;
END $$;

SELECT make_block_months(coalesce(array_agg(DISTINCT hour_ms), '{}')) FROM blocks_before;
INSERT INTO blocks (station, device, layout, hour_ms, step_ms, phase_ms, part, n, repeated,
                    t_first_ms, t_last_ms, body, written_at)
SELECT station, device, layout, hour_ms, step_ms, phase_ms, part, n, repeated,
       hour_ms, hour_ms + 3600000, body, written_at
FROM blocks_before;
DROP TABLE blocks_before;

-- What compaction has put into blocks, for the check that none is missing: samples by month of
-- their hour, and batches in all.
CREATE TABLE block_ledger (
    station         text NOT NULL,
    month_ms        bigint NOT NULL,
    samples         bigint NOT NULL,
    PRIMARY KEY (station, month_ms)
);
CREATE TABLE compaction_ledger (
    station         text PRIMARY KEY,
    batches         bigint NOT NULL
);
INSERT INTO block_ledger
SELECT station, month_start_ms(hour_ms), sum(n + repeated) FROM blocks GROUP BY 1, 2;
INSERT INTO compaction_ledger
SELECT station, count(*) FROM batches b
WHERE stream = 1 AND NOT EXISTS (
    SELECT FROM hot_batches h
    WHERE (h.station, h.epoch, h.sequence) = (b.station, b.epoch, b.sequence))
GROUP BY station;

-- Rollups -----------------------------------------------------------------------------------
-- Sealed like blocks, one row per device, layout and span: all buckets of one tier in it. A
-- short span (an hour of minutes, a day of quarters) is rewritten while data arrive and covers
-- the same buckets of the long span (a day, 30 days) that it is later merged into.

CREATE TABLE rollup_blocks (
    station         text NOT NULL,
    device          text NOT NULL,
    layout          bytea NOT NULL,
    tier_ms         integer NOT NULL,
    span_ms         bigint NOT NULL,
    start_ms        bigint NOT NULL,
    ends            integer[] NOT NULL,
    body            bytea NOT NULL,
    written_at      timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (station, device, layout, tier_ms, span_ms, start_ms)
);
COMMENT ON COLUMN rollup_blocks.ends IS
    'where the sealed section of each signal ends in body, so that one can be read alone';
ALTER TABLE rollup_blocks ALTER COLUMN body SET STORAGE EXTERNAL;
CREATE INDEX rollup_blocks_by_span ON rollup_blocks (station, tier_ms, span_ms, start_ms);

-- Mean, minimum and maximum of every cell in each quarter hour: a day of a rack in one row.
CREATE TABLE cell_rollups (
    station         text NOT NULL,
    device          text NOT NULL,
    layout          bytea NOT NULL,
    day_ms          bigint NOT NULL,
    body            bytea NOT NULL,
    written_at      timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (station, device, layout, day_ms)
);
ALTER TABLE cell_rollups ALTER COLUMN body SET STORAGE EXTERNAL;

-- Quarter hours in clear, for BI tools: only signals of the classes that the retention policy
-- releases (none of the sensitive ones unless an owner says so).
DROP TABLE rollups_1min;
DROP TABLE rollups_15min;
CREATE TABLE rollups_15min (
    station         text NOT NULL,
    device          text NOT NULL,
    signal          text NOT NULL,
    bucket          timestamptz NOT NULL,
    minimum         double precision NOT NULL,
    maximum         double precision NOT NULL,
    mean            double precision NOT NULL,
    last            double precision NOT NULL,
    count           integer NOT NULL,
    discharged_kwh  double precision,
    charged_kwh     double precision,
    PRIMARY KEY (station, device, signal, bucket)
);
COMMENT ON COLUMN rollups_15min.discharged_kwh IS
    'integral of positive power over the bucket; null where the signal is no power in kW';
COMMENT ON COLUMN rollups_15min.charged_kwh IS
    'integral of negative power as a positive number; null where the signal is no power in kW';

-- What could not be rolled up waits for a while, so that it does not hold up the rest.
ALTER TABLE dirty ADD COLUMN retry_after timestamptz;

-- All that is stored is rolled up anew.
INSERT INTO dirty (station, minute_ms, mark)
SELECT station, minute_ms, nextval('dirty_marks') FROM (
    SELECT DISTINCT station, minute_ms FROM (
        SELECT station, generate_series(hour_ms, hour_ms + 3540000, 60000) AS minute_ms FROM blocks
        UNION
        SELECT station, generate_series(t_first_ms - t_first_ms % 60000, t_last_ms, 60000)
        FROM hot_batches WHERE quarantined IS NULL
    ) AS stored
) AS minutes
ON CONFLICT DO NOTHING;

-- Quarter hours whose cell values wait to be rolled up, once the quarter is over.
CREATE TABLE dirty_quarters (
    station         text NOT NULL,
    quarter_ms      bigint NOT NULL,
    mark            bigint NOT NULL,
    retry_after     timestamptz,
    PRIMARY KEY (station, quarter_ms)
);

-- The newest image survives a crash of the server (table `live` is unlogged).
CREATE TABLE live_checkpoints (LIKE live INCLUDING ALL);
