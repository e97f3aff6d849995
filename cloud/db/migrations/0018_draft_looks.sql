-- What has become of the drafting where it has made no bid: a gate that stays empty is explained.
CREATE TABLE draft_looks (
    station   text NOT NULL REFERENCES stations,
    market    text NOT NULL,
    product   text NOT NULL,
    begin_ms  bigint NOT NULL,
    end_ms    bigint NOT NULL,
    gate_ms   bigint NOT NULL,
    looked_ms bigint NOT NULL,
    failed    boolean NOT NULL,
    why       text NOT NULL DEFAULT '',
    PRIMARY KEY (station, market, product, begin_ms)
);
COMMENT ON TABLE draft_looks IS 'the last look at each gate without a bid; rows of two days';
COMMENT ON COLUMN draft_looks.failed IS 'false: nothing pays, or nothing can be bid';
COMMENT ON COLUMN draft_looks.why IS 'of a failure, in English; no price and no offer is in it';
