//! Whether a vantage has IPv6 at all.

use std::collections::HashMap;
use std::net::{Ipv6Addr, SocketAddr};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use crate::model::VantageId;
use crate::vantage::Vantage;

/// How long the answer is used.
const FRESH: Duration = Duration::from_secs(30);
/// A global address; connecting a datagram socket sends nothing, it only asks the routing table.
const SOMEWHERE: SocketAddr =
    SocketAddr::new(std::net::IpAddr::V6(Ipv6Addr::new(0x2620, 0xfe, 0, 0, 0, 0, 0, 0xfe)), 53);

/// The answers of the last half minute.
#[derive(Debug, Default)]
pub(super) struct Ipv6Check(Mutex<HashMap<VantageId, (Instant, bool)>>);

impl Ipv6Check {
    /// Whether `vantage` has a way to the IPv6 internet. A tunnel's far end cannot be asked: assumed.
    pub(super) async fn available(&self, vantage: &Vantage) -> bool {
        if vantage.is_tunnel() {
            return true;
        }
        let known = self.0.lock().unwrap_or_else(PoisonError::into_inner).get(vantage.id()).copied();
        if let Some((at, available)) = known
            && at.elapsed() < FRESH
        {
            return available;
        }
        let available = match vantage.udp_socket(true) {
            Ok(socket) => socket.connect(SOMEWHERE).await.is_ok(),
            Err(_) => false,
        };
        let mut answers = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        answers.insert(vantage.id().clone(), (Instant::now(), available));
        available
    }
}
