//! What the judge knows beside the evidence: interception CAs, fingerprints of block pages and sinkholes, the networks of
//! addresses, which addresses are public.

use std::net::IpAddr;
use std::sync::Arc;

use base64::Engine;
use ipnet::IpNet;

use crate::knowledge::{Asn, Fingerprint, Fingerprints, Networks, Scope};
use crate::model::{CertificateRecord, CountryCode, TlsHandshake, hex, is_bogon};

/// The hash of a certificate (DER), lower-case hex, as its publication gives it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CertificateHash {
    /// SHA-256.
    Sha256(&'static str),
    /// SHA-1: all that is published of some. To pass for one of them takes a second preimage, which nobody can make.
    Sha1(&'static str),
}

/// A certificate authority that is known to intercept, by the hash of its certificate.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct InterceptionCa {
    /// The hash of its certificate.
    pub hash: CertificateHash,
    /// Its subject.
    pub subject: &'static str,
    /// Where the hash is published.
    pub source: &'static str,
}

/// Attributes of a distinguished name that only an interception CA bears; all must be there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct InterceptionName {
    /// Attribute type (`CN`, `O`, `C`) and value.
    pub attributes: &'static [(&'static str, &'static str)],
    /// Where the name is published.
    pub source: &'static str,
}

/// What the judge knows beside the evidence. Built once.
#[derive(Debug, Clone, PartialEq)]
pub struct Knowledge {
    /// Ranges that count as public in every rule (`[network] allow_private`).
    pub allow_private: Vec<IpNet>,
    /// Block pages and sinkholes.
    pub fingerprints: Arc<Fingerprints>,
    /// Which network an address belongs to; empty when no table is configured.
    pub networks: Arc<Networks>,
}

const CHROMIUM: &str = "Chromium net/data/ssl/blocklist";
const OONI: &str = "OONI report on Kazakhstan, 2024-09-19";
const ISCA: &str = "C=KZ, O=ISCA, CN=Information Security Certification Authority";

const fn ca(sha256: &'static str, subject: &'static str, source: &'static str) -> InterceptionCa {
    InterceptionCa { hash: CertificateHash::Sha256(sha256), subject, source }
}

const fn intermediate(sha1: &'static str) -> InterceptionCa {
    InterceptionCa { hash: CertificateHash::Sha1(sha1), subject: "an intermediate of ISCA", source: OONI }
}

/// Roots made for the interception of TLS in Kazakhstan, 2016 to 2024.
const INTERCEPTION_CAS: &[InterceptionCa] = &[
    ca("00309c736dd661da6f1eb24173aa849944c168a43a15bffd192eecfdb6f8dbd2", "CN=Qaznet Trust Network", CHROMIUM),
    ca(
        "61c0fc2e38b5b6f9071b42cee54a9013d858b6697c68b460948551b3249576a1",
        "O=ISCA, CN=Information Security Certification Authority CA",
        CHROMIUM,
    ),
    ca("1df696f021ab1c3ace9a376b07ed7256a40214cd3396d7934087614924e2d7ef", ISCA, CHROMIUM),
    ca("0230a604d99220e5612ee7862ab9f7a6e18e4f1ac4c9e27075788cc5220169ab", ISCA, CHROMIUM),
    ca("06fd20629c143b9eab28d2799caefc5d23fde267d16c631e3f5b8b4bab3f68e6", ISCA, CHROMIUM),
    ca("0bd39de4793cdc117138f47708aa4d583acf67adb059a0d91f668d1803bf6489", ISCA, CHROMIUM),
    ca("c95c133b68319ee516b5f41e377f589878af1556567cc2834ef03b1d10830fd3", ISCA, CHROMIUM),
    ca("c530fadc9bfa265e63b755cc6ee04c2d70d60bb916ce2f331dc7359362571b25", ISCA, "Chromium; crt.sh 11106964945"),
    ca("89107c8e50e029b7b5f4ff0ccd2956bcc9d0c8ba2bfb6a58374ed63a6b034a30", ISCA, "Chromium; Mozilla bug 1879046"),
    ca("3472e4f16c570e0dd388aaaa4a64a34a4b939f1ca770996b5be0037c1aded9c1", ISCA, CHROMIUM),
    ca("235150de7df7db2e538d461bc4d210c4e0819be2c4c76969476e3cbe67b723dd", ISCA, "isca.gov.kz, 2024-09-20"),
];

