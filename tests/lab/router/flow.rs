//! The censor's memory of TCP connections.

use std::collections::HashMap;
use std::net::SocketAddrV4;

use super::hello::{Sight, look};
use super::packet::{Body, Packet};

/// First bytes of a connection that the censor keeps, at most.
const HEAD: usize = 16 * 1024;

/// Client and server as the client knows them.
pub(crate) type FlowKey = (SocketAddrV4, SocketAddrV4);

/// One connection.
#[derive(Debug, Default)]
pub(crate) struct Flow {
    first_seq: u32,
    head: Vec<u8>,
    looked: bool,
    /// Every later packet of it is dropped.
    pub(crate) dead: bool,
    /// Where it really goes.
    pub(crate) redirected: Option<SocketAddrV4>,
}

impl Flow {
    /// Takes the payload of a segment from the client. Some when the first bytes now show a name, once.
    pub(crate) fn see(&mut self, seq: u32, data: &[u8]) -> Option<Sight> {
        if self.looked || data.is_empty() {
            return None;
        }
        let offset = usize::try_from(seq.wrapping_sub(self.first_seq)).ok()?;
        // The lab's path neither loses nor reorders; what does not continue the head is a retransmission.
        let fresh = data.get(self.head.len().checked_sub(offset)?..)?;
        self.head.extend_from_slice(fresh);
        let sight = look(&self.head);
        if sight == Sight::NotYet && self.head.len() < HEAD {
            return None;
        }
        self.looked = true;
        self.head = Vec::new();
        Some(sight)
    }
}

/// All connections of the vantage.
#[derive(Debug, Default)]
pub(crate) struct Flows {
    flows: HashMap<FlowKey, Flow>,
    /// From (client, host that it was redirected to) to the connection.
    redirected: HashMap<FlowKey, FlowKey>,
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
    pub(crate) fn redirect(&mut self, key: FlowKey, target: SocketAddrV4) {
        self.flows.entry(key).or_default().redirected = Some(target);
        self.redirected.insert((key.0, target), key);
    }

    /// The connection that a segment from `server` to `client` belongs to, as the client knows it.
    pub(crate) fn incoming(&self, client: SocketAddrV4, server: SocketAddrV4) -> (FlowKey, Option<&Flow>) {
        let key = self.redirected.get(&(client, server)).copied().unwrap_or((client, server));
        (key, self.flows.get(&key))
    }
}
