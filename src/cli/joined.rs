//! `history --by`: spans joined by network, country or site.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Write;

use serde::Serialize;

use super::args::{HistoryBy, HistoryFormat};
use super::fault::Fault;
use super::look::{BAD, Look, NEUTRAL, PLAIN};
use super::table::{Column, Table};
use super::{rows, words};
use crate::config::Config;
use crate::model::{Bracket, CountryCode, Mechanism, SeriesKey, SiteId, Span, SpanSource, Timestamp};
use crate::rollup::{Agreement, InCountry, InNetwork, by_country, by_network};

/// A site in one country: an object of `history --by site --format json`.
#[derive(Debug, Serialize)]
struct OfSite {
    site: SiteId,
    country: CountryCode,
    source: SpanSource,
    /// Enough networks agree now; null when too few say so.
    blocked_now: Option<bool>,
    /// Stretches in which enough networks agreed.
    stretches: usize,
    /// Stretches in which too few did.
    unconfirmed: usize,
    networks_watched: usize,
    first_start: Option<Bracket>,
    last_end: Option<Bracket>,
    /// For certain, all stretches together.
    blocked_seconds: u64,
}

/// What is said when there are none, and to who asks for another format.
const SAID: (&str, &str) = ("no spans", "--by goes with --format table, json or ndjson");

/// Writes spans joined by `by`.
///
/// # Errors
/// The output cannot be written, or the format is not one of these.
pub(super) fn write(
    by: HistoryBy,
    spans: &[Span],
    watched: &[(SeriesKey, SpanSource)],
    config: &Config,
    (format, now): (HistoryFormat, Timestamp),
    look: &Look,
    out: &mut dyn Write,
) -> Result<(), Fault> {
    let places = crate::daemon::whereabouts(config);
    let quorum = config.summary.networks;
    match by {
        HistoryBy::Network => {
            rows::write(&by_network(spans, &places), format, SAID, out, |rows, out| networks(rows, now, look, out))
        }
        HistoryBy::Country => {
            rows::write(&by_country(spans, watched, &places, quorum), format, SAID, out, |rows, out| {
                countries(rows, now, look, out)
            })
        }
        HistoryBy::Site => {
            let rows = sites(&by_country(spans, watched, &places, quorum), now);
            rows::write(&rows, format, SAID, out, |rows, out| site_table(rows, look, out))
        }
    }
}

fn end(end: Option<&Bracket>, look: &Look) -> String {
    end.map_or_else(|| "ongoing".to_owned(), |end| words::bracket(end, look.unicode))
}

/// For how long at least.
fn seconds(start: &Bracket, until: Timestamp) -> u64 {
    start.latest.map_or(0, |from| until.since(from).as_secs())
}

fn lasted(start: &Bracket, until: Timestamp) -> String {
    words::length(std::time::Duration::from_secs(seconds(start, until)))
}

fn how(mechanisms: &BTreeSet<Mechanism>) -> String {
    mechanisms.iter().map(|mechanism| mechanism.as_str()).collect::<Vec<_>>().join(", ")
}

const NETWORK_COLUMNS: [Column; 9] = [
    Column::of("SITE", 0, ("", "")),
    Column::of("COUNTRY", 2, ("in ", "")),
    Column::of("NETWORK", 0, ("", "")),
    Column::of("HOW", 3, ("", "")),
    Column::of("START (UTC)", 0, ("", "")),
    Column::of("END (UTC)", 0, ("until ", "")),
    Column::of("AT LEAST", 4, ("for at least ", "")),
    Column::of("URLS", 5, ("", " URLs")),
    Column::of("SOURCE", 9, ("", "")),
];

fn networks(rows: &[InNetwork], now: Timestamp, look: &Look, out: &mut dyn Write) -> std::io::Result<()> {
    let mut table = Table::new(&NETWORK_COLUMNS);
    for row in rows {
        table.cell(PLAIN, |out| out.push_str(row.site.as_str()));
        table.cell(PLAIN, |out| out.push_str(row.country.as_str()));
        table.cell(PLAIN, |out| out.push_str(&row.network.to_string()));
        table.cell(BAD, |out| out.push_str(&how(&row.mechanisms)));
        table.cell(PLAIN, |out| out.push_str(&words::bracket(&row.start, look.unicode)));
        table.cell(PLAIN, |out| out.push_str(&end(row.end.as_ref(), look)));
        table.cell(PLAIN, |out| out.push_str(&lasted(&row.start, row.until(now))));
        table.cell(PLAIN, |out| out.push_str(&row.urls.to_string()));
        table.cell(PLAIN, |out| out.push_str(row.source.as_str()));
    }
    table.write(look, out)
}

const COUNTRY_COLUMNS: [Column; 8] = [
    Column::of("SITE", 0, ("", "")),
    Column::of("COUNTRY", 0, ("in ", "")),
    Column::of("AGREEMENT", 0, ("", "")),
    Column::of("START (UTC)", 0, ("", "")),
    Column::of("END (UTC)", 0, ("until ", "")),
    Column::of("AT LEAST", 3, ("for at least ", "")),
    Column::of("NETWORKS", 4, ("", "")),
    Column::of("SOURCE", 9, ("", "")),
];

