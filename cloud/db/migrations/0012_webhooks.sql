-- Steps of bids on their way to the receivers that an installation names.

-- Written with the step itself; emptied by the job that hands steps to receivers. Nothing is skipped:
-- a row is there from its commit on until it is handed over, whatever the order of commits.
CREATE TABLE bid_news (
    bid             uuid NOT NULL,
    number          integer NOT NULL,
    PRIMARY KEY (bid, number)
);

CREATE FUNCTION tell_bid_step() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO bid_news (bid, number) VALUES (NEW.bid, NEW.number);
    RETURN NULL;
END $$;
CREATE TRIGGER bid_log_is_told AFTER INSERT ON bid_log
    FOR EACH ROW EXECUTE FUNCTION tell_bid_step();

-- What a receiver has not taken yet; of each bid the lowest number goes first.
CREATE TABLE webhook_queue (
    hook            text NOT NULL,
    bid             uuid NOT NULL,
    number          integer NOT NULL,
    queued_ms       bigint NOT NULL,
    tries           integer NOT NULL DEFAULT 0,
    next_ms         bigint NOT NULL DEFAULT 0,
    dead_ms         bigint,
    why             text NOT NULL DEFAULT '',
    PRIMARY KEY (hook, bid, number)
);
CREATE INDEX webhook_queue_live ON webhook_queue (hook, next_ms) WHERE dead_ms IS NULL;
COMMENT ON COLUMN webhook_queue.dead_ms IS 'given up; kept, so that somebody may send it by hand';
