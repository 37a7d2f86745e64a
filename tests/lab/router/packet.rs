//! Packets: taken apart, put together again with right checksums, and forged as a censor forges them.

use std::net::{IpAddr, SocketAddr};

use etherparse::icmpv4::DestUnreachableHeader;
use etherparse::icmpv6::DestUnreachableCode;
use etherparse::{Icmpv4Type, Icmpv6Type, IpNumber, Ipv4Header, Ipv6Header, PacketBuilder, TcpHeader, UdpHeader};

/// TTL (hop limit) of forged packets: not that of anything that passed the path, as real injectors show.
pub(crate) const FORGED_TTL: u8 = 47;

/// Payload bytes of one forged segment.
const SEGMENT: usize = 1400;

/// Most bytes of a packet that an ICMPv6 message quotes here (RFC 4443 2.4 c allows up to the minimum MTU).
const QUOTE_V6: usize = 1000;

/// An IP packet.
#[derive(Debug, Clone)]
pub(crate) struct Packet {
    pub(crate) ip: Header,
    pub(crate) body: Body,
}

/// The header of either family.
#[derive(Debug, Clone)]
pub(crate) enum Header {
    V4(Ipv4Header),
    V6(Ipv6Header),
}

/// What an IP packet carries.
#[derive(Debug, Clone)]
pub(crate) enum Body {
    Tcp(TcpHeader, Vec<u8>),
    Udp(UdpHeader, Vec<u8>),
    /// ICMP, fragments and the rest, untouched.
    Other(Vec<u8>),
}

impl Packet {
    /// None for what is not IP or cannot be read.
    pub(crate) fn parse(bytes: &[u8]) -> Option<Self> {
        match bytes.first()? >> 4 {
            4 => {
                let (ip, rest) = Ipv4Header::from_slice(bytes).ok()?;
                let payload = rest.get(..usize::from(ip.payload_len().ok()?))?;
                let protocol = if ip.is_fragmenting_payload() { None } else { Some(ip.protocol) };
                Some(Self { body: Body::parse(protocol, payload)?, ip: Header::V4(ip) })
            }
            6 => {
                let (ip, rest) = Ipv6Header::from_slice(bytes).ok()?;
                let payload = rest.get(..usize::from(ip.payload_length))?;
                Some(Self { body: Body::parse(Some(ip.next_header), payload)?, ip: Header::V6(ip) })
            }
            _ => None,
        }
    }

    /// The bytes, every length and checksum computed anew. None when it does not fit.
    pub(crate) fn to_bytes(&self) -> Option<Vec<u8>> {
        let payload = self.body.to_bytes(&self.ip)?;
        match &self.ip {
            Header::V4(ip) => {
                let mut ip = ip.clone();
                ip.set_payload_len(payload.len()).ok()?;
                ip.header_checksum = ip.calc_header_checksum();
                Some([ip.to_bytes().as_slice(), &payload].concat())
            }
            Header::V6(ip) => {
                let mut ip = ip.clone();
                ip.set_payload_length(payload.len()).ok()?;
                Some([ip.to_bytes().as_slice(), &payload].concat())
            }
        }
    }

    pub(crate) fn source(&self) -> IpAddr {
        match &self.ip {
            Header::V4(ip) => IpAddr::from(ip.source),
            Header::V6(ip) => IpAddr::from(ip.source),
        }
    }

    pub(crate) fn destination(&self) -> IpAddr {
        match &self.ip {
            Header::V4(ip) => IpAddr::from(ip.destination),
            Header::V6(ip) => IpAddr::from(ip.destination),
        }
    }

    /// Takes one hop; false when that was the last.
    pub(crate) fn hop(&mut self) -> bool {
        let left = match &mut self.ip {
            Header::V4(ip) => &mut ip.time_to_live,
            Header::V6(ip) => &mut ip.hop_limit,
        };
        *left = left.saturating_sub(1);
        *left > 0
    }

    /// Both ends of a TCP segment or datagram: source, destination.
    pub(crate) fn ends(&self) -> Option<(SocketAddr, SocketAddr)> {
        let (source, destination) = match &self.body {
            Body::Tcp(tcp, _) => (tcp.source_port, tcp.destination_port),
            Body::Udp(udp, _) => (udp.source_port, udp.destination_port),
            Body::Other(_) => return None,
        };
        Some((SocketAddr::new(self.source(), source), SocketAddr::new(self.destination(), destination)))
    }

