//! Names of things, each its own type so that none is taken for another.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// A text that cannot be an id.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "`{text}` is not a usable id: expected 1 to 64 characters of a-z, A-Z, 0-9, `-`, `_` and `.`, beginning with a letter or digit"
)]
pub struct InvalidId {
    /// The text that was read.
    pub text: String,
}

macro_rules! text_id {
    ($(#[$meta:meta])* $name:ident) => {
        $(#[$meta])*
        #[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(try_from = "String", into = "String")]
        pub struct $name(String);

        impl $name {
            /// The id as text.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl FromStr for $name {
            type Err = InvalidId;

            fn from_str(text: &str) -> Result<Self, InvalidId> {
                let first = text.chars().next().is_some_and(|c| c.is_ascii_alphanumeric());
                let rest = text.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.'));
                if first && rest && text.len() <= 64 {
                    Ok(Self(text.to_owned()))
                } else {
                    Err(InvalidId { text: text.to_owned() })
                }
            }
        }

        impl TryFrom<String> for $name {
            type Error = InvalidId;

            fn try_from(text: String) -> Result<Self, InvalidId> {
                text.parse()
            }
        }

        impl From<$name> for String {
            fn from(id: $name) -> String {
                id.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.pad(&self.0)
            }
        }
    };
}

text_id!(
    /// A publication that is watched, as named in `targets.toml`.
    SiteId
);
text_id!(
    /// A place that measurements are taken from. A pseudonym: it never holds an address (DESIGN 10).
    VantageId
);
text_id!(
    /// A control: a control vantage, a helper, or the encrypted resolvers.
    ControlId
);
text_id!(
    /// A receiver of span events.
    WebhookId
);
text_id!(
    /// A canary: the host of its URL unless named.
    CanaryId
);

macro_rules! uuid_id {
    ($(#[$meta:meta])* $name:ident) => {
        $(#[$meta])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        pub struct $name(pub Uuid);

        impl $name {
            /// A new id, ordered by its time of making (UUID version 7, RFC 9562).
            pub fn new() -> Self {
                Self(Uuid::now_v7())
            }
        }

        impl Default for $name {
            fn default() -> Self {
                Self::new()
            }
        }

        impl FromStr for $name {
            type Err = uuid::Error;

            fn from_str(text: &str) -> Result<Self, uuid::Error> {
                text.parse().map(Self)
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }
    };
}

uuid_id!(
    /// One measurement.
    MeasurementId
);
uuid_id!(
    /// One span. Derived from its series and first evidence, so that a replay names it the same.
    SpanId
);

impl VantageId {
    /// The network and country that the name of an imported vantage tells (`AS9198-KZ`).
    pub fn imported_network(&self) -> Option<(u32, CountryCode)> {
        let (number, country) = self.as_str().strip_prefix("AS")?.split_once('-')?;
        Some((number.parse().ok()?, country.parse().ok()?))
    }
}

impl SpanId {
    /// The id that belongs to `seed`: the same evidence always gives the same span id (UUID version 8
    /// over SHA-256, RFC 9562 section 5.8).
    pub fn derived(seed: &str) -> Self {
        use sha2::{Digest, Sha256};
        let digest = Sha256::digest(seed.as_bytes());
        let mut bytes = [0u8; 16];
        bytes.copy_from_slice(&digest[..16]);
        Self(uuid::Builder::from_custom_bytes(bytes).into_uuid())
    }
}

/// An ISO 3166-1 alpha-2 country code in capitals; `ZZ` when unknown.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct CountryCode([u8; 2]);

impl CountryCode {
    /// The code for "not known" (a user-assigned element of ISO 3166-1, as OONI uses it).
    pub const UNKNOWN: Self = Self(*b"ZZ");

    /// The code as text.
    pub fn as_str(&self) -> &str {
        std::str::from_utf8(&self.0).unwrap_or("ZZ")
    }
}

impl FromStr for CountryCode {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text.as_bytes() {
            [a, b] if a.is_ascii_uppercase() && b.is_ascii_uppercase() => Ok(Self([*a, *b])),
            _ => Err(format!(
                "`{text}` is not a country code: expected two capital letters (ISO 3166-1), for example KZ"
            )),
        }
    }
}

impl TryFrom<String> for CountryCode {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        text.parse()
    }
}

impl From<CountryCode> for String {
    fn from(code: CountryCode) -> String {
        code.as_str().to_owned()
    }
}

impl fmt::Display for CountryCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_refuse_what_would_break_a_label_or_a_path() {
        for good in ["fergana", "almaty-kt", "AS9198-KZ", "a.b_c"] {
            assert!(good.parse::<SiteId>().is_ok(), "{good}");
        }
        for bad in ["", "-x", "a b", "ü", "a/b", "x\u{1b}[31m"] {
            assert!(bad.parse::<SiteId>().is_err(), "{bad}");
        }
    }

    #[test]
    fn the_same_seed_names_the_same_span() {
        assert_eq!(SpanId::derived("a"), SpanId::derived("a"));
        assert_ne!(SpanId::derived("a"), SpanId::derived("b"));
    }

    #[test]
    fn country_codes_are_two_capitals() {
        assert_eq!("KZ".parse::<CountryCode>().unwrap().as_str(), "KZ");
        assert!("kz".parse::<CountryCode>().is_err());
        assert!("KAZ".parse::<CountryCode>().is_err());
    }
}
