"""Holds what was written against docs/schema, and the schemas against what they must refuse."""

import copy
import json
import pathlib
import sys

from jsonschema import Draft202012Validator

schemas = pathlib.Path(sys.argv[1]).parent / "schema"


def lines(name):
    return [json.loads(line) for line in pathlib.Path(name).read_text().splitlines()]


counts = {}
for name, objects in [
    ("span", lines("spans.ndjson")),
    ("measurement", lines("measurements.ndjson") + lines("own.ndjson")),
    ("check", lines("check.ndjson")),
    ("ooni-annotations", [document["annotations"] for document in lines("out.jsonl")]),
]:
    schema = json.loads((schemas / f"{name}.json").read_text())
    Draft202012Validator.check_schema(schema)
    validator = Draft202012Validator(schema, format_checker=Draft202012Validator.FORMAT_CHECKER)
    for number, one in enumerate(objects):
        for error in validator.iter_errors(one):
            sys.exit(f"{name} {number}: {error.json_path}: {error.message[:300]}")
    one = objects[0]
    assert set(schema["required"]) <= set(one) <= set(schema["properties"]), set(one) ^ set(schema["properties"])
    if name == "span" or name == "check":
        assert set(one) == set(schema["properties"])
    for field in schema["required"]:
        less = {key: value for key, value in one.items() if key != field}
        assert not validator.is_valid(less), f"{name} without {field} is let through"
    assert not validator.is_valid({**one, "free": 1}), f"{name} with another field is let through"
    wrong = copy.deepcopy(one)
    wrong["blockspan_status" if name == "ooni-annotations" else "status"] = "censored"
    assert not validator.is_valid(wrong)
    counts[name] = len(objects)
print(json.dumps(counts))
