//! The wire format (RFC 1035): one question, and what an answer to it says. Pure; reads hostile bytes.

use std::net::IpAddr;

use hickory_proto::op::{Edns, Message, MessageType, OpCode, Query, ResponseCode};
use hickory_proto::rr::{DNSClass, Name, RData, Record, RecordType};

use crate::model::{Failure, QueryType};

/// The UDP payload size we offer (RFC 6891; 1232 bytes cross any path unfragmented, as agreed on DNS Flag Day 2020).
const EDNS_PAYLOAD: u16 = 1232;

/// Aliases followed within one answer.
const MAX_CNAMES: usize = 16;

/// Addresses kept of one answer.
const MAX_ADDRESSES: usize = 64;

/// Bytes of a message's header (RFC 1035 section 4.1.1).
const HEADER: usize = 12;

/// A question as it is sent.
#[derive(Debug, Clone)]
pub(super) struct Question {
    /// The id that the answer must bear.
    pub(super) id: u16,
    name: Name,
    record_type: RecordType,
    /// The message.
    pub(super) bytes: Vec<u8>,
}

impl Question {
    /// A question with a random id, recursion desired, with or without EDNS.
    ///
    /// # Errors
    /// `Unknown` when `name` cannot be a domain name.
    pub(super) fn new(name: &str, query_type: QueryType, edns: bool) -> Result<Self, Failure> {
        Self::with_id(None, name, query_type, edns)
    }

    /// The same with id 0, which HTTP caches like (RFC 8484 section 4.1).
    pub(super) fn for_https(name: &str, query_type: QueryType) -> Result<Self, Failure> {
        Self::with_id(Some(0), name, query_type, true)
    }

    fn with_id(id: Option<u16>, name: &str, query_type: QueryType, edns: bool) -> Result<Self, Failure> {
        let unusable = || Failure::Unknown("not a domain name".into());
        let mut name = Name::from_ascii(name).map_err(|_| unusable())?;
        name.set_fqdn(true);
        let record_type = record_type(query_type);
        let mut message = Message::query();
        if let Some(id) = id {
            message.metadata.id = id;
        }
        message.metadata.recursion_desired = true;
        message.add_query(Query::query(name.clone(), record_type));
        if edns {
            let mut options = Edns::new();
            options.set_max_payload(EDNS_PAYLOAD);
            message.set_edns(options);
        }
        let bytes = message.to_vec().map_err(|_| unusable())?;
        Ok(Self { id: message.metadata.id, name, record_type, bytes })
    }

    /// What `bytes` say about this question. Never fails: junk is a reading too.
    pub(super) fn read(&self, bytes: &[u8]) -> Reading {
        let id_matches = bytes.get(..2) == Some(&self.id.to_be_bytes());
        match decode(bytes) {
            Some(message) => Reading { id_matches, ..self.read_message(&message) },
            None => Reading { id_matches, ..Reading::default() },
        }
    }

    /// The same for a message that is decoded already.
    pub(super) fn read_message(&self, message: &Message) -> Reading {
        let rcode = message.metadata.response_code;
        let (cnames, end) = self.follow(&message.answers);
        let mut reading = Reading {
            id_matches: message.metadata.id == self.id,
            question_matches: self.is_answered_by(message),
            rcode: Some(u16::from(rcode)),
            truncated: message.metadata.truncation,
            ..Reading::default()
        };
        let mut ttls: Vec<u32> = cnames.iter().map(|(_, ttl)| *ttl).collect();
        for record in of_owner(&message.answers, &end) {
            let Some(address) = address(record, self.record_type) else { continue };
            ttls.push(record.ttl);
            if !reading.addresses.contains(&address) && reading.addresses.len() < MAX_ADDRESSES {
                reading.addresses.push(address);
            }
        }
        reading.cnames = cnames.into_iter().map(|(name, _)| name).collect();
        reading.record_ttl = ttls.into_iter().min();
        reading
    }

