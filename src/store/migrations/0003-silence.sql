-- Schema 3: spans of a part of the way, silences of vantages, the life of the daemon. Never edited.

CREATE TABLE span_3 (
    id             BLOB PRIMARY KEY NOT NULL CHECK (length(id) = 16),
    line           BLOB NOT NULL AS (CAST(
        hex(id)
        || char(31) || site
        || char(31) || coalesce(url, '')
        || char(31) || coalesce(vantage, '')
        || char(31) || source
        || char(31) || status
        || char(31) || coalesce(mechanism, '')
        || char(31) || coalesce(partial, '')
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
    partial        TEXT, -- which part of the way; null: all of it
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
INSERT INTO span_3 (id, confidence, site, url, vantage, source, status, mechanism, start_earliest, start_latest, ended, end_earliest,
    end_latest, ongoing, last_observed, measurements, segment_from, segments, citation)
    SELECT id, confidence, site, url, vantage, source, status, mechanism, start_earliest, start_latest, ended, end_earliest,
    end_latest, ongoing, last_observed, measurements, segment_from, segments, citation FROM span;
DROP TABLE span;
ALTER TABLE span_3 RENAME TO span;
CREATE INDEX span_of_series ON span (site, url, vantage);

-- A stretch of time in which a vantage told nothing of sites: without a network, behind a national cut, or not measuring.
CREATE TABLE vantage_span (
    id             BLOB PRIMARY KEY NOT NULL CHECK (length(id) = 16),
    vantage        TEXT NOT NULL,
    kind           TEXT NOT NULL,
    cause          TEXT,
    start_earliest INTEGER,
    start_latest   INTEGER,
    ended          INTEGER NOT NULL CHECK (ended IN (0, 1)), -- 0: both bounds of the end are null
    end_earliest   INTEGER,
    end_latest     INTEGER,
    last_observed  INTEGER,
    observations   INTEGER NOT NULL
) STRICT;
CREATE INDEX vantage_span_of_vantage ON vantage_span (vantage, start_latest);

-- The lives of the daemon, each with its last sign of life: what lies between two of them was not measured.
CREATE TABLE life (
    id        INTEGER PRIMARY KEY,
    began     INTEGER NOT NULL,
    last_sign INTEGER NOT NULL,
    ended     INTEGER -- null: it goes on, or broke off
) STRICT;

-- Steps of the wall clock that the daemon noticed.
CREATE TABLE clock_step (
    seq    INTEGER PRIMARY KEY,
    at     INTEGER NOT NULL,
    before INTEGER NOT NULL,
    by_ms  INTEGER NOT NULL
) STRICT;
