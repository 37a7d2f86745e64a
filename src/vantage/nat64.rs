//! IPv4 literals on a machine that has IPv6 alone, behind a translator (NAT64, RFC 6146).
//!
//! Names are no concern of ours: such a network's resolver gives addresses for them that lead there (DNS64). But resolvers,
//! tunnels and what a control saw are IPv4 addresses in themselves. RFC 8305 section 7.1 says what becomes of those: the
//! prefix is learnt from a name whose only addresses are known (RFC 7050), and the address is put behind it (RFC 6052).

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};
use std::time::Duration;

use tokio::sync::Mutex;
use tokio::time::{Instant, timeout};

/// The name that has IPv4 addresses alone, and which (RFC 7050 section 8.2).
const KNOWN: (&str, [Ipv4Addr; 2]) = ("ipv4only.arpa", [Ipv4Addr::new(192, 0, 0, 170), Ipv4Addr::new(192, 0, 0, 171)]);
/// An address that every machine with IPv4 has a way to (a root server's).
const SOMEWHERE: ([u8; 4], u16) = ([193, 0, 14, 129], 53);
/// How long the system may look that up.
const PATIENCE: Duration = Duration::from_secs(2);
/// How long a prefix is believed, and how long that there is none.
const BELIEVED: (Duration, Duration) = (Duration::from_secs(600), Duration::from_secs(60));

/// What this machine's network was last found to have. Not of a vantage: it is the way of the system itself.
static LEARNT: Mutex<Option<(Instant, Option<Prefix>)>> = Mutex::const_new(None);

/// The address that stands for an IPv4 one to which this machine has no way by itself; None where there is no translator.
/// A way that ends at a router which says that it does not go on is a way: that may be a block.
pub(super) async fn translated(address: SocketAddr) -> Option<SocketAddr> {
    let SocketAddr::V4(v4) = address else { return None };
    let prefix = prefix_towards(address).await?;
    Some(SocketAddr::new(prefix.put(*v4.ip()).into(), v4.port()))
}

/// What the translator of this machine's network stands behind, where the machine has IPv6 alone.
pub(super) async fn prefix_here() -> Option<Prefix> {
    prefix_towards(SocketAddr::from(SOMEWHERE)).await
}

async fn prefix_towards(address: SocketAddr) -> Option<Prefix> {
    let behind = SocketAddr::new(Ipv6Addr::new(0x64, 0xff9b, 0, 0, 0, 0, 0xc000, 0xaa).into(), 9);
    if has_route(Ipv4Addr::UNSPECIFIED.into(), address) || !has_route(Ipv6Addr::UNSPECIFIED.into(), behind) {
        return None;
    }
    // By itself: what is learnt counts for all, also when who asked first is called off.
    tokio::spawn(prefix()).await.ok().flatten()
}

/// Whether the kernel knows a way there; nothing is sent.
fn has_route(from: IpAddr, to: SocketAddr) -> bool {
    UdpSocket::bind((from, 0)).is_ok_and(|socket| socket.connect(to).is_ok())
}

async fn prefix() -> Option<Prefix> {
    let mut learnt = LEARNT.lock().await;
    if let Some((at, known)) = *learnt {
        let believed = if known.is_some() { BELIEVED.0 } else { BELIEVED.1 };
        if at.elapsed() < believed {
            return known;
        }
    }
    let known = learnt.and_then(|(_, known)| known);
    let found = match timeout(PATIENCE, tokio::net::lookup_host((KNOWN.0, 0))).await {
        Ok(Ok(addresses)) => addresses.into_iter().find_map(|address| match address.ip() {
            IpAddr::V6(address) => Prefix::of(address),
            IpAddr::V4(_) => None,
        }),
        // Nobody answers: what was known is believed a while longer.
        Ok(Err(_)) | Err(_) => known,
    };
    if let Some(Prefix { length, .. }) = found.filter(|_| found != known) {
        tracing::info!("IPv4 addresses are reached by a translator here (NAT64, prefix of {length} bits)");
    }
    *learnt = Some((Instant::now(), found));
    found
}

/// A translator's prefix (RFC 6052 section 2.2).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Prefix {
    bits: [u8; 16],
    /// 32, 40, 48, 56, 64 or 96.
    length: u8,
}

/// Longest first: a short prefix never holds the known addresses where a longer one does.
const LENGTHS: [u8; 6] = [96, 64, 56, 48, 40, 32];

