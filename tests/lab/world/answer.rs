//! What name servers say: the truth of the lab's zone, or a lie.

use std::collections::HashMap;
use std::net::IpAddr;

use hickory_proto::op::{Message, MessageType, ResponseCode};
use hickory_proto::rr::rdata::{A, AAAA, SOA};
use hickory_proto::rr::{Name, RData, Record, RecordType};

use crate::places;
use crate::router::Clock;
use crate::scenario::{Answer, Lie, holds};

const TTL: u32 = 60;

/// Every name of the lab and its addresses.
pub(crate) type Zone = HashMap<String, Vec<IpAddr>>;

/// A name server: the truth, but for its lies.
pub(crate) struct NameServer {
    pub(crate) zone: std::sync::Arc<Zone>,
    pub(crate) lies: Vec<Lie>,
    /// Names that have only IPv4 addresses get IPv6 ones, too (RFC 6147).
    pub(crate) dns64: bool,
    pub(crate) clock: Clock,
}

impl NameServer {
    /// The answer to a question; None is silence.
    pub(crate) fn answer(&self, question: &[u8]) -> Option<Vec<u8>> {
        let query = Message::from_vec(question).ok()?;
        let name = query.queries.first()?.name().to_ascii();
        let now = self.clock.now();
        let lies = |lie: &&Lie| lie.name.matches(&name) && holds(lie.from, lie.until, now);
        match self.lies.iter().find(lies) {
            Some(told) => lie(&query, &told.answer),
            None => truth(&query, &self.zone, self.dns64),
        }
    }
}

fn truth(query: &Message, zone: &Zone, dns64: bool) -> Option<Vec<u8>> {
    let name = query.queries.first()?.name().to_ascii().trim_end_matches('.').to_ascii_lowercase();
    let answer = zone.get(&name).map_or(Answer::Nxdomain, |addresses| {
        let mut addresses = addresses.clone();
        if dns64 && !addresses.iter().any(IpAddr::is_ipv6) {
            let translated = |address: &IpAddr| match address {
                IpAddr::V4(address) => Some(IpAddr::V6(places::translated(*address))),
                IpAddr::V6(_) => None,
            };
            addresses.extend(addresses.clone().iter().filter_map(translated));
        }
        Answer::Addresses(addresses)
    });
    let mut message = response(query, &answer)?;
    if message.answers.is_empty() {
        message.add_authority(authority().ok()?);
    }
    message.to_vec().ok()
}

/// What true answers without records bear (RFC 2308 2): the zone that knows so, and for how long to believe it.
fn authority() -> Result<Record, hickory_proto::ProtoError> {
    let name = |text| Name::from_ascii(text);
    let soa = SOA::new(name("ns.lab.")?, name("hostmaster.lab.")?, 1, 3600, 600, 86_400, 300);
    Ok(Record::from_rdata(name("lab.")?, 300, RData::SOA(soa)))
}

/// The bytes of `answer` to `query`; None for silence. A question for a type of which there is no record gets an empty
/// answer.
pub(crate) fn lie(query: &Message, answer: &Answer) -> Option<Vec<u8>> {
    response(query, answer)?.to_vec().ok()
}

fn response(query: &Message, answer: &Answer) -> Option<Message> {
    let question = query.queries.first()?;
    let mut message = query.clone();
    message.metadata.message_type = MessageType::Response;
    message.metadata.recursion_available = true;
    (message.answers, message.authorities, message.additionals) = Default::default();
    message.metadata.response_code = match answer {
        Answer::Nxdomain => ResponseCode::NXDomain,
        Answer::Refused => ResponseCode::Refused,
        Answer::Servfail => ResponseCode::ServFail,
        Answer::Empty | Answer::Addresses(_) => ResponseCode::NoError,
        Answer::Silence => return None,
    };
    if let Answer::Addresses(addresses) = answer {
        for address in addresses {
            let data = match (question.query_type(), address) {
                (RecordType::A, IpAddr::V4(address)) => RData::A(A(*address)),
                (RecordType::AAAA, IpAddr::V6(address)) => RData::AAAA(AAAA(*address)),
                _ => continue,
            };
            message.add_answer(Record::from_rdata(question.name().clone(), TTL, data));
        }
    }
    Some(message)
}
