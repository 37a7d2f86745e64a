//! Someone else's certificate.

use crate::judge::facts::Facts;
use crate::judge::rule::{Finding, Rule, blocked, rule};
use crate::judge::say;
use crate::judge::seen::{Hop, Path};
use crate::model::{CertificateFault, Mechanism};

use super::layers::comparison;

pub(in crate::judge) const PROVEN: &[Rule] = &[
    blocked!(
        "tls.mitm.known_ca",
        TlsMitm,
        SelfProving,
        0.999,
        1.0,
        known_ca,
        "A certificate of the chain is that of a known interception CA (SHA-256 of its roots, SHA-1 of its intermediates), and no control is shown a bad chain too.",
        "Chromium net/data/ssl/blocklist; OONI report on Kazakhstan, 2024-09-19"
    ),
    blocked!(
        "tls.mitm.known_name",
        TlsMitm,
        SelfProving,
        0.98,
        1.0,
        known_name,
        "An untrusted chain names a known interception CA as subject or issuer, and no control is shown a bad chain too.",
        "OONI report on Kazakhstan, 2024-09-19; Raman et al., IMC 2020"
    ),
];

pub(in crate::judge) const DIFFERENTIAL: &[Rule] = &[
    rule!(
        "tls.same_leaf",
        Inconclusive,
        Weak,
        0.0,
        0.0,
        same_leaf,
        "The certificate that is not trusted here is the very one that the control accepts: our trust store differs, nothing more.",
        "OONI data: Signal's change of CA looked like a block everywhere"
    ),
    rule!(
        "tls.out_of_date",
        Inconclusive,
        Weak,
        0.0,
        0.0,
        out_of_date,
        "The certificate is the site's own but for its dates, and the peer owns its key: a stale server of several, or a wrong clock here. Nobody in between can show that.",
        "RFC 5280 section 4.1.2.5; RFC 8446 section 4.4.3"
    ),
    blocked!(
        "tls.mitm.differential",
        TlsMitm,
        Differential,
        0.9,
        1.0,
        mitm,
        "The certificate does not prove the site here, while the control gets a valid answer and a foreign canary answers.",
        "DESIGN 4.5; OONI ts-017"
    ),
];

fn known_ca(facts: &Facts<'_>) -> Option<Finding> {
    let (hop, path, ca) = facts
        .seen
        .paths()
        .find_map(|(hop, path)| path.tls.and_then(|tls| facts.knowledge.known_ca(tls)).map(|ca| (hop, path, ca)))?;
    (!facts.controls.sees_bad_certificate()).then(|| {
        Finding::new(say::certificate(hop, path)).and(Some(format!(
            "The chain holds the certificate of a known interception authority, {} ({}, {}).",
            ca.subject,
            ca.hash.short(),
            ca.source
        )))
    })
}

fn known_name(facts: &Facts<'_>) -> Option<Finding> {
    let named = |(hop, path): (&Hop<'_>, &Path<'_>)| -> Option<(String, &'static str)> {
        let tls = path.tls.filter(|tls| tls.faults.contains(&CertificateFault::UnknownIssuer))?;
        facts.knowledge.known_name(tls).map(|name| (say::certificate(hop, path), name.source))
    };
    let (sentence, source) = facts.seen.paths().find_map(named)?;
    (!facts.controls.sees_bad_certificate()).then(|| {
        Finding::new(sentence)
            .and(Some(format!("The chain names an authority that is known for interception ({source}).")))
    })
}

fn same_leaf(facts: &Facts<'_>) -> Option<Finding> {
    let failing = facts.failing.as_ref().filter(|failing| failing.mechanism == Some(Mechanism::TlsMitm))?;
    let leaf = failing.path.as_ref()?.tls?.chain.first()?;
    let is_it = |sha256: &Option<String>| sha256.as_ref().is_some_and(|hash| hash.eq_ignore_ascii_case(&leaf.sha256));
    let (report, _) = facts.controls.answers().find(|(_, http)| is_it(&http.leaf_sha256))?;
    Some(Finding::new("The certificate is not trusted here.").and([
        format!(
            "The control {} was shown the same certificate and accepts it, so nobody in between changed it.",
            report.id
        ),
        "Add the site's root with [tls] extra_roots if it should be trusted.".into(),
    ]))
}

fn out_of_date(facts: &Facts<'_>) -> Option<Finding> {
    let failing = facts.failing.as_ref().filter(|failing| failing.is_about_dates())?;
    let mut reasons = say::failure(facts, failing).into_iter();
    Some(
        Finding::new(reasons.next().unwrap_or_default()).and(reasons).and(say::controls(facts)).and(Some(
            "It is the site's own in all but its dates, so a stale server or a wrong clock is to blame.".into(),
        )),
    )
}

fn mitm(facts: &Facts<'_>) -> Option<Finding> {
    comparison(facts, Mechanism::TlsMitm)
}