    /// The chain of aliases from the name asked for, each with its record's TTL, and where it ends.
    fn follow(&self, records: &[Record]) -> (Vec<(String, u32)>, Name) {
        let mut owner = self.name.clone();
        let mut chain = Vec::new();
        while chain.len() < MAX_CNAMES {
            let alias = of_owner(records, &owner).find_map(|record| match &record.data {
                RData::CNAME(target) => Some((target.0.clone(), record.ttl)),
                _ => None,
            });
            let Some((target, ttl)) = alias else { break };
            let text = target.to_lowercase().to_ascii();
            chain.push((text.strip_suffix('.').unwrap_or(&text).to_owned(), ttl));
            owner = target;
        }
        (chain, owner)
    }

    /// RFC 5452 section 9.1, the case of letters apart. A refusal may leave the question out (servers that cannot
    /// read it do).
    fn is_answered_by(&self, message: &Message) -> bool {
        if message.metadata.message_type != MessageType::Response || message.metadata.op_code != OpCode::Query {
            return false;
        }
        match message.queries.as_slice() {
            [] => message.metadata.response_code != ResponseCode::NoError,
            [query] => {
                query.name.eq_ignore_root(&self.name)
                    && query.query_type == self.record_type
                    && query.query_class == DNSClass::IN
            }
            _ => false,
        }
    }
}

/// What an answer says.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Reading {
    /// The id is the question's.
    pub(super) id_matches: bool,
    /// It is a response to the question.
    pub(super) question_matches: bool,
    /// None when the bytes cannot be read.
    pub(super) rcode: Option<u16>,
    /// The TC bit: the rest must be fetched over TCP.
    pub(super) truncated: bool,
    /// Addresses of the wanted type at the end of the chain.
    pub(super) addresses: Vec<IpAddr>,
    /// The chain, lower case, without the last dot; odd bytes escaped.
    pub(super) cnames: Vec<String>,
    /// Smallest TTL of the records used, seconds.
    pub(super) record_ttl: Option<u32>,
}

impl Reading {
    /// The failure that the answer means; None when it gives an address.
    pub(super) fn failure(&self) -> Option<Failure> {
        match self.rcode {
            _ if !self.id_matches => Some(Failure::DnsReplyWithWrongQueryId),
            Some(rcode) if self.question_matches => match failure_of_rcode(rcode) {
                None if self.addresses.is_empty() => Some(Failure::DnsNoAnswer),
                failure => failure,
            },
            _ => Some(Failure::DnsServerMisbehaving),
        }
    }
}

/// The failure that a response code means; None for NOERROR.
pub(super) fn failure_of_rcode(rcode: u16) -> Option<Failure> {
    match rcode {
        0 => None,
        2 => Some(Failure::DnsServfail),
        3 => Some(Failure::DnsNxdomain),
        5 => Some(Failure::DnsRefused),
        _ => Some(Failure::DnsServerMisbehaving),
    }
}

/// hickory's name for the type.
pub(super) const fn record_type(query_type: QueryType) -> RecordType {
    match query_type {
        QueryType::A => RecordType::A,
        QueryType::Aaaa => RecordType::AAAA,
    }
}

/// Decodes a message whose counts its length can bear: a header that promises 65,535 questions must not make us
/// set memory aside for them.
fn decode(bytes: &[u8]) -> Option<Message> {
    let header = bytes.get(..HEADER)?;
    let count = |at: usize| usize::from(u16::from_be_bytes([header[at], header[at + 1]]));
    // A question takes at least 5 bytes, a record at least 11 (RFC 1035 section 4.1).
    let least = count(4) * 5 + (count(6) + count(8) + count(10)) * 11;
    if HEADER + least > bytes.len() {
        return None;
    }
    Message::from_vec(bytes).ok()
}

fn of_owner<'a>(records: &'a [Record], owner: &'a Name) -> impl Iterator<Item = &'a Record> {
    records.iter().filter(move |record| record.dns_class == DNSClass::IN && record.name.eq_ignore_root(owner))
}

