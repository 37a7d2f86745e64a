//! The evidence, digested once for all rules.

use std::cell::OnceCell;
use std::collections::BTreeSet;
use std::net::IpAddr;

use super::context::{Canaries, Consensus, Controls};
use super::failing::Failing;
use super::knowledge::Knowledge;
use super::marks::{self, Marked};
use super::resolution::Lookup;
use super::say;
use super::seen::{Hop, Path, Seen};
use crate::knowledge::Fingerprint;
use crate::model::{AddressOrigin, Baseline, CanaryReport, CountryCode, Evidence, Experiment, Failure, Measurement};

/// Everything that the rules look at.
#[derive(Debug, Clone)]
pub(super) struct Facts<'e> {
    /// The measurement itself, for what is single in it.
    pub measurement: &'e Measurement,
    /// The measurement in order.
    pub seen: Seen<'e>,
    /// Where and how an ordinary user of this network fails.
    pub failing: Option<Failing<'e>>,
    /// What the controls saw.
    pub controls: Controls<'e>,
    /// What the canaries said.
    pub canaries: Canaries<'e>,
    /// The same, for what is single in it.
    pub canary_report: Option<&'e CanaryReport>,
    /// What the series' pace usually is.
    pub baseline: Option<Baseline>,
    /// What follow-up experiments showed in the last hour.
    pub experiments: &'e [Experiment],
    /// What the judge knows beside the evidence.
    pub knowledge: &'e Knowledge,
    /// Where the vantage is, or the site is watched for.
    pub country: CountryCode,
    /// What fingerprints say of the answers; looked up when the first rule asks.
    marked: OnceCell<Vec<Marked<'e>>>,
}

/// A known block page address or name that an own resolver gave.
#[derive(Debug, Clone)]
pub(super) struct Sunk<'f, 'e> {
    /// Who gave it.
    pub lookup: &'f Lookup<'e>,
    /// The address, or the name (hostile text) of the CNAME chain.
    pub what: String,
    /// By which it is known.
    pub fingerprint: &'f Fingerprint,
}

/// What the vantage's own resolvers do with a name whose true addresses the reference tells.
#[derive(Debug, Clone)]
pub(super) enum OwnAnswer<'f, 'e> {
    /// They give none.
    Failed(&'f Lookup<'e>, &'f Failure),
    /// They give a known sinkhole.
    Sinkhole(Sunk<'f, 'e>),
    /// They give only addresses that cannot be public.
    Bogon(IpAddr),
    /// They give public addresses, none of which the reference gives, nor any in the network of one.
    Different(Vec<IpAddr>),
    /// They agree with the reference in at least one address, or there is nothing to say.
    Agrees,
}

impl<'e> Facts<'e> {
    pub(super) fn new(evidence: &'e Evidence, knowledge: &'e Knowledge, country: CountryCode) -> Self {
        let canaries = evidence.canaries.as_ref();
        Self {
            controls: Controls::new(&evidence.controls),
            experiments: &evidence.experiments,
            baseline: evidence.baseline,
            ..Self::alone(&evidence.measurement, canaries, knowledge, country)
        }
    }

    /// The facts before any control is asked.
    pub(super) fn alone(
        measurement: &'e Measurement,
        canaries: Option<&'e CanaryReport>,
        knowledge: &'e Knowledge,
        country: CountryCode,
    ) -> Self {
        let seen = Seen::new(measurement, knowledge);
        let tally = Canaries::new(canaries);
        let failing = seen.stuck().and_then(|hop| Failing::at(hop, &tally));
        Self {
            measurement,
            seen,
            failing,
            controls: Controls::new(&[]),
            canaries: tally,
            canary_report: canaries,
            baseline: None,
            experiments: &[],
            knowledge,
            country,
            marked: OnceCell::new(),
        }
    }

    /// What fingerprints say of the answers without proof, hop by hop.
    pub(super) fn marked(&self) -> &[Marked<'e>] {
        self.marked.get_or_init(|| marks::marked(self))
    }

