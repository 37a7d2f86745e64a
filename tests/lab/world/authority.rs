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

use crate::scenario::Authority;

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

fn make([country, organisation, name]: [&str; 3]) -> Result<CertifiedIssuer<'static, KeyPair>, rcgen::Error> {
    let mut params = CertificateParams::default();
    params.distinguished_name = rcgen::DistinguishedName::new();
    params.distinguished_name.push(DnType::CountryName, country);
    params.distinguished_name.push(DnType::OrganizationName, organisation);
    params.distinguished_name.push(DnType::CommonName, name);
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    CertifiedIssuer::self_signed(params, KeyPair::generate()?)
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

/// A certificate for `names` with its key and the authority's certificate behind it.
pub(crate) fn issue(authority: Authority, names: &[String]) -> Result<Arc<CertifiedKey>> {
    let issuer = issuer(authority)?;
    let mut params = CertificateParams::new(names)?;
    params.distinguished_name = rcgen::DistinguishedName::new();
    params.distinguished_name.push(DnType::CommonName, names.first().map_or("nameless", String::as_str));
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    params.not_before = (SystemTime::now() - DAY).into();
    params.not_after = (SystemTime::now() + 75 * DAY).into();
    let key = KeyPair::generate()?;
    let certificate = params.signed_by(&key, issuer)?;
    let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(key.serialize_der()));
    let key = aws_lc_rs::sign::any_supported_type(&key)?;
    Ok(Arc::new(CertifiedKey::new(vec![certificate.der().clone(), issuer.der().clone()], key)))
}

/// Makes a certificate for whatever name the client asks for, as an intercepting box does.
#[derive(Debug)]
pub(crate) struct ByName {
    authority: Authority,
    made: Mutex<HashMap<String, Arc<CertifiedKey>>>,
}

impl ByName {
    pub(crate) fn new(authority: Authority) -> Self {
        Self { authority, made: Mutex::default() }
    }
}

impl ResolvesServerCert for ByName {
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        let name = hello.server_name()?.to_owned();
        let mut made = self.made.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(key) = made.get(&name) {
            return Some(key.clone());
        }
        let key = issue(self.authority, std::slice::from_ref(&name)).ok()?;
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
