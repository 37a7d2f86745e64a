//! One question by datagram, and everything that comes back (RFC 1035 section 4.2.1).
//!
//! The socket is not connected and stays open for a while after the first answer: a forger on the path wins the
//! race against the true answer, it cannot stop it.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use tokio::net::UdpSocket;
use tokio::time::timeout_at;

use super::datagram::{self, Heard};
use super::message::{Question, Reading};
use super::{DnsQuery, framed, record};
use crate::model::{DnsExchange, DnsTransport, Elapsed, Failure};
use crate::vantage::Vantage;

/// How long the socket listens on after the first answer. A true answer that loses to a forged one is late by a
/// round trip to the resolver and its own look-up; half a second covers both (OONI waits as long).
const DRAIN: Duration = Duration::from_millis(500);

/// Answers kept of one exchange.
const MAX_ANSWERS: usize = 16;

/// Response codes with which servers refuse EDNS (RFC 6891 section 7): FORMERR and NOTIMP.
const NO_EDNS: [u16; 2] = [1, 4];

/// Asks `server`. The question is repeated once, from a new socket with a new id, after half of the timeout in
/// silence, so that one lost datagram is not a block; it is asked again without EDNS where that was refused, and
/// over TCP when the answer was truncated.
pub(super) async fn ask(
    vantage: &Vantage,
    server: SocketAddr,
    resolver: &str,
    query: &DnsQuery<'_>,
) -> Vec<DnsExchange> {
    let deadline = Instant::now() + query.timeout;
    let mut done = ask_twice(vantage, server, resolver, query, true, deadline).await;
    let refused_edns = |reading: &Reading| reading.rcode.is_some_and(|rcode| NO_EDNS.contains(&rcode));
    if done.iter().any(|(_, first)| first.as_ref().is_some_and(refused_edns)) && Instant::now() < deadline {
        done.extend(ask_twice(vantage, server, resolver, query, false, deadline).await);
    }
    let truncated = |first: &Option<Reading>| first.as_ref().is_some_and(|reading| reading.truncated);
    let over_tcp = if done.iter().any(|(_, first)| truncated(first)) {
        let left = deadline.saturating_duration_since(Instant::now()).max(query.timeout / 2);
        Some(framed::ask_tcp(vantage, server, resolver, &DnsQuery { timeout: left, ..*query }).await)
    } else {
        None
    };
    let mut exchanges = Vec::with_capacity(done.len() + 1);
    for (mut exchange, first) in done {
        if let Some(whole) = over_tcp.as_ref().filter(|_| truncated(&first)) {
            // A truncated answer without an address does not say that there is none: the whole one counts.
            if exchange.failure == Some(Failure::DnsNoAnswer) {
                exchange.failure.clone_from(&whole.failure);
            }
        }
        exchanges.push(exchange);
    }
    exchanges.extend(over_tcp);
    exchanges
}

/// An exchange with its first matching answer.
type Done = (DnsExchange, Option<Reading>);

async fn ask_twice(
    vantage: &Vantage,
    server: SocketAddr,
    resolver: &str,
    query: &DnsQuery<'_>,
    edns: bool,
    deadline: Instant,
) -> Vec<Done> {
    let start = || Flight::start(vantage, server, resolver, query, edns);
    let mut first = match start().await {
        Ok(flight) => flight,
        Err(exchange) => return vec![(*exchange, None)],
    };
    let half = first.sent + deadline.saturating_duration_since(first.sent) / 2;
    first.listen(half).await;
    if first.is_settled() {
        return vec![first.land()];
    }
    let mut second = match start().await {
        Ok(flight) => flight,
        Err(exchange) => return vec![first.land(), (*exchange, None)],
    };
    tokio::select! {
        () = first.listen(deadline) => {}
        () = second.listen(deadline) => {}
    }
    // When the first one's late answer ended the wait, the second was never given its time: its silence says nothing.
    if first.is_settled() && !second.is_settled() && second.exchange.answers.is_empty() {
        return vec![first.land()];
    }
    vec![first.land(), second.land()]
}

