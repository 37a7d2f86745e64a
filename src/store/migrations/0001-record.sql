-- Schema 1. Never edited: every change is a new numbered file.
-- Instants are milliseconds since the Unix epoch; ids are the 16 bytes of a UUID; labels are those of the exports.

-- One URL seen from one vantage, with the state of its sequential test.
CREATE TABLE series (
    id      INTEGER PRIMARY KEY,
    site    TEXT NOT NULL,
    url     TEXT NOT NULL,
    vantage TEXT NOT NULL,
    status  TEXT NOT NULL,
    state   TEXT NOT NULL, -- JSON
    updated INTEGER NOT NULL,
    UNIQUE (site, url, vantage)
) STRICT;

-- Earlier evidence of a series, against which later evidence is compressed: certificates and headers repeat.
CREATE TABLE dictionary (
    id      INTEGER PRIMARY KEY,
    series  INTEGER NOT NULL REFERENCES series (id),
    content BLOB NOT NULL -- zstd
) STRICT;
CREATE INDEX dictionary_of_series ON dictionary (series);

CREATE TABLE measurement (
    seq        INTEGER PRIMARY KEY,
    id         BLOB NOT NULL UNIQUE CHECK (length(id) = 16),
    series     INTEGER NOT NULL REFERENCES series (id),
    started_at INTEGER NOT NULL,
    status     TEXT NOT NULL,
    mechanism  TEXT,
    confidence REAL NOT NULL,
    ruleset    INTEGER NOT NULL,
    dictionary INTEGER REFERENCES dictionary (id), -- null: packed without one
    verdict    BLOB NOT NULL, -- JSON, zstd
    evidence   BLOB NOT NULL  -- JSON, zstd
) STRICT;
CREATE INDEX measurement_of_series ON measurement (series, started_at, status);
CREATE INDEX measurement_by_dictionary ON measurement (dictionary);

-- One row a span, as it is now. SQLite's price of reading is per column: `line` is the row in one column, all but
-- the confidence, whose decimal text need not be exact. Readers of many spans take it; SQLite keeps it true.
CREATE TABLE span (
    id             BLOB PRIMARY KEY NOT NULL CHECK (length(id) = 16),
    line           BLOB NOT NULL AS (CAST(
        hex(id)
        || char(31) || site
        || char(31) || coalesce(url, '')
        || char(31) || coalesce(vantage, '')
        || char(31) || source
        || char(31) || status
        || char(31) || coalesce(mechanism, '')
        || char(31) || coalesce(start_earliest, '')
        || char(31) || coalesce(start_latest, '')
        || char(31) || ended
        || char(31) || coalesce(end_earliest, '')
        || char(31) || coalesce(end_latest, '')
        || char(31) || ongoing
        || char(31) || coalesce(last_observed, '')
        || char(31) || measurements
        || char(31) || coalesce(segment_from, '')
        || char(31) || coalesce(segments, '')
        || char(31) || coalesce('=' || citation, '')
        AS BLOB)) STORED,
    confidence     REAL,
    site           TEXT NOT NULL,
    url            TEXT,
    vantage        TEXT,
    source         TEXT NOT NULL,
    status         TEXT NOT NULL,
    mechanism      TEXT,
    start_earliest INTEGER,
    start_latest   INTEGER,
    ended          INTEGER NOT NULL CHECK (ended IN (0, 1)), -- 0: both bounds of the end are null
    end_earliest   INTEGER,
    end_latest     INTEGER,
    ongoing        INTEGER NOT NULL CHECK (ongoing IN (0, 1)),
    last_observed  INTEGER,
    measurements   INTEGER NOT NULL,
    segment_from   INTEGER, -- beginning of the only segment, whose mechanism is the span's
    segments       TEXT,    -- JSON [[from, mechanism], ...], only when segment_from cannot say it
    citation       TEXT
) STRICT;
CREATE INDEX span_of_series ON span (site, url, vantage);

-- The journal of spans, only ever added to: openings, changes of mechanism, closings.
CREATE TABLE span_event (
    seq         INTEGER PRIMARY KEY,
    span        BLOB NOT NULL REFERENCES span (id),
    kind        TEXT NOT NULL CHECK (kind IN ('opened', 'mechanism', 'closed')),
    at          INTEGER NOT NULL,
    measurement BLOB NOT NULL CHECK (length(measurement) = 16),
    mechanism   TEXT
) STRICT;
CREATE INDEX span_event_of_span ON span_event (span);
CREATE INDEX span_event_by_measurement ON span_event (measurement);
