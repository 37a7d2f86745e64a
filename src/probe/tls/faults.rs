//! All that is wrong with a chain. The library stops at the first fault, so each check is run apart.

use std::collections::BTreeSet;
use std::time::Duration;

use rustls::crypto::WebPkiSupportedAlgorithms;
use rustls::pki_types::{CertificateDer, ServerName, TrustAnchor, UnixTime};
use webpki::{EndEntityCert, Error, KeyUsage};
use x509_parser::certificate::X509Certificate;
use x509_parser::prelude::FromDer;

use crate::model::CertificateFault;

/// Steps from issuer to issuer that are followed when a path has to be walked by name.
const MAX_STEPS: usize = 10;

/// Everything wrong with `chain` (leaf first) for `name` at `now`; empty when it verifies.
pub(super) fn of_chain(
    chain: &[CertificateDer<'_>],
    name: &ServerName<'_>,
    now: UnixTime,
    anchors: &[TrustAnchor<'_>],
    algorithms: &WebPkiSupportedAlgorithms,
) -> BTreeSet<CertificateFault> {
    let mut faults = BTreeSet::new();
    let Some((leaf, intermediates)) = chain.split_first() else {
        faults.insert(CertificateFault::Malformed);
        return faults;
    };
    faults.extend(date_fault(leaf, now));
    let Ok(end_entity) = EndEntityCert::try_from(leaf) else {
        // Not even readable by the strict reader (X.509 version 1, odd encodings): nothing can vouch for it.
        faults.extend([CertificateFault::Malformed, CertificateFault::UnknownIssuer]);
        return faults;
    };
    if end_entity.verify_is_valid_for_subject_name(name).is_err() {
        faults.insert(CertificateFault::WrongName);
    }
    let verify = |time| {
        end_entity
            .verify_for_usage(algorithms.all, anchors, intermediates, time, KeyUsage::server_auth(), None, None)
            .map(drop)
    };
    let mut outcome = verify(now);
    if let Err(error) = &outcome
        && let Some(fault) = date_error(error)
    {
        if !faults.contains(&CertificateFault::Expired) && !faults.contains(&CertificateFault::NotYetValid) {
            faults.insert(fault);
        }
        // Out of date hides all else: ask again at a time when the chain was young.
        let again = moments_within(chain).into_iter().map(&verify).find(|outcome| match outcome {
            Ok(()) => true,
            Err(error) => date_error(error).is_none(),
        });
        outcome = match again {
            Some(outcome) => outcome,
            None if leads_to_anchor(leaf, intermediates, anchors) => Ok(()),
            None => Err(Error::UnknownIssuer),
        };
    }
    match outcome {
        Ok(()) => {}
        // A signature that does not fit is someone else writing a trusted issuer's name.
        Err(Error::UnknownIssuer | Error::InvalidSignatureForPublicKey) => {
            faults.insert(CertificateFault::UnknownIssuer);
        }
        Err(_) => {
            faults.insert(CertificateFault::Malformed);
            if !leads_to_anchor(leaf, intermediates, anchors) {
                faults.insert(CertificateFault::UnknownIssuer);
            }
        }
    }
    faults
}

fn date_error(error: &Error) -> Option<CertificateFault> {
    match error {
        Error::CertExpired { .. } => Some(CertificateFault::Expired),
        Error::CertNotValidYet { .. } => Some(CertificateFault::NotYetValid),
        _ => None,
    }
}

fn date_fault(leaf: &[u8], now: UnixTime) -> Option<CertificateFault> {
    let (not_before, not_after) = validity(leaf)?;
    let now = i64::try_from(now.as_secs()).unwrap_or(i64::MAX);
    if now > not_after {
        Some(CertificateFault::Expired)
    } else if now < not_before {
        Some(CertificateFault::NotYetValid)
    } else {
        None
    }
}

fn validity(der: &[u8]) -> Option<(i64, i64)> {
    let (_, certificate) = X509Certificate::from_der(der).ok()?;
    Some((certificate.validity().not_before.timestamp(), certificate.validity().not_after.timestamp()))
}

/// Times at which a chain may have been valid: inside the span that all its certificates share, then inside the leaf's.
fn moments_within(chain: &[CertificateDer<'_>]) -> Vec<UnixTime> {
    let spans: Vec<(i64, i64)> = chain.iter().filter_map(|der| validity(der)).collect();
    let shared_start = spans.iter().map(|span| span.0).max();
    let shared_end = spans.iter().map(|span| span.1).min();
    let leaf = spans.first();
    [shared_start, shared_end, leaf.map(|span| span.0), leaf.map(|span| span.1)]
        .into_iter()
        .flatten()
        .filter_map(|seconds| u64::try_from(seconds).ok())
        .map(|seconds| UnixTime::since_unix_epoch(Duration::from_secs(seconds)))
        .collect()
}

/// Whether the issuers' names lead to a trusted root. Used only beside another fault, where the library does
/// not get as far as building a path; it proves nothing by itself.
fn leads_to_anchor(leaf: &[u8], intermediates: &[CertificateDer<'_>], anchors: &[TrustAnchor<'_>]) -> bool {
    let Some((_, mut issuer)) = names(leaf) else { return false };
    for _ in 0..MAX_STEPS {
        if anchors.iter().any(|anchor| anchor.subject.as_ref() == issuer.as_slice()) {
            return true;
        }
        let next = intermediates
            .iter()
            .filter_map(|der| names(der))
            .find(|(subject, above)| *subject == issuer && *above != issuer);
        match next {
            Some((_, above)) => issuer = above,
            None => return false,
        }
    }
    false
}

/// Subject and issuer as trust anchors hold them: the contents of the outer SEQUENCE.
fn names(der: &[u8]) -> Option<(Vec<u8>, Vec<u8>)> {
    let (_, certificate) = X509Certificate::from_der(der).ok()?;
    Some((contents(certificate.subject().as_raw())?.to_vec(), contents(certificate.issuer().as_raw())?.to_vec()))
}

fn contents(der: &[u8]) -> Option<&[u8]> {
    let length = *der.get(1)?;
    let header = if length < 0x80 { 2 } else { 2 + usize::from(length & 0x7f) };
    der.get(header..)
}

#[cfg(test)]
mod tests {
    use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair};

    use super::*;
    use CertificateFault::{Expired, Malformed, NotYetValid, UnknownIssuer, WrongName};

    struct Ca {
        der: CertificateDer<'static>,
        issuer: Issuer<'static, KeyPair>,
    }

    fn ca(name: &str) -> Ca {
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.distinguished_name.push(DnType::CommonName, name);
        let key = KeyPair::generate().unwrap();
        let der = params.self_signed(&key).unwrap().der().clone();
        Ca { der, issuer: Issuer::new(params, key) }
    }

    fn leaf(ca: &Ca, name: &str, years: (i32, i32)) -> CertificateDer<'static> {
        let mut params = CertificateParams::new(vec![name.to_owned()]).unwrap();
        params.not_before = rcgen::date_time_ymd(years.0, 1, 1);
        params.not_after = rcgen::date_time_ymd(years.1, 1, 1);
        params.signed_by(&KeyPair::generate().unwrap(), &ca.issuer).unwrap().der().clone()
    }

    fn faults(chain: &[CertificateDer<'static>], roots: &[&Ca]) -> Vec<CertificateFault> {
        let anchors: Vec<_> = roots.iter().map(|ca| webpki::anchor_from_trusted_cert(&ca.der).unwrap()).collect();
        let name = ServerName::try_from("site.example").unwrap();
        // 2026-01-01
        let now = UnixTime::since_unix_epoch(Duration::from_secs(1_767_225_600));
        let provider = rustls::crypto::aws_lc_rs::default_provider();
        of_chain(chain, &name, now, &anchors, &provider.signature_verification_algorithms).into_iter().collect()
    }

    #[test]
    fn every_fault_is_found_beside_every_other() {
        let (good, bad) = (ca("good"), ca("bad"));
        let now = (2025, 2027);
        let past = (2020, 2021);
        let future = (2028, 2029);
        let table = [
            (&good, "site.example", now, vec![]),
            (&good, "site.example", past, vec![Expired]),
            (&good, "site.example", future, vec![NotYetValid]),
            (&good, "other.example", now, vec![WrongName]),
            (&good, "other.example", past, vec![WrongName, Expired]),
            (&bad, "site.example", now, vec![UnknownIssuer]),
            (&bad, "site.example", past, vec![UnknownIssuer, Expired]),
            (&bad, "other.example", future, vec![UnknownIssuer, WrongName, NotYetValid]),
        ];
        for (signer, name, years, expected) in table {
            assert_eq!(faults(&[leaf(signer, name, years)], &[&good]), expected, "{name} {years:?}");
        }
    }

    #[test]
    fn a_borrowed_issuer_name_is_no_trust() {
        let (good, forged) = (ca("good"), ca("good"));
        assert_eq!(faults(&[leaf(&forged, "site.example", (2025, 2027))], &[&good]), [UnknownIssuer]);
    }

    #[test]
    fn a_root_served_as_leaf_is_malformed_and_unknown_unless_trusted() {
        let (good, bad) = (ca("good"), ca("bad"));
        assert_eq!(faults(std::slice::from_ref(&bad.der), &[&good]), [UnknownIssuer, WrongName, Malformed]);
        assert_eq!(faults(std::slice::from_ref(&good.der), &[&good]), [WrongName, Malformed]);
    }

    #[test]
    fn an_expired_intermediate_does_not_hide_the_root() {
        let (good, bad) = (ca("good"), ca("bad"));
        for (root, expected) in [(&good, vec![Expired]), (&bad, vec![UnknownIssuer, Expired])] {
            let mut params = CertificateParams::default();
            params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
            params.distinguished_name.push(DnType::CommonName, "middle");
            params.not_before = rcgen::date_time_ymd(2020, 1, 1);
            params.not_after = rcgen::date_time_ymd(2021, 1, 1);
            let key = KeyPair::generate().unwrap();
            let der = params.signed_by(&key, &root.issuer).unwrap().der().clone();
            let middle = Ca { der, issuer: Issuer::new(params, key) };
            let chain = [leaf(&middle, "site.example", (2025, 2027)), middle.der.clone()];
            assert_eq!(faults(&chain, &[&good]), expected);
        }
    }

    #[test]
    fn junk_is_malformed() {
        assert_eq!(faults(&[CertificateDer::from(vec![0x30, 3, 1, 2, 3])], &[]), [UnknownIssuer, Malformed]);
        assert_eq!(faults(&[], &[]), [Malformed]);
    }

    proptest::proptest! {
        #[test]
        fn a_damaged_certificate_never_panics_and_never_verifies(at in 0usize..300, flip in 1u8..=255) {
            let good = ca("good");
            let mut der = leaf(&good, "site.example", (2025, 2027)).to_vec();
            let at = at % der.len();
            der[at] ^= flip;
            proptest::prop_assert!(!faults(&[CertificateDer::from(der)], &[&good]).is_empty());
        }
    }
}
