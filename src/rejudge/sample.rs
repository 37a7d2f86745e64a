//! Evidence that the judge has an opinion on, for tests and benches.

use crate::model::{
    CanaryReport, CanaryResult, CanaryScope, ControlHttp, ControlKind, ControlReport, Evidence, Failure,
};

/// The evidence with a control that reached the site and a canary that answered.
pub(crate) fn with_second_opinion(mut evidence: Evidence) -> Evidence {
    let at = evidence.measurement.started_at;
    evidence.controls = vec![ControlReport {
        id: "abroad".parse().unwrap(),
        kind: ControlKind::Vantage,
        at,
        unusable: None,
        dns: None,
        endpoints: Vec::new(),
        http: Some(ControlHttp {
            failure: None,
            status: Some(200),
            title: Some("The news".to_owned()),
            header_names: vec!["content-type".to_owned(), "etag".to_owned()],
            body_length: Some(40_000),
            leaf_sha256: None,
            final_url: None,
        }),
        quic: Vec::new(),
        pace: None,
    }];
    let url = "https://www.wikipedia.org/".parse().unwrap();
    let result = CanaryResult::new(url, CanaryScope::Foreign, None);
    evidence.canaries = Some(CanaryReport { at, results: vec![result] });
    evidence
}

/// The evidence with the greeting answered by a reset, where it was swallowed.
pub(crate) fn with_resets(mut evidence: Evidence) -> Evidence {
    for handshake in &mut evidence.measurement.tls {
        handshake.failure = Some(Failure::ConnectionReset);
    }
    evidence
}
