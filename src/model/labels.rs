//! Closed enums whose variants carry one fixed label: the label is what JSON, CSV and metrics show.

/// A text that is no label of the closed set it was read as.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{text}` is not a known {kind}; expected one of: {expected}")]
pub struct UnknownLabel {
    /// What the set is called, for example `status`.
    pub kind: &'static str,
    /// The text that was read.
    pub text: String,
    /// All labels of the set, comma separated.
    pub expected: String,
}

/// Defines a closed enum with `ALL`, `as_str`, `Display`, `FromStr` and serde by label.
macro_rules! labels {
    ($(#[$meta:meta])* $kind:literal pub enum $name:ident { $($(#[$vmeta:meta])* $variant:ident => $label:literal,)+ }) => {
        $(#[$meta])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum $name { $($(#[$vmeta])* $variant,)+ }

        impl $name {
            /// Every member of the set, in order of declaration.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)+];

            /// The fixed label.
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $label,)+ }
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.pad(self.as_str())
            }
        }

        impl std::str::FromStr for $name {
            type Err = $crate::model::UnknownLabel;

            fn from_str(text: &str) -> Result<Self, Self::Err> {
                Self::ALL.iter().copied().find(|member| member.as_str() == text).ok_or_else(|| {
                    $crate::model::UnknownLabel {
                        kind: $kind,
                        text: text.to_owned(),
                        expected: Self::ALL.iter().map(|member| member.as_str()).collect::<Vec<_>>().join(", "),
                    }
                })
            }
        }

        impl serde::Serialize for $name {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.serialize_str(self.as_str())
            }
        }

        impl<'de> serde::Deserialize<'de> for $name {
            fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let text = <std::borrow::Cow<'de, str>>::deserialize(deserializer)?;
                text.parse().map_err(serde::de::Error::custom)
            }
        }
    };
}

pub(crate) use labels;