fn address(record: &Record, wanted: RecordType) -> Option<IpAddr> {
    match (&record.data, wanted) {
        (RData::A(a), RecordType::A) => Some(IpAddr::V4(a.0)),
        (RData::AAAA(aaaa), RecordType::AAAA) => Some(IpAddr::V6(aaaa.0)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use hickory_proto::rr::rdata::{A, AAAA, CNAME};
    use proptest::prelude::*;

    use super::*;

    fn name(text: &str) -> Name {
        Name::from_ascii(text).unwrap()
    }

    fn a(owner: &str, ip: [u8; 4]) -> Record {
        Record::from_rdata(name(owner), 300, RData::A(A(ip.into())))
    }

    fn cname(owner: &str, target: &str, ttl: u32) -> Record {
        Record::from_rdata(name(owner), ttl, RData::CNAME(CNAME(name(target))))
    }

    fn answer(question: &Question, records: Vec<Record>) -> Message {
        let mut message = Message::response(question.id, OpCode::Query);
        message.add_query(Query::query(question.name.clone(), question.record_type));
        message.add_answers(records);
        message
    }

    fn ask() -> Question {
        Question::new("example.org", QueryType::A, true).unwrap()
    }

    #[test]
    fn a_question_says_what_it_should() {
        let question = ask();
        let sent = Message::from_vec(&question.bytes).unwrap();
        assert_eq!(sent.metadata.id, question.id);
        assert!(sent.metadata.recursion_desired);
        assert_eq!(sent.queries, [Query::query(name("example.org."), RecordType::A)]);
        assert_eq!(sent.edns.unwrap().max_payload(), 1232);
        assert_eq!(Question::for_https("example.org", QueryType::Aaaa).unwrap().id, 0);
        assert!(Question::new(&"a".repeat(64), QueryType::A, true).is_err());
        assert!(Question::new(&"abc.".repeat(80), QueryType::A, true).is_err());
    }

    #[test]
    fn aliases_are_followed_whatever_their_case_and_order() {
        let question = ask();
        let records = vec![
            a("CDN.example.NET.", [192, 0, 2, 7]),
            cname("mid.example.net.", "Cdn.Example.net.", 20),
            cname("EXAMPLE.org.", "mid.example.net.", 600),
            a("cdn.example.net.", [192, 0, 2, 7]),
            a("unrelated.example.", [198, 51, 100, 1]),
        ];
        let reading = question.read(&answer(&question, records).to_vec().unwrap());
        assert!(reading.id_matches && reading.question_matches);
        assert_eq!(reading.cnames, ["mid.example.net", "cdn.example.net"]);
        assert_eq!(reading.addresses, [IpAddr::from([192, 0, 2, 7])]);
        assert_eq!(reading.record_ttl, Some(20));
        assert_eq!(reading.failure(), None);
    }

    #[test]
    fn a_ring_of_aliases_ends() {
        let question = ask();
        let ring = vec![cname("example.org.", "b.org.", 1), cname("b.org.", "example.org.", 1)];
        let reading = question.read_message(&answer(&question, ring));
        assert_eq!(reading.cnames.len(), MAX_CNAMES);
        assert_eq!(reading.failure(), Some(Failure::DnsNoAnswer));
    }

    #[test]
    fn addresses_of_the_other_family_are_no_answer() {
        let question = ask();
        let six = Record::from_rdata(name("example.org."), 1, RData::AAAA(AAAA("2001:db8::1".parse().unwrap())));
        assert_eq!(question.read_message(&answer(&question, vec![six])).failure(), Some(Failure::DnsNoAnswer));
    }

    #[test]
    fn response_codes_have_their_failures() {
        for (rcode, failure) in [
            (ResponseCode::NXDomain, Failure::DnsNxdomain),
            (ResponseCode::ServFail, Failure::DnsServfail),
            (ResponseCode::Refused, Failure::DnsRefused),
            (ResponseCode::FormErr, Failure::DnsServerMisbehaving),
            (ResponseCode::NotImp, Failure::DnsServerMisbehaving),
            (ResponseCode::NoError, Failure::DnsNoAnswer),
        ] {
            let question = ask();
            let mut message = answer(&question, Vec::new());
            message.metadata.response_code = rcode;
            assert_eq!(question.read(&message.to_vec().unwrap()).failure(), Some(failure));
        }
    }

    #[test]
    fn only_an_answer_to_the_question_matches() {
        let question = ask();
        let good = answer(&question, vec![a("example.org.", [192, 0, 2, 1])]);
        let matches = |change: &dyn Fn(&mut Message)| {
            let mut message = good.clone();
            change(&mut message);
            let reading = question.read(&message.to_vec().unwrap());
            reading.id_matches && reading.question_matches
        };
        assert!(matches(&|_| ()));
        assert!(matches(&|m| m.queries[0].name = name("eXample.ORG.")));
        assert!(!matches(&|m| m.queries[0].name = name("example.net.")));
        assert!(!matches(&|m| m.queries[0].query_type = RecordType::AAAA));
        assert!(!matches(&|m| m.queries[0].query_class = DNSClass::CH));
        assert!(!matches(&|m| m.queries.clear()));
        assert!(matches(&|m| {
            m.queries.clear();
            m.metadata.response_code = ResponseCode::Refused;
        }));
        assert!(!matches(&|m| m.metadata.message_type = MessageType::Query));
        assert!(!matches(&|m| m.metadata.id = m.metadata.id.wrapping_add(1)));
    }

    #[test]
    fn hostile_labels_are_escaped() {
        let question = ask();
        let target = Name::from_labels([b"\x1b[31m".as_slice(), b"evil", b"example"]).unwrap();
        let record = Record::from_rdata(name("example.org."), 1, RData::CNAME(CNAME(target)));
        let reading = question.read(&answer(&question, vec![record]).to_vec().unwrap());
        assert!(reading.cnames[0].ends_with("evil.example"), "{:?}", reading.cnames);
        assert!(reading.cnames[0].bytes().all(|byte| byte.is_ascii_graphic()), "{:?}", reading.cnames);
    }

    #[test]
    fn a_compression_loop_is_junk() {
        let question = ask();
        let mut bytes = question.id.to_be_bytes().to_vec();
        // A response with one question, whose name is a pointer to itself.
        bytes.extend([0x81, 0x80, 0, 1, 0, 0, 0, 0, 0, 0, 0xc0, 0x0c, 0, 1, 0, 1]);
        let reading = question.read(&bytes);
        assert!(reading.id_matches);
        assert_eq!(reading.rcode, None);
        assert_eq!(reading.failure(), Some(Failure::DnsServerMisbehaving));
    }

    #[test]
    fn counts_that_the_length_cannot_bear_are_junk() {
        let question = ask();
        let mut bytes = answer(&question, Vec::new()).to_vec().unwrap();
        bytes[4..6].copy_from_slice(&[0xff, 0xff]);
        assert_eq!(question.read(&bytes).rcode, None);
    }

    proptest! {
        #[test]
        fn arbitrary_bytes_never_panic(bytes in proptest::collection::vec(any::<u8>(), 0..600)) {
            let _ = ask().read(&bytes).failure();
        }

        #[test]
        fn damaged_answers_never_panic(
            at in 0usize..120, value: u8, cut in 0usize..120,
        ) {
            let question = ask();
            let records = vec![cname("example.org.", "cdn.example.net.", 5), a("cdn.example.net.", [192, 0, 2, 1])];
            let mut bytes = answer(&question, records).to_vec().unwrap();
            if let Some(byte) = bytes.get_mut(at) {
                *byte = value;
            }
            bytes.truncate(bytes.len().max(cut) - cut);
            let reading = question.read(&bytes);
            prop_assert!(reading.cnames.len() <= MAX_CNAMES);
        }
    }
}
