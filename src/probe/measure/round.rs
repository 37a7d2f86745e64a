//! One measurement under way: everything that runs at once, driven from one place.
//!
//! All steps are futures of this one task. Dropping it ends them all; nothing is left running behind. Each step
//! keeps to the measurement's deadline itself, so that what was pending then is recorded in its own layer.

use std::collections::HashSet;
use std::net::{IpAddr, SocketAddr};
use std::time::{Duration, Instant};

use futures_util::StreamExt;
use futures_util::future::BoxFuture;
use futures_util::stream::FuturesUnordered;
use tokio::time::sleep_until;
use url::{Host, Url};

use super::aside::{self, Aside, Extras};
use super::attempt::{self, Attempt, Dial, Ready};
use super::greeting::{self, Greeting};
use super::hop::Hop;
use super::http3::Known;
use super::plan::AddressPlan;
use super::{Prober, question};
use crate::config::Role;
use crate::model::{
    AddressFamily, AddressOrigin, DnsExchange, Failure, HttpExchange, QueryType, QuicHandshake, QuicHint, TcpConnect,
    Timestamp, TlsHandshake, Trigger,
};
use crate::probe::http;
use crate::probe::quic::{self, Offer};
use crate::vantage::{Inward, Vantage};

/// Redirects followed at most.
const MAX_REDIRECTS: u8 = 10;
/// How long the reference and its addresses are still waited for once the site has answered by itself.
const STRAGGLERS: Duration = Duration::from_millis(500);
/// Time after the deadline at which everything is given up, should a step not keep to it.
const HARD_STOP: Duration = Duration::from_secs(1);

/// Something that happened in a hop.
enum Event {
    Own(usize, Vec<DnsExchange>),
    Reference(usize, Vec<DnsExchange>),
    Attempt(usize, Box<Attempt>),
    Aside(Box<Attempt>),
    Answer(usize, Box<HttpExchange>, Vec<u8>, bool),
    /// The port of HTTP/3, by the host's HTTPS record.
    Http3(usize, Option<u16>),
    Greeting(usize, Box<QuicHandshake>),
}

/// What was seen, in the order of the layers.
#[derive(Default)]
pub(super) struct Seen {
    pub(super) dns: Vec<DnsExchange>,
    pub(super) tcp: Vec<TcpConnect>,
    pub(super) tls: Vec<TlsHandshake>,
    pub(super) http: Vec<HttpExchange>,
    pub(super) quic: Vec<QuicHandshake>,
}

/// The measurement.
pub(super) struct Round<'a> {
    prober: &'a Prober,
    vantage: &'a Vantage,
    extras: &'a Extras,
    /// What must not be dialled.
    inward: Inward,
    origin: Instant,
    deadline: Instant,
    ipv6: bool,
    /// QUIC is tried at all.
    quic: bool,
    /// Even where it was met with silence a moment ago.
    insistent: bool,
    tasks: FuturesUnordered<BoxFuture<'a, Event>>,
    hops: Vec<Hop>,
    aside: Aside,
    seen: Seen,
    /// The last answer came by an own address over authentic TLS.
    settled: bool,
    /// Handshakes over QUIC that were begun.
    greetings: usize,
}

