-- Models of estimators: what was uploaded, who answers for it, and which station was ordered to run it.

-- A package holds no value and no name of any station, and its SHA-256 names it wherever it goes;
-- so it is not sealed. What a station is ordered to do with it is sealed in the order, as all are.
CREATE TABLE models (
    sha256          bytea PRIMARY KEY CHECK (length(sha256) = 32),
    name            text NOT NULL,
    version         integer NOT NULL CHECK (version > 0),
    make            text NOT NULL,
    created         date NOT NULL,
    note            text NOT NULL,
    card            text NOT NULL,
    files           jsonb NOT NULL,
    size            integer NOT NULL CHECK (size > 0),
    body            bytea NOT NULL,
    uploaded_by     text NOT NULL,
    uploaded_at     timestamptz NOT NULL DEFAULT now(),
    approved_by     text,
    approved_at     timestamptz,
    approval_note   text NOT NULL DEFAULT '',
    withdrawn_by    text,
    withdrawn_at    timestamptz,
    withdrawn_why   text NOT NULL DEFAULT '',
    UNIQUE (name, version),
    CONSTRAINT two_people CHECK (approved_by <> uploaded_by),
    CHECK ((approved_by IS NULL) = (approved_at IS NULL)),
    CHECK ((withdrawn_by IS NULL) = (withdrawn_at IS NULL))
);
ALTER TABLE models ALTER COLUMN body SET STORAGE EXTERNAL;
COMMENT ON TABLE models IS 'packages of estimator models, each whole and unaltered for ever';
COMMENT ON COLUMN models.files IS 'size in bytes by path';
COMMENT ON COLUMN models.withdrawn_by IS 'goes to no further station; those that have it keep it';

ALTER TABLE orders ADD COLUMN model bytea REFERENCES models;
CREATE INDEX orders_by_model ON orders (model, station, counter) WHERE model IS NOT NULL;
COMMENT ON COLUMN orders.model IS 'of a model order that brings one, its package';
