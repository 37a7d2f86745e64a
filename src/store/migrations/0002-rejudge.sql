-- Schema 2: judging the record again. Never edited.

-- One row a run of `rejudge` that changed something.
CREATE TABLE rejudgement (
    id      INTEGER PRIMARY KEY,
    at      INTEGER NOT NULL,
    ruleset INTEGER NOT NULL
) STRICT;

-- The journal may now hold a span that is no longer in `span`: `before` is the span as it was, JSON. An `opened`,
-- `mechanism` or `closed` of a rejudgement tells which evidence a corrected span stands on; what changed for a reader
-- is its `rejudged` or `withdrawn`, whose `at` is the time of the rejudgement.
CREATE TABLE span_event_2 (
    seq         INTEGER PRIMARY KEY,
    span        BLOB NOT NULL CHECK (length(span) = 16),
    kind        TEXT NOT NULL CHECK (kind IN ('opened', 'mechanism', 'closed', 'rejudged', 'withdrawn')),
    at          INTEGER NOT NULL,
    measurement BLOB CHECK (length(measurement) = 16),
    mechanism   TEXT,
    rejudgement INTEGER REFERENCES rejudgement (id), -- null: by the daemon
    before      TEXT, -- null: it was not there
    CHECK (kind IN ('rejudged', 'withdrawn') OR measurement IS NOT NULL),
    CHECK (kind NOT IN ('rejudged', 'withdrawn') OR rejudgement IS NOT NULL)
) STRICT;
INSERT INTO span_event_2 (seq, span, kind, at, measurement, mechanism)
    SELECT seq, span, kind, at, measurement, mechanism FROM span_event;
DROP TABLE span_event;
ALTER TABLE span_event_2 RENAME TO span_event;
CREATE INDEX span_event_of_span ON span_event (span);
CREATE INDEX span_event_by_measurement ON span_event (measurement);

-- Opinions that were replaced by others: what was published can still be looked up. They go with their measurement.
CREATE TABLE superseded (
    measurement INTEGER NOT NULL REFERENCES measurement (seq) ON DELETE CASCADE,
    rejudgement INTEGER NOT NULL REFERENCES rejudgement (id),
    status      TEXT NOT NULL,
    mechanism   TEXT,
    confidence  REAL NOT NULL,
    rule        TEXT,
    ruleset     INTEGER NOT NULL,
    PRIMARY KEY (measurement, rejudgement)
) STRICT, WITHOUT ROWID;

-- Up to when the evidence of a series may have gaps, because measurements were past their keeping time.
CREATE TABLE pruned (
    series INTEGER PRIMARY KEY REFERENCES series (id),
    before INTEGER NOT NULL
) STRICT;
