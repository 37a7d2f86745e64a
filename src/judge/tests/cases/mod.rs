//! What is decided of which evidence.

mod cleartext;
mod dns;
mod layers;
mod tls;

use super::Story;

/// What it is, the evidence, the rule expected.
pub(super) type Case = (&'static str, Story, &'static str);

pub(super) fn all() -> Vec<Case> {
    [tls::cases(), dns::cases(), layers::cases(), cleartext::cases()].into_iter().flatten().collect()
}
