-- A day is settled again until its statement is final: statements, prices and meters are revised.

-- One row for a station's day in a market of which a bid is settled.
CREATE TABLE settled_days (
    station         text NOT NULL REFERENCES stations,
    market          text NOT NULL,
    day             date NOT NULL,
    due_ms          bigint NOT NULL DEFAULT 0,
    bids            integer NOT NULL DEFAULT 0,
    closed_ms       bigint,
    PRIMARY KEY (station, market, day)
);
CREATE INDEX settled_days_open ON settled_days (due_ms) WHERE closed_ms IS NULL;
COMMENT ON COLUMN settled_days.due_ms IS 'when it is looked at next';
COMMENT ON COLUMN settled_days.bids IS 'settled bids that the newest version is brought to';
COMMENT ON COLUMN settled_days.closed_ms IS 'its statement is final and settled here too';

-- What was settled once before may be revised still: 30 weeks are the longest that a market takes.
INSERT INTO settled_days (station, market, day)
SELECT DISTINCT b.station, b.market, b.day FROM bids b JOIN bid_versions v ON v.bid = b.id
WHERE v.state = 'settled' AND b.day > current_date - 210;

-- Every version of such a day with all that it was made from: statement, awards, meter, prices.
CREATE TABLE settled_day_versions (
    station         text NOT NULL,
    market          text NOT NULL,
    day             date NOT NULL,
    number          integer NOT NULL CHECK (number > 0),
    final           boolean NOT NULL,
    at_ms           bigint NOT NULL,
    digest          bytea NOT NULL,
    sealed          bytea NOT NULL,
    PRIMARY KEY (station, market, day, number),
    FOREIGN KEY (station, market, day) REFERENCES settled_days
);
COMMENT ON COLUMN settled_day_versions.digest IS 'of the inputs: the same inputs make no new version';

-- What a bid has come to, each time; the newest is its paper.
CREATE TABLE bid_settlements (
    bid             uuid NOT NULL REFERENCES bids,
    number          integer NOT NULL CHECK (number > 0),
    final           boolean NOT NULL,
    at_ms           bigint NOT NULL,
    sealed          bytea NOT NULL,
    PRIMARY KEY (bid, number)
);

-- A bid that somebody has taken back as a whole calls nobody; an edit makes it live again.
ALTER TABLE bids ADD COLUMN withdrawn_ms bigint;

-- Who has approved what, word for word: looked at once more before the exchange is asked.
ALTER TABLE bid_papers DROP CONSTRAINT bid_papers_kind_check;
ALTER TABLE bid_papers ADD CONSTRAINT bid_papers_kind_check CHECK (kind IN
    ('judgement', 'approval', 'clearing', 'schedule', 'delivery', 'statement', 'settlement'));
