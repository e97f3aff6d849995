-- A gate at which nothing pays says what its price would have to do, and a drafting that does not
-- end is seen before its gate closes.
ALTER TABLE draft_looks
    ADD COLUMN why_zh text NOT NULL DEFAULT '',
    ADD COLUMN late   boolean NOT NULL DEFAULT false,
    ADD COLUMN sealed bytea NOT NULL DEFAULT '';
COMMENT ON COLUMN draft_looks.why_zh IS 'of a failure, in Chinese; empty: as in English';
COMMENT ON COLUMN draft_looks.late IS 'the drafting goes on for longer than it may';
COMMENT ON COLUMN draft_looks.sealed IS 'of a rest: what the price would have to do, and when it pays; empty: nothing is told';