impl<'a> Round<'a> {
    pub(super) async fn new(
        prober: &'a Prober,
        vantage: &'a Vantage,
        trigger: Trigger,
        (extras, inward): (&'a Extras, Inward),
        origin: Instant,
    ) -> Self {
        Self {
            prober,
            vantage,
            extras,
            inward,
            origin,
            deadline: origin + prober.timeouts.url_timeout,
            ipv6: prober.ipv6.available(vantage).await,
            quic: prober.timeouts.quic && !vantage.is_tunnel(),
            insistent: matches!(trigger, Trigger::Manual | Trigger::Control),
            tasks: FuturesUnordered::new(),
            hops: Vec::new(),
            aside: Aside::default(),
            seen: Seen::default(),
            settled: false,
            greetings: 0,
        }
    }

    /// Measures `url` and whatever it redirects to.
    pub(super) async fn run(mut self, url: &Url) -> Seen {
        let mut visited = HashSet::new();
        let mut next = Some(url.clone());
        for index in 0..=MAX_REDIRECTS {
            let Some(url) = next.take() else { break };
            if Instant::now() >= self.deadline || !self.open(index, url.clone()) {
                break;
            }
            visited.insert(without_fragment(url));
            next = self.follow(usize::from(index)).await;
            let again = next.as_ref().is_some_and(|url| visited.contains(&without_fragment(url.clone())));
            if next.is_some() && (again || index == MAX_REDIRECTS) {
                if let Some(last) = self.seen.http.last_mut() {
                    last.failure.get_or_insert(Failure::HttpTooManyRedirects);
                }
                break;
            }
        }
        self.ask_for_http3();
        self.drain().await;
        self.finish()
    }

    /// Starts a hop: asks the name servers, or takes the address that the URL itself names.
    fn open(&mut self, index: u8, url: Url) -> bool {
        let (Some(host), Some(port)) = (attempt::host_of(&url), url.port_or_known_default()) else { return false };
        let literal = attempt::literal(&host);
        let mut hop = Hop {
            index,
            url,
            host,
            port,
            plan: AddressPlan::new(self.prober.timeouts.max_addresses, self.ipv6),
            bogons: Vec::new(),
            own_questions: 0,
            reference_asked: false,
            reference_at: None,
            in_flight: Vec::new(),
            ready: Vec::new(),
            spare_since: None,
            carried: false,
            answered: false,
            proven: false,
            http3: None,
            greeted: Vec::new(),
            quic_steps: 0,
            late: Vec::new(),
            late_since: None,
        };
        if self.may_greet(&hop) {
            hop.http3 = self.prober.http3.known(&hop.origin(), Instant::now());
        }
        let at = self.hops.len();
        self.settled = false;
        if literal.is_none() {
            self.ask(at, &mut hop);
        }
        self.hops.push(hop);
        if let Some(ip) = literal {
            self.learn(at, &[ip], AddressOrigin::Own);
        }
        true
    }

    fn ask(&mut self, at: usize, hop: &mut Hop) {
        let (prober, vantage, origin, deadline) = (self.prober, self.vantage, self.origin, self.deadline);
        let (index, name) = (hop.index, hop.host.to_string());
        for resolver in vantage.resolvers() {
            for &query_type in QueryType::ALL {
                hop.own_questions += 1;
                let name = name.clone();
                self.tasks.push(Box::pin(async move {
                    let asked = question::Asked { hop: index, name: &name, query_type, origin, deadline };
                    Event::Own(at, question::own(prober, vantage, resolver, &asked).await)
                }));
            }
        }
        // A control is asked for what it sees by itself.
        if let Some(reference) = prober.reference.as_ref().filter(|_| vantage.role() == Role::Probe) {
            hop.reference_asked = true;
            self.tasks.push(Box::pin(async move {
                let timeout = prober.timeouts.dns_timeout.min(deadline.saturating_duration_since(Instant::now()));
                Event::Reference(at, reference.ask(index, &name, origin, timeout).await)
            }));
        }
    }

    /// Runs a hop until its request is answered or nothing is left that could carry one. Gives the redirect.
    async fn follow(&mut self, at: usize) -> Option<Url> {
        loop {
            let now = Instant::now();
            self.dial(at, now);
            self.greet(at, now);
            let hop = self.hops.get_mut(at)?;
            if let Some(ready) = hop.choose(now).filter(|_| now < self.deadline) {
                let url = hop.url.clone();
                self.send(at, url, ready);
            }
            let hop = self.hops.get(at)?;
            if hop.answered {
                let index = hop.index;
                return self.seen.http.last().filter(|answer| answer.hop == index)?.redirect.clone();
            }
            if (hop.is_idle() && !hop.carried) || now >= self.deadline + HARD_STOP {
                return None;
            }
            let wake = hop.wake(now).unwrap_or(self.deadline + HARD_STOP);
            tokio::select! {
                event = self.tasks.next() => self.take(event?),
                () = sleep_until(wake.into()) => {}
            }
        }
    }

    /// Lets what is still under way come to its own end. Once the site has answered by itself, only what is our
    /// own is waited for.
    async fn drain(&mut self) {
        let patience = Instant::now() + STRAGGLERS;
        let hard = self.deadline + HARD_STOP;
        loop {
            let now = Instant::now();
            for at in 0..self.hops.len() {
                self.dial(at, now);
                self.greet(at, now);
            }
            let busy = |hop: &Hop| hop.own_busy() || hop.quic_steps > 0;
            let busy = self.aside.in_flight > 0 || self.hops.iter().any(busy);
            let only_others = self.settled && !busy;
            let until = if only_others { patience.min(hard) } else { hard };
            if self.tasks.is_empty() || now >= until {
                return;
            }
            tokio::select! {
                Some(event) = self.tasks.next() => self.take(event),
                () = sleep_until(until.into()) => {}
            }
        }
    }

    fn dial(&mut self, at: usize, now: Instant) {
        let Some(hop) = self.hops.get_mut(at) else { return };
        if now >= self.deadline {
            return;
        }
        for ip in hop.plan.next(hop.progress(now)) {
            hop.in_flight.push(ip);
            let dial = Dial {
                hop: hop.index,
                address: SocketAddr::new(ip, hop.port),
                host: hop.host.clone(),
                tls: hop.url.scheme() == "https",
                origin: self.origin,
                deadline: self.deadline,
            };
            let (prober, vantage) = (self.prober, self.vantage);
            self.tasks.push(Box::pin(async move {
                Event::Attempt(at, Box::new(attempt::dial(prober, vantage, dial).await))
            }));
        }
        self.dial_aside(at);
    }

    fn dial_aside(&mut self, at: usize) {
        let Some(hop) = self.hops.get(at) else { return };
        let usable = |ip: IpAddr| (ip.is_ipv4() || self.ipv6) && !self.inward.forbids(ip);
        for address in self.aside.next(self.extras, hop, usable) {
            let dial = Dial {
                hop: hop.index,
                address,
                host: hop.host.clone(),
                tls: aside::speaks_tls(hop, address.port()),
                origin: self.origin,
                deadline: self.deadline,
            };
            let (prober, vantage) = (self.prober, self.vantage);
            self.tasks.push(Box::pin(async move {
                let mut attempt = attempt::dial(prober, vantage, dial).await;
                attempt.ready = None;
                Event::Aside(Box::new(attempt))
            }));
        }
    }

    /// Whether QUIC may be tried at a hop's host: not where it was met with silence a moment ago.
    fn may_greet(&self, hop: &Hop) -> bool {
        let quiet = || self.prober.http3.is_quiet(self.vantage.id(), &hop.origin(), Instant::now());
        self.quic && hop.url.scheme() == "https" && (self.insistent || !quiet())
    }

    /// Greets the host over QUIC once it is known to speak HTTP/3: one own address of each family, one that has proved
    /// itself before one that is only being dialled.
    fn greet(&mut self, at: usize, now: Instant) {
        let Some(hop) = self.hops.get_mut(at) else { return };
        let Some(known) = hop.http3.filter(|_| now < self.deadline) else { return };
        for &family in AddressFamily::ALL {
            if hop.greeted.contains(&family) || self.greetings >= greeting::MOST {
                continue;
            }
            let proven = self.seen.tls.iter().filter(|tls| tls.hop == hop.index && tls.is_authentic());
            let proven = proven.map(|tls| tls.address.ip()).filter(|ip| hop.plan.is_own(*ip));
            let mut candidates = proven.chain(hop.plan.dialled_own());
            let Some(ip) = candidates.find(|ip| AddressFamily::of(*ip) == family) else { continue };
            hop.greeted.push(family);
            hop.quic_steps += 1;
            self.greetings += 1;
            let greeting = Greeting {
                hop: hop.index,
                address: SocketAddr::new(ip, known.port),
                host: hop.host.clone(),
                known,
                origin: self.origin,
                deadline: self.deadline,
            };
            let (prober, vantage) = (self.prober, self.vantage);
            self.tasks.push(Box::pin(async move {
                Event::Greeting(at, Box::new(greeting::greet(prober, vantage, greeting).await))
            }));
        }
    }

    /// A host that could not tell over TLS whether it speaks HTTP/3 may have told it in the DNS. The encrypted reference is
    /// asked, and only then: what the own resolver would say is no better, and a good measurement needs no such question.
    fn ask_for_http3(&mut self) {
        let at = self.hops.len().saturating_sub(1);
        let Some(hop) = self.hops.last().filter(|hop| !hop.proven && hop.http3.is_none() && self.may_greet(hop)) else {
            return;
        };
        let reference = self.prober.reference.as_ref().filter(|_| self.vantage.role() == Role::Probe);
        let (Host::Domain(name), Some(reference)) = (hop.host.clone(), reference) else { return };
        let left = self.deadline.saturating_duration_since(Instant::now());
        let timeout = self.prober.timeouts.dns_timeout.min(left);
        self.tasks.push(Box::pin(async move { Event::Http3(at, reference.http3_port(&name, timeout).await) }));
    }

    fn send(&mut self, at: usize, url: Url, ready: Ready) {
        let (index, origin, body_limit) = (at as u8, self.origin, self.prober.timeouts.body_limit);
        let headers = &self.extras.headers;
        let (now, whole) = (Instant::now(), self.prober.timeouts.url_timeout);
        let usual = self.prober.timeouts.http_timeout;
        let limit = usual.min(self.deadline.saturating_duration_since(now));
        let deadline = now + limit;
        self.tasks.push(Box::pin(async move {
            let Ready { address, stream, notes, h2, clean, permit } = ready;
            let get = http::Get { hop: index, url: &url, address, h2, headers, origin, deadline, body_limit };
            let (mut exchange, body) = http::exchange(stream, &notes, &get).await;
            exchange.failure = attempt::cut_short(exchange.failure, limit, usual.min(whole));
            drop(permit);
            Event::Answer(at, Box::new(exchange), body, clean && url.scheme() == "https")
        }));
    }

    fn take(&mut self, event: Event) {
        match event {
            Event::Own(at, exchanges) => {
                if let Some(hop) = self.hops.get_mut(at) {
                    hop.own_questions = hop.own_questions.saturating_sub(1);
                    let (prompt, late) = question::by_answer(&exchanges);
                    hop.late.retain(|ip| !prompt.contains(ip));
                    hop.late.extend(late.into_iter().filter(|ip| !hop.plan.is_own(*ip)));
                }
                self.learn(at, &question::addresses(&exchanges), AddressOrigin::Own);
                self.seen.dns.extend(exchanges);
            }
            Event::Reference(at, exchanges) => {
                if let Some(hop) = self.hops.get_mut(at) {
                    hop.reference_asked = false;
                    hop.reference_at = Some(Instant::now());
                }
                self.learn(at, &question::addresses(&exchanges), AddressOrigin::Control);
                self.seen.dns.extend(exchanges);
            }
            Event::Attempt(at, attempt) => {
                let Attempt { tcp, tls, ready } = *attempt;
                if let Some(hop) = self.hops.get_mut(at) {
                    hop.in_flight.retain(|ip| *ip != tcp.address.ip());
                    hop.ready.extend(ready.filter(|_| !hop.carried));
                }
                self.seen.tcp.push(tcp);
                self.seen.tls.extend(tls);
            }
            Event::Aside(attempt) => {
                self.aside.in_flight = self.aside.in_flight.saturating_sub(1);
                self.seen.tcp.push(attempt.tcp);
                self.seen.tls.extend(attempt.tls);
            }
            Event::Answer(at, exchange, body, authentic) => self.take_answer(at, *exchange, &body, authentic),
            Event::Http3(at, port) => {
                if let Some((hop, port)) = self.hops.get_mut(at).zip(port) {
                    self.prober.http3.take_record(&hop.origin(), port, Instant::now());
                    hop.http3 = Some(Known { hint: QuicHint::HttpsRecord, port });
                }
            }
            Event::Greeting(at, mut handshake) => {
                if let Some(hop) = self.hops.get_mut(at) {
                    hop.quic_steps = hop.quic_steps.saturating_sub(1);
                    let (origin, now) = (hop.origin(), Instant::now());
                    self.prober.http3.note(self.vantage.id(), &origin, &mut handshake, now, Timestamp::now());
                }
                self.seen.quic.push(*handshake);
            }
        }
    }

    fn take_answer(&mut self, at: usize, mut exchange: HttpExchange, body: &[u8], authentic: bool) {
        let looks_wrong =
            !authentic || exchange.failure.is_some() || exchange.status.is_none_or(|status| status >= 400);
        if let Some(record) = exchange.body.as_mut().filter(|_| looks_wrong) {
            record.kept = http::keep(body);
        }
        if let Some(hop) = self.hops.get_mut(at) {
            hop.answered = true;
            hop.proven = authentic;
            let own = hop.plan.is_own(exchange.address.ip());
            self.settled = authentic && own && exchange.failure.is_none();
        }
        if authentic && exchange.redirect.is_none() {
            self.take_offer(at, &exchange);
        }
        self.seen.http.push(exchange);
    }

    /// Takes what the site says of HTTP/3. Where its answer only sends us on, nothing is to be greeted.
    fn take_offer(&mut self, at: usize, exchange: &HttpExchange) {
        let Some(hop) = self.hops.get(at).filter(|_| self.quic) else { return };
        let origin = hop.origin();
        let Some(offer) = quic::offer(&exchange.headers, &origin.0) else { return };
        self.prober.http3.take_offer(&origin, offer, Instant::now());
        let known = match offer {
            Offer::Http3 { port, .. } => Some(Known { hint: QuicHint::AltSvc, port }),
            Offer::Withdrawn => None,
        };
        let known = known.filter(|_| self.may_greet(hop));
        if let Some(hop) = self.hops.get_mut(at) {
            hop.http3 = known;
        }
    }

    /// Takes addresses into the hop's plan; what cannot be public is recorded and goes no further.
    fn learn(&mut self, at: usize, addresses: &[IpAddr], origin: AddressOrigin) {
        let Some(hop) = self.hops.get_mut(at) else { return };
        for &ip in addresses {
            if self.inward.forbids(ip) {
                if origin == AddressOrigin::Own {
                    hop.plan.refuse_own(ip);
                }
                if !hop.bogons.contains(&ip) && hop.bogons.len() < self.prober.timeouts.max_addresses {
                    hop.bogons.push(ip);
                    self.seen.tcp.push(attempt::bogon(hop.index, SocketAddr::new(ip, hop.port), self.origin));
                }
                continue;
            }
            match origin {
                AddressOrigin::Own => hop.plan.add_own(ip),
                AddressOrigin::Control => hop.plan.add_control(ip),
            }
        }
    }

    /// Whose an address is can be told only when all name servers have spoken.
    fn finish(mut self) -> Seen {
        let origin = |hop: u8, address: SocketAddr| match self.hops.get(usize::from(hop)) {
            Some(hop) if !hop.plan.is_own(address.ip()) => AddressOrigin::Control,
            _ => AddressOrigin::Own,
        };
        for tcp in &mut self.seen.tcp {
            tcp.origin = origin(tcp.hop, tcp.address);
        }
        for tls in &mut self.seen.tls {
            tls.origin = origin(tls.hop, tls.address);
        }
        for http in &mut self.seen.http {
            http.origin = origin(http.hop, http.address);
        }
        self.seen.dns.sort_by_key(|exchange| (exchange.hop, exchange.role, exchange.started));
        self.seen.tcp.sort_by_key(|tcp| (tcp.hop, tcp.started));
        self.seen.tls.sort_by_key(|tls| (tls.hop, tls.started));
        self.seen.quic.sort_by_key(|quic| (quic.hop, quic.started));
        self.seen
    }
}

fn without_fragment(mut url: Url) -> Url {
    url.set_fragment(None);
    url
}