fn agreement(row: &InCountry) -> String {
    let distinct = row.networks.iter().map(|one| &one.network).collect::<BTreeSet<_>>().len();
    let of = row.networks_watched;
    match row.agreement {
        Agreement::Agreed => format!("{distinct} of {of} networks"),
        Agreement::TooFewNetworks => format!("too few: {distinct} of {of}, {} wanted", row.quorum),
        Agreement::OneNetworkOnly if of == 1 => "one network only".to_owned(),
        Agreement::OneNetworkOnly => format!("one network only, of {of}"),
    }
}

fn countries(rows: &[InCountry], now: Timestamp, look: &Look, out: &mut dyn Write) -> std::io::Result<()> {
    let mut table = Table::new(&COUNTRY_COLUMNS);
    for row in rows {
        let style = if row.agreement == Agreement::Agreed { BAD } else { NEUTRAL };
        let since = |one: &InNetwork| {
            let until = one
                .end
                .as_ref()
                .map_or_else(String::new, |end| format!(" until {}", words::bracket(end, look.unicode)));
            format!("{} since {}{until}", one.network, words::bracket(&one.start, look.unicode))
        };
        table.cell(PLAIN, |out| out.push_str(row.site.as_str()));
        table.cell(PLAIN, |out| out.push_str(row.country.as_str()));
        table.cell(style, |out| out.push_str(&agreement(row)));
        table.cell(PLAIN, |out| out.push_str(&words::bracket(&row.start, look.unicode)));
        table.cell(PLAIN, |out| out.push_str(&end(row.end.as_ref(), look)));
        table.cell(PLAIN, |out| out.push_str(&lasted(&row.start, row.until(now))));
        table.cell(PLAIN, |out| out.push_str(&row.networks.iter().map(since).collect::<Vec<_>>().join("; ")));
        table.cell(PLAIN, |out| out.push_str(row.source.as_str()));
    }
    table.write(look, out)
}

fn sites(rows: &[InCountry], now: Timestamp) -> Vec<OfSite> {
    let mut of_place: BTreeMap<(&SiteId, CountryCode, SpanSource), Vec<&InCountry>> = BTreeMap::new();
    for row in rows {
        of_place.entry((&row.site, row.country, row.source)).or_default().push(row);
    }
    let told = of_place.into_iter().map(|((site, country, source), rows)| {
        let agreed: Vec<&&InCountry> = rows.iter().filter(|row| row.agreement == Agreement::Agreed).collect();
        let unconfirmed = rows.iter().any(|row| row.ongoing && row.agreement != Agreement::Agreed);
        let now_agreed = agreed.iter().any(|row| row.ongoing);
        OfSite {
            site: site.clone(),
            country,
            source,
            blocked_now: if now_agreed || !unconfirmed { Some(now_agreed) } else { None },
            stretches: agreed.len(),
            unconfirmed: rows.len() - agreed.len(),
            networks_watched: rows.iter().map(|row| row.networks_watched).max().unwrap_or(0),
            first_start: agreed.first().map(|row| row.start),
            last_end: agreed.last().and_then(|row| row.end),
            blocked_seconds: agreed.iter().map(|row| seconds(&row.start, row.until(now))).sum(),
        }
    });
    told.collect()
}

const SITE_COLUMNS: [Column; 8] = [
    Column::of("SITE", 0, ("", "")),
    Column::of("COUNTRY", 0, ("in ", "")),
    Column::of("NOW", 0, ("", "")),
    Column::of("FIRST BLOCKED (UTC)", 0, ("first blocked ", "")),
    Column::of("BLOCKS", 1, ("", " blocks")),
    Column::of("IN ALL", 0, ("", " in all")),
    Column::of("UNCONFIRMED", 2, ("", " seen by too few networks")),
    Column::of("SOURCE", 9, ("", "")),
];

fn site_table(rows: &[OfSite], look: &Look, out: &mut dyn Write) -> std::io::Result<()> {
    let mut table = Table::new(&SITE_COLUMNS);
    for row in rows {
        let (now, style) = match row.blocked_now {
            Some(true) => ("blocked", BAD),
            Some(false) => ("not blocked", PLAIN),
            None => ("too few networks", NEUTRAL),
        };
        table.cell(PLAIN, |out| out.push_str(row.site.as_str()));
        table.cell(PLAIN, |out| out.push_str(row.country.as_str()));
        table.cell(style, |out| out.push_str(now));
        table.cell(PLAIN, |out| {
            if let Some(start) = &row.first_start {
                out.push_str(&words::bracket(start, look.unicode));
            }
        });
        table.cell(PLAIN, |out| out.push_str(&row.stretches.to_string()));
        let in_all = std::time::Duration::from_secs(row.blocked_seconds);
        table.cell(PLAIN, |out| {
            if row.stretches > 0 {
                out.push_str(&format!("{} {}", look.pick("≥", ">="), words::length(in_all)));
            }
        });
        table.cell(PLAIN, |out| out.push_str(&row.unconfirmed.to_string()));
        table.cell(PLAIN, |out| out.push_str(row.source.as_str()));
    }
    table.write(look, out)
}

