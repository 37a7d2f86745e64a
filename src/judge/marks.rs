//! What the fingerprints say of the answers that lack a proof.
//!
//! False positives come first: one in the page or its header takes the proof from whatever the page bears, one in a
//! header field from what that same field bears. (A server's stock page for redirects says nothing of where it leads.)

use super::compare;
use super::facts::Facts;
use crate::knowledge::{Fingerprint, Found, Scope, Spot};
use crate::model::{CountryCode, HttpExchange};

/// One answer without proof, and every fingerprint that it bears.
#[derive(Debug, Clone)]
pub(super) struct Marked<'e> {
    /// The answer.
    pub exchange: &'e HttpExchange,
    found: Vec<Found<'e>>,
    country: CountryCode,
}

/// Every answer without proof, hop by hop.
pub(super) fn marked<'e>(facts: &Facts<'e>) -> Vec<Marked<'e>> {
    let unproven = facts.seen.hops.iter().filter(|hop| !hop.answer_is_authentic());
    let answers = unproven.filter_map(|hop| hop.exchange).filter(|exchange| exchange.status.is_some());
    let look = |exchange: &'e HttpExchange| {
        let found = facts.knowledge.fingerprints.of_answer(&exchange.headers, &compare::page(exchange));
        Marked { exchange, found, country: facts.country }
    };
    answers.map(look).collect()
}

impl<'e> Marked<'e> {
    /// The fingerprints that prove a block page: in the page, or in a field that does not lead elsewhere.
    pub(super) fn pages(&self) -> impl Iterator<Item = &'e Fingerprint> {
        self.proofs().filter(|found| !self.leads_on(found)).map(|found| found.fingerprint)
    }

    /// The fingerprints that prove a redirect to a block page.
    pub(super) fn redirects(&self) -> impl Iterator<Item = &'e Fingerprint> {
        self.proofs().filter(|found| self.leads_on(found)).map(|found| found.fingerprint)
    }

    /// The fingerprint that tells a server's own page, if no other tells anything else.
    pub(super) fn innocent(&self) -> Option<&'e Fingerprint> {
        let page = self.found.iter().find(|found| found.spot == Spot::Body && is_false(found))?;
        self.found.iter().all(is_false).then_some(page.fingerprint)
    }

    /// A fingerprint of block pages that proves nothing here: of another country, of nobody known, of vague words.
    pub(super) fn hint(&self) -> Option<&'e Fingerprint> {
        let found = self.found.iter().find(|found| !is_false(found) && !self.is_vetoed(found))?;
        Some(found.fingerprint)
    }

    fn proofs(&self) -> impl Iterator<Item = &Found<'e>> {
        self.found.iter().filter(|found| found.fingerprint.proves_in(self.country) && !self.is_vetoed(found))
    }

    fn is_vetoed(&self, found: &Found<'_>) -> bool {
        self.found
            .iter()
            .filter(|other| is_false(other))
            .any(|other| found.spot == Spot::Body || other.spot == found.spot)
    }

    fn leads_on(&self, found: &Found<'_>) -> bool {
        let Spot::Header(at) = found.spot else { return false };
        let is_location = self.exchange.headers.get(at).is_some_and(|(name, _)| name.eq_ignore_ascii_case("location"));
        is_location && self.exchange.status.is_some_and(|status| (300..400).contains(&status))
    }
}

fn is_false(found: &Found<'_>) -> bool {
    found.fingerprint.scope == Scope::FalsePositive
}
