//! How many connections there are at once, in all and from one network.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};

use ipnet::IpNet;

/// The network that an asker is counted as, and the most of an address that is ever logged.
pub fn network_of(ip: IpAddr) -> IpNet {
    let ip = ip.to_canonical();
    let bits = if ip.is_ipv4() { 24 } else { 56 };
    IpNet::new(ip, bits).map_or(IpNet::from(ip), |net| net.trunc())
}

/// The connections that each network has.
#[derive(Debug, Clone)]
pub(super) struct Seats {
    most: usize,
    taken: Arc<Mutex<HashMap<IpNet, usize>>>,
}

/// A connection's place; given back when it is dropped.
#[derive(Debug)]
pub(super) struct Seat {
    of: Option<IpNet>,
    taken: Arc<Mutex<HashMap<IpNet, usize>>>,
}

impl Seats {
    /// At most so many for each network.
    pub(super) fn new(most: usize) -> Self {
        Self { most, taken: Arc::default() }
    }

    /// A place for whoever comes from there; None when its network has all that are its. This machine is never refused:
    /// a proxy on it speaks for many.
    pub(super) fn take(&self, from: IpAddr) -> Option<Seat> {
        let taken = Arc::clone(&self.taken);
        if from.to_canonical().is_loopback() {
            return Some(Seat { of: None, taken });
        }
        let network = network_of(from);
        let mut all = self.taken.lock().unwrap_or_else(PoisonError::into_inner);
        let count = all.entry(network).or_default();
        if *count >= self.most {
            return None;
        }
        *count += 1;
        drop(all);
        Some(Seat { of: Some(network), taken })
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        let Some(network) = self.of else { return };
        let mut all = self.taken.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(count) = all.get_mut(&network) {
            *count -= 1;
            if *count == 0 {
                all.remove(&network);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn neighbours_are_one_network() {
        let network = |text: &str| network_of(text.parse().unwrap());
        assert_eq!(network("192.0.2.7"), network("192.0.2.250"));
        assert_eq!(network("192.0.2.7"), network("::ffff:192.0.2.8"));
        assert_ne!(network("192.0.2.7"), network("192.0.3.7"));
        assert_eq!(network("2001:db8:0:aa01::1"), network("2001:db8:0:aaff::2"));
        assert_ne!(network("2001:db8:0:aa01::1"), network("2001:db8:0:ab01::1"));
        assert_eq!(network("192.0.2.7").to_string(), "192.0.2.0/24");
        assert_eq!(network("2001:db8:0:aa01::1").to_string(), "2001:db8:0:aa00::/56");
    }

    #[test]
    fn one_network_cannot_take_all_places() {
        let seats = Seats::new(2);
        let take = |text: &str| seats.take(text.parse().unwrap());
        let (first, second) = (take("192.0.2.1"), take("192.0.2.200"));
        assert!(first.is_some() && second.is_some() && take("192.0.2.3").is_none());
        assert!(take("198.51.100.1").is_some(), "others are served");
        drop(first);
        assert!(take("192.0.2.3").is_some(), "what is given back can be had");
        drop(second);
        let here: Vec<Option<Seat>> = (0..9).map(|_| take("127.0.0.1")).collect();
        assert!(here.iter().all(Option::is_some));
        assert!(seats.taken.lock().unwrap().is_empty(), "nobody is remembered");
    }
}
