"""Loads out.jsonl with OONI's own library, and tells what it found."""

import json

from oonidata.dataclient import load_measurement
from oonidata.models.nettests.web_connectivity import WebConnectivity

LAYERS = ["queries", "tcp_connect", "tls_handshakes", "requests", "network_events"]
told = {"documents": 0, "controls": 0, "blocking": set()} | {layer: 0 for layer in LAYERS}
for line in open("out.jsonl", encoding="utf-8"):
    measurement = load_measurement(json.loads(line))
    assert isinstance(measurement, WebConnectivity), type(measurement)
    assert measurement.probe_ip == "127.0.0.1" and measurement.measurement_uid, measurement
    keys = measurement.test_keys
    told["documents"] += 1
    told["controls"] += keys.control is not None and keys.control.dns.failure is None
    if keys.blocking:
        told["blocking"].add(keys.blocking)
    for layer in LAYERS:
        told[layer] += len(getattr(keys, layer))
    for query in keys.queries:
        assert query.hostname and query.engine, query
        assert query.failure or query.answers, query
    for connect in keys.tcp_connect:
        assert connect.ip and connect.port and connect.status.success == (connect.status.failure is None), connect
    for handshake in keys.tls_handshakes:
        assert handshake.server_name and handshake.address and handshake.t > handshake.t0, handshake
    for request in keys.requests:
        assert request.request.url and request.response.code == 200, request
    assert measurement.annotations["blockspan_status"], measurement.annotations
told["blocking"] = sorted(told["blocking"])
print(json.dumps(told))
