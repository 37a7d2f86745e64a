//! `report`: a briefing for a country.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Write;
use std::ops::ControlFlow;
use std::time::Duration;

use super::args::{GlobalArgs, ReportArgs, ReportFormat};
use super::fault::{Exit, Fault};
use super::output::Output;
use super::rooms::Record;
use super::{rooms, select};
use crate::config::Config;
use crate::model::{
    CountryCode, Measurement, Site, SiteId, Span, SpanEventKind, SpanId, SpanSource, Status, Timestamp,
};
use crate::report::{Briefing, Decided, Known};
use crate::store::{MeasurementFilter, SpanFilter, Watched};

/// Runs `report`.
///
/// # Errors
/// The country is not watched, a site is unknown, or the record cannot be read.
pub(super) fn run(global: &GlobalArgs, args: &ReportArgs) -> Result<Exit, Fault> {
    let config = super::load(global)?.config;
    let now = Timestamp::now();
    select::known_sites(&config, &args.sites, || Ok(Vec::new()))?;
    let country = country(&config, args.country, &args.sites)?;
    let sites: Vec<&Site> = config
        .sites
        .iter()
        .filter(|site| site.country == country && (args.sites.is_empty() || args.sites.contains(&site.id)))
        .collect();
    let record = rooms::required_record(&config.store.url)?;
    let since = args.since.map(|since| since.since(now));
    let until = args.until.map_or(now, |until| until.until(now));
    let filter = SpanFilter {
        sites: sites.iter().map(|site| site.id.clone()).collect(),
        statuses: vec![Status::Blocked],
        since,
        until: Some(until),
        ..SpanFilter::default()
    };
    let spans = record.spans(&filter)?;
    let watched: Vec<Watched> = record
        .watched(&SpanFilter { sites: filter.sites.clone(), ..SpanFilter::default() })?
        .into_iter()
        .filter(|one| since.is_none_or(|since| one.last >= since) && one.first <= until)
        .collect();
    let all = (since.unwrap_or(Timestamp::from_unix_ms(i64::MIN)), until);
    let reached = watched
        .iter()
        .map(|one| Ok(record.reached(one, &[all])?.contains(&true)))
        .collect::<Result<Vec<_>, Fault>>()?;
    let silences = record.vantage_spans(&SpanFilter { since, until: Some(until), ..SpanFilter::default() })?;
    let decided = decided(record.as_ref(), &spans)?;
    let places = crate::daemon::whereabouts(&config);
    let briefing = Briefing::new(&Known {
        language: args.lang,
        country,
        since,
        until,
        now,
        rules: crate::rejudge::ruleset(),
        sites,
        spans: &spans,
        watched: &watched,
        reached: &reached,
        silences: &silences,
        places: &places,
        quorum: config.summary.networks,
        decided: &decided,
    });
    let named = args.output.as_ref().and_then(|path| path.extension()).is_some_and(|end| end == "html" || end == "htm");
    let text = match args.format {
        Some(ReportFormat::Html) => html(&briefing)?,
        None if named => html(&briefing)?,
        Some(ReportFormat::Md) | None => briefing.markdown(),
    };
    let mut output = Output::open(args.output.as_deref())?;
    output.write_all(text.as_bytes())?;
    output.finish()?;
    Ok(Exit::Good)
}

fn html(briefing: &Briefing) -> Result<String, Fault> {
    briefing.html().map_err(|error| Fault::failed("the briefing cannot be written", error))
}

/// The country that is named, or the only one that is watched.
fn country(config: &Config, named: Option<CountryCode>, sites: &[SiteId]) -> Result<CountryCode, Fault> {
    let of_interest = config.sites.iter().filter(|site| sites.is_empty() || sites.contains(&site.id));
    let watched: BTreeSet<CountryCode> = of_interest.map(|site| site.country).collect();
    let all = || watched.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
    match (named, watched.len()) {
        (Some(country), _) if watched.contains(&country) => Ok(country),
        (Some(country), _) => Err(Fault::Usage(format!("no site is watched for {country}; there are: {}", all()))),
        (None, 1) => Ok(*watched.iter().next().unwrap_or(&CountryCode::UNKNOWN)),
        (None, 0) => Err(Fault::Usage("the target list names no site".to_owned())),
        (None, _) => {
            Err(Fault::Usage(format!("sites are watched for several countries; name one with --country: {}", all())))
        }
    }
}

/// The measurements that spans were opened and closed on. Where the journal does not tell (what was imported), the one
/// that gave the bound stands for it.
fn decided(record: &dyn Record, spans: &[Span]) -> Result<BTreeMap<SpanId, Decided>, Fault> {
    let mut decided = BTreeMap::new();
    for span in spans {
        let events = record.span_events(span.span_id)?;
        let of = |kind| events.iter().rev().find(|event| event.kind == kind).and_then(|event| event.measurement_id);
        let mut found = Decided { opened: of(SpanEventKind::Opened), closed: of(SpanEventKind::Closed) };
        if span.source != SpanSource::Measured {
            let bound = |at: Option<Timestamp>, good: bool| at.map_or(Ok(None), |at| at_bound(record, span, at, good));
            found.opened = bound(span.start.latest, false)?;
            found.closed = bound(span.end.and_then(|end| end.latest), true)?;
        }
        decided.insert(span.span_id, found);
    }
    Ok(decided)
}

/// The measurement that ended at a bound.
fn at_bound(
    record: &dyn Record,
    span: &Span,
    at: Timestamp,
    good: bool,
) -> Result<Option<crate::model::MeasurementId>, Fault> {
    let filter = MeasurementFilter {
        sites: vec![span.site.clone()],
        vantages: span.vantage.clone().into_iter().collect(),
        since: Some(at.minus(Measurement::LONGEST)),
        until: Some(at.plus(Duration::from_millis(1))),
        ..MeasurementFilter::default()
    };
    let mut found = None;
    record.measurements(&filter, &mut |stored| {
        let measured = &stored.evidence.measurement;
        if Some(&measured.url) == span.url.as_ref() && (stored.verdict.status == Status::Blocked) != good {
            found = Some(measured.measurement_id);
        }
        ControlFlow::Continue(())
    })?;
    Ok(found)
}
