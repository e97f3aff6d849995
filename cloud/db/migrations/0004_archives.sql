-- Past months: what is in the archive, and what has been dropped from here.

CREATE TABLE archives (
    station         text NOT NULL REFERENCES stations,
    month_ms        bigint NOT NULL,
    version         text NOT NULL,
    url             text NOT NULL,
    sha256          bytea NOT NULL CHECK (length(sha256) = 32),
    counted         bigint NOT NULL,
    samples         bigint NOT NULL,
    size            bigint NOT NULL,
    verified_at     timestamptz NOT NULL,
    dropped_at      timestamptz,
    kept_until      timestamptz,
    PRIMARY KEY (station, month_ms)
);
COMMENT ON TABLE archives IS 'months in the archive whose files were read back and found equal';
COMMENT ON COLUMN archives.url IS 'folder of the version that counts';
COMMENT ON COLUMN archives.sha256 IS 'of its manifest, which has the hashes of all files';
COMMENT ON COLUMN archives.size IS 'bytes of its files';
COMMENT ON COLUMN archives.counted IS
    'block_ledger of the month when it was archived: another number now means later data';
COMMENT ON COLUMN archives.dropped_at IS 'when the first samples of the month were dropped';
COMMENT ON COLUMN archives.kept_until IS 'a month put back by a person stays until then';

-- Samples that have been dropped, by month and layout: of these the rollups stand, and must not be
-- computed again from what came later. A row goes when the month is put back.
CREATE TABLE dropped_blocks (
    station         text NOT NULL REFERENCES stations,
    month_ms        bigint NOT NULL,
    layout          bytea NOT NULL REFERENCES layouts,
    end_ms          bigint NOT NULL,
    cells           boolean NOT NULL,
    archived        boolean NOT NULL,
    samples         bigint NOT NULL,
    dropped_at      timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (station, month_ms, layout)
);
COMMENT ON COLUMN dropped_blocks.samples IS 'with their repeats, as block_ledger had counted them';
COMMENT ON COLUMN dropped_blocks.archived IS 'whether they can be put back';
COMMENT ON COLUMN dropped_blocks.cells IS 'whether the layout is one of cells';

CREATE TABLE dropped_rollups (
    station         text NOT NULL REFERENCES stations,
    layout          bytea NOT NULL REFERENCES layouts,
    tier_ms         integer NOT NULL,
    before_ms       bigint NOT NULL,
    PRIMARY KEY (station, layout, tier_ms)
);
COMMENT ON COLUMN dropped_rollups.before_ms IS 'buckets of this tier before this time are gone';

-- Whether the rollups of a layout in [from_ms, to_ms) can no longer be touched: all samples of
-- these months were dropped, and none waits to be rolled up.
CREATE FUNCTION rollups_are_final(of_station text, of_layout bytea, from_ms bigint, to_ms bigint)
RETURNS boolean LANGUAGE sql STABLE AS $$
    SELECT NOT EXISTS (
        SELECT FROM block_ledger l
        WHERE l.station = of_station AND l.month_ms < to_ms AND next_month_ms(l.month_ms) > from_ms
          AND NOT EXISTS (
            SELECT FROM dropped_blocks d
            WHERE d.station = of_station AND d.month_ms = l.month_ms AND d.layout = of_layout))
    AND NOT EXISTS (
        SELECT FROM dirty
        WHERE station = of_station AND minute_ms >= from_ms AND minute_ms < to_ms)
$$;
