//! The censor: it sees every packet of the vantage and applies the scenario's rules. Port 1080 stands for an encrypted
//! tunnel: it looks at addresses there, never inside.

use std::net::{Ipv4Addr, SocketAddrV4};

use hickory_proto::op::Message;

use super::flow::{FlowKey, Flows};
use super::hello::Sight;
use super::log::Log;
use super::packet::{Body, Packet, Seen, datagram_back, prohibited};
use crate::places::{self, Place};
use crate::scenario::{Act, Answer, Rule, Trigger, holds};
use crate::world::{answer, http_text};

/// The censor with its memory.
pub(crate) struct Censor {
    rules: Vec<Rule>,
    flows: Flows,
    log: Log,
}

impl Censor {
    /// A censor with these rules; the first that matches acts.
    pub(crate) fn new(rules: Vec<Rule>, log: Log) -> Self {
        Self { rules, flows: Flows::default(), log }
    }

    /// What becomes of a packet that comes from or goes to the vantage: the packets to send on.
    pub(crate) fn inspect(&mut self, packet: Packet, now: f64) -> Vec<Packet> {
        if Place::of(packet.source()) == Some(Place::Vantage) {
            self.outgoing(packet, now)
        } else {
            self.incoming(packet, now).into_iter().collect()
        }
    }

    fn outgoing(&mut self, packet: Packet, now: f64) -> Vec<Packet> {
        if let Some(rule) = self.rule_for_address(packet.destination(), now) {
            if let Act::Redirect(target) = rule.act {
                if let (Some(seen), true) = (Seen::of(&packet), is_syn(&packet)) {
                    self.log.act(now, &rule.id, &format!("{} to {} goes to {target}", seen.from, seen.to));
                    self.flows.outgoing(&packet, (seen.from, seen.to));
                    self.flows.redirect((seen.from, seen.to), target);
                }
            } else {
                let what =
                    packet.ends().map_or(packet.destination().to_string(), |(from, to)| format!("{from} to {to}"));
                self.log.act(now, &rule.id, &what);
                return answer_to_packet(&rule.act, &packet);
            }
        }
        match &packet.body {
            Body::Tcp(..) => self.outgoing_tcp(packet, now),
            Body::Udp(..) => self.outgoing_udp(packet, now),
            Body::Other(_) => vec![packet],
        }
    }

    fn outgoing_tcp(&mut self, mut packet: Packet, now: f64) -> Vec<Packet> {
        let Some(seen) = Seen::of(&packet) else { return vec![packet] };
        let key: FlowKey = (seen.from, seen.to);
        let flow = self.flows.outgoing(&packet, key);
        if flow.dead {
            return Vec::new();
        }
        let redirected = flow.redirected;
        if let Body::Tcp(tcp, data) = &packet.body
            && seen.to.port() != places::WAY_OUT.port()
            && let Some(sight) = flow.see(tcp.sequence_number, data)
            && let Some(rule) = self.rules.iter().find(|rule| sees(rule, &sight, now))
        {
            self.log.act(now, &rule.id, &format!("{} to {}: {sight:?}", seen.from, seen.to));
            flow.dead = true;
            return answer_to_name(&rule.act, seen, redirected);
        }
        if let Some(target) = redirected {
            packet.set_destination(target);
        }
        vec![packet]
    }

    fn outgoing_udp(&self, packet: Packet, now: f64) -> Vec<Packet> {
        let Some(query) = question(&packet) else { return vec![packet] };
        let Some(name) = query.queries.first().map(|query| query.name().to_ascii()) else { return vec![packet] };
        let rule = self.rules.iter().find(|rule| {
            holds(rule.from, rule.until, now)
                && matches!(&rule.when, Trigger::Question(pattern) if pattern.matches(&name))
        });
        let Some(rule) = rule else { return vec![packet] };
        self.log.act(now, &rule.id, &format!("question for {name}"));
        let forged = |lie: &Answer| answer::lie(&query, lie).and_then(|data| datagram_back(&packet, data));
        match &rule.act {
            Act::Forge(lie) => forged(lie).into_iter().collect(),
            Act::ForgeFirst(lie) => forged(lie).into_iter().chain([packet.clone()]).collect(),
            _ => Vec::new(),
        }
    }

    fn incoming(&mut self, mut packet: Packet, now: f64) -> Option<Packet> {
        let mut server = packet.source();
        if let (Body::Tcp(..), Some((from, to))) = (&packet.body, packet.ends()) {
            let (key, flow) = self.flows.incoming(to, from);
            if flow.is_some_and(|flow| flow.dead) {
                return None;
            }
            if key.1 != from {
                packet.set_source(key.1);
                server = *key.1.ip();
            }
        }
        match self.rule_for_address(server, now) {
            Some(rule) if !matches!(rule.act, Act::Redirect(_)) => None,
            _ => Some(packet),
        }
    }

    fn rule_for_address(&self, address: Ipv4Addr, now: f64) -> Option<&Rule> {
        self.rules.iter().filter(|rule| holds(rule.from, rule.until, now)).find(|rule| match rule.when {
            Trigger::All => true,
            Trigger::Foreign => matches!(Place::of(address), Some(Place::World | Place::Abroad)),
            Trigger::Address(banned) => banned == address,
            Trigger::Sni(_) | Trigger::Host(_) | Trigger::Question(_) => false,
        })
    }
}

fn sees(rule: &Rule, sight: &Sight, now: f64) -> bool {
    holds(rule.from, rule.until, now)
        && match (&rule.when, sight) {
            (Trigger::Sni(pattern), Sight::Sni(name)) | (Trigger::Host(pattern), Sight::Host(name)) => {
                pattern.matches(name)
            }
            _ => false,
        }
}

fn answer_to_packet(act: &Act, packet: &Packet) -> Vec<Packet> {
    let seen = Seen::of(packet);
    let to_client = match act {
        Act::Refuse if is_syn(packet) => seen.and_then(Seen::reset_to_sender),
        Act::Reset => seen.and_then(Seen::reset_to_sender),
        Act::Fin => seen.and_then(Seen::finish_to_sender),
        Act::Prohibit => prohibited(packet, places::ROUTER),
        _ => None,
    };
    let to_server = match act {
        Act::Reset if !is_syn(packet) => seen.and_then(Seen::reset_to_receiver),
        _ => None,
    };
    to_client.into_iter().chain(to_server).collect()
}

/// The packet that bore the name is dropped in every case: what the client sees then depends on no race.
fn answer_to_name(act: &Act, seen: Seen, redirected: Option<SocketAddrV4>) -> Vec<Packet> {
    let mut packets = match act {
        Act::Reset => seen.reset_to_sender().into_iter().collect(),
        Act::Fin => seen.finish_to_sender().into_iter().collect(),
        Act::Respond(page) => seen.respond(&http_text(page)),
        _ => return Vec::new(),
    };
    if let Some(mut reset) = seen.reset_to_receiver() {
        if let Some(target) = redirected {
            reset.set_destination(target);
        }
        packets.push(reset);
    }
    packets
}

fn question(packet: &Packet) -> Option<Message> {
    let (_, to) = packet.ends()?;
    let Body::Udp(_, data) = &packet.body else { return None };
    if to.port() != 53 {
        return None;
    }
    Message::from_vec(data).ok()
}

fn is_syn(packet: &Packet) -> bool {
    matches!(&packet.body, Body::Tcp(tcp, _) if tcp.syn && !tcp.ack)
}