#[cfg(test)]
mod tests {
    use super::super::fixtures::{at, between, config, span};
    use super::*;

    fn written(by: HistoryBy, format: HistoryFormat) -> String {
        let mut config = config();
        let kz = "KZ".parse().unwrap();
        for (n, (id, asn)) in [("almaty-kt", 9198), ("astana", 29355), ("aktau", 21299)].into_iter().enumerate() {
            let mut vantage = config.vantages[0].clone();
            (vantage.id, vantage.country, vantage.asn) = (id.parse().unwrap(), kz, Some(asn));
            if n == 0 { config.vantages[0] = vantage } else { config.vantages.push(vantage) }
        }
        let seen = |vantage: &str, start: Bracket, end: Option<Bracket>| Span {
            vantage: Some(vantage.parse().unwrap()),
            ..span(start, end)
        };
        let hour = |text: &str| between(&format!("2026-11-{text}:00:00Z"), &format!("2026-11-{text}:02:00Z"));
        let spans = [
            seen("almaty-kt", hour("20T10"), Some(hour("20T18"))),
            seen("almaty-kt", hour("22T08"), None),
            seen("astana", hour("22T09"), None),
        ];
        let watched: Vec<_> = ["almaty-kt", "astana", "aktau"]
            .into_iter()
            .map(|vantage| {
                let series = SeriesKey {
                    site: "fergana".parse().unwrap(),
                    url: "https://fergana.media/".parse().unwrap(),
                    vantage: vantage.parse().unwrap(),
                };
                (series, SpanSource::Measured)
            })
            .collect();
        let mut out = Vec::new();
        let now = at("2026-11-25T09:12:00Z");
        write(by, &spans, &watched, &config, (format, now), &Look::plain(), &mut out).unwrap();
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn by_country_it_is_told_who_agrees_and_since_when() {
        insta::assert_snapshot!(written(HistoryBy::Country, HistoryFormat::Table), @"
        site: fergana
        country: KZ
        source: measured
        AGREEMENT               START (UTC)           END (UTC)             AT LEAST
        one network only, of 3  2026-11-20 10:01 ±1m  2026-11-20 18:01 ±1m  7h 58m
          AS9198 since 2026-11-20 10:01 ±1m until 2026-11-20 18:01 ±1m
        2 of 3 networks         2026-11-22 09:01 ±1m  ongoing               3d
          AS9198 since 2026-11-22 08:01 ±1m; AS29355 since 2026-11-22 09:01 ±1m
        ");
    }

    #[test]
    fn by_network() {
        insta::assert_snapshot!(written(HistoryBy::Network, HistoryFormat::Table), @"
        how: tls.timeout
        urls: 1
        source: measured
        SITE     COUNTRY  NETWORK  START (UTC)           END (UTC)             AT LEAST
        fergana  KZ       AS9198   2026-11-20 10:01 ±1m  2026-11-20 18:01 ±1m  7h 58m
        fergana  KZ       AS9198   2026-11-22 08:01 ±1m  ongoing               3d 1h
        fergana  KZ       AS29355  2026-11-22 09:01 ±1m  ongoing               3d
        ");
    }

    #[test]
    fn by_site() {
        insta::assert_snapshot!(written(HistoryBy::Site, HistoryFormat::Table), @"
        SITE     COUNTRY  NOW      FIRST BLOCKED (UTC)   BLOCKS  IN ALL  UNCONFIRMED
        fergana  KZ       blocked  2026-11-22 09:01 ±1m  1       ≥ 3d    1
          measured
        ");
    }

    #[test]
    fn the_json_says_the_same() {
        let told: serde_json::Value = serde_json::from_str(&written(HistoryBy::Country, HistoryFormat::Json)).unwrap();
        assert_eq!(told[0]["agreement"], "one_network_only");
        assert_eq!(
            (&told[1]["agreement"], &told[1]["quorum"], &told[1]["networks_watched"]),
            (&"agreed".into(), &2.into(), &3.into())
        );
        assert_eq!(told[1]["networks"][0]["network"], "AS9198");
        assert_eq!(told[1]["networks"][1]["start"]["latest"], "2026-11-22T09:02:00.000Z");
        assert_eq!(told[1]["start"]["earliest"], "2026-11-22T09:00:00.000Z");
        let page = include_str!("../../docs/rollup.md");
        for key in told[1].as_object().unwrap().keys().chain(told[1]["networks"][0].as_object().unwrap().keys()) {
            assert!(page.contains(&format!("`{key}`")), "`{key}` is not in docs/rollup.md");
        }
    }
}
