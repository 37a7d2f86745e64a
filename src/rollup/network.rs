//! The series of one network joined: a site is blocked in a network while any of its URLs is, seen from any vantage there.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;

use super::stretch::Stretch;
use super::{Network, Whereabouts};
use crate::model::{Bracket, CountryCode, Mechanism, SiteId, Span, SpanId, SpanSource, Status, Timestamp, VantageId};

/// A stretch of time in which a site was blocked in one network.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct InNetwork {
    /// The site.
    pub site: SiteId,
    /// The country that the network is looked at in.
    pub country: CountryCode,
    /// The network.
    pub network: Network,
    /// Where the spans come from; sources are never mixed.
    pub source: SpanSource,
    /// The start lies here.
    pub start: Bracket,
    /// The end lies here; null while it goes on.
    pub end: Option<Bracket>,
    /// Still so at the last observation.
    pub ongoing: bool,
    /// How, in order of the alphabet.
    pub mechanisms: BTreeSet<Mechanism>,
    /// The surest of its spans.
    pub confidence: Option<f64>,
    /// URLs of the site that were blocked.
    pub urls: usize,
    /// Vantages that saw it.
    pub vantages: BTreeSet<VantageId>,
    /// The spans that it is made of.
    pub spans: Vec<SpanId>,
    #[serde(skip)]
    pub(super) stretch: Stretch,
}

impl InNetwork {
    /// It was so at least until then, if what goes on goes on until `now`. What was imported ends with its last measurement.
    pub fn until(&self, now: Timestamp) -> Timestamp {
        self.stretch.until(now)
    }
}

/// What a network's spans are gathered by.
type Key = (SiteId, SpanSource, CountryCode, Network);

/// The stretches in which sites were blocked in networks, by site, country, network and time. Reports name no vantage of
/// ours and are left out, and so is what only a part of the way was.
pub fn by_network(spans: &[Span], whereabouts: &Whereabouts) -> Vec<InNetwork> {
    let mut gathered: BTreeMap<Key, Vec<(Stretch, &Span)>> = BTreeMap::new();
    for span in spans {
        let whole = span.status == Status::Blocked && span.partial.is_none() && span.source != SpanSource::Reported;
        let (Some(vantage), Some(stretch), true) = (&span.vantage, Stretch::of(span), whole) else { continue };
        let (country, network) = whereabouts.of(&span.site, vantage);
        gathered.entry((span.site.clone(), span.source, country, network)).or_default().push((stretch, span));
    }
    gathered.into_iter().flat_map(|(key, spans)| joined(&key, spans)).collect()
}

fn joined(key: &Key, mut spans: Vec<(Stretch, &Span)>) -> Vec<InNetwork> {
    spans.sort_by_key(|(stretch, span)| (stretch.start_latest, stretch.start_earliest, span.span_id));
    let mut groups: Vec<(Stretch, Vec<&Span>)> = Vec::new();
    for (stretch, span) in spans {
        match groups.last_mut() {
            Some((all, members)) if all.overlaps(&stretch) => {
                *all = all.joined(&stretch);
                members.push(span);
            }
            _ => groups.push((stretch, vec![span])),
        }
    }
    let (site, source, country, network) = key;
    let told = groups.into_iter().map(|(stretch, members)| InNetwork {
        site: site.clone(),
        country: *country,
        network: network.clone(),
        source: *source,
        start: stretch.start(),
        end: stretch.end(),
        ongoing: stretch.ongoing,
        mechanisms: members
            .iter()
            .flat_map(|span| span.segments.iter().map(|s| s.mechanism).chain(span.mechanism))
            .collect(),
        confidence: members.iter().filter_map(|span| span.confidence).reduce(f64::max),
        urls: members.iter().filter_map(|span| span.url.as_ref()).collect::<BTreeSet<_>>().len(),
        vantages: members.iter().filter_map(|span| span.vantage.clone()).collect(),
        spans: members.iter().map(|span| span.span_id).collect(),
        stretch,
    });
    told.collect()
}
