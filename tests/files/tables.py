"""Reads measurements and spans as Parquet, CSV and NDJSON with DuckDB and pandas: types, numbers of rows, values."""

import json
import re
import sys

import duckdb
import pandas

ZONED = "TIMESTAMP WITH TIME ZONE"
duckdb.sql("SET TimeZone = 'UTC'")

# What a flat column is called in the objects of NDJSON.
OF_OBJECTS = {
    "measurements": {
        name: name
        for name in ["measurement_id", "site", "url", "vantage", "trigger", "started_at", "elapsed_seconds", "status",
                     "mechanism", "confidence", "ruleset"]
    } | {
        "rules": "array_to_string(rules, ';')",
        "control_id": "control.id",
        "control_status": "control.status",
        "control_at": "control.at",
        "tcp_tried": "len(tcp)",
    },
    "spans": {
        name: name
        for name in ["span_id", "site", "url", "vantage", "source", "status", "mechanism", "ongoing", "last_observed",
                     "measurements", "confidence"]
    } | {f"{end}_{side}": f'"{end}".{side}' for end in ["start", "end"] for side in ["earliest", "latest"]},
}


def rows(query):
    return duckdb.sql(query).fetchall()


def types(source):
    return {row[0]: row[1] for row in rows(f"DESCRIBE SELECT * FROM {source}")}


def same(columns, one, other, key):
    """Every value of these columns, by the key; a CSV tells null and nothing alike."""
    for name, (left, right, kind) in columns.items():
        if kind == "VARCHAR":
            left, right = (f"nullif(({said})::VARCHAR, '')" for said in (left, right))
        differ = rows(
            f"SELECT a.{key}, a.v, b.v FROM (SELECT {key}::VARCHAR AS {key}, ({left})::{kind} AS v FROM {one}) a "
            f"FULL JOIN (SELECT {key}::VARCHAR AS {key}, ({right})::{kind} AS v FROM {other}) b USING ({key}) "
            f"WHERE a.v IS DISTINCT FROM b.v LIMIT 1"
        )
        assert not differ, f"{name} of {one} and {other}: {differ}"


told = {}
for table, key in [("measurements", "measurement_id"), ("spans", "span_id")]:
    parquet, csv, ndjson = f"'{table}.parquet'", f"'{table}.csv'", f"read_ndjson('{table}.ndjson', sample_size = -1)"
    counts = {source: rows(f"SELECT count(*) FROM {source}")[0][0] for source in [parquet, csv, ndjson]}
    assert len(set(counts.values())) == 1, counts
    told[table] = counts[parquet]

    typed = types(parquet)
    instants = [name for name, kind in typed.items() if kind == ZONED]
    assert instants == {
        "measurements": ["started_at", "control_at"],
        "spans": ["start_earliest", "start_latest", "end_earliest", "end_latest", "last_observed"],
    }[table], instants
    in_csv = types(csv)
    assert all(in_csv[name] == ZONED for name in instants), in_csv
    flat = {name: (name, name, kind) for name, kind in typed.items() if name in in_csv}
    assert list(in_csv) == list(flat), "CSV has the columns of Parquet but those that are JSON"
    # An apostrophe before what a spreadsheet would compute is the only thing that CSV adds.
    same(flat, parquet, csv, key)
    objects = OF_OBJECTS[table]
    same({name: (name, said, typed[name]) for name, said in objects.items()}, parquet, ndjson, key)
    for name in instants:
        said = objects.get(name)
        assert said is None or rows(f"SELECT DISTINCT typeof({said}) FROM {ndjson} WHERE {said} IS NOT NULL") == [(ZONED,)], name

    frames = [
        pandas.read_parquet(f"{table}.parquet"),
        pandas.read_csv(f"{table}.csv", parse_dates=instants),
        pandas.DataFrame(json.loads(line) for line in open(f"{table}.ndjson", encoding="utf-8")),
    ]
    assert [len(frame) for frame in frames] == [told[table]] * 3
    for frame in frames[:2]:
        for name in instants:
            assert isinstance(frame[name].dtype, pandas.DatetimeTZDtype) and str(frame[name].dtype.tz) == "UTC", name
    for name in ["status", "mechanism", "confidence"]:
        values = [frame.set_index(key)[name].sort_index() for frame in frames]
        for other in values[1:]:
            assert values[0].fillna("").astype(str).tolist() == other.fillna("").astype(str).tolist(), name

days = rows("SELECT count(DISTINCT started_at::DATE) FROM 'measurements.parquet'")[0][0]
groups = rows("SELECT count(DISTINCT row_group_id) FROM parquet_metadata('measurements.parquet')")[0][0]
assert groups == days, (groups, days)

# The examples of the documentation, each as it stands there.
for page in sys.argv[1:]:
    blocks = re.findall(r"```sql\n(.*?)```", open(page, encoding="utf-8").read(), re.DOTALL)
    assert blocks, page
    for block in blocks:
        # The record of this test is all imported: what asks for our own measurements finds none.
        assert rows(block) or "source = 'measured'" in block, f"{page}: nothing is found by\n{block}"
print(json.dumps(told))
