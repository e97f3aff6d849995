-- All tables of the first edition. Telemetry times are epoch milliseconds of the device
-- (*_ms); times of people and of the cloud itself are timestamptz.

-- Stations and what proves who they are ---------------------------------------------------

CREATE TABLE stations (
    id              text PRIMARY KEY CHECK (id ~ '^[A-Za-z0-9][A-Za-z0-9._-]{0,31}$'),
    name            text NOT NULL,
    name_zh         text NOT NULL DEFAULT '',
    timezone        text NOT NULL DEFAULT 'UTC',
    rated_power_kw  double precision NOT NULL CHECK (rated_power_kw > 0),
    capacity_kwh    double precision NOT NULL CHECK (capacity_kwh > 0),
    config          jsonb NOT NULL DEFAULT '{}',
    signing_key     bytea CHECK (length(signing_key) = 32),
    enrolled_at     timestamptz,
    created_at      timestamptz NOT NULL DEFAULT now()
);
COMMENT ON COLUMN stations.signing_key IS 'Ed25519 public key, raw; set at enrolment';

CREATE TABLE certificates (
    serial          text PRIMARY KEY,
    station         text NOT NULL REFERENCES stations,
    fingerprint     bytea NOT NULL UNIQUE CHECK (length(fingerprint) = 32),
    not_before      timestamptz NOT NULL,
    not_after       timestamptz NOT NULL,
    issued_at       timestamptz NOT NULL DEFAULT now(),
    revoked_at      timestamptz,
    revoked_reason  text
);
CREATE INDEX certificates_of_station ON certificates (station, issued_at);

CREATE TABLE enrolment_tokens (
    token_hash      bytea PRIMARY KEY CHECK (length(token_hash) = 32),
    station         text NOT NULL REFERENCES stations,
    created_by      text NOT NULL,
    created_at      timestamptz NOT NULL DEFAULT now(),
    expires_at      timestamptz NOT NULL,
    used_at         timestamptz
);

CREATE TABLE epochs (
    station         text NOT NULL REFERENCES stations,
    epoch           bigint NOT NULL,
    announcement    bytea NOT NULL,
    signing_key     bytea NOT NULL,
    announced_at    timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (station, epoch)
);
COMMENT ON COLUMN epochs.announcement IS
    'epoch key wrapped to the cloud, signed by the station, as received';
COMMENT ON COLUMN epochs.signing_key IS 'the station key that signed it then';

CREATE TABLE station_keys (
    station         text NOT NULL REFERENCES stations,
    key_id          integer NOT NULL,
    wrapped         bytea NOT NULL,
    created_at      timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (station, key_id)
);
COMMENT ON TABLE station_keys IS 'keys of blocks at rest, wrapped by the key-encryption key';

CREATE TABLE layouts (
    hash            bytea PRIMARY KEY CHECK (length(hash) = 8),
    name            text NOT NULL,
    body            text NOT NULL,
    registered_at   timestamptz NOT NULL DEFAULT now()
);

-- Ledger and telemetry ----------------------------------------------------------------------

-- One row per accepted message, for ever: this is what makes delivery exactly once.
CREATE TABLE batches (
    station         text NOT NULL REFERENCES stations,
    epoch           bigint NOT NULL,
    sequence        bigint NOT NULL,
    stream          smallint NOT NULL,
    sha256          bytea NOT NULL CHECK (length(sha256) = 32),
    size            integer NOT NULL,
    samples         integer NOT NULL,
    value_count     integer NOT NULL,
    t_first_ms      bigint NOT NULL,
    t_last_ms       bigint NOT NULL,
    received_at     timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (station, epoch, stream, sequence)
);
CREATE INDEX batches_by_time ON batches (station, t_first_ms);

-- Bodies of telemetry batches (stream 1) that are not compacted yet: sealed exactly as the
-- station sent them. A row is written together with its ledger row and goes into blocks whole.
CREATE TABLE hot_batches (
    station         text NOT NULL,
    epoch           bigint NOT NULL,
    sequence        bigint NOT NULL,
    t_first_ms      bigint NOT NULL,
    t_last_ms       bigint NOT NULL,
    received_at     timestamptz NOT NULL DEFAULT now(),
    quarantined     text,
    body            bytea NOT NULL,
    PRIMARY KEY (station, epoch, sequence)
);
ALTER TABLE hot_batches ALTER COLUMN body SET STORAGE EXTERNAL;
CREATE INDEX hot_batches_by_time ON hot_batches (station, t_last_ms);
CREATE INDEX hot_batches_by_age ON hot_batches (received_at) WHERE quarantined IS NULL;
COMMENT ON COLUMN hot_batches.quarantined IS 'why compaction could not read this body';

