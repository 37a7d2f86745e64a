//! The censor: it sees every packet of the vantage and applies the scenario's rules. Port 1080 stands for an encrypted
//! tunnel: it looks at addresses there, never inside.

use std::net::IpAddr;

use hickory_proto::op::Message;

use super::flow::{FlowKey, Flows, Grip};
use super::hello::{Sight, name_asked_for};
use super::log::Log;
use super::packet::{Body, Packet, Seen, datagram_back, prohibited};
use super::police::Police;
use crate::places::{self, Place};
use crate::scenario::{Act, Answer, Lead, Rule, Trigger, holds};
use crate::world::{answer, http_text};

/// The censor with its memory.
pub(crate) struct Censor {
    rules: Vec<Rule>,
    flows: Flows,
    log: Log,
}

/// A packet that goes on, some seconds later.
pub(crate) struct Onward {
    pub(crate) packet: Packet,
    pub(crate) delay: f64,
}

impl From<Packet> for Onward {
    fn from(packet: Packet) -> Self {
        Self { packet, delay: 0.0 }
    }
}

fn at_once(packets: impl IntoIterator<Item = Packet>) -> Vec<Onward> {
    packets.into_iter().map(Onward::from).collect()
}

impl Censor {
    /// A censor with these rules; the first that matches acts.
    pub(crate) fn new(rules: Vec<Rule>, log: Log) -> Self {
        Self { rules, flows: Flows::default(), log }
    }

    /// What becomes of a packet that comes from or goes to the vantage: the packets to send on.
    pub(crate) fn inspect(&mut self, packet: Packet, now: f64) -> Vec<Onward> {
        if Place::of(packet.source()) == Some(Place::Vantage) {
            self.outgoing(packet, now)
        } else {
            self.incoming(packet, now)
        }
    }

    fn outgoing(&mut self, packet: Packet, now: f64) -> Vec<Onward> {
        let ends = packet.ends();
        if let Some(key) = ends
            && self.flows.killed(key, now)
        {
            self.log.act(now, "residual", &format!("{} to {}", key.0, key.1));
            return Vec::new();
        }
        if let Some(rule) = self.rule_for_packet(&packet, packet.destination(), now) {
            let what = ends.map_or(packet.destination().to_string(), |(from, to)| format!("{from} to {to}"));
            if !rule.act.is_for_connections() {
                self.log.act(now, &rule.id, &what);
                return at_once(answer_to_packet(&rule.act, &packet));
            }
            if let (Some(key), true) = (ends, is_syn(&packet)) {
                self.log.act(now, &rule.id, &what);
                let act = rule.act.clone();
                self.flows.outgoing(&packet, key).grip = grip(&act, now);
                if let Act::Redirect(target) = act {
                    self.flows.redirect(key, target);
                }
            }
        }
        match &packet.body {
            Body::Tcp(..) => self.outgoing_tcp(packet, now),
            Body::Udp(..) => at_once(self.outgoing_udp(packet, now)),
            Body::Other(_) => at_once([packet]),
        }
    }

    fn outgoing_tcp(&mut self, packet: Packet, now: f64) -> Vec<Onward> {
        let Some(seen) = Seen::of(&packet) else { return at_once([packet]) };
        let key: FlowKey = (seen.from, seen.to);
        let flow = self.flows.outgoing(&packet, key);
        if flow.dead {
            return Vec::new();
        }
        let (mut answers, mut behind, mut residual) = (Vec::new(), None, None);
        if let Body::Tcp(tcp, data) = &packet.body
            && seen.to.port() != places::WAY_OUT.port()
            && let Some(sight) = flow.see(seen.to.port(), tcp.sequence_number, data)
            && let Some(rule) = self.rules.iter().find(|rule| sees(rule, &sight, now))
        {
            self.log.act(now, &rule.id, &format!("{} to {}: {sight:?}", seen.from, seen.to));
            flow.dead = !rule.act.lets_the_name_pass();
            flow.grip = grip(&rule.act, now).or(flow.grip.take());
            residual = rule.residual;
            (answers, behind) = answer_to_name(&rule.act, seen, &sight);
        }
        let mut onward = at_once(answers);
        let redirected = flow.redirected;
        let mut to_server = |mut packet: Packet, delay| {
            if let Some(target) = redirected {
                packet.set_destination(target);
            }
            onward.push(Onward { packet, delay });
        };
        if !flow.dead
            && let Some(delay) = flow.up(packet.data().len(), now)
        {
            to_server(packet, delay);
        }
        if let Some(reset) = behind {
            to_server(reset, 0.0);
        }
        if let Some(seconds) = residual {
            self.flows.kill_until(key, now + seconds);
        }
        onward
    }