/// One question under way.
struct Flight {
    socket: UdpSocket,
    server: SocketAddr,
    question: Question,
    sent: Instant,
    exchange: DnsExchange,
    /// The first matching answer and when it came.
    first: Option<(Reading, Elapsed)>,
    /// The first ICMP error and when it came. It may be forged or pass, so an answer after it still counts.
    error: Option<(Failure, Elapsed)>,
    /// What is wrong with an answer that the server sent and that does not match.
    oddity: Option<Failure>,
    /// When the drain ends.
    settled: Option<Instant>,
}

impl Flight {
    async fn start(
        vantage: &Vantage,
        server: SocketAddr,
        resolver: &str,
        query: &DnsQuery<'_>,
        edns: bool,
    ) -> Result<Self, Box<DnsExchange>> {
        let started = Instant::now();
        let exchange = record::begin(query, resolver, DnsTransport::Udp, started);
        match send(vantage, server, query, edns).await {
            Ok((socket, question, sent)) => Ok(Self {
                socket,
                server,
                question,
                sent,
                exchange,
                first: None,
                error: None,
                oddity: None,
                settled: None,
            }),
            Err(failure) => {
                Err(Box::new(DnsExchange { failure: Some(failure), elapsed: started.elapsed().into(), ..exchange }))
            }
        }
    }

    fn is_settled(&self) -> bool {
        self.first.is_some() || self.error.is_some()
    }

    /// Notes everything that comes until `deadline`, or until the drain after the first answer is over. Can be
    /// cancelled and taken up again.
    async fn listen(&mut self, deadline: Instant) {
        loop {
            let until = self.settled.map_or(deadline, |settled| settled.min(deadline));
            match timeout_at(until.into(), datagram::hear(&self.socket)).await {
                Err(_) => return,
                Ok(Ok(heard)) => self.note(heard),
                Ok(Err(failure)) => {
                    self.note(Heard::Error(failure));
                    return;
                }
            }
        }
    }

    fn note(&mut self, heard: Heard) {
        let latency = Elapsed::from(self.sent.elapsed());
        match heard {
            Heard::Error(failure) => {
                self.error.get_or_insert((failure, latency));
            }
            Heard::Datagram { bytes, source, ip_ttl } => {
                let from_asked =
                    source.is_some_and(|source| source.ip() == self.server.ip() && source.port() == self.server.port());
                let reading = self.question.read(&bytes);
                let arrival = record::Arrival { source, ip_ttl, latency, from_asked };
                let answer = record::answer(&reading, arrival, &bytes);
                let is_first = answer.matches_question && self.first.is_none();
                if from_asked && !answer.matches_question {
                    self.oddity = self.oddity.take().or_else(|| reading.failure());
                }
                // A flood of junk must not crowd out the answer.
                if self.exchange.answers.len() < MAX_ANSWERS || is_first {
                    self.exchange.answers.push(answer);
                }
                if is_first {
                    self.first = Some((reading, latency));
                }
            }
        }
        if self.is_settled() {
            self.settled.get_or_insert_with(|| Instant::now() + DRAIN);
        }
    }

    fn land(self) -> Done {
        let mut exchange = self.exchange;
        match (self.first, self.error) {
            (Some((reading, latency)), _) => {
                exchange.failure = reading.failure();
                exchange.elapsed = latency;
                return (exchange, Some(reading));
            }
            (None, Some((failure, latency))) => {
                exchange.failure = Some(failure);
                exchange.elapsed = latency;
            }
            (None, None) => {
                exchange.failure = Some(self.oddity.unwrap_or(Failure::GenericTimeout));
                exchange.elapsed = self.sent.elapsed().into();
            }
        }
        (exchange, None)
    }
}

async fn send(
    vantage: &Vantage,
    server: SocketAddr,
    query: &DnsQuery<'_>,
    edns: bool,
) -> Result<(UdpSocket, Question, Instant), Failure> {
    let question = Question::new(query.name, query.query_type, edns)?;
    let socket = vantage.udp_socket(server.is_ipv6())?;
    datagram::prepare(&socket, server.is_ipv6());
    let sent = Instant::now();
    socket.send_to(&question.bytes, server).await.map_err(|error| Failure::from_io(&error))?;
    Ok((socket, question, sent))
}
