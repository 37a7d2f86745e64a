//! What a negative answer ("no such name", "no such record") shows of itself. An honest one bears the SOA record of a zone
//! that the name lies in, with the time for which it may be believed (RFC 2308 sections 2 and 5); resolvers that cache
//! negative answers pass both on. So such an answer may be a true one of some time ago.

use base64::Engine;
use hickory_proto::op::Message;
use hickory_proto::rr::{Name, RData};

use super::knowledge::Knowledge;
use crate::model::DnsAnswer;

/// What a negative answer shows of itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Negative {
    /// It bears the zone that says so: a cache may hold it from the time when that was true.
    Plausible {
        /// The zone.
        zone: String,
        /// For how long it may still be believed, seconds.
        ttl_seconds: u32,
    },
    /// No zone says so, although a resolver gave it that no device of the vantage's own stands before.
    Unfounded,
    /// A zone says so that the name does not lie in.
    OtherZone(String),
    /// It cannot be told: the message was not kept, or a device of the vantage's own (a stub, a home router) passed it on,
    /// which many strip of the record.
    Unclear,
}

impl Negative {
    /// Reads the answer to the question for `name`.
    pub(super) fn of(answer: &DnsAnswer, name: &str, knowledge: &Knowledge) -> Self {
        let bytes = base64::engine::general_purpose::STANDARD.decode(&answer.raw).unwrap_or_default();
        let (Ok(message), Ok(name)) = (Message::from_vec(&bytes), Name::from_ascii(name)) else { return Self::Unclear };
        let zone = message.authorities.iter().find_map(|record| match &record.data {
            RData::SOA(soa) => Some((&record.name, record.ttl.min(soa.minimum))),
            _ => None,
        });
        let passed_on = answer.source.is_none_or(|source| knowledge.is_bogon(source.ip()));
        match zone {
            Some((zone, _)) if !zone.zone_of(&name) => Self::OtherZone(zone.to_ascii()),
            // A name server that holds the zone itself tells what it has now; no cache is in play.
            Some(_) if message.metadata.authoritative => Self::Unclear,
            Some((zone, ttl_seconds)) => Self::Plausible { zone: zone.to_ascii(), ttl_seconds },
            None if passed_on => Self::Unclear,
            None => Self::Unfounded,
        }
    }

    /// The answer cannot have come from the name's zone.
    pub(super) const fn is_forged(&self) -> bool {
        matches!(self, Self::Unfounded | Self::OtherZone(_))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::judge::testing::{answer, negative};

    fn of(raw: &DnsAnswer) -> Negative {
        Negative::of(raw, "www.fergana.media", &Knowledge::new(Vec::new()))
    }

    #[test]
    fn a_zone_that_the_name_lies_in_makes_it_plausible() {
        for zone in ["fergana.media.", "media.", "www.fergana.media.", "FERGANA.media.", "."] {
            let Negative::Plausible { ttl_seconds, .. } = of(&negative(3, Some(zone), false, "92.47.0.53:53")) else {
                panic!("{zone}");
            };
            assert_eq!(ttl_seconds, 300, "{zone}");
        }
    }

    #[test]
    fn another_zone_or_none_forges_it() {
        assert_eq!(
            of(&negative(3, Some("rpz.isp.kz."), false, "92.47.0.53:53")),
            Negative::OtherZone("rpz.isp.kz.".into())
        );
        assert_eq!(
            of(&negative(3, Some("ana.media."), false, "10.0.0.1:53")),
            Negative::OtherZone("ana.media.".into())
        );
        assert_eq!(of(&negative(0, None, false, "92.47.0.53:53")), Negative::Unfounded);
    }

    #[test]
    fn what_a_device_of_ones_own_passed_on_or_nobody_kept_is_unclear() {
        assert_eq!(of(&negative(3, None, false, "127.0.0.53:53")), Negative::Unclear);
        assert_eq!(of(&negative(3, None, false, "192.168.1.1:53")), Negative::Unclear);
        assert_eq!(of(&negative(3, Some("fergana.media."), true, "92.47.0.53:53")), Negative::Unclear);
        assert_eq!(of(&answer(3, &[], 12)), Negative::Unclear);
        let mut junk = negative(3, None, false, "92.47.0.53:53");
        junk.raw = "AAAA".into();
        assert_eq!(of(&junk), Negative::Unclear);
    }
}
