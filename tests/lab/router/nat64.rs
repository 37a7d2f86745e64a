//! The ISP's translator (RFC 6146, RFC 7915) for a vantage that has IPv6 alone. One client needs no table: ports stay what
//! they are. TCP and UDP are translated; ICMP is not, as with many.

use std::net::IpAddr;

use etherparse::{IpNumber, Ipv4Header, Ipv6FlowLabel, Ipv6Header};

use super::packet::{Body, Header, Packet};
use crate::places;

/// What goes to an address that stands for an IPv4 one, as IPv4; others as they are.
pub(super) fn outward(packet: Packet) -> Packet {
    let IpAddr::V6(to) = packet.destination() else { return packet };
    let (Some(to), Some(protocol)) = (places::behind_translator(to), protocol(&packet.body)) else { return packet };
    let Header::V6(ip) = &packet.ip else { return packet };
    let Ok(translated) = Ipv4Header::new(0, ip.hop_limit, protocol, places::VANTAGE.0.octets(), to.octets()) else {
        return packet;
    };
    Packet { ip: Header::V4(translated), body: packet.body }
}

/// What comes back to the vantage's IPv4 address, as IPv6; None for all else.
pub(super) fn inward(packet: &Packet) -> Option<Packet> {
    let (IpAddr::V4(from), true) = (packet.source(), packet.destination() == IpAddr::V4(places::VANTAGE.0)) else {
        return None;
    };
    let Header::V4(ip) = &packet.ip else { return None };
    let translated = Ipv6Header {
        traffic_class: 0,
        flow_label: Ipv6FlowLabel::ZERO,
        payload_length: 0,
        next_header: protocol(&packet.body)?,
        hop_limit: ip.time_to_live,
        source: places::translated(from).octets(),
        destination: places::VANTAGE.1.octets(),
    };
    Some(Packet { ip: Header::V6(translated), body: packet.body.clone() })
}

fn protocol(body: &Body) -> Option<IpNumber> {
    match body {
        Body::Tcp(..) => Some(IpNumber::TCP),
        Body::Udp(..) => Some(IpNumber::UDP),
        Body::Other(_) => None,
    }
}