CREATE TABLE ledger_counters (
    station         text NOT NULL REFERENCES stations,
    hour            timestamptz NOT NULL,
    duplicates      bigint NOT NULL DEFAULT 0,
    conflicts       bigint NOT NULL DEFAULT 0,
    PRIMARY KEY (station, hour)
);
COMMENT ON TABLE ledger_counters IS 'messages offered again, by hour of their arrival';

-- Device x hour blocks. Part 0 is the merged hour; parts above 0 wait to be merged into it.
CREATE TABLE blocks (
    station         text NOT NULL,
    device          text NOT NULL,
    layout          bytea NOT NULL,
    hour_ms         bigint NOT NULL,
    step_ms         integer NOT NULL,
    phase_ms        integer NOT NULL,
    part            bigint NOT NULL,
    n               integer NOT NULL,
    repeated        integer NOT NULL DEFAULT 0,
    body            bytea NOT NULL,
    written_at      timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (station, device, layout, hour_ms, step_ms, phase_ms, part)
);
ALTER TABLE blocks ALTER COLUMN body SET STORAGE EXTERNAL;
CREATE INDEX blocks_parts ON blocks (station, hour_ms) WHERE part > 0;
CREATE SEQUENCE block_parts;
COMMENT ON COLUMN blocks.repeated IS 'samples that were stored more than once before merging';

CREATE TABLE devices (
    station         text NOT NULL REFERENCES stations,
    device          text NOT NULL,
    layout          bytea NOT NULL REFERENCES layouts,
    first_seen      timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (station, device, layout)
);

CREATE SEQUENCE dirty_marks;
CREATE TABLE dirty (
    station         text NOT NULL,
    minute_ms       bigint NOT NULL,
    mark            bigint NOT NULL,
    PRIMARY KEY (station, minute_ms)
);
COMMENT ON TABLE dirty IS 'minutes whose rollups must be computed again; a new mark wins';

CREATE TABLE rollups_1min (
    station         text NOT NULL,
    device          text NOT NULL,
    signal          text NOT NULL,
    bucket          timestamptz NOT NULL,
    minimum         double precision NOT NULL,
    maximum         double precision NOT NULL,
    mean            double precision NOT NULL,
    last            double precision NOT NULL,
    count           integer NOT NULL,
    PRIMARY KEY (station, device, signal, bucket)
);
CREATE TABLE rollups_15min (LIKE rollups_1min INCLUDING ALL);

CREATE UNLOGGED TABLE live (
    station         text PRIMARY KEY,
    epoch           bigint NOT NULL,
    sequence        bigint NOT NULL,
    at_ms           bigint NOT NULL,
    received_at     timestamptz NOT NULL DEFAULT now(),
    body            bytea NOT NULL
);
ALTER TABLE live ALTER COLUMN body SET STORAGE EXTERNAL;

CREATE TABLE events (
    station         text NOT NULL REFERENCES stations,
    id              text NOT NULL,
    device          text NOT NULL,
    code            text NOT NULL,
    severity        smallint NOT NULL,
    active          boolean NOT NULL,
    at_ms           bigint NOT NULL,
    text_en         text NOT NULL,
    text_zh         text NOT NULL,
    value           double precision,
    limit_value     double precision,
    received_at     timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (station, id)
);
CREATE INDEX events_by_time ON events (station, at_ms DESC);
CREATE INDEX events_by_point ON events (station, device, code, at_ms DESC);

-- Orders ------------------------------------------------------------------------------------