/// Intermediates that were seen to sign for others' names between 2021 and 2024. All were issued by ISCA's roots.
const INTERCEPTION_INTERMEDIATES: &[InterceptionCa] = &[
    intermediate("c0e15a945595372030f0d45938ebb6081bb39fb5"),
    intermediate("90f9aa29195ecbfbf2c943ab1d5102f3ec84a68c"),
    intermediate("8634ecaefb5d02463d2a9ce42178001154752561"),
    intermediate("cb074692a22395fa615a89a86d877c9abc034867"),
    intermediate("dfcd9dcb64edd86e333ad6247e2deda7dcf10ebd"),
    intermediate("5d54c6afa4fd4685359875595565ae9f8caab914"),
    intermediate("76e9f2a52c149586be8f389d8a71ac41d3f423d1"),
];

/// New roots under old names are likely (many share name and day), so the names count too, a little less.
const INTERCEPTION_NAMES: &[InterceptionName] = &[
    InterceptionName {
        attributes: &[("CN", "Information Security Certification Authority")],
        source: "OONI report on Kazakhstan, 2024-09-19",
    },
    InterceptionName {
        attributes: &[("CN", "Information Security Certification Authority CA")],
        source: "Chromium net/data/ssl/blocklist (December 2020)",
    },
    InterceptionName { attributes: &[("C", "KZ"), ("O", "ISCA")], source: "OONI report on Kazakhstan, 2024-09-19" },
    InterceptionName { attributes: &[("CN", "Qaznet Trust Network")], source: "Raman et al., IMC 2020" },
    InterceptionName {
        attributes: &[("C", "KZ"), ("CN", "Security Certificate")],
        source: "Raman et al., IMC 2020 (intermediate of 2019)",
    },
];

impl Knowledge {
    /// What this build knows, with `allow_private` counted as public.
    pub fn new(allow_private: Vec<IpNet>) -> Self {
        Self { allow_private, fingerprints: Fingerprints::built_in(), networks: Arc::default() }
    }

    /// The same with these fingerprints and networks.
    pub fn with(self, fingerprints: Arc<Fingerprints>, networks: Arc<Networks>) -> Self {
        Self { fingerprints, networks, ..self }
    }

    /// Whether `address` cannot be a public site's.
    pub fn is_bogon(&self, address: IpAddr) -> bool {
        is_bogon(address, &self.allow_private)
    }

    /// The fingerprint by which `address` is a sinkhole of `country`.
    pub fn sinkhole(&self, country: CountryCode, address: IpAddr) -> Option<&Fingerprint> {
        proof(self.fingerprints.of_address(address), country)
    }

    /// The fingerprint by which `name`, of a CNAME chain, is a sinkhole of `country`.
    pub fn sinkhole_name(&self, country: CountryCode, name: &str) -> Option<&Fingerprint> {
        proof(self.fingerprints.of_name(name), country)
    }

    /// The fingerprint that lists `address`, wherever and whatever it proves.
    pub fn listed(&self, address: IpAddr) -> Option<&Fingerprint> {
        self.fingerprints.of_address(address).into_iter().next().filter(|entry| entry.scope != Scope::FalsePositive)
    }

    /// The network of an address, if a table tells.
    pub fn asn(&self, address: IpAddr) -> Option<Asn> {
        self.networks.asn(address)
    }

    /// The certificate of the chain that is a known interception CA, by its hash.
    pub fn known_ca(&self, handshake: &TlsHandshake) -> Option<&'static InterceptionCa> {
        handshake
            .chain
            .iter()
            .find_map(|certificate| known_root(certificate).or_else(|| known_intermediate(certificate)))
    }

    /// The known interception CA that a certificate of the chain names as its issuer, or itself.
    pub fn known_name(&self, handshake: &TlsHandshake) -> Option<&'static InterceptionName> {
        let of = |certificate: &CertificateRecord| {
            INTERCEPTION_NAMES
                .iter()
                .find(|name| name.is_borne_by(&certificate.issuer) || name.is_borne_by(&certificate.subject))
        };
        handshake.chain.iter().find_map(of)
    }
}

/// The first that proves a block in `country`, unless the list knows better.
fn proof(found: Vec<&Fingerprint>, country: CountryCode) -> Option<&Fingerprint> {
    let innocent = found.iter().any(|entry| entry.scope == Scope::FalsePositive);
    found.into_iter().find(|entry| entry.proves_in(country)).filter(|_| !innocent)
}

fn known_root(certificate: &CertificateRecord) -> Option<&'static InterceptionCa> {
    let is_it = |ca: &&InterceptionCa| matches!(ca.hash, CertificateHash::Sha256(hash) if hash.eq_ignore_ascii_case(&certificate.sha256));
    INTERCEPTION_CAS.iter().find(is_it)
}

