//! What the judge knows beside the evidence: interception CAs, block pages, sinkholes, which addresses are public.

use std::net::IpAddr;

use ipnet::IpNet;

use crate::model::{CertificateRecord, CountryCode, TlsHandshake, is_bogon};

/// A certificate authority that is known to intercept, by the hash of its certificate.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct InterceptionCa {
    /// SHA-256 of its certificate (DER), lower-case hex.
    pub sha256: &'static str,
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

/// A text that only block pages of a country bear.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BlockPageMark {
    /// Where the page is shown; it proves nothing elsewhere.
    pub country: CountryCode,
    /// The text, looked for in the title and the body.
    pub text: String,
    /// Where the mark is published.
    pub source: String,
}

/// An address range that resolvers of a country give instead of a blocked site's.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sinkhole {
    /// Where it is used.
    pub country: CountryCode,
    /// The addresses.
    pub range: IpNet,
    /// Where it is published.
    pub source: String,
}

/// What the judge knows beside the evidence. Built once.
#[derive(Debug, Clone, PartialEq)]
pub struct Knowledge {
    /// Ranges that count as public in every rule (`[network] allow_private`).
    pub allow_private: Vec<IpNet>,
    /// Block pages by country.
    pub marks: Vec<BlockPageMark>,
    /// Sinkholes by country.
    pub sinkholes: Vec<Sinkhole>,
}

const CHROMIUM: &str = "Chromium net/data/ssl/blocklist";
const ISCA: &str = "C=KZ, O=ISCA, CN=Information Security Certification Authority";

const fn ca(sha256: &'static str, subject: &'static str, source: &'static str) -> InterceptionCa {
    InterceptionCa { sha256, subject, source }
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
        let country = |code: &str| code.parse::<CountryCode>().ok();
        let marks = country("KZ").map(|country| BlockPageMark {
            country,
            text: "Страница заблокирована".into(),
            source: "Censored Planet block page signature d_corp_kz_ps".into(),
        });
        let sinkhole = |range: &str| {
            let source = "OONI blocking fingerprints ir_4, ir_5, ir_10dot10_ipv4_1".into();
            Some(Sinkhole { country: country("IR")?, range: range.parse().ok()?, source })
        };
        let sinkholes = ["10.10.34.34/31", "10.10.34.36/32"].into_iter().filter_map(sinkhole).collect();
        Self { allow_private, marks: marks.into_iter().collect(), sinkholes }
    }

    /// Whether `address` cannot be a public site's.
    pub fn is_bogon(&self, address: IpAddr) -> bool {
        is_bogon(address, &self.allow_private)
    }

    /// The sinkhole of `country` that `address` belongs to.
    pub fn sinkhole(&self, country: CountryCode, address: IpAddr) -> Option<&Sinkhole> {
        self.sinkholes.iter().find(|sinkhole| sinkhole.country == country && sinkhole.range.contains(&address))
    }

    /// The block page mark of `country` that `text` bears.
    pub fn mark(&self, country: CountryCode, text: &str) -> Option<&BlockPageMark> {
        self.marks.iter().find(|mark| mark.country == country && !mark.text.is_empty() && text.contains(&mark.text))
    }

    /// The certificate of the chain that is a known interception CA, by its hash.
    pub fn known_ca(&self, handshake: &TlsHandshake) -> Option<&'static InterceptionCa> {
        let of = |certificate: &CertificateRecord| {
            INTERCEPTION_CAS.iter().find(|ca| ca.sha256.eq_ignore_ascii_case(&certificate.sha256))
        };
        handshake.chain.iter().find_map(of)
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
        let mut hashes: Vec<_> = INTERCEPTION_CAS.iter().map(|ca| ca.sha256).collect();
        assert!(hashes.iter().all(|hash| hash.len() == 64 && hash.bytes().all(|b| b"0123456789abcdef".contains(&b))));
        hashes.sort_unstable();
        hashes.dedup();
        assert_eq!(hashes.len(), 11);
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
    fn marks_and_sinkholes_count_only_in_their_country() {
        let knowledge = Knowledge::new(Vec::new());
        let (kz, ir) = ("KZ".parse().unwrap(), "IR".parse().unwrap());
        assert!(knowledge.mark(kz, "<h1>Страница заблокирована</h1>").is_some());
        assert!(knowledge.mark(ir, "<h1>Страница заблокирована</h1>").is_none());
        assert!(knowledge.sinkhole(ir, "10.10.34.35".parse().unwrap()).is_some());
        assert!(knowledge.sinkhole(kz, "10.10.34.35".parse().unwrap()).is_none());
    }
}
