//! Packets: taken apart, put together again with right checksums, and forged as a censor forges them.

use std::net::{Ipv4Addr, SocketAddrV4};

use etherparse::icmpv4::DestUnreachableHeader;
use etherparse::{Icmpv4Type, IpNumber, Ipv4Header, PacketBuilder, TcpHeader, UdpHeader};

/// TTL of forged packets: not that of anything that passed the path, as real injectors show.
pub(crate) const FORGED_TTL: u8 = 47;

/// Payload bytes of one forged segment.
const SEGMENT: usize = 1400;

/// An IPv4 packet.
#[derive(Debug, Clone)]
pub(crate) struct Packet {
    pub(crate) ip: Ipv4Header,
    pub(crate) body: Body,
}

/// What an IPv4 packet carries.
#[derive(Debug, Clone)]
pub(crate) enum Body {
    Tcp(TcpHeader, Vec<u8>),
    Udp(UdpHeader, Vec<u8>),
    /// ICMP, fragments and the rest, untouched.
    Other(Vec<u8>),
}

impl Packet {
    /// None for what is not IPv4 or cannot be read.
    pub(crate) fn parse(bytes: &[u8]) -> Option<Self> {
        let (ip, rest) = Ipv4Header::from_slice(bytes).ok()?;
        let payload = rest.get(..usize::from(ip.payload_len().ok()?))?;
        let body = match ip.protocol {
            _ if ip.is_fragmenting_payload() => Body::Other(payload.to_vec()),
            IpNumber::TCP => {
                let (tcp, data) = TcpHeader::from_slice(payload).ok()?;
                Body::Tcp(tcp, data.to_vec())
            }
            IpNumber::UDP => {
                let (udp, data) = UdpHeader::from_slice(payload).ok()?;
                Body::Udp(udp, data.to_vec())
            }
            _ => Body::Other(payload.to_vec()),
        };
        Some(Self { ip, body })
    }

    /// The bytes, every length and checksum computed anew. None when it does not fit IPv4.
    pub(crate) fn to_bytes(&self) -> Option<Vec<u8>> {
        let payload = match &self.body {
            Body::Tcp(tcp, data) => {
                let mut tcp = tcp.clone();
                tcp.checksum = tcp.calc_checksum_ipv4(&self.ip, data).ok()?;
                [tcp.to_bytes().as_slice(), data].concat()
            }
            Body::Udp(udp, data) => {
                let mut udp = udp.clone();
                udp.length = u16::try_from(UdpHeader::LEN + data.len()).ok()?;
                udp.checksum = udp.calc_checksum_ipv4(&self.ip, data).ok()?;
                [udp.to_bytes().as_slice(), data].concat()
            }
            Body::Other(data) => data.clone(),
        };
        let mut ip = self.ip.clone();
        ip.set_payload_len(payload.len()).ok()?;
        ip.header_checksum = ip.calc_header_checksum();
        Some([ip.to_bytes().as_slice(), &payload].concat())
    }

    pub(crate) fn source(&self) -> Ipv4Addr {
        self.ip.source.into()
    }

    pub(crate) fn destination(&self) -> Ipv4Addr {
        self.ip.destination.into()
    }

    /// Both ends of a TCP segment or datagram: source, destination.
    pub(crate) fn ends(&self) -> Option<(SocketAddrV4, SocketAddrV4)> {
        let (source, destination) = match &self.body {
            Body::Tcp(tcp, _) => (tcp.source_port, tcp.destination_port),
            Body::Udp(udp, _) => (udp.source_port, udp.destination_port),
            Body::Other(_) => return None,
        };
        Some((SocketAddrV4::new(self.source(), source), SocketAddrV4::new(self.destination(), destination)))
    }

    /// Says that it comes from `end`.
    pub(crate) fn set_source(&mut self, end: SocketAddrV4) {
        self.ip.source = end.ip().octets();
        match &mut self.body {
            Body::Tcp(tcp, _) => tcp.source_port = end.port(),
            Body::Udp(udp, _) => udp.source_port = end.port(),
            Body::Other(_) => {}
        }
    }

    /// Sends it to `end`.
    pub(crate) fn set_destination(&mut self, end: SocketAddrV4) {
        self.ip.destination = end.ip().octets();
        match &mut self.body {
            Body::Tcp(tcp, _) => tcp.destination_port = end.port(),
            Body::Udp(udp, _) => udp.destination_port = end.port(),
            Body::Other(_) => {}
        }
    }
}

/// One TCP segment as the censor sees it, from which answers in the server's name are made.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Seen {
    pub(crate) from: SocketAddrV4,
    pub(crate) to: SocketAddrV4,
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

    /// RST to the receiver, in the sender's name.
    pub(crate) fn reset_to_receiver(self) -> Option<Packet> {
        let mut tcp = TcpHeader::new(self.from.port(), self.to.port(), self.seq, 0);
        tcp.rst = true;
        forge(*self.from.ip(), *self.to.ip(), IpNumber::TCP, Body::Tcp(tcp, Vec::new()))
    }

    /// `data` and FIN to the sender, in the receiver's name.
    pub(crate) fn respond(self, data: &[u8]) -> Vec<Packet> {
        let mut seq = self.ack;
        let mut packets = Vec::new();
        for part in data.chunks(SEGMENT) {
            packets.extend(self.back(seq, |tcp| tcp.psh = true, part));
            seq = seq.wrapping_add(u32::try_from(part.len()).unwrap_or(0));
        }
        packets.extend(self.back(seq, |tcp| tcp.fin = true, &[]));
        packets
    }

    fn back(self, seq: u32, flags: impl FnOnce(&mut TcpHeader), data: &[u8]) -> Option<Packet> {
        let mut tcp = TcpHeader::new(self.to.port(), self.from.port(), seq, 64_000);
        tcp.ack = true;
        tcp.acknowledgment_number = self.seq.wrapping_add(self.length);
        flags(&mut tcp);
        forge(*self.to.ip(), *self.from.ip(), IpNumber::TCP, Body::Tcp(tcp, data.to_vec()))
    }
}

/// A datagram back to the sender of `packet`, in the receiver's name.
pub(crate) fn datagram_back(packet: &Packet, data: Vec<u8>) -> Option<Packet> {
    let (from, to) = packet.ends()?;
    let udp = UdpHeader { source_port: to.port(), destination_port: from.port(), length: 0, checksum: 0 };
    forge(*to.ip(), *from.ip(), IpNumber::UDP, Body::Udp(udp, data))
}

/// ICMP "communication administratively prohibited" (type 3, code 13) about `packet`, from the router `router`.
pub(crate) fn prohibited(packet: &Packet, router: Ipv4Addr) -> Option<Packet> {
    let whole = packet.to_bytes()?;
    let quote = &whole[..whole.len().min(packet.ip.header_len() + 8)];
    let kind = Icmpv4Type::DestinationUnreachable(DestUnreachableHeader::FilterProhibited);
    let mut bytes = Vec::new();
    let builder = PacketBuilder::ipv4(router.octets(), packet.ip.source, FORGED_TTL).icmpv4(kind);
    builder.write(&mut bytes, quote).ok()?;
    Packet::parse(&bytes)
}

fn forge(from: Ipv4Addr, to: Ipv4Addr, protocol: IpNumber, body: Body) -> Option<Packet> {
    let ip = Ipv4Header::new(0, FORGED_TTL, protocol, from.octets(), to.octets()).ok()?;
    Some(Packet { ip, body })
}
