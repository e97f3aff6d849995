-- Bids: what is offered, every version of it, who moved it and why, and what became of it.

-- Offers, reasons, risk and results are commercial secrets: they are sealed with the station's data
-- key. In clear stays what rows are found by: station, market, product, times, states, names.

-- One row for what one station offers of one product from one time on.
CREATE TABLE bids (
    id              uuid PRIMARY KEY,
    station         text NOT NULL REFERENCES stations,
    desk            text NOT NULL,
    market          text NOT NULL,
    product         text NOT NULL,
    day             date NOT NULL,
    gate_ms         bigint NOT NULL,
    begin_ms        bigint NOT NULL,
    end_ms          bigint NOT NULL CHECK (end_ms > begin_ms),
    due_ms          bigint NOT NULL DEFAULT 0,
    wakes           integer NOT NULL DEFAULT 0,
    called_ms       bigint,
    created_by      text NOT NULL,
    created_at      timestamptz NOT NULL DEFAULT now(),
    UNIQUE (station, market, product, begin_ms)
);
CREATE INDEX bids_by_day ON bids (desk, day DESC, begin_ms);
COMMENT ON COLUMN bids.gate_ms IS 'when the exchange closes for it';
COMMENT ON COLUMN bids.due_ms IS 'when the worker looks at it next';
COMMENT ON COLUMN bids.wakes IS 'counts acts of people, so that the worker sees one that came while it worked';
COMMENT ON COLUMN bids.called_ms IS 'when people were called because the gate was near';

-- Whoever holds the row of a bid here is the one process that moves it; a killed process lets it go
-- at once. The row never changes and is removed when there is nothing left to do.
CREATE TABLE bid_turns (
    bid             uuid PRIMARY KEY REFERENCES bids
);

CREATE TABLE bid_versions (
    bid             uuid NOT NULL REFERENCES bids,
    version         integer NOT NULL CHECK (version > 0),
    state           text NOT NULL DEFAULT 'drafted' CHECK (state IN
                    ('drafted', 'checked', 'approved', 'submitted', 'accepted', 'rejected',
                     'amended', 'cleared', 'scheduled', 'delivered', 'settled', 'withdrawn',
                     'lapsed')),
    fallback        boolean NOT NULL DEFAULT false,
    made_by         text NOT NULL,
    made_ms         bigint NOT NULL,
    approved_by     text,
    blocked         text NOT NULL DEFAULT '' CHECK (blocked IN ('', 'rules', 'limits')),
    reference       text NOT NULL DEFAULT '',
    sealed          bytea NOT NULL,
    PRIMARY KEY (bid, version),
    CONSTRAINT approved_by_name CHECK
        (state NOT IN ('approved', 'submitted', 'accepted', 'rejected', 'amended', 'cleared',
                       'scheduled', 'delivered', 'settled') OR approved_by IS NOT NULL)
);
-- Of a bid at most one version is on its way to the exchange, and at most one is worked on after it.
CREATE UNIQUE INDEX bid_versions_on_the_way ON bid_versions (bid) WHERE state = 'submitted';
CREATE UNIQUE INDEX bid_versions_standing ON bid_versions (bid)
    WHERE state IN ('accepted', 'cleared', 'scheduled', 'delivered', 'settled');
COMMENT ON COLUMN bid_versions.fallback IS 'goes to the exchange only when nothing else is approved in time';
COMMENT ON COLUMN bid_versions.approved_by IS 'a person, or rule:NAME';
COMMENT ON COLUMN bid_versions.reference IS 'the exchange''s name for it';
COMMENT ON COLUMN bid_versions.sealed IS 'offers, inputs, versions of forecasts and models, explanation';

-- Every step of every version, for ever.
CREATE TABLE bid_log (
    bid             uuid NOT NULL REFERENCES bids,
    number          integer NOT NULL,
    version         integer NOT NULL,
    before          text,
    after           text NOT NULL,
    at_ms           bigint NOT NULL,
    who             text NOT NULL,
    sealed          bytea NOT NULL,
    PRIMARY KEY (bid, number)
);
COMMENT ON COLUMN bid_log.sealed IS 'why, in words';

CREATE TRIGGER bid_log_stays BEFORE UPDATE OR DELETE OR TRUNCATE ON bid_log
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();

-- What is asked of an exchange, written before it is asked.
CREATE TABLE bid_outbox (
    key             text NOT NULL,
    action          text NOT NULL CHECK (action IN ('submit', 'withdraw')),
    bid             uuid NOT NULL,
    version         integer NOT NULL,
    replaces        text,
    asked_by        text NOT NULL,
    written_ms      bigint NOT NULL,
    tries           integer NOT NULL DEFAULT 0,
    tried_ms        bigint,
    answered_ms     bigint,
    answer          text CHECK (answer IN ('accepted', 'rejected', 'withdrawn', 'never sent')),
    PRIMARY KEY (key, action),
    FOREIGN KEY (bid, version) REFERENCES bid_versions,
    CHECK ((answer IS NULL) = (answered_ms IS NULL)),
    CHECK ((tries = 0) = (tried_ms IS NULL))
);
CREATE UNIQUE INDEX bid_outbox_one_open ON bid_outbox (bid) WHERE answer IS NULL;
COMMENT ON COLUMN bid_outbox.key IS 'under which the exchange takes the same request once';
COMMENT ON COLUMN bid_outbox.tries IS 'above 0 without an answer: the exchange may have it, and is asked first';

-- What belongs to a version and comes later.
CREATE TABLE bid_papers (
    bid             uuid NOT NULL,
    version         integer NOT NULL,
    kind            text NOT NULL CHECK (kind IN
                    ('judgement', 'clearing', 'schedule', 'delivery', 'statement', 'settlement')),
    at_ms           bigint NOT NULL,
    sealed          bytea NOT NULL,
    PRIMARY KEY (bid, version, kind),
    FOREIGN KEY (bid, version) REFERENCES bid_versions
);

-- What a desk may do: the newest row counts. Figures of money and power, of no station.
CREATE TABLE desk_limits (
    desk            text NOT NULL,
    number          integer NOT NULL,
    limits          jsonb NOT NULL,
    set_by          text NOT NULL,
    set_at          timestamptz NOT NULL DEFAULT now(),
    why             text NOT NULL,
    PRIMARY KEY (desk, number)
);
CREATE TRIGGER desk_limits_stay BEFORE UPDATE OR DELETE OR TRUNCATE ON desk_limits
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