    fn outgoing_udp(&mut self, packet: Packet, now: f64) -> Vec<Packet> {
        match packet.ends() {
            Some(key) if key.1.port() == 53 => self.question(packet, now),
            Some(key) if key.1.port() == 443 => self.quic(packet, key, now),
            _ => vec![packet],
        }
    }

    fn question(&self, packet: Packet, now: f64) -> Vec<Packet> {
        let Some(name) = name_asked_for(packet.data()) else { return vec![packet] };
        let sight = Sight::Question(name, packet.data().to_vec());
        let Some(rule) = self.rules.iter().find(|rule| sees(rule, &sight, now)) else { return vec![packet] };
        self.log.act(now, &rule.id, &format!("{sight:?}"));
        let forged = forged_answers(&rule.act, packet.data());
        let mut packets: Vec<_> = forged.into_iter().filter_map(|data| datagram_back(&packet, data)).collect();
        packets.extend(rule.act.lets_the_name_pass().then_some(packet));
        packets
    }

    fn quic(&mut self, packet: Packet, key: FlowKey, now: f64) -> Vec<Packet> {
        let flow = self.flows.quic(key);
        if let Some(name) = flow.initials.see(packet.data()) {
            let named = |rule: &&Rule| matches!(&rule.when, Trigger::Quic(pattern) if pattern.matches(&name));
            if let Some(rule) = self.rules.iter().filter(|rule| holds(rule.from, rule.until, now)).find(named) {
                self.log.act(now, &rule.id, &format!("{} to {}: QUIC {name}", key.0, key.1));
                flow.dead = true;
            }
        }
        if flow.dead { Vec::new() } else { vec![packet] }
    }

    fn incoming(&mut self, mut packet: Packet, now: f64) -> Vec<Onward> {
        let mut server = packet.source();
        let (mut delay, mut resets) = (0.0, Vec::new());
        if let Some((from, to)) = packet.ends() {
            let bytes = packet.data().len();
            let original = Seen::of(&packet);
            let (key, flow) = self.flows.incoming(to, from);
            if key.1 != from {
                packet.set_source(key.1);
                server = key.1.ip();
            }
            if let (Some(flow), Some(original)) = (flow, original) {
                match flow.down(bytes, now) {
                    Some(wait) => delay = wait,
                    None => return Vec::new(),
                }
                if let Some(ends) = flow.reset_behind_answer(bytes) {
                    let to_client = Seen::of(&packet).filter(|_| ends.client()).and_then(Seen::reset_behind);
                    let to_server = Some(original).filter(|_| ends.server()).and_then(Seen::reset_to_sender);
                    resets.extend(to_client.into_iter().chain(to_server));
                }
            }
            if self.flows.killed(key, now) || self.flows.quic_is_dead(key) {
                return Vec::new();
            }
        }
        if self.rule_for_packet(&packet, server, now).is_some_and(|rule| !rule.act.is_for_connections()) {
            return Vec::new();
        }
        std::iter::once(Onward { packet, delay }).chain(at_once(resets)).collect()
    }