fn known_intermediate(certificate: &CertificateRecord) -> Option<&'static InterceptionCa> {
    // The record holds no SHA-1; only what ISCA issued is worth computing one for.
    if !certificate.issuer.contains("ISCA") {
        return None;
    }
    intermediate_of(&sha1_of(certificate)?)
}

fn intermediate_of(sha1: &str) -> Option<&'static InterceptionCa> {
    INTERCEPTION_INTERMEDIATES.iter().find(|ca| matches!(ca.hash, CertificateHash::Sha1(hash) if hash == sha1))
}

fn sha1_of(certificate: &CertificateRecord) -> Option<String> {
    let der = base64::engine::general_purpose::STANDARD.decode(&certificate.der).ok()?;
    let digest = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA1_FOR_LEGACY_USE_ONLY, &der);
    Some(hex(digest.as_ref()))
}

impl CertificateHash {
    /// Its beginning, with the name of its kind.
    pub fn short(&self) -> String {
        let (kind, hash) = match self {
            Self::Sha256(hash) => ("SHA-256", hash),
            Self::Sha1(hash) => ("SHA-1", hash),
        };
        format!("{kind} {}…", hash.get(..16).unwrap_or(hash))
    }
}

impl InterceptionName {
    /// Whether the distinguished name (RFC 4514 text, or with `/` between attributes) has all the attributes.
    fn is_borne_by(&self, distinguished_name: &str) -> bool {
        let has = |&(kind, value): &(&str, &str)| {
            distinguished_name.split([',', '+', '/']).filter_map(|part| part.split_once('=')).any(|(k, v)| {
                k.trim().eq_ignore_ascii_case(kind) && v.trim().trim_matches('"').eq_ignore_ascii_case(value)
            })
        };
        self.attributes.iter().all(has)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hashes_are_whole_and_single() {
        let all = INTERCEPTION_CAS.iter().chain(INTERCEPTION_INTERMEDIATES).map(|ca| ca.hash);
        let mut hashes: Vec<&str> = all
            .map(|hash| match hash {
                CertificateHash::Sha256(hash) => Some(hash).filter(|hash| hash.len() == 64).unwrap(),
                CertificateHash::Sha1(hash) => Some(hash).filter(|hash| hash.len() == 40).unwrap(),
            })
            .collect();
        assert!(hashes.iter().all(|hash| hash.bytes().all(|b| b"0123456789abcdef".contains(&b))));
        hashes.sort_unstable();
        hashes.dedup();
        assert_eq!(hashes.len(), 18);
    }

    #[test]
    fn an_intermediate_is_known_by_the_sha1_of_its_certificate() {
        // No certificate of the list is published whole, so the way from DER to hash is tested on a known digest.
        let record = |der: &[u8], issuer: &str| CertificateRecord {
            der: base64::engine::general_purpose::STANDARD.encode(der),
            sha256: String::new(),
            subject: String::new(),
            issuer: issuer.into(),
            not_before: None,
            not_after: None,
            names: Vec::new(),
        };
        assert_eq!(sha1_of(&record(b"abc", "")).unwrap(), "a9993e364706816aba3e25717850c26c9cd0d89d");
        assert_eq!(sha1_of(&CertificateRecord { der: "no base64!".into(), ..record(b"", "") }), None);
        assert!(known_intermediate(&record(b"abc", "C=KZ, O=ISCA")).is_none());
        assert!(intermediate_of("cb074692a22395fa615a89a86d877c9abc034867").is_some());
        assert!(intermediate_of("a9993e364706816aba3e25717850c26c9cd0d89d").is_none());
    }

    #[test]
    fn names_want_all_their_attributes() {
        let by = |dn: &str| INTERCEPTION_NAMES.iter().any(|name| name.is_borne_by(dn));
        assert!(by("C=KZ, O=ISCA, CN=Information Security Certification Authority"));
        assert!(by("CN=Security Certificate,C=KZ"));
        assert!(by("/C=KZ/CN=Qaznet Trust Network"));
        assert!(!by("C=DE, CN=Security Certificate"));
        assert!(!by("C=US, O=ISCA"));
        assert!(!by("CN=Information Security Certification Authority of Elsewhere"));
    }

    #[test]
    fn sinkholes_count_only_in_their_country() {
        let knowledge = Knowledge::new(Vec::new());
        let (kz, ir) = ("KZ".parse().unwrap(), "IR".parse().unwrap());
        let address = "10.10.34.35".parse().unwrap();
        assert!(knowledge.sinkhole(ir, address).is_some());
        assert!(knowledge.sinkhole(kz, address).is_none());
        assert!(knowledge.listed(address).is_some(), "it is known all the same");
        assert!(knowledge.sinkhole_name("ID".parse().unwrap(), "trustpositif.kominfo.go.id.").is_some());
    }
}
