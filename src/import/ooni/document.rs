//! The parts of a document that we read (OONI spec, data formats df-000 to df-008). Everything else is passed over. Any
//! list may be null.

use std::borrow::Cow;
use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::value::RawValue;

/// df-000: what stands around every measurement. The keys of the test are left as they are until they are wanted.
#[derive(Debug, Deserialize)]
pub(super) struct Envelope<'d> {
    #[serde(borrow)]
    pub(super) test_name: Cow<'d, str>,
    #[serde(borrow, default)]
    pub(super) input: Option<Cow<'d, str>>,
    #[serde(borrow, default)]
    pub(super) measurement_start_time: Cow<'d, str>,
    #[serde(borrow, default)]
    pub(super) measurement_uid: Option<Cow<'d, str>>,
    #[serde(borrow, default)]
    pub(super) report_id: Option<Cow<'d, str>>,
    #[serde(borrow, default)]
    pub(super) probe_asn: Cow<'d, str>,
    #[serde(borrow, default)]
    pub(super) probe_cc: Cow<'d, str>,
    #[serde(default)]
    pub(super) test_runtime: Option<f64>,
    #[serde(borrow, default)]
    pub(super) test_helpers: Option<&'d RawValue>,
    #[serde(borrow)]
    pub(super) test_keys: &'d RawValue,
}

/// The keys of Web Connectivity.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Keys<'d> {
    #[serde(borrow)]
    pub(super) queries: Option<Vec<Query<'d>>>,
    #[serde(borrow)]
    pub(super) tcp_connect: Option<Vec<Connect<'d>>>,
    #[serde(borrow)]
    pub(super) tls_handshakes: Option<Vec<Handshake<'d>>>,
    /// The newest first.
    #[serde(borrow)]
    pub(super) requests: Option<Vec<Exchange<'d>>>,
    #[serde(borrow)]
    pub(super) control: Option<Control<'d>>,
    #[serde(borrow)]
    pub(super) control_failure: Option<Cow<'d, str>>,
    #[serde(borrow)]
    pub(super) dns_experiment_failure: Option<Cow<'d, str>>,
    #[serde(borrow)]
    pub(super) http_experiment_failure: Option<Cow<'d, str>>,
    /// What our own export adds: all that a verdict rests on.
    #[serde(borrow)]
    pub(super) x_blockspan: Option<Own<'d>>,
}

/// The evidence as it was stored, in the version of this form.
#[derive(Debug, Deserialize)]
pub(super) struct Own<'d> {
    pub(super) version: u32,
    #[serde(borrow)]
    pub(super) evidence: Option<&'d RawValue>,
}

/// df-002
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Query<'d> {
    #[serde(borrow)]
    pub(super) answers: Option<Vec<Answer<'d>>>,
    #[serde(borrow)]
    pub(super) engine: Option<Cow<'d, str>>,
    #[serde(borrow)]
    pub(super) failure: Option<Cow<'d, str>>,
    #[serde(borrow)]
    pub(super) hostname: Cow<'d, str>,
    #[serde(borrow)]
    pub(super) query_type: Cow<'d, str>,
    #[serde(borrow)]
    pub(super) resolver_address: Option<Cow<'d, str>>,
    pub(super) t0: Option<f64>,
    pub(super) t: Option<f64>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Answer<'d> {
    #[serde(borrow)]
    pub(super) hostname: Option<Cow<'d, str>>,
    #[serde(borrow)]
    pub(super) ipv4: Option<Cow<'d, str>>,
    #[serde(borrow)]
    pub(super) ipv6: Option<Cow<'d, str>>,
    pub(super) ttl: Option<u32>,
}

/// df-005
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Connect<'d> {
    #[serde(borrow)]
    pub(super) ip: Cow<'d, str>,
    pub(super) port: u16,
    #[serde(borrow)]
    pub(super) status: Status<'d>,
    pub(super) t0: Option<f64>,
    pub(super) t: Option<f64>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Status<'d> {
    #[serde(borrow)]
    pub(super) failure: Option<Cow<'d, str>>,
    pub(super) success: Option<bool>,
}