    /// The rule that looks at no more than the packet itself, `remote` being its end that is not the vantage.
    fn rule_for_packet(&self, packet: &Packet, remote: IpAddr, now: f64) -> Option<&Rule> {
        self.rules.iter().filter(|rule| holds(rule.from, rule.until, now)).find(|rule| match rule.when {
            Trigger::All => true,
            Trigger::Foreign => matches!(Place::of(remote), Some(Place::World | Place::Abroad)),
            Trigger::Address(banned) => banned == remote,
            Trigger::Udp(banned) => banned == remote && is_quic(packet),
            Trigger::AnyQuic => is_quic(packet),
            Trigger::Sni(_) | Trigger::Host(_) | Trigger::Question(_) | Trigger::Quic(_) => false,
        })
    }
}

fn sees(rule: &Rule, sight: &Sight, now: f64) -> bool {
    holds(rule.from, rule.until, now)
        && match (&rule.when, sight) {
            (Trigger::Sni(pattern), Sight::Sni(name))
            | (Trigger::Host(pattern), Sight::Host(name))
            | (Trigger::Question(pattern), Sight::Question(name, _)) => pattern.matches(name),
            _ => false,
        }
}

fn grip(act: &Act, now: f64) -> Option<Grip> {
    match act {
        Act::FreezeAfter(bytes) => Some(Grip::Freeze(*bytes)),
        Act::Throttle(throttle) => {
            Some(Grip::Throttle { up: Police::new(*throttle, now), down: Police::new(*throttle, now) })
        }
        Act::RaceReset(race) if race.lead == Lead::Server => Some(Grip::ResetBehindAnswer(race.ends)),
        _ => None,
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

/// What goes to the client, and what goes to the server in the place of or behind the packet that bore the name. That
/// packet is dropped but by acts that say otherwise: what the client sees then depends on no race.
fn answer_to_name(act: &Act, seen: Seen, sight: &Sight) -> (Vec<Packet>, Option<Packet>) {
    let question = match sight {
        Sight::Question(_, question) => question.as_slice(),
        _ => &[],
    };
    let over_tcp = || -> Vec<u8> {
        let with_length =
            |answer: Vec<u8>| [&u16::try_from(answer.len()).unwrap_or(0).to_be_bytes()[..], &answer].concat();
        forged_answers(act, question).into_iter().flat_map(with_length).collect()
    };
    let to_client = match act {
        Act::Reset => seen.reset_to_sender().into_iter().collect(),
        Act::Fin => seen.finish_to_sender().into_iter().collect(),
        Act::Respond(page) => seen.respond(&http_text(page)),
        Act::Forge(Answer::Silence) => return (Vec::new(), None),
        Act::Forge(_) => seen.respond(&over_tcp()),
        Act::ForgeFirst(_) => return (seen.inject(&over_tcp()), None),
        Act::RaceReset(race) if race.lead == Lead::Reset => {
            let to_client = seen.reset_to_sender().filter(|_| race.ends.client());
            let to_server = seen.reset_behind().filter(|_| race.ends.server());
            return (to_client.into_iter().collect(), to_server);
        }
        _ => return (Vec::new(), None),
    };
    (to_client, seen.reset_to_receiver())
}

/// The false answers to a question, in order.
fn forged_answers(act: &Act, question: &[u8]) -> Vec<Vec<u8>> {
    let lies = match act {
        Act::Forge(lie) => std::slice::from_ref(lie),
        Act::ForgeFirst(lies) => lies,
        _ => &[],
    };
    let Ok(query) = Message::from_vec(question) else { return Vec::new() };
    lies.iter().filter_map(|lie| answer::lie(&query, lie)).collect()
}

fn is_syn(packet: &Packet) -> bool {
    matches!(&packet.body, Body::Tcp(tcp, _) if tcp.syn && !tcp.ack)
}

/// Whether it goes to or comes from the port of HTTP/3.
fn is_quic(packet: &Packet) -> bool {
    matches!(&packet.body, Body::Udp(udp, _) if udp.source_port == 443 || udp.destination_port == 443)
}
