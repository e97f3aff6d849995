-- Settled bids whose statement is not what the market's rules make of the day: whose amounts differ
-- stands in the sealed paper; here is only that they do, so that people can be called.
CREATE TABLE bid_differences (
    bid             uuid PRIMARY KEY REFERENCES bids,
    at_ms           bigint NOT NULL
);
CREATE INDEX bid_differences_by_time ON bid_differences (at_ms);