    /// The public addresses that the reference gives for the hop's name: encrypted resolvers, controls (for the URL's
    /// own name), and addresses that only a control gave.
    pub(super) fn reference(&self, hop: &Hop<'e>) -> BTreeSet<IpAddr> {
        let mut addresses = hop.reference.addresses();
        if hop.index == 0 {
            addresses.extend(self.controls.addresses());
        }
        addresses.extend(control_only(hop).map(|path| path.address.ip()));
        addresses.into_iter().map(|address| address.to_canonical()).filter(|ip| !self.knowledge.is_bogon(*ip)).collect()
    }

    /// What the vantage's own resolvers do with the hop's name.
    pub(super) fn own_answer<'f>(&'f self, hop: &'f Hop<'e>) -> OwnAnswer<'f, 'e> {
        if let Some(sunk) = self.sunk(hop) {
            return OwnAnswer::Sinkhole(sunk);
        }
        if let Some((lookup, failure)) = hop.own.failure() {
            return OwnAnswer::Failed(lookup, failure);
        }
        let addresses: Vec<IpAddr> = hop.own.addresses().into_iter().map(|address| address.to_canonical()).collect();
        let public: Vec<IpAddr> = addresses.iter().copied().filter(|ip| !self.knowledge.is_bogon(*ip)).collect();
        match (public.as_slice(), addresses.first()) {
            ([], Some(&bogon)) => OwnAnswer::Bogon(bogon),
            ([_, ..], _) => {
                let reference = self.reference(hop);
                // Only like can be compared with like: a lone AAAA answer does not contradict an A answer.
                let comparable = public.iter().any(|ip| reference.iter().any(|other| ip.is_ipv4() == other.is_ipv4()));
                let agrees = |ip: &IpAddr| reference.contains(ip) || self.shares_network(*ip, &reference);
                if comparable && !public.iter().any(agrees) { OwnAnswer::Different(public) } else { OwnAnswer::Agrees }
            }
            ([], None) => OwnAnswer::Agrees,
        }
    }

    /// A known block page address or name among what the own resolvers gave.
    fn sunk<'f>(&'f self, hop: &'f Hop<'e>) -> Option<Sunk<'f, 'e>> {
        hop.own.lookups.iter().find_map(|lookup| {
            let by_address = lookup.addresses.iter().find_map(|ip| {
                let fingerprint = self.knowledge.sinkhole(self.country, *ip)?;
                Some(Sunk { lookup, what: ip.to_canonical().to_string(), fingerprint })
            });
            by_address.or_else(|| {
                lookup.names.iter().find_map(|name| {
                    let fingerprint = self.knowledge.sinkhole_name(self.country, name)?;
                    Some(Sunk { lookup, what: say::quoted(name), fingerprint })
                })
            })
        })
    }

    /// Whether `address` is in the same autonomous system as one of the reference's: a network with many addresses
    /// gives different ones to different askers. Without a table of networks nothing is known of that.
    pub(super) fn shares_network(&self, address: IpAddr, reference: &BTreeSet<IpAddr>) -> bool {
        self.knowledge.asn(address).is_some_and(|own| {
            reference.iter().filter_map(|ip| self.knowledge.asn(*ip)).any(|other| other.number == own.number)
        })
    }

    /// How far what fails here and works at the control may be laid at the path's door; None when the control or the
    /// canaries do not bear it out.
    pub(super) fn differential(&self) -> Option<f64> {
        Some(self.control_works()? * self.canaries.trust()?)
    }

    /// How far the controls' success may be relied on; None when the site answered none of them.
    pub(super) fn control_works(&self) -> Option<f64> {
        match self.controls.consensus() {
            Consensus::Works { trust } => Some(trust),
            Consensus::None | Consensus::Fails => None,
        }
    }
}

/// The paths that only a control gave.
pub(super) fn control_only<'f, 'e>(hop: &'f Hop<'e>) -> impl Iterator<Item = &'f Path<'e>> {
    hop.paths.iter().filter(|path| {
        let origins = path.tcp.map(|tcp| tcp.origin).into_iter().chain(path.tls.map(|tls| tls.origin));
        origins.into_iter().all(|origin| origin == AddressOrigin::Control) && !path.bogon
    })
}
