//! What the censor does: what it looks at, and what it does then.

use std::net::{IpAddr, SocketAddr};

use anyhow::{Result, ensure};
use serde::Deserialize;

use crate::scenario::Page;

/// A name, or with a leading dot a name and everything under it. A star stands for anything: `*news.lab` is what a careless
/// censor writes, who so catches `notnews.lab` too, and `*news*` one who looks for a word.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(transparent)]
pub(crate) struct NamePattern(pub(crate) String);

impl NamePattern {
    pub(crate) fn matches(&self, name: &str) -> bool {
        let name = name.trim_end_matches('.').to_ascii_lowercase();
        let (start, end) = (self.0.strip_prefix('*'), self.0.strip_suffix('*'));
        match (start, end, self.0.strip_prefix('.')) {
            (Some(_), Some(_), _) => name.contains(self.0.trim_matches('*')),
            (Some(end), None, _) => name.ends_with(end),
            (None, Some(start), _) => name.starts_with(start),
            (None, None, Some(domain)) => name == domain || name.ends_with(&self.0),
            (None, None, None) => name == self.0,
        }
    }
}

/// One thing that the censor does.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Rule {
    /// Name in the router's log and in the expectations of a story.
    #[serde(default)]
    pub(crate) id: String,
    pub(crate) when: Trigger,
    pub(crate) act: Act,
    pub(crate) from: Option<f64>,
    pub(crate) until: Option<f64>,
    /// Seconds for which, after a name was seen, nothing passes between the client and that port of the server.
    pub(crate) residual: Option<f64>,
}

impl Rule {
    /// Refuses an act that would never happen.
    pub(crate) fn sound(&self) -> Result<()> {
        let Self { when, act, residual, .. } = self;
        let after_a_name = matches!(when, Trigger::Sni(_) | Trigger::Host(_));
        let by_address = matches!(when, Trigger::All | Trigger::Foreign | Trigger::Address(_));
        let fits = match act {
            Act::Respond(_) | Act::RaceReset(_) => after_a_name,
            Act::Forge(_) | Act::ForgeFirst(_) => matches!(when, Trigger::Question(_)),
            Act::FreezeAfter(_) | Act::Throttle(_) => after_a_name || by_address,
            Act::Redirect(_) => by_address,
            Act::Drop | Act::Reset | Act::Refuse | Act::Prohibit | Act::Fin => true,
        };
        ensure!(fits, "{act:?} has no meaning for {when:?}");
        let dead_at_once = matches!(act, Act::Drop | Act::Reset | Act::Fin | Act::Respond(_));
        let lasts = residual.is_none() || after_a_name && dead_at_once;
        ensure!(lasts, "residual has no meaning for {act:?} by {when:?}");
        Ok(())
    }
}

/// What the censor looks at.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Trigger {
    /// Every packet of the vantage.
    All,
    /// Every packet between the vantage and addresses outside the ISP.
    Foreign,
    /// Every packet between the vantage and this address.
    Address(IpAddr),
    /// Every datagram between the vantage and port 443 of this address.
    Udp(IpAddr),
    /// Every datagram between the vantage and any port 443.
    AnyQuic,
    /// A ClientHello over TCP that bears this server name.
    Sni(NamePattern),
    /// A ClientHello in a QUIC connection that bears this server name.
    Quic(NamePattern),
    /// A clear-text HTTP request with this Host.
    Host(NamePattern),
    /// A clear-text DNS question (UDP or TCP) for this name, to whatever address.
    Question(NamePattern),
}

/// What the censor does then. After a name was seen the flow is dead, where nothing else is said: later packets of it are
/// dropped.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Act {
    /// Drops.
    Drop,
    /// Sends RST to both sides and drops.
    Reset,
    /// Sends RST, and everything passes all the same, as it does where the censor only gets a copy of the traffic.
    RaceReset(Race),
    /// Answers SYN with RST; drops the rest.
    Refuse,
    /// Answers with ICMP "communication administratively prohibited" and drops.
    Prohibit,
    /// Sends FIN to the client, RST to the server.
    Fin,
    /// Sends TCP connections to another host.
    Redirect(SocketAddr),
    /// Answers the request, then closes; the server gets RST.
    Respond(Page),
    /// Lets this many bytes (payload of TCP) come to the client, then drops everything both ways.
    FreezeAfter(usize),
    /// Slows the connection down.
    Throttle(Throttle),
    /// Answers the question and drops it.
    Forge(Answer),
    /// Gives these answers to the question, in order, and lets it pass, so that the true answer comes last.
    ForgeFirst(Vec<Answer>),
}

impl Act {
    /// Whether, when a rule looks at addresses only, it does something to connections instead of single packets.
    pub(crate) fn is_for_connections(&self) -> bool {
        matches!(self, Self::Redirect(_) | Self::FreezeAfter(_) | Self::Throttle(_))
    }

    /// Whether the packet that bore the name goes on, and the flow lives.
    pub(crate) fn lets_the_name_pass(&self) -> bool {
        matches!(self, Self::RaceReset(_) | Self::FreezeAfter(_) | Self::Throttle(_) | Self::ForgeFirst(_))
    }
}

/// An RST that races with what is true.
#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Race {
    /// What comes to the client first.
    pub(crate) lead: Lead,
    /// Who gets the RST.
    #[serde(default)]
    pub(crate) ends: Ends,
}

/// What comes first in a race.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Lead {
    /// The RST, then what the server says.
    Reset,
    /// The server's first segment, then the RST.
    Server,
}

/// Ends of a connection.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Ends {
    #[default]
    Client,
    Server,
    Both,
}

impl Ends {
    pub(crate) fn client(self) -> bool {
        self != Self::Server
    }

    pub(crate) fn server(self) -> bool {
        self != Self::Client
    }
}

/// How a connection is slowed down, each direction by itself.
#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Throttle {
    /// Payload over this rate is dropped (a token bucket); none: any rate passes.
    pub(crate) bytes_per_second: Option<u32>,
    /// Size of the bucket, which is full at first.
    pub(crate) burst_bytes: u32,
    /// Every packet comes so much later.
    pub(crate) delay_ms: u32,
    /// Share of packets that are lost, the same ones in every run.
    pub(crate) loss: f64,
}

impl Default for Throttle {
    fn default() -> Self {
        Self { bytes_per_second: None, burst_bytes: 8192, delay_ms: 0, loss: 0.0 }
    }
}

/// A false answer, of the ISP's resolver or forged on the path.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Answer {
    Nxdomain,
    Refused,
    Servfail,
    /// NOERROR without records.
    Empty,
    /// No answer at all.
    Silence,
    /// These addresses, each to questions for its family.
    Addresses(Vec<IpAddr>),
}
