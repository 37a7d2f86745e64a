//! `[tls]` and `[network]`: what is trusted, and what counts as public.

use std::io;
use std::path::{Path, PathBuf};

use ipnet::IpNet;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;

use super::document::{Doc, Fields};
use super::fault::Wrong;
use super::knowledge;
use super::source::{in_words, read_bytes};
use super::types::{NetworkConfig, TlsConfig};
use super::value::{parsed, text};

pub(super) fn read_tls(fields: &mut Fields<'_>) -> TlsConfig {
    let doc = fields.doc;
    let roots = fields.list("extra_roots", |node| {
        let path = beside(doc, &text(node)?);
        doc.findings.reading(&path);
        check_roots(&path)?;
        Ok(path)
    });
    TlsConfig { extra_roots: roots.unwrap_or_default().into_iter().map(|at| at.value).collect() }
}

pub(super) fn read_network(fields: &mut Fields<'_>) -> NetworkConfig {
    let ranges = fields.list("allow_private", parsed(range)).unwrap_or_default();
    for range in &ranges {
        if range.value.prefix_len() == 0 {
            fields.doc.warn(&range.span, "every address counts as public: no answer will be seen as a bogon");
        }
    }
    let (asn_files, networks) = knowledge::read_networks(fields);
    NetworkConfig { allow_private: ranges.into_iter().map(|at| at.value).collect(), asn_files, networks }
}

/// A path as it is meant in a file: relative to the directory that the file stands in.
pub(super) fn beside(doc: Doc<'_>, path: &str) -> PathBuf {
    doc.source.path.parent().unwrap_or(Path::new("")).join(path)
}

fn range(text: &str) -> Result<IpNet, Wrong> {
    let not_one = || Wrong::new("is not a range of addresses");
    let expected = "ADDRESS/BITS (CIDR), for example \"10.0.0.0/8\" or \"fd00::/8\"";
    let net: IpNet = text.parse().map_err(|_| match text.parse::<std::net::IpAddr>() {
        Ok(ip) => not_one().label("no `/BITS`").write(IpNet::from(ip)),
        Err(_) => not_one().expected(expected),
    })?;
    if net.addr() != net.network() {
        return Err(not_one().label("bits set behind the prefix").write(net.trunc()));
    }
    Ok(net)
}

fn check_roots(path: &Path) -> Result<(), Wrong> {
    let pem = readable(path)?;
    let mut count = 0;
    for certificate in CertificateDer::pem_slice_iter(&pem) {
        let certificate = certificate.map_err(|_| Wrong::new("names a file that is not PEM"))?;
        webpki::anchor_from_trusted_cert(&certificate).map_err(|_| {
            Wrong::new("names a file with a broken certificate").label(format!("number {} in the file", count + 1))
        })?;
        count += 1;
    }
    if count == 0 {
        return Err(Wrong::new("names a file without a certificate")
            .expected("a PEM file: -----BEGIN CERTIFICATE----- and so on"));
    }
    Ok(())
}

/// The bytes of a file that a key names.
pub(super) fn readable(path: &Path) -> Result<Vec<u8>, Wrong> {
    read_bytes(path).map_err(|error: io::Error| {
        Wrong::new(format!("names a file that cannot be read: {}", in_words(&error)))
            .help("paths are relative to the directory of this file")
    })
}
