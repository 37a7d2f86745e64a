//! The name servers that `resolv.conf` names (resolv.conf(5)).

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV6};
use std::path::Path;

use tokio::io::AsyncReadExt;

/// Name servers used, as the resolver of the C library does (MAXNS).
const MAX_SERVERS: usize = 3;

/// Bytes read of the file.
const MAX_FILE: u64 = 64 * 1024;

/// The name servers in `path`; the one on this machine when the file is missing, unreadable or names none.
pub(super) async fn read(path: &Path, port: u16) -> Vec<SocketAddr> {
    let mut bytes = Vec::new();
    if let Ok(file) = tokio::fs::File::open(path).await
        && file.take(MAX_FILE).read_to_end(&mut bytes).await.is_err()
    {
        bytes.clear();
    }
    let servers = parse(&String::from_utf8_lossy(&bytes), port);
    if servers.is_empty() { vec![SocketAddr::new(Ipv4Addr::LOCALHOST.into(), port)] } else { servers }
}

/// The first three `nameserver` lines that hold an address.
fn parse(text: &str, port: u16) -> Vec<SocketAddr> {
    text.lines()
        .filter_map(|line| line.strip_prefix("nameserver"))
        .filter(|rest| rest.starts_with([' ', '\t']))
        .filter_map(|rest| address(rest.split_ascii_whitespace().next()?, port))
        .take(MAX_SERVERS)
        .collect()
}

/// An address, perhaps with a scope (`fe80::1%eth0`, RFC 4007 section 11).
fn address(text: &str, port: u16) -> Option<SocketAddr> {
    if let Some((ip, scope)) = text.split_once('%') {
        let ip: Ipv6Addr = ip.parse().ok()?;
        let scope = scope.parse().ok().or_else(|| nix::net::if_::if_nametoindex(scope).ok())?;
        return Some(SocketAddrV6::new(ip, port, 0, scope).into());
    }
    Some(SocketAddr::new(text.parse::<IpAddr>().ok()?, port))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn only_nameserver_lines_count() {
        let text = "# nameserver 192.0.2.1\n; nameserver 192.0.2.2\nsearch example.org\n nameserver 192.0.2.3\n\
                    nameservers 192.0.2.4\nnameserver\t192.0.2.5 # the good one\r\nnameserver not-an-address\n\
                    nameserver\nnameserver 2001:db8::53\noptions edns0 trust-ad\n";
        let expected: Vec<SocketAddr> = vec!["192.0.2.5:53".parse().unwrap(), "[2001:db8::53]:53".parse().unwrap()];
        assert_eq!(parse(text, 53), expected);
    }

    #[test]
    fn three_are_enough() {
        let text = "nameserver 192.0.2.1\n".repeat(5);
        assert_eq!(parse(&text, 53).len(), 3);
    }

    #[test]
    fn scopes_are_read_by_number_and_by_name() {
        assert_eq!(address("fe80::1%7", 53), Some(SocketAddrV6::new("fe80::1".parse().unwrap(), 53, 0, 7).into()));
        assert_eq!(address("fe80::1%no-such-if0", 53), None);
        let loopback = nix::net::if_::if_nametoindex("lo").unwrap();
        assert_eq!(
            address("fe80::1%lo", 53),
            Some(SocketAddrV6::new("fe80::1".parse().unwrap(), 53, 0, loopback).into())
        );
    }

    #[tokio::test]
    async fn without_a_usable_file_this_machine_is_asked() {
        let directory = tempfile::tempdir().unwrap();
        let local: Vec<SocketAddr> = vec!["127.0.0.1:53".parse().unwrap()];
        assert_eq!(read(&directory.path().join("missing"), 53).await, local);
        assert_eq!(read(directory.path(), 53).await, local);
        let file = directory.path().join("resolv.conf");
        std::fs::write(&file, b"search example.org\n\xff\xfe").unwrap();
        assert_eq!(read(&file, 53).await, local);
        std::fs::write(&file, b"nameserver 192.0.2.9\n").unwrap();
        assert_eq!(read(&file, 53).await, ["192.0.2.9:53".parse().unwrap()]);
    }

    proptest! {
        #[test]
        fn any_text_is_borne(text in "(nameserver|[ \\t%:.0-9a-f\\n])*") {
            prop_assert!(parse(&text, 53).len() <= MAX_SERVERS);
        }
    }
}
