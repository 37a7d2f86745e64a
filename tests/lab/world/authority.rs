//! Certificate authorities of the lab, made once a run, and the certificates that they sign.

use std::collections::HashMap;
use std::sync::{Arc, LazyLock, Mutex, PoisonError};
use std::time::{Duration, SystemTime};

use anyhow::{Context, Result};
use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DnType, ExtendedKeyUsagePurpose, IsCa, KeyPair,
    KeyUsagePurpose,
};
use rustls::crypto::aws_lc_rs;
use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;

use crate::scenario::{Authority, Certificate};

const DAY: Duration = Duration::from_secs(86_400);

static AUTHORITIES: LazyLock<HashMap<Authority, Result<CertifiedIssuer<'static, KeyPair>, rcgen::Error>>> =
    LazyLock::new(|| {
        [
            (Authority::Lab, ["NL", "Lab", "Lab Root"]),
            (Authority::KazakhName, ["KZ", "ISCA", "Information Security Certification Authority"]),
            (Authority::Stranger, ["ZZ", "Somebody", "Somebody's Root"]),
        ]
        .map(|(authority, subject)| (authority, make(subject)))
        .into()
    });

fn make(subject: [&str; 3]) -> Result<CertifiedIssuer<'static, KeyPair>, rcgen::Error> {
    CertifiedIssuer::self_signed(ca(subject), KeyPair::generate()?)
}

fn ca([country, organisation, name]: [&str; 3]) -> CertificateParams {
    let mut params = CertificateParams::default();
    params.distinguished_name = rcgen::DistinguishedName::new();
    for (kind, value) in
        [(DnType::CountryName, country), (DnType::OrganizationName, organisation), (DnType::CommonName, name)]
    {
        params.distinguished_name.push(kind, value);
    }
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    params
}

fn issuer(authority: Authority) -> Result<&'static CertifiedIssuer<'static, KeyPair>> {
    let made = AUTHORITIES.get(&authority).context("no such authority")?;
    made.as_ref().map_err(|error| anyhow::anyhow!("make {authority:?}: {error}"))
}

/// The authority's own certificate.
pub(crate) fn root_pem(authority: Authority) -> Result<String> {
    Ok(issuer(authority)?.pem())
}

/// The authority's own certificate.
pub(crate) fn root_der(authority: Authority) -> Result<rustls::pki_types::CertificateDer<'static>> {
    Ok(issuer(authority)?.der().clone())
}

/// What certificates are like: who signs them, what is wrong with them, and which day it is.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Issuing {
    pub(crate) authority: Authority,
    pub(crate) certificate: Certificate,
    /// The world's today.
    pub(crate) today: SystemTime,
}

impl Issuing {
    /// A certificate for `names` with its key, and the chain behind it as a server sends it.
    pub(crate) fn issue(self, names: &[String]) -> Result<Arc<CertifiedKey>> {
        let root = issuer(self.authority)?;
        let other = ["another.lab".to_owned()];
        let names = if self.certificate == Certificate::WrongName { &other[..] } else { names };
        let mut params = CertificateParams::new(names)?;
        params.distinguished_name = rcgen::DistinguishedName::new();
        let name = names.first().map_or("nameless", String::as_str);
        params.distinguished_name.push(DnType::CommonName, name);
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        (params.not_before, params.not_after) = match self.certificate {
            Certificate::Expired => self.between(-85, -10),
            Certificate::NotYetValid => self.between(10, 85),
            _ => self.between(-1, 75),
        };
        let key = KeyPair::generate()?;
        let (certificate, behind) = match self.certificate {
            Certificate::SelfSigned => (params.self_signed(&key)?, None),
            Certificate::Intermediate | Certificate::NoIntermediate | Certificate::ExpiredIntermediate => {
                let middle = self.intermediate(root)?;
                let sent = self.certificate != Certificate::NoIntermediate;
                (params.signed_by(&key, &middle)?, sent.then(|| middle.der().clone()))
            }
            _ => (params.signed_by(&key, root)?, Some(root.der().clone())),
        };
        let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(key.serialize_der()));
        let key = aws_lc_rs::sign::any_supported_type(&key)?;
        let chain = std::iter::once(certificate.der().clone()).chain(behind).collect();
        Ok(Arc::new(CertifiedKey::new(chain, key)))
    }

    fn intermediate(self, root: &CertifiedIssuer<'static, KeyPair>) -> Result<CertifiedIssuer<'static, KeyPair>> {
        let mut params = ca(["NL", "Lab", "Lab Intermediate"]);
        (params.not_before, params.not_after) = match self.certificate {
            Certificate::ExpiredIntermediate => self.between(-85, -10),
            _ => self.between(-1, 75),
        };
        Ok(CertifiedIssuer::signed_by(params, KeyPair::generate()?, root)?)
    }

    /// From and until, in days from today.
    fn between<T: From<SystemTime>>(self, from: i64, until: i64) -> (T, T) {
        (shifted(self.today, from).into(), shifted(self.today, until).into())
    }
}

/// The instant some days after another.
pub(crate) fn shifted(instant: SystemTime, days: i64) -> SystemTime {
    let by = DAY * u32::try_from(days.unsigned_abs()).unwrap_or(u32::MAX);
    if days < 0 { instant - by } else { instant + by }
}

/// Makes a certificate for whatever name the client asks for, as an intercepting box does.
#[derive(Debug)]
pub(crate) struct ByName {
    issuing: Issuing,
    made: Mutex<HashMap<String, Arc<CertifiedKey>>>,
}

impl ByName {
    pub(crate) fn new(issuing: Issuing) -> Self {
        Self { issuing, made: Mutex::default() }
    }
}

impl ResolvesServerCert for ByName {
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        let name = hello.server_name()?.to_owned();
        let mut made = self.made.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(key) = made.get(&name) {
            return Some(key.clone());
        }
        let key = self.issuing.issue(std::slice::from_ref(&name)).ok()?;
        made.insert(name, key.clone());
        Some(key)
    }
}

/// Always the same certificate, whatever name is asked for, as most servers do.
#[derive(Debug)]
pub(crate) struct Fixed(pub(crate) Arc<CertifiedKey>);

impl ResolvesServerCert for Fixed {
    fn resolve(&self, _hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(self.0.clone())
    }
}
