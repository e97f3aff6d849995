-- Prices and what drives them, with the time each value is for and the time it became known.

-- They are public facts and are not sealed. A value that was once known is never changed: what is
-- published anew is a further row, so that a back-test sees what could be seen then.
CREATE TABLE market_series (
    key             integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    id              text NOT NULL UNIQUE CHECK (id ~ '^[a-z0-9][a-z0-9._-]{0,63}$'),
    kind            text NOT NULL,
    unit            text NOT NULL,
    zone            text NOT NULL,
    timezone        text NOT NULL,
    step_min        integer NOT NULL CHECK (step_min BETWEEN 1 AND 1440),
    forecast        boolean NOT NULL,
    published       text NOT NULL,
    created_at      timestamptz NOT NULL DEFAULT now()
);
COMMENT ON COLUMN market_series.zone IS 'where it holds, in the market''s words: a bidding zone or a node';
COMMENT ON COLUMN market_series.published IS 'when its values become known, as: day-1 12:45, after 15, import';

CREATE TABLE market_values (
    series          integer NOT NULL REFERENCES market_series,
    start_ms        bigint NOT NULL,
    known_ms        bigint NOT NULL,
    value           double precision NOT NULL,
    PRIMARY KEY (series, start_ms, known_ms)
);
COMMENT ON COLUMN market_values.start_ms IS 'beginning of the interval that the value is for, UTC';
COMMENT ON COLUMN market_values.known_ms IS 'nobody could know the value before, UTC';

CREATE TABLE market_imports (
    id              bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    series          integer NOT NULL REFERENCES market_series,
    at              timestamptz NOT NULL DEFAULT now(),
    source          text NOT NULL,
    rows_added      bigint NOT NULL,
    findings        jsonb NOT NULL
);
COMMENT ON TABLE market_imports IS 'what was imported, with what was found and accepted';
