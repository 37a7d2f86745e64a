//! What is remembered of HTTP/3 between measurements: which hosts speak it, and how QUIC fared from each vantage.
//!
//! A site tells that it speaks HTTP/3 over TLS. Remembering it lets QUIC be tried beside TLS and not after it, and also when
//! TLS is blocked. What a host speaks is its own property, so all vantages share it.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use crate::model::{QuicHandshake, QuicHint, Timestamp, VantageId};
use crate::probe::quic::Offer;

/// Hosts remembered, and vantages with a host; beyond it the entry that ends first is forgotten.
const REMEMBERED: usize = 4096;
/// After silence a scheduled measurement does not try again for so long: where UDP is closed, every measurement would
/// else take as long as the silence.
const QUIET: Duration = Duration::from_secs(5 * 60);
/// How long a handshake that ended well is remembered as one that did.
const WELL_KNOWN: Duration = Duration::from_secs(24 * 3600);
/// How long the word of an HTTPS record is used.
const RECORD_AGE: Duration = Duration::from_secs(3600);

/// Scheme, host and port of a URL name an origin; here the scheme is always https.
pub(super) type Origin = (String, u16);

/// That a host speaks HTTP/3, and on which UDP port.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Known {
    pub(super) hint: QuicHint,
    pub(super) port: u16,
}

/// How QUIC fared between a vantage and a host.
#[derive(Debug, Clone, Copy, Default)]
struct Fared {
    good: Option<(Instant, Timestamp)>,
    silent: Option<Instant>,
}

/// The memory.
#[derive(Debug, Default)]
pub(super) struct Http3Memory(Mutex<Inner>);

#[derive(Debug, Default)]
struct Inner {
    speaks: HashMap<Origin, (Known, Instant)>,
    fared: HashMap<(VantageId, Origin), (Fared, Instant)>,
}

impl Http3Memory {
    /// What is known of the host at `now`.
    pub(super) fn known(&self, origin: &Origin, now: Instant) -> Option<Known> {
        self.inner().speaks.get(origin).filter(|(_, until)| now < *until).map(|(known, _)| *known)
    }

    /// Takes what the host itself said, over TLS that proved it.
    pub(super) fn take_offer(&self, origin: &Origin, offer: Offer, now: Instant) {
        match offer {
            Offer::Http3 { port, max_age } => self.learn(origin, Known { hint: QuicHint::AltSvc, port }, max_age, now),
            Offer::Withdrawn => {
                self.inner().speaks.remove(origin);
            }
        }
    }

    /// Takes what the host's HTTPS record said.
    pub(super) fn take_record(&self, origin: &Origin, port: u16, now: Instant) {
        self.learn(origin, Known { hint: QuicHint::HttpsRecord, port }, RECORD_AGE, now);
    }

    fn learn(&self, origin: &Origin, known: Known, age: Duration, now: Instant) {
        insert(&mut self.inner().speaks, origin.clone(), (known, now + age));
    }

    /// Whether QUIC was met with silence a moment ago.
    pub(super) fn is_quiet(&self, vantage: &VantageId, origin: &Origin, now: Instant) -> bool {
        let inner = self.inner();
        let fared = inner.fared.get(&(vantage.clone(), origin.clone())).map(|(fared, _)| *fared);
        fared.and_then(|fared| fared.silent).is_some_and(|at| now < at + QUIET)
    }

