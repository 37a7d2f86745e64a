//! The state of one hop: what is still under way and which connection may carry the request.

use std::net::IpAddr;
use std::time::{Duration, Instant};

use url::{Host, Url};

use super::attempt::Ready;
use super::http3::{Known, Origin};
use super::plan::{AddressPlan, Progress};
use crate::model::AddressFamily;

/// How long a connection that only the reference led to waits for one of our own, and how long addresses that only
/// the reference gave wait for our own resolvers (OONI waits as long for a better connection).
const HEAD_START: Duration = Duration::from_millis(500);

/// One hop of the redirect chain.
pub(super) struct Hop {
    pub(super) index: u8,
    pub(super) url: Url,
    pub(super) host: Host<String>,
    pub(super) port: u16,
    pub(super) plan: AddressPlan,
    /// Addresses recorded as bogons.
    pub(super) bogons: Vec<IpAddr>,
    /// Own addresses that came only in a second answer to one question: a reader's system takes the first.
    pub(super) late: Vec<IpAddr>,
    /// Since when a connection to one of these waits.
    pub(super) late_since: Option<Instant>,
    /// Questions to own resolvers that are under way.
    pub(super) own_questions: usize,
    /// The reference is under way.
    pub(super) reference_asked: bool,
    /// When the reference answered.
    pub(super) reference_at: Option<Instant>,
    /// Addresses being dialled.
    pub(super) in_flight: Vec<IpAddr>,
    /// Connections that wait for the choice.
    pub(super) ready: Vec<Ready>,
    /// Since when a connection that only the reference led to waits.
    pub(super) spare_since: Option<Instant>,
    /// The request is on its way or has been answered.
    pub(super) carried: bool,
    /// The request has been answered or has failed.
    pub(super) answered: bool,
    /// The site itself answered, over TLS that proved it.
    pub(super) proven: bool,
    /// What is known of HTTP/3 at this host.
    pub(super) http3: Option<Known>,
    /// Address families that are greeted over QUIC.
    pub(super) greeted: Vec<AddressFamily>,
    /// Steps for QUIC that are under way.
    pub(super) quic_steps: usize,
}

impl Hop {
    /// Under which name it is remembered.
    pub(super) fn origin(&self) -> Origin {
        (self.host.to_string(), self.port)
    }

    /// How far the name servers have got at `now`.
    pub(super) fn progress(&self, now: Instant) -> Progress {
        let own_done = self.own_questions == 0;
        let waited = self.reference_at.is_some_and(|at| now >= at + HEAD_START);
        Progress {
            own_done,
            reference_done: !self.reference_asked,
            control_open: !self.answered && (own_done || waited),
        }
    }

    /// Whether something of our own is still under way: a question to an own resolver, or an address that one gave.
    pub(super) fn own_busy(&self) -> bool {
        self.own_questions > 0 || self.in_flight.iter().any(|ip| self.plan.is_own(*ip))
    }

    /// Whether an address that a reader's system would take is being dialled.
    fn prompt_busy(&self) -> bool {
        self.in_flight.iter().any(|ip| self.plan.is_own(*ip) && !self.late.contains(ip))
    }

    /// Whether nothing is under way any more.
    pub(super) fn is_idle(&self) -> bool {
        self.own_questions == 0 && !self.reference_asked && self.in_flight.is_empty()
    }

    /// The connection that shall carry the request, if it can be told at `now`. Clean ones before those with false
    /// certificates, which are used only when nothing else is left; own addresses before the reference's, and among them
    /// those of a first answer before those of a second one: what a reader meets must not hang on which connects sooner.
    pub(super) fn choose(&mut self, now: Instant) -> Option<Ready> {
        if self.carried {
            return None;
        }
        let find = |clean: bool, own: bool, hop: &Self| {
            hop.ready.iter().position(|ready| ready.clean == clean && hop.plan.is_own(ready.address.ip()) == own)
        };
        let prompt = |ready: &Ready| {
            let ip = ready.address.ip();
            ready.clean && self.plan.is_own(ip) && !self.late.contains(&ip)
        };
        let mut chosen = self.ready.iter().position(prompt);
        if chosen.is_none()
            && let Some(late) = find(true, true, self)
        {
            let since = *self.late_since.get_or_insert(now);
            chosen = (!self.prompt_busy() || now >= since + HEAD_START).then_some(late);
        }
        if chosen.is_none()
            && self.late_since.is_none()
            && let Some(spare) = find(true, false, self)
        {
            let since = *self.spare_since.get_or_insert(now);
            chosen = (!self.own_busy() || now >= since + HEAD_START).then_some(spare);
        }
        if chosen.is_none() && self.is_idle() {
            chosen = find(false, true, self).or_else(|| find(false, false, self));
        }
        let ready = self.ready.swap_remove(chosen?);
        // The others have shown what they had to show; they are closed here.
        self.ready.clear();
        self.carried = true;
        Some(ready)
    }

    /// When to look again though nothing happened.
    pub(super) fn wake(&self, now: Instant) -> Option<Instant> {
        let spare = self.spare_since.filter(|_| !self.carried).map(|at| at + HEAD_START);
        let reference = self.reference_at.filter(|_| self.own_questions > 0).map(|at| at + HEAD_START);
        let late = self.late_since.filter(|_| !self.carried).map(|at| at + HEAD_START);
        [spare, reference, late].into_iter().flatten().filter(|at| *at > now).min()
    }
}