impl Prefix {
    /// The prefix of one of the known name's addresses.
    pub(super) fn of(address: Ipv6Addr) -> Option<Self> {
        // Of the global unicast range, or well known. One of a local network (RFC 8215, or private) is not believed: a
        // resolver that lies could call the network's own addresses translated.
        let segments = address.segments();
        if segments[0] & 0xe000 != 0x2000 && segments[..6] != [0x64, 0xff9b, 0, 0, 0, 0] {
            return None;
        }
        LENGTHS.into_iter().find_map(|length| {
            let places = places(length);
            let octets = address.octets();
            let embedded = Ipv4Addr::from(places.map(|place| octets[place]));
            let mut bits = [0; 16];
            let of_prefix = usize::from(length / 8);
            bits[..of_prefix].copy_from_slice(&octets[..of_prefix]);
            KNOWN.1.contains(&embedded).then_some(Self { bits, length })
        })
    }

    /// The IPv4 address behind the prefix, if the address is one of its.
    pub(super) fn taken_from(self, address: Ipv6Addr) -> Option<Ipv4Addr> {
        let octets = address.octets();
        let of_prefix = usize::from(self.length / 8);
        let places = places(self.length);
        let embedded = Ipv4Addr::from(places.map(|place| octets[place]));
        // All that is neither prefix nor address is zero.
        let is_bare = (of_prefix..16).all(|place| places.contains(&place) || octets[place] == 0);
        (octets[..of_prefix] == self.bits[..of_prefix] && is_bare).then_some(embedded)
    }

    fn put(self, address: Ipv4Addr) -> Ipv6Addr {
        let mut octets = self.bits;
        for (place, octet) in places(self.length).into_iter().zip(address.octets()) {
            octets[place] = octet;
        }
        octets.into()
    }
}

/// Where the four octets stand: after the prefix, but never in the ninth.
fn places(length: u8) -> [usize; 4] {
    let first = usize::from(length / 8);
    [0, 1, 2, 3].map(|number| {
        let place = first + number;
        if first <= 8 && place >= 8 { place + 1 } else { place }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The examples of RFC 6052 section 2.4.
    #[test]
    fn addresses_are_put_where_the_standard_puts_them() {
        for (prefix, length, expected) in [
            ("2001:db8::", 32, "2001:db8:c000:221::"),
            ("2001:db8:100::", 40, "2001:db8:1c0:2:21::"),
            ("2001:db8:122::", 48, "2001:db8:122:c000:2:2100::"),
            ("2001:db8:122:300::", 56, "2001:db8:122:3c0:0:221::"),
            ("2001:db8:122:344::", 64, "2001:db8:122:344:c0:2:2100::"),
            ("2001:db8:122:344::", 96, "2001:db8:122:344::192.0.2.33"),
            ("64:ff9b::", 96, "64:ff9b::192.0.2.33"),
        ] {
            let prefix = Prefix { bits: prefix.parse::<Ipv6Addr>().unwrap().octets(), length };
            let expected: Ipv6Addr = expected.parse().unwrap();
            assert_eq!(prefix.put(Ipv4Addr::new(192, 0, 2, 33)), expected, "/{length}");
            assert_eq!(prefix.taken_from(expected), Some(Ipv4Addr::new(192, 0, 2, 33)), "/{length}");
            assert_eq!(prefix.taken_from("2001:db9::1".parse().unwrap()), None, "/{length}");
            for known in KNOWN.1 {
                assert_eq!(Prefix::of(prefix.put(known)), Some(prefix), "/{length} is learnt");
            }
        }
    }

    #[test]
    fn other_addresses_teach_nothing() {
        for text in ["2001:db8::1", "::", "64:ff9b::192.0.2.33", "::ffff:192.0.0.1"] {
            assert_eq!(Prefix::of(text.parse().unwrap()), None, "{text}");
        }
    }

    #[test]
    fn the_kernel_tells_where_it_has_a_way() {
        assert!(has_route(Ipv4Addr::UNSPECIFIED.into(), "127.0.0.1:9".parse().unwrap()));
        assert!(!has_route(Ipv4Addr::UNSPECIFIED.into(), "[::1]:9".parse().unwrap()));
    }

    #[tokio::test]
    async fn where_there_is_a_way_nothing_is_translated() {
        assert_eq!(translated("127.0.0.1:9".parse().unwrap()).await, None);
    }

    #[tokio::test]
    async fn an_ipv6_address_stands_for_itself() {
        assert_eq!(translated("[2001:db8::1]:443".parse().unwrap()).await, None);
    }
}