CREATE TABLE orders (
    id              uuid PRIMARY KEY,
    station         text NOT NULL REFERENCES stations,
    counter         bigint NOT NULL CHECK (counter > 0),
    kind            text NOT NULL,
    issued_ms       bigint NOT NULL,
    not_before_ms   bigint NOT NULL,
    expires_ms      bigint NOT NULL,
    payload         jsonb NOT NULL,
    approvals       text[] NOT NULL DEFAULT '{}',
    body            bytea NOT NULL,
    status          text NOT NULL DEFAULT 'issued',
    created_by      text NOT NULL,
    created_at      timestamptz NOT NULL DEFAULT now(),
    UNIQUE (station, counter)
);
COMMENT ON COLUMN orders.body IS 'signed order, JSON bytes exactly as the station receives them';
COMMENT ON COLUMN orders.status IS 'issued, or the outcome of the newest receipt';

CREATE TABLE receipts (
    order_id        uuid NOT NULL REFERENCES orders,
    outcome         text NOT NULL,
    station         text NOT NULL REFERENCES stations,
    counter         bigint NOT NULL,
    reason_code     text NOT NULL DEFAULT '',
    reason          text NOT NULL DEFAULT '',
    at_ms           bigint NOT NULL,
    body            bytea NOT NULL,
    received_at     timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (order_id, outcome)
);

-- People ------------------------------------------------------------------------------------

CREATE TABLE users (
    id              uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    name            text NOT NULL UNIQUE,
    display_name    text NOT NULL DEFAULT '',
    password_hash   text NOT NULL,
    roles           text[] NOT NULL DEFAULT '{}',
    language        text NOT NULL DEFAULT 'en',
    must_change     boolean NOT NULL DEFAULT false,
    failed_attempts integer NOT NULL DEFAULT 0,
    locked_until    timestamptz,
    disabled_at     timestamptz,
    last_sign_in_at timestamptz,
    created_at      timestamptz NOT NULL DEFAULT now()
);

CREATE TABLE sessions (
    token_hash      bytea PRIMARY KEY CHECK (length(token_hash) = 32),
    user_id         uuid NOT NULL REFERENCES users ON DELETE CASCADE,
    csrf_token      text NOT NULL,
    address         text NOT NULL DEFAULT '',
    user_agent      text NOT NULL DEFAULT '',
    created_at      timestamptz NOT NULL DEFAULT now(),
    last_seen_at    timestamptz NOT NULL DEFAULT now(),
    expires_at      timestamptz NOT NULL,
    revoked_at      timestamptz
);
CREATE INDEX sessions_of_user ON sessions (user_id);
CREATE INDEX sessions_by_expiry ON sessions (expires_at);

CREATE TABLE sign_in_attempts (
    id              bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    at              timestamptz NOT NULL DEFAULT now(),
    user_name       text NOT NULL,
    address         text NOT NULL,
    succeeded       boolean NOT NULL
);
CREATE INDEX sign_in_attempts_recent ON sign_in_attempts (user_name, at);
CREATE INDEX sign_in_attempts_by_address ON sign_in_attempts (address, at);

-- What happened -----------------------------------------------------------------------------

CREATE TABLE security_events (
    id              bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    at              timestamptz NOT NULL DEFAULT now(),
    kind            text NOT NULL,
    station         text,
    source          text NOT NULL DEFAULT '',
    detail          jsonb NOT NULL DEFAULT '{}'
);
CREATE INDEX security_events_by_time ON security_events (at);

CREATE TABLE audit (
    id              bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    at              timestamptz NOT NULL DEFAULT now(),
    actor           text NOT NULL,
    action          text NOT NULL,
    object          text NOT NULL DEFAULT '',
    detail          jsonb NOT NULL DEFAULT '{}'
);
CREATE INDEX audit_by_time ON audit (at);

CREATE TABLE settings (
    key             text PRIMARY KEY,
    value           jsonb NOT NULL
);

-- News between processes: payload is the station ---------------------------------------------

CREATE FUNCTION tell_station_news() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM pg_notify(TG_ARGV[0], NEW.station);
    RETURN NULL;
END $$;
CREATE TRIGGER live_news AFTER INSERT OR UPDATE ON live
    FOR EACH ROW EXECUTE FUNCTION tell_station_news('live');
CREATE TRIGGER events_news AFTER INSERT ON events
    FOR EACH ROW EXECUTE FUNCTION tell_station_news('events');
CREATE TRIGGER orders_news AFTER INSERT ON orders
    FOR EACH ROW EXECUTE FUNCTION tell_station_news('orders');
CREATE TRIGGER receipts_news AFTER INSERT ON receipts
    FOR EACH ROW EXECUTE FUNCTION tell_station_news('receipts');