    /// What a TCP segment or datagram carries; nothing for other packets.
    pub(crate) fn data(&self) -> &[u8] {
        match &self.body {
            Body::Tcp(_, data) | Body::Udp(_, data) => data,
            Body::Other(_) => &[],
        }
    }

    /// Says that it comes from `end`, which is of the same family.
    pub(crate) fn set_source(&mut self, end: SocketAddr) {
        match (&mut self.ip, end.ip()) {
            (Header::V4(ip), IpAddr::V4(address)) => ip.source = address.octets(),
            (Header::V6(ip), IpAddr::V6(address)) => ip.source = address.octets(),
            _ => {}
        }
        match &mut self.body {
            Body::Tcp(tcp, _) => tcp.source_port = end.port(),
            Body::Udp(udp, _) => udp.source_port = end.port(),
            Body::Other(_) => {}
        }
    }

    /// Sends it to `end`, which is of the same family.
    pub(crate) fn set_destination(&mut self, end: SocketAddr) {
        match (&mut self.ip, end.ip()) {
            (Header::V4(ip), IpAddr::V4(address)) => ip.destination = address.octets(),
            (Header::V6(ip), IpAddr::V6(address)) => ip.destination = address.octets(),
            _ => {}
        }
        match &mut self.body {
            Body::Tcp(tcp, _) => tcp.destination_port = end.port(),
            Body::Udp(udp, _) => udp.destination_port = end.port(),
            Body::Other(_) => {}
        }
    }
}

impl Body {
    /// None when the header of the protocol cannot be read; without a protocol nothing is read.
    fn parse(protocol: Option<IpNumber>, payload: &[u8]) -> Option<Self> {
        Some(match protocol {
            Some(IpNumber::TCP) => {
                let (tcp, data) = TcpHeader::from_slice(payload).ok()?;
                Self::Tcp(tcp, data.to_vec())
            }
            Some(IpNumber::UDP) => {
                let (udp, data) = UdpHeader::from_slice(payload).ok()?;
                Self::Udp(udp, data.to_vec())
            }
            _ => Self::Other(payload.to_vec()),
        })
    }

    fn to_bytes(&self, ip: &Header) -> Option<Vec<u8>> {
        match self {
            Self::Tcp(tcp, data) => {
                let mut tcp = tcp.clone();
                tcp.checksum = match ip {
                    Header::V4(ip) => tcp.calc_checksum_ipv4(ip, data).ok()?,
                    Header::V6(ip) => tcp.calc_checksum_ipv6(ip, data).ok()?,
                };
                Some([tcp.to_bytes().as_slice(), data].concat())
            }
            Self::Udp(udp, data) => {
                let mut udp = udp.clone();
                udp.length = u16::try_from(UdpHeader::LEN + data.len()).ok()?;
                udp.checksum = match ip {
                    Header::V4(ip) => udp.calc_checksum_ipv4(ip, data).ok()?,
                    Header::V6(ip) => udp.calc_checksum_ipv6(ip, data).ok()?,
                };
                Some([udp.to_bytes().as_slice(), data].concat())
            }
            Self::Other(data) => Some(data.clone()),
        }
    }
}

/// One TCP segment as the censor sees it, from which answers in the server's name are made.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Seen {
    pub(crate) from: SocketAddr,
    pub(crate) to: SocketAddr,
    seq: u32,
    ack: u32,
    /// Sequence numbers that it takes: payload, SYN and FIN.
    length: u32,
}

impl Seen {
    pub(crate) fn of(packet: &Packet) -> Option<Self> {
        let (from, to) = packet.ends()?;
        let Body::Tcp(tcp, data) = &packet.body else { return None };
        let length = u32::try_from(data.len()).ok()? + u32::from(tcp.syn) + u32::from(tcp.fin);
        Some(Self { from, to, seq: tcp.sequence_number, ack: tcp.acknowledgment_number, length })
    }

    /// RST to the sender, in the receiver's name.
    pub(crate) fn reset_to_sender(self) -> Option<Packet> {
        self.back(self.ack, |tcp| tcp.rst = true, &[])
    }

    /// FIN to the sender, in the receiver's name.
    pub(crate) fn finish_to_sender(self) -> Option<Packet> {
        self.back(self.ack, |tcp| tcp.fin = true, &[])
    }

