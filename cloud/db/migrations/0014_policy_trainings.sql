-- Trainings of bidding policies: what each was asked for, how far it is, and the gate's verdict.

CREATE TABLE policy_trainings (
    id              uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    station         text NOT NULL REFERENCES stations,
    market          text NOT NULL,
    wish            jsonb NOT NULL,
    asked_by        text NOT NULL,
    known_ms        bigint NOT NULL,
    begun_ms        bigint NOT NULL,
    ended_ms        bigint,
    starts          integer NOT NULL DEFAULT 1,
    first_day       date,
    unseen_from     date,
    last_day        date,
    seed            integer NOT NULL DEFAULT 0,
    done            bigint NOT NULL DEFAULT 0,
    state           text NOT NULL DEFAULT 'running'
                    CHECK (state IN ('running', 'promoted', 'kept', 'failed')),
    notes           jsonb NOT NULL DEFAULT '[]',
    verdict         jsonb,
    model           text,
    fault           text NOT NULL DEFAULT '',
    error           text NOT NULL DEFAULT '',
    CHECK ((state = 'running') = (ended_ms IS NULL)),
    CHECK ((state IN ('promoted', 'kept')) = (verdict IS NOT NULL AND model IS NOT NULL))
);
CREATE UNIQUE INDEX policy_trainings_running ON policy_trainings (station, market)
    WHERE state = 'running';
CREATE INDEX policy_trainings_newest ON policy_trainings (station, market, begun_ms DESC);
COMMENT ON COLUMN policy_trainings.wish IS 'series, steps, seeds, unseen weeks';
COMMENT ON COLUMN policy_trainings.known_ms IS
    'prices are read as they were known then, also by a start that goes on after a kill';
COMMENT ON COLUMN policy_trainings.starts IS 'processes that have worked on it';
COMMENT ON COLUMN policy_trainings.seed IS 'being trained, counted from 0, with its steps in done';
COMMENT ON COLUMN policy_trainings.verdict IS 'of the gate: promoted, gain, sure, cvar, reason';
COMMENT ON COLUMN policy_trainings.model IS 'SHA-256 of the card, which names its networks';
