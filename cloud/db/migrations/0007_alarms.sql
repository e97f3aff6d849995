-- Alarms by ISA-18.2: what edges of conditions (table events) and acts of people make of them.
-- Everything but alarm_acts and cloud_edges follows from those two and from events, and can be told
-- anew. What a person reads of an alarm (texts, value, limit) stays sealed in events.

-- Edges of what the cloud notices itself: no station can tell that it is cut off.
CREATE TABLE cloud_edges (
    id              bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    station         text NOT NULL REFERENCES stations,
    code            text NOT NULL,
    active          boolean NOT NULL,
    at_ms           bigint NOT NULL,
    received_at     timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX cloud_edges_by_time ON cloud_edges (station, code, at_ms DESC);

-- What waits to be worked into alarms, written with the event in one transaction.
CREATE TABLE alarm_inbox (
    number          bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    station         text NOT NULL,
    device          text NOT NULL,
    code            text NOT NULL,
    tag             text NOT NULL,
    severity        smallint NOT NULL,
    at_ms           bigint NOT NULL
);
CREATE INDEX alarm_inbox_by_station ON alarm_inbox (station, number);

CREATE FUNCTION feed_alarms() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO alarm_inbox (station, device, code, tag, severity, at_ms)
    VALUES (NEW.station, NEW.device, NEW.code, NEW.tag, NEW.severity, NEW.at_ms);
    RETURN NULL;
END $$;
CREATE TRIGGER events_feed_alarms AFTER INSERT ON events
    FOR EACH ROW WHEN (NEW.severity > 1 OR NEW.code = 'station.started')
    EXECUTE FUNCTION feed_alarms();

CREATE FUNCTION feed_cloud_alarms() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO alarm_inbox (station, device, code, tag, severity, at_ms)
    VALUES (NEW.station, '', NEW.code, '', 3, NEW.at_ms);
    RETURN NULL;
END $$;
CREATE TRIGGER cloud_edges_feed_alarms AFTER INSERT ON cloud_edges
    FOR EACH ROW EXECUTE FUNCTION feed_cloud_alarms();

CREATE INDEX events_of_starts ON events (station, at_ms) WHERE code = 'station.started';

-- One row for each alarm there has ever been.
CREATE TABLE alarms (
    id              bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    station         text NOT NULL REFERENCES stations,
    device          text NOT NULL,
    code            text NOT NULL,
    tag             text NOT NULL,
    severity        smallint NOT NULL,
    scope           text NOT NULL,
    priority        smallint NOT NULL CHECK (priority BETWEEN 1 AND 4),
    class           text NOT NULL,
    state           text NOT NULL DEFAULT 'normal',
    answered        boolean NOT NULL GENERATED ALWAYS AS
                    (state NOT IN ('unacknowledged', 'returned')) STORED,
    active          boolean NOT NULL DEFAULT false,
    onset_ms        bigint NOT NULL DEFAULT 0,
    event           text NOT NULL DEFAULT '',
    changed_ms      bigint NOT NULL DEFAULT 0,
    shelved_until_ms bigint,
    due_ms          bigint,
    list_priority   smallint NOT NULL DEFAULT 4,
    first_out       boolean NOT NULL DEFAULT false,
    life            jsonb NOT NULL DEFAULT '{}',
    mark_ms         bigint,
    mark_life       jsonb,
    UNIQUE (station, device, code, tag)
);
CREATE INDEX alarms_open
    ON alarms (answered, list_priority, first_out DESC, onset_ms DESC, id)
    WHERE state IN ('unacknowledged', 'acknowledged', 'returned', 'latched');
CREATE INDEX alarms_of_station ON alarms (station, code);
CREATE INDEX alarms_silent ON alarms (state, changed_ms)
    WHERE state IN ('shelved', 'suppressed', 'out_of_service');
CREATE INDEX alarms_due ON alarms (due_ms) WHERE due_ms IS NOT NULL;
COMMENT ON COLUMN alarms.scope IS 'container that the device is in, empty for the whole station';
COMMENT ON COLUMN alarms.onset_ms IS 'device time of the edge that began the newest occurrence';
COMMENT ON COLUMN alarms.event IS 'id of that edge in events';
COMMENT ON COLUMN alarms.due_ms IS 'when a delay or a shelf life ends';
COMMENT ON COLUMN alarms.list_priority IS
    'of a first-out the most urgent priority of its incident, else its own';
COMMENT ON COLUMN alarms.mark_ms IS 'newest moment from which its history can be told anew';
COMMENT ON COLUMN alarms.mark_life IS 'what it was just before that';

-- One row for each time that an alarm was raised.
CREATE TABLE alarm_occurrences (
    alarm           bigint NOT NULL REFERENCES alarms,
    onset_ms        bigint NOT NULL,
    station         text NOT NULL,
    scope           text NOT NULL,
    raised_ms       bigint NOT NULL,
    event           text NOT NULL,
    received_ms     bigint NOT NULL,
    cleared_ms      bigint,
    returned_ms     bigint,
    cleared_event   text NOT NULL DEFAULT '',
    shown_ms        bigint,
    announced_ms    bigint,
    acknowledged_ms bigint,
    acknowledged_by text NOT NULL DEFAULT '',
    before          jsonb,
    group_ms        bigint,
    lead            boolean NOT NULL DEFAULT false,
    urgency         smallint,
    cause           bigint,
    cause_onset_ms  bigint,
    planned         boolean NOT NULL DEFAULT false,
    PRIMARY KEY (alarm, onset_ms)
);
CREATE INDEX alarm_occurrences_by_time ON alarm_occurrences (station, onset_ms);
CREATE INDEX alarm_occurrences_by_group ON alarm_occurrences (station, scope, group_ms);
CREATE INDEX alarm_occurrences_announced ON alarm_occurrences (announced_ms);
CREATE INDEX alarm_occurrences_to_plan ON alarm_occurrences (announced_ms) WHERE NOT planned;
COMMENT ON COLUMN alarm_occurrences.raised_ms IS 'device time at which its on-delay was over';
COMMENT ON COLUMN alarm_occurrences.received_ms IS 'when the cloud got the edge that began it';
COMMENT ON COLUMN alarm_occurrences.shown_ms IS 'when it was first not silent; null: never';
COMMENT ON COLUMN alarm_occurrences.announced_ms IS
    'when people could first see it: the later of shown_ms and received_ms';
COMMENT ON COLUMN alarm_occurrences.group_ms IS 'when its incident began';
COMMENT ON COLUMN alarm_occurrences.lead IS 'whether it is the first-out of several';
COMMENT ON COLUMN alarm_occurrences.urgency IS 'most urgent priority of its incident';
COMMENT ON COLUMN alarm_occurrences.cause IS 'alarm of which it is a consequence';
COMMENT ON COLUMN alarm_occurrences.planned IS 'whether notifications have been put into the outbox';

-- What people did, for ever.
CREATE TABLE alarm_acts (
    id              bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    alarm           bigint NOT NULL REFERENCES alarms,
    change          text NOT NULL,
    at_ms           bigint NOT NULL,
    effective_ms    bigint NOT NULL,
    seen_raised_ms  bigint NOT NULL DEFAULT 0,
    until_ms        bigint NOT NULL DEFAULT 0,
    actor           text NOT NULL,
    reason          text NOT NULL DEFAULT ''
);
CREATE INDEX alarm_acts_by_time ON alarm_acts (alarm, effective_ms);
COMMENT ON COLUMN alarm_acts.seen_raised_ms IS
    'newest raise that the person has seen: what comes to light later is not answered by it';
COMMENT ON COLUMN alarm_acts.effective_ms IS
    'its place among the edges: after what was seen, also where a device clock is ahead';

-- What became of alarms, row after row. Where late data show that something was otherwise, a
-- further row withdraws the wrong one.
CREATE TABLE alarm_journal (
    id              bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    alarm           bigint NOT NULL REFERENCES alarms,
    at_ms           bigint NOT NULL,
    place           smallint NOT NULL,
    change          text NOT NULL,
    state           text NOT NULL,
    onset_ms        bigint NOT NULL,
    event           text NOT NULL DEFAULT '',
    act             bigint REFERENCES alarm_acts,
    recorded_at     timestamptz NOT NULL DEFAULT now(),
    withdraws       bigint UNIQUE REFERENCES alarm_journal
);
CREATE INDEX alarm_journal_by_time ON alarm_journal (alarm, at_ms, place);
COMMENT ON COLUMN alarm_journal.at_ms IS 'device time of conditions, cloud time of acts';
COMMENT ON COLUMN alarm_journal.place IS 'order among the rows of one millisecond';

CREATE FUNCTION refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'rows of % are never changed or removed', TG_TABLE_NAME;
END $$;
CREATE TRIGGER alarm_journal_append_only BEFORE UPDATE OR DELETE ON alarm_journal
    FOR EACH ROW EXECUTE FUNCTION refuse_change();
CREATE TRIGGER alarm_acts_append_only BEFORE UPDATE OR DELETE ON alarm_acts
    FOR EACH ROW EXECUTE FUNCTION refuse_change();

-- Who is to be told: one row for each alarm, channel and step of an escalation.
CREATE TABLE alarm_outbox (
    id              bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    alarm           bigint NOT NULL,
    onset_ms        bigint NOT NULL,
    channel         text NOT NULL,
    step            smallint NOT NULL,
    due_ms          bigint NOT NULL,
    attempts        integer NOT NULL DEFAULT 0,
    status          text NOT NULL DEFAULT 'waiting',
    settled_ms      bigint,
    failed_ms       bigint,
    error           text NOT NULL DEFAULT '',
    UNIQUE (alarm, onset_ms, channel, step)
);
CREATE INDEX alarm_outbox_waiting ON alarm_outbox (due_ms) WHERE status = 'waiting';
CREATE INDEX alarm_outbox_by_channel ON alarm_outbox (channel, settled_ms);
COMMENT ON COLUMN alarm_outbox.status IS 'waiting, sent, not_needed or given_up';
COMMENT ON COLUMN alarm_outbox.due_ms IS 'when it is sent, or tried again';

-- Alarms begin with the events that are here already.
INSERT INTO alarm_inbox (station, device, code, tag, severity, at_ms)
SELECT station, device, code, tag, severity, at_ms FROM events
WHERE severity > 1 OR code = 'station.started' ORDER BY at_ms;
