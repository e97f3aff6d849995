-- A closed day is settled again when prices of it are imported later, or its statement is another one.
ALTER TABLE market_imports ADD COLUMN first_ms bigint;
ALTER TABLE market_imports ADD COLUMN last_ms bigint;
ALTER TABLE market_imports ADD COLUMN made_in xid8 NOT NULL DEFAULT pg_current_xact_id();
CREATE INDEX market_imports_by_order ON market_imports (made_in);
COMMENT ON COLUMN market_imports.first_ms IS 'begin of the earliest interval that was news; null: none was, or not told';
COMMENT ON COLUMN market_imports.made_in IS 'transaction, so that a look sees each import once whatever the order of their commits';

ALTER TABLE settled_days ADD COLUMN seen xid8;
COMMENT ON COLUMN settled_days.seen IS 'imports of earlier transactions are in its newest version';
COMMENT ON COLUMN settled_days.closed_ms IS 'its statement is final and settled here too: it is looked at seldom';
UPDATE settled_days SET seen = pg_current_xact_id();
-- Spread over a month, so that no exchange is asked for all that was ever settled at once.
UPDATE settled_days SET due_ms = (extract(epoch FROM now()) * 1000 + random() * 2592000000)::bigint
WHERE closed_ms IS NOT NULL;
DROP INDEX settled_days_open;
CREATE INDEX settled_days_due ON settled_days (due_ms);
