//! The censor's memory of connections.

use std::collections::HashMap;
use std::net::{IpAddr, SocketAddr};

use super::hello::{Sight, look};
use super::packet::{Body, Packet};
use super::police::Police;
use super::quic::Initials;
use crate::scenario::Ends;

/// First bytes of a connection that the censor keeps, at most.
const HEAD: usize = 16 * 1024;

/// Client and server as the client knows them.
pub(crate) type FlowKey = (SocketAddr, SocketAddr);

/// One TCP connection.
#[derive(Debug, Default)]
pub(crate) struct Flow {
    first_seq: u32,
    head: Vec<u8>,
    looked: bool,
    /// Every later packet of it is dropped.
    pub(crate) dead: bool,
    /// Where it really goes.
    pub(crate) redirected: Option<SocketAddr>,
    /// What is done to its later packets while it lives.
    pub(crate) grip: Option<Grip>,
}

/// What the censor goes on doing to a connection.
#[derive(Debug)]
pub(crate) enum Grip {
    /// Lets this many bytes more come to the client; then the connection is dead.
    Freeze(usize),
    /// Slows both directions down.
    Throttle { up: Police, down: Police },
    /// Sends RST to these behind the server's next data.
    ResetBehindAnswer(Ends),
}

impl Flow {
    /// Takes the payload of a segment from the client. Some when the first bytes now show a name, once.
    pub(crate) fn see(&mut self, port: u16, seq: u32, data: &[u8]) -> Option<Sight> {
        if self.looked || data.is_empty() {
            return None;
        }
        let offset = usize::try_from(seq.wrapping_sub(self.first_seq)).ok()?;
        // The path up to the censor neither loses nor reorders; what does not continue the head is a retransmission.
        let fresh = data.get(self.head.len().checked_sub(offset)?..)?;
        self.head.extend_from_slice(fresh);
        let sight = look(port, &self.head);
        if sight == Sight::NotYet && self.head.len() < HEAD {
            return None;
        }
        self.looked = true;
        self.head = Vec::new();
        Some(sight)
    }

    /// Seconds that a segment from the client with this much payload is held up; None when it is dropped.
    pub(crate) fn up(&mut self, bytes: usize, now: f64) -> Option<f64> {
        match &mut self.grip {
            Some(Grip::Throttle { up, .. }) => up.pass(bytes, now),
            _ => Some(0.0),
        }
    }

    /// Seconds that a segment to the client with this much payload is held up; None when it is dropped.
    pub(crate) fn down(&mut self, bytes: usize, now: f64) -> Option<f64> {
        match &mut self.grip {
            _ if self.dead => None,
            Some(Grip::Freeze(left)) if *left < bytes => {
                self.dead = true;
                None
            }
            Some(Grip::Freeze(left)) => {
                *left -= bytes;
                Some(0.0)
            }
            Some(Grip::Throttle { down, .. }) => down.pass(bytes, now),
            _ => Some(0.0),
        }
    }

    /// Whom to send RST now that the server has sent this much.
    pub(crate) fn reset_behind_answer(&mut self, bytes: usize) -> Option<Ends> {
        match self.grip {
            Some(Grip::ResetBehindAnswer(ends)) if bytes > 0 => {
                self.grip = None;
                Some(ends)
            }
            _ => None,
        }
    }
}

/// One QUIC connection.
#[derive(Default)]
pub(crate) struct QuicFlow {
    pub(crate) initials: Initials,
    /// Every later datagram of it is dropped.
    pub(crate) dead: bool,
}

/// All connections of the vantage.
#[derive(Default)]
pub(crate) struct Flows {
    flows: HashMap<FlowKey, Flow>,
    /// From (client, host that it was redirected to) to the connection.
    redirected: HashMap<FlowKey, FlowKey>,
    quic: HashMap<FlowKey, QuicFlow>,
    /// Pairs of a client and a server's port between which nothing passes until this second.
    residual: HashMap<(IpAddr, SocketAddr), f64>,
}

impl Flows {
    /// The flow of a segment from the client; a SYN begins a new one.
    pub(crate) fn outgoing(&mut self, packet: &Packet, key: FlowKey) -> &mut Flow {
        let syn = match &packet.body {
            Body::Tcp(tcp, _) if tcp.syn => Some(tcp.sequence_number),
            _ => None,
        };
        let flow = self.flows.entry(key).or_default();
        if let Some(seq) = syn
            && flow.first_seq != seq.wrapping_add(1)
        {
            *flow = Flow { first_seq: seq.wrapping_add(1), ..Flow::default() };
        }
        flow
    }

    /// Notes where a flow really goes.
    pub(crate) fn redirect(&mut self, key: FlowKey, target: SocketAddr) {
        self.flows.entry(key).or_default().redirected = Some(target);
        self.redirected.insert((key.0, target), key);
    }

    /// The connection that a segment from `server` to `client` belongs to, as the client knows it.
    pub(crate) fn incoming(&mut self, client: SocketAddr, server: SocketAddr) -> (FlowKey, Option<&mut Flow>) {
        let key = self.redirected.get(&(client, server)).copied().unwrap_or((client, server));
        (key, self.flows.get_mut(&key))
    }

    /// The QUIC connection of a datagram.
    pub(crate) fn quic(&mut self, key: FlowKey) -> &mut QuicFlow {
        self.quic.entry(key).or_default()
    }

    /// Whether a QUIC connection is dead.
    pub(crate) fn quic_is_dead(&self, key: FlowKey) -> bool {
        self.quic.get(&key).is_some_and(|flow| flow.dead)
    }

    /// Lets nothing pass between a connection's client and its server's port until `until`.
    pub(crate) fn kill_until(&mut self, (client, server): FlowKey, until: f64) {
        self.residual.insert((client.ip(), server), until);
    }

    /// Whether an earlier connection took this one down with it.
    pub(crate) fn killed(&self, (client, server): FlowKey, now: f64) -> bool {
        self.residual.get(&(client.ip(), server)).is_some_and(|until| now < *until)
    }
}
