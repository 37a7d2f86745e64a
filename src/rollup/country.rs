//! The networks of one country joined: a site is blocked in a country while enough distinct networks agree.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;

use super::network::InNetwork;
use super::stretch::{EVER, NEVER, Stretch};
use super::{Network, Whereabouts, by_network};
use crate::model::{Bracket, CountryCode, SeriesKey, SiteId, Span, SpanSource, Timestamp};

/// How many networks bear it out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Agreement {
    /// Enough of them at one time: the site was blocked in the country.
    Agreed,
    /// More than one, and too few.
    TooFewNetworks,
    /// One: its own fault, or the only one that is looked at.
    OneNetworkOnly,
}

/// A stretch of time in which networks of a country agreed, or one in which too few did.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct InCountry {
    /// The site.
    pub site: SiteId,
    /// The country.
    pub country: CountryCode,
    /// Where the spans come from; sources are never mixed.
    pub source: SpanSource,
    /// Whether enough networks agreed.
    pub agreement: Agreement,
    /// Networks that must agree.
    pub quorum: usize,
    /// Networks from which the site is looked at in this country.
    pub networks_watched: usize,
    /// From when on so many agreed.
    pub start: Bracket,
    /// Until when so many agreed; null while they do.
    pub end: Option<Bracket>,
    /// They still do.
    pub ongoing: bool,
    /// Which networks, and since when in each.
    pub networks: Vec<InNetwork>,
    #[serde(skip)]
    pub(super) stretch: Stretch,
}

impl InCountry {
    /// It was so at least until then, if what goes on goes on until `now`. What was imported ends with its last measurement.
    pub fn until(&self, now: Timestamp) -> Timestamp {
        self.stretch.until(now)
    }
}

/// The stretches in which sites were blocked in countries, by site, country, source and time. `watched` are all series
/// that are looked at. Where too few networks agreed all the while, the stretch is told with that mark.
pub fn by_country(
    spans: &[Span],
    watched: &[(SeriesKey, SpanSource)],
    whereabouts: &Whereabouts,
    quorum: usize,
) -> Vec<InCountry> {
    let quorum = quorum.max(1);
    let mut looked_at: BTreeMap<(SiteId, SpanSource, CountryCode), BTreeSet<Network>> = BTreeMap::new();
    for (series, source) in watched {
        let (country, network) = whereabouts.of(&series.site, &series.vantage);
        looked_at.entry((series.site.clone(), *source, country)).or_default().insert(network);
    }
    let mut by_place: BTreeMap<(SiteId, CountryCode, SpanSource), Vec<InNetwork>> = BTreeMap::new();
    for network in by_network(spans, whereabouts) {
        by_place.entry((network.site.clone(), network.country, network.source)).or_default().push(network);
    }
    let mut told = Vec::new();
    for ((site, country, source), networks) in by_place {
        let seen: BTreeSet<&Network> = networks.iter().map(|one| &one.network).collect();
        let of_place = looked_at.get(&(site.clone(), source, country));
        let watched = of_place.map_or(0, BTreeSet::len).max(seen.len());
        let agreed = agreeing(&networks, quorum);
        let any = agreeing(&networks, 1);
        let alone = any.iter().filter(|one| !agreed.iter().any(|more| more.overlaps(one)));
        let mut stretches: Vec<(Stretch, bool)> = alone.map(|one| (*one, false)).collect();
        stretches.extend(agreed.iter().map(|more| (*more, true)));
        stretches.sort_by_key(|(stretch, _)| (stretch.start_latest, stretch.start_earliest));
        told.extend(stretches.into_iter().map(|(stretch, enough)| {
            // All that led to it and followed it without a break is told with it.
            let around = any.iter().find(|one| one.overlaps(&stretch)).unwrap_or(&stretch);
            let members: Vec<InNetwork> = networks.iter().filter(|one| one.stretch.overlaps(around)).cloned().collect();
            let distinct = members.iter().map(|one| &one.network).collect::<BTreeSet<_>>().len();
            InCountry {
                site: site.clone(),
                country,
                source,
                agreement: match (enough, distinct) {
                    (true, _) => Agreement::Agreed,
                    (false, ..=1) => Agreement::OneNetworkOnly,
                    (false, _) => Agreement::TooFewNetworks,
                },
                quorum,
                networks_watched: watched,
                start: stretch.start(),
                end: stretch.end(),
                ongoing: stretch.ongoing,
                networks: members,
                stretch,
            }
        }));
    }
    told
}

/// The stretches in which at least `quorum` of the networks were blocked at one time, for certain. A network's own
/// stretches do not overlap, so that each counts once.
fn agreeing(networks: &[InNetwork], quorum: usize) -> Vec<Stretch> {
    // A network counts from the instant at which it was blocked for certain to the last one, both included.
    let mut turns: Vec<(i64, bool, usize)> = Vec::new();
    for (number, network) in networks.iter().enumerate() {
        turns.push((network.stretch.start_latest, false, number));
        turns.push((network.stretch.end_earliest, true, number));
    }
    turns.sort_unstable();
    let mut active: BTreeSet<usize> = BTreeSet::new();
    let mut found: Vec<Stretch> = Vec::new();
    let mut begun: Option<(i64, i64)> = None;
    for (at, leaves, number) in turns {
        if !leaves {
            active.insert(number);
            if active.len() == quorum {
                // The last of them to begin began not before the quorum-th smallest of their lower bounds.
                let mut earliest: Vec<i64> = active.iter().map(|one| networks[*one].stretch.start_earliest).collect();
                earliest.sort_unstable();
                let after = found.last().map_or(EVER, |before| before.end_earliest);
                begun = Some((earliest[quorum - 1].max(after), at));
            }
            continue;
        }
        if active.len() == quorum
            && let Some((start_earliest, start_latest)) = begun.take()
        {
            let latest = active.iter().map(|one| networks[*one].stretch.end_latest).min().unwrap_or(NEVER);
            found.push(Stretch {
                start_earliest,
                start_latest,
                end_earliest: at,
                end_latest: latest.max(at),
                ongoing: active.iter().all(|one| networks[*one].stretch.ongoing),
            });
        }
        active.remove(&number);
    }
    found
}
