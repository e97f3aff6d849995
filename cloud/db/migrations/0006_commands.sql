-- What stations have commanded their devices: one row a command, whose newest state wins.

-- In clear stays what rows are found by. Partitioned by the month (UTC) in which a command was
-- issued, so that a month is dropped at once; partition commands_default takes what a station with
-- a wrong clock dates far from now, so that no station can have any number of months made.

CREATE TABLE commands (
    station         text NOT NULL,
    issued_ms       bigint NOT NULL,
    id              text NOT NULL,
    device          text NOT NULL,
    point           text NOT NULL,
    source          text NOT NULL,
    state           text NOT NULL,
    accepted_ms     bigint NOT NULL,
    settled_ms      bigint NOT NULL,
    received_at     timestamptz NOT NULL DEFAULT now(),
    sealed          bytea NOT NULL,
    PRIMARY KEY (station, issued_ms, id)
) PARTITION BY RANGE (issued_ms);
COMMENT ON TABLE commands IS 'set-points and other commands, from issue to delivery';
COMMENT ON COLUMN commands.source IS 'what kind of wish asked for it: schedule, agc, protection, ...';
COMMENT ON COLUMN commands.accepted_ms IS 'by the station''s clock, like all times here; 0: never';
COMMENT ON COLUMN commands.sealed IS 'value, requester, limit that bit, reason and likely cause';

-- Few commands go wrong, and they are asked for over months.
CREATE INDEX commands_amiss ON commands (station, issued_ms, id)
    WHERE state NOT IN ('delivered', 'superseded', 'accepted');

CREATE TABLE commands_default PARTITION OF commands DEFAULT;

-- Place of a state in a life: of two states of one command that of the higher rank is the newer.
CREATE FUNCTION command_rank(state text) RETURNS integer LANGUAGE sql IMMUTABLE AS $$
    SELECT CASE state WHEN 'issued' THEN 0 WHEN 'accepted' THEN 1 ELSE 2 END
$$;

-- Make the partitions for commands issued at these times, where they are near the present.
CREATE FUNCTION make_command_months(times_ms bigint[]) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    now_ms bigint := extract(epoch FROM now()) * 1000;
    day_ms bigint := 86400000;
    first_ms bigint;
    name text;
BEGIN
    FOR first_ms IN
        SELECT DISTINCT month_start_ms(t) FROM unnest(times_ms) AS t
        WHERE t BETWEEN now_ms - 400 * day_ms AND now_ms + 2 * day_ms ORDER BY 1
    LOOP
        name := 'commands_' || to_char(to_timestamp(first_ms / 1000.0) AT TIME ZONE 'UTC', 'YYYY_MM');
        CONTINUE WHEN to_regclass(name) IS NOT NULL;
        PERFORM pg_advisory_xact_lock(1398030158);
        CONTINUE WHEN to_regclass(name) IS NOT NULL;
        EXECUTE format('CREATE TABLE %I (LIKE commands INCLUDING ALL)', name);
        LOCK TABLE ONLY commands IN SHARE UPDATE EXCLUSIVE MODE;
        LOCK TABLE commands_default IN ACCESS EXCLUSIVE MODE;
        EXECUTE format('WITH early AS (DELETE FROM commands_default
                            WHERE issued_ms >= %s AND issued_ms < %s RETURNING *)
                        INSERT INTO %I SELECT * FROM early',
                       first_ms, next_month_ms(first_ms), name);
        EXECUTE format('ALTER TABLE commands ATTACH PARTITION %I FOR VALUES FROM (%s) TO (%s)',
                       name, first_ms, next_month_ms(first_ms));
    END LOOP;
END $$;

-- Drop what was issued before this time: whole months, and what is older in the default partition.
CREATE FUNCTION drop_command_months(before_ms bigint) RETURNS integer LANGUAGE plpgsql AS $$
DECLARE
    name text;
    dropped integer := 0;
    first_ms bigint;
BEGIN
    PERFORM pg_advisory_xact_lock(1398030158);
    FOR name IN
        SELECT c.relname FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid
        WHERE i.inhparent = 'commands'::regclass AND c.relname ~ '^commands_\d{4}_\d{2}$' ORDER BY 1
    LOOP
        first_ms := extract(epoch FROM to_date(right(name, 7), 'YYYY_MM')) * 1000;
        IF next_month_ms(first_ms) <= before_ms THEN
            EXECUTE format('DROP TABLE %I', name);
            dropped := dropped + 1;
        END IF;
    END LOOP;
    DELETE FROM commands_default WHERE issued_ms < before_ms;
    RETURN dropped;
END $$;