/// df-006
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Handshake<'d> {
    #[serde(borrow)]
    pub(super) network: Option<Cow<'d, str>>,
    #[serde(borrow)]
    pub(super) address: Option<Cow<'d, str>>,
    #[serde(borrow)]
    pub(super) cipher_suite: Option<Cow<'d, str>>,
    #[serde(borrow)]
    pub(super) failure: Option<Cow<'d, str>>,
    #[serde(borrow)]
    pub(super) negotiated_protocol: Option<Cow<'d, str>>,
    pub(super) no_tls_verify: Option<bool>,
    #[serde(borrow)]
    pub(super) peer_certificates: Option<Vec<Bytes<'d>>>,
    #[serde(borrow)]
    pub(super) server_name: Option<Cow<'d, str>>,
    #[serde(borrow)]
    pub(super) tls_version: Option<Cow<'d, str>>,
    pub(super) t0: Option<f64>,
    pub(super) t: Option<f64>,
}

/// Bytes as `{"format": "base64", "data": "…"}`, or as text where they are UTF-8.
#[derive(Debug, Deserialize)]
#[serde(untagged)]
pub(super) enum Bytes<'d> {
    Text(#[serde(borrow)] Cow<'d, str>),
    Base64 {
        #[serde(borrow)]
        data: Cow<'d, str>,
    },
}

/// df-001
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Exchange<'d> {
    #[serde(borrow)]
    pub(super) address: Option<Cow<'d, str>>,
    #[serde(borrow)]
    pub(super) alpn: Option<Cow<'d, str>>,
    #[serde(borrow)]
    pub(super) failure: Option<Cow<'d, str>>,
    #[serde(borrow)]
    pub(super) request: Option<Asked<'d>>,
    #[serde(borrow)]
    pub(super) response: Option<Response<'d>>,
    pub(super) t0: Option<f64>,
    pub(super) t: Option<f64>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Asked<'d> {
    #[serde(borrow)]
    pub(super) url: Cow<'d, str>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Response<'d> {
    #[serde(borrow)]
    pub(super) body: Option<Bytes<'d>>,
    pub(super) body_is_truncated: Option<bool>,
    pub(super) code: Option<i64>,
    #[serde(borrow)]
    pub(super) headers: Option<BTreeMap<Cow<'d, str>, Bytes<'d>>>,
}

/// What the test helper answered.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Control<'d> {
    #[serde(borrow)]
    pub(super) tcp_connect: Option<BTreeMap<Cow<'d, str>, Endpoint<'d>>>,
    #[serde(borrow)]
    pub(super) tls_handshake: Option<BTreeMap<Cow<'d, str>, Endpoint<'d>>>,
    #[serde(borrow)]
    pub(super) http_request: Option<ControlPage<'d>>,
    #[serde(borrow)]
    pub(super) dns: Option<ControlNames<'d>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Endpoint<'d> {
    pub(super) status: Option<bool>,
    #[serde(borrow)]
    pub(super) failure: Option<Cow<'d, str>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct ControlPage<'d> {
    pub(super) body_length: Option<i64>,
    #[serde(borrow)]
    pub(super) failure: Option<Cow<'d, str>>,
    #[serde(borrow)]
    pub(super) title: Option<Cow<'d, str>>,
    #[serde(borrow)]
    pub(super) headers: Option<BTreeMap<Cow<'d, str>, &'d RawValue>>,
    pub(super) status_code: Option<i64>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct ControlNames<'d> {
    #[serde(borrow)]
    pub(super) failure: Option<Cow<'d, str>>,
    #[serde(borrow)]
    pub(super) addrs: Option<Vec<Cow<'d, str>>>,
}