    /// Takes a handshake that ended at `now` (`at` by the wall clock), and notes beside a failure when one last ended well.
    pub(super) fn note(
        &self,
        vantage: &VantageId,
        origin: &Origin,
        handshake: &mut QuicHandshake,
        now: Instant,
        at: Timestamp,
    ) {
        let mut inner = self.inner();
        let key = (vantage.clone(), origin.clone());
        let mut fared = inner.fared.get(&key).map(|(fared, _)| *fared).unwrap_or_default();
        fared.good = fared.good.filter(|(good, _)| now < *good + WELL_KNOWN);
        match &handshake.failure {
            None => fared = Fared { good: Some((now, at)), silent: None },
            Some(failure) => {
                handshake.last_good = fared.good.map(|(_, at)| at);
                fared.silent = if failure.is_timeout() { Some(now) } else { fared.silent };
            }
        }
        if fared.good.is_some() || fared.silent.is_some() {
            insert(&mut inner.fared, key, (fared, now + WELL_KNOWN));
        }
    }

    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn insert<K: std::hash::Hash + Eq + Clone, V>(map: &mut HashMap<K, (V, Instant)>, key: K, value: (V, Instant)) {
    if map.len() >= REMEMBERED && !map.contains_key(&key) {
        let first = map.iter().min_by_key(|(_, (_, until))| *until).map(|(key, _)| key.clone());
        if let Some(first) = first {
            map.remove(&first);
        }
    }
    map.insert(key, value);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{AddressOrigin, Failure};

    fn origin(host: &str) -> Origin {
        (host.to_owned(), 443)
    }

    fn offer(seconds: u64) -> Offer {
        Offer::Http3 { port: 8443, max_age: Duration::from_secs(seconds) }
    }

    fn handshake(failure: Option<Failure>) -> QuicHandshake {
        QuicHandshake {
            hop: 0,
            address: "203.0.113.1:443".parse().unwrap(),
            server_name: "a".into(),
            started: Default::default(),
            elapsed: Default::default(),
            failure,
            origin: AddressOrigin::Own,
            hint: None,
            alpn: None,
            last_good: None,
        }
    }

    #[test]
    fn an_offer_holds_for_its_time_and_until_it_is_withdrawn() {
        let (memory, now, a) = (Http3Memory::default(), Instant::now(), origin("a"));
        assert_eq!(memory.known(&a, now), None);
        memory.take_offer(&a, offer(60), now);
        assert_eq!(memory.known(&a, now), Some(Known { hint: QuicHint::AltSvc, port: 8443 }));
        assert_eq!(memory.known(&("a".into(), 444), now), None);
        assert_eq!(memory.known(&a, now + Duration::from_secs(60)), None);
        memory.take_record(&a, 443, now);
        assert_eq!(memory.known(&a, now).unwrap().hint, QuicHint::HttpsRecord);
        memory.take_offer(&a, Offer::Withdrawn, now);
        assert_eq!(memory.known(&a, now), None);
    }

    #[test]
    fn silence_holds_back_for_a_while_and_remembers_better_days() {
        let (memory, now, a) = (Http3Memory::default(), Instant::now(), origin("a"));
        let (here, there): (VantageId, VantageId) = ("here".parse().unwrap(), "there".parse().unwrap());
        let (noon, later) = (Timestamp::from_unix_ms(1000), Timestamp::from_unix_ms(2000));
        memory.note(&here, &a, &mut handshake(None), now, noon);
        assert!(!memory.is_quiet(&here, &a, now));
        let mut silent = handshake(Some(Failure::GenericTimeout));
        memory.note(&here, &a, &mut silent, now, later);
        assert_eq!(silent.last_good, Some(noon));
        assert!(memory.is_quiet(&here, &a, now) && !memory.is_quiet(&there, &a, now));
        assert!(!memory.is_quiet(&here, &a, now + QUIET));
        let mut long_after = handshake(Some(Failure::ConnectionRefused));
        memory.note(&here, &a, &mut long_after, now + WELL_KNOWN, later);
        assert_eq!(long_after.last_good, None);
        memory.note(&here, &a, &mut handshake(None), now, later);
        assert!(!memory.is_quiet(&here, &a, now));
    }

    #[test]
    fn memory_is_bounded_and_forgets_what_ends_first() {
        let (memory, now) = (Http3Memory::default(), Instant::now());
        memory.take_offer(&origin("short"), offer(1), now);
        for n in 0..REMEMBERED {
            memory.take_offer(&origin(&n.to_string()), offer(60), now);
        }
        assert_eq!(memory.inner().speaks.len(), REMEMBERED);
        assert_eq!(memory.known(&origin("short"), now), None);
        assert!(memory.known(&origin("0"), now).is_some());
    }
}