    /// RST to the receiver, in the sender's name, instead of the segment.
    pub(crate) fn reset_to_receiver(self) -> Option<Packet> {
        self.reset_forward(self.seq)
    }

    /// RST to the receiver, in the sender's name, right behind the segment.
    pub(crate) fn reset_behind(self) -> Option<Packet> {
        self.reset_forward(self.seq.wrapping_add(self.length))
    }

    /// `data` to the sender, in the receiver's name.
    pub(crate) fn inject(self, data: &[u8]) -> Vec<Packet> {
        let mut seq = self.ack;
        let mut packets = Vec::new();
        for part in data.chunks(SEGMENT) {
            packets.extend(self.back(seq, |tcp| tcp.psh = true, part));
            seq = seq.wrapping_add(u32::try_from(part.len()).unwrap_or(0));
        }
        packets
    }

    /// `data` and FIN to the sender, in the receiver's name.
    pub(crate) fn respond(self, data: &[u8]) -> Vec<Packet> {
        let end = self.ack.wrapping_add(u32::try_from(data.len()).unwrap_or(0));
        let mut packets = self.inject(data);
        packets.extend(self.back(end, |tcp| tcp.fin = true, &[]));
        packets
    }

    fn reset_forward(self, seq: u32) -> Option<Packet> {
        let mut tcp = TcpHeader::new(self.from.port(), self.to.port(), seq, 0);
        tcp.rst = true;
        forge(self.from.ip(), self.to.ip(), IpNumber::TCP, Body::Tcp(tcp, Vec::new()))
    }

    fn back(self, seq: u32, flags: impl FnOnce(&mut TcpHeader), data: &[u8]) -> Option<Packet> {
        let mut tcp = TcpHeader::new(self.to.port(), self.from.port(), seq, 64_000);
        tcp.ack = true;
        tcp.acknowledgment_number = self.seq.wrapping_add(self.length);
        flags(&mut tcp);
        forge(self.to.ip(), self.from.ip(), IpNumber::TCP, Body::Tcp(tcp, data.to_vec()))
    }
}

/// A datagram back to the sender of `packet`, in the receiver's name.
pub(crate) fn datagram_back(packet: &Packet, data: Vec<u8>) -> Option<Packet> {
    let (from, to) = packet.ends()?;
    let udp = UdpHeader { source_port: to.port(), destination_port: from.port(), length: 0, checksum: 0 };
    forge(to.ip(), from.ip(), IpNumber::UDP, Body::Udp(udp, data))
}

/// ICMP "communication administratively prohibited" (type 3, code 13; ICMPv6: type 1, code 1) about `packet`, from the
/// router that has these addresses.
pub(crate) fn prohibited(packet: &Packet, router: (std::net::Ipv4Addr, std::net::Ipv6Addr)) -> Option<Packet> {
    let whole = packet.to_bytes()?;
    let mut bytes = Vec::new();
    match &packet.ip {
        Header::V4(ip) => {
            let quote = &whole[..whole.len().min(ip.header_len() + 8)];
            let kind = Icmpv4Type::DestinationUnreachable(DestUnreachableHeader::FilterProhibited);
            let builder = PacketBuilder::ipv4(router.0.octets(), ip.source, FORGED_TTL).icmpv4(kind);
            builder.write(&mut bytes, quote).ok()?;
        }
        Header::V6(ip) => {
            let quote = &whole[..whole.len().min(QUOTE_V6)];
            let kind = Icmpv6Type::DestinationUnreachable(DestUnreachableCode::Prohibited);
            let builder = PacketBuilder::ipv6(router.1.octets(), ip.source, FORGED_TTL).icmpv6(kind);
            builder.write(&mut bytes, quote).ok()?;
        }
    }
    Packet::parse(&bytes)
}

/// None when the ends are not of one family.
fn forge(from: IpAddr, to: IpAddr, protocol: IpNumber, body: Body) -> Option<Packet> {
    let ip = match (from, to) {
        (IpAddr::V4(from), IpAddr::V4(to)) => {
            Header::V4(Ipv4Header::new(0, FORGED_TTL, protocol, from.octets(), to.octets()).ok()?)
        }
        (IpAddr::V6(from), IpAddr::V6(to)) => Header::V6(Ipv6Header {
            next_header: protocol,
            hop_limit: FORGED_TTL,
            source: from.octets(),
            destination: to.octets(),
            ..Ipv6Header::default()
        }),
        _ => return None,
    };
    Some(Packet { ip, body })
}
