//! Whether the clock can be trusted: all bounds of spans are told by it.

use std::io::Read;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use super::{Area, Check, Draft};
use crate::model::{CertificateFault, ClockStep, HttpExchange, Measurement, Timestamp};

/// Before this the program did not exist: 2026-01-01.
const LEAST_YEAR: i16 = 2026;
/// Beyond this a clock is not meant.
const MOST_YEAR: i16 = 2099;
/// Less than this is not told: the Date field has whole seconds, and an answer takes its time.
const TOLD_SECONDS: f64 = 2.0;
/// From here on brackets of one-minute probing miss the truth.
const WRONG_SECONDS: f64 = 30.0;
/// By how much the newest measurement may lie ahead of the clock.
const AHEAD: Duration = Duration::from_secs(60);
/// Steps of the clock that are told.
const STEPS: Duration = Duration::from_secs(86_400);
/// How long `timedatectl` may take.
const PATIENCE: Duration = Duration::from_secs(3);

/// Whether the system keeps its clock in step with others.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Keeping {
    /// It says so.
    Kept,
    /// It says that it does not.
    NotKept,
    /// It does not say.
    Unknown,
}

/// What is known of the clock.
#[derive(Debug, Clone, PartialEq)]
pub struct ClockFacts {
    /// What it says.
    pub now: Timestamp,
    /// Beginning of the newest measurement.
    pub newest: Option<Timestamp>,
    /// Steps that a daemon noticed.
    pub steps: Vec<ClockStep>,
    /// Whether it is kept in step.
    pub keeping: Keeping,
    /// By how many seconds it is ahead of each server that proved itself. None when none was asked.
    pub offsets: Option<Vec<f64>>,
    /// Servers of which the certificate would be good at another time.
    pub out_of_date: usize,
}

/// Asks the system whether the clock is kept in step.
pub fn keeping() -> Keeping {
    let asked = timedatectl(&["show", "--property=NTPSynchronized", "--value"]);
    match asked.as_deref().map(str::trim) {
        Some("yes") => Keeping::Kept,
        Some("no") => Keeping::NotKept,
        // Written by systemd-timesyncd with each answer that it gets.
        _ if Path::new("/run/systemd/timesync/synchronized").exists() => Keeping::Kept,
        _ => Keeping::Unknown,
    }
}

/// What `timedatectl` prints; None when it is not there, does not work (in a container), or takes too long.
fn timedatectl(arguments: &[&str]) -> Option<String> {
    let mut child = Command::new("timedatectl")
        .args(arguments)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .ok()?;
    let begun = Instant::now();
    let is_good = loop {
        match child.try_wait() {
            Ok(Some(status)) => break status.success(),
            Ok(None) if begun.elapsed() < PATIENCE => std::thread::sleep(Duration::from_millis(10)),
            _ => {
                let _ended = child.kill();
                break false;
            }
        }
    };
    let _reaped = child.wait();
    let mut said = String::new();
    child.stdout.take()?.take(64).read_to_string(&mut said).ok()?;
    is_good.then_some(said)
}

/// By how many seconds our clock is ahead of the servers that answered `measurement` over authentic TLS, by the Date of
/// their answers; and how many certificates would be good at another time.
pub fn offsets(measurement: &Measurement) -> (Vec<f64>, usize) {
    let proven = measurement.http.iter().filter(|exchange| measurement.is_authentic(exchange));
    let offsets = proven.filter_map(|exchange| offset(measurement, exchange)).collect();
    let by_time = |fault: &CertificateFault| matches!(fault, CertificateFault::Expired | CertificateFault::NotYetValid);
    let out_of_date =
        measurement.tls.iter().filter(|tls| !tls.faults.is_empty() && tls.faults.iter().all(by_time)).count();
    (offsets, out_of_date)
}

fn offset(measurement: &Measurement, exchange: &HttpExchange) -> Option<f64> {
    let field = |name: &str| {
        exchange.headers.iter().find(|(field, _)| field.eq_ignore_ascii_case(name)).map(|(_, value)| value.trim())
    };
    let date = jiff::fmt::rfc2822::DateTimeParser::new().parse_timestamp(field("date")?).ok()?;
    // A cache gives the Date of the origin's answer, and tells how old that is.
    let age = field("age").and_then(|age| age.parse::<u32>().ok()).unwrap_or(0);
    let first_byte = exchange.first_byte?;
    let came = measurement.started_at.as_unix_seconds() + exchange.started.as_seconds() + first_byte.as_seconds();
    // The server wrote it between our request and its answer, and cut off the parts of a second.
    let written = date.as_second() as f64 + f64::from(age) + 0.5 + first_byte.as_seconds() / 2.0;
    Some(came - written)
}

/// The checks of the clock.
pub fn on_clock(facts: &ClockFacts) -> Vec<Check> {
    let set = "set the clock and let it be kept: `timedatectl set-ntp true`, or install chrony";
    vec![on_time(facts, set), on_keeping(facts, set), on_offsets(facts, set), on_steps(facts, set)]
}

fn on_time(facts: &ClockFacts, set: &str) -> Check {
    let time = Draft::of(Area::Clock, "time");
    let year = facts.now.to_civil().year();
    if !(LEAST_YEAR..=MOST_YEAR).contains(&year) {
        return time.failed(format!("it is the year {year} by this clock"), set);
    }
    match facts.newest {
        Some(newest) if newest > facts.now.plus(AHEAD) => time.failed(
            format!("the newest measurement is of {newest}, later than the clock's {}", facts.now),
            "the clock was set back, or was ahead when that was measured: set it right before measuring goes on",
        ),
        _ => time.ok(format!("{}", facts.now)),
    }
}

fn on_steps(facts: &ClockFacts, set: &str) -> Check {
    let draft = Draft::of(Area::Clock, "steps");
    let recent: Vec<&ClockStep> = facts.steps.iter().filter(|step| facts.now.since(step.at) < STEPS).collect();
    match recent.last() {
        None => draft.ok("it has not been set by seconds within a day"),
        Some(last) => draft.warning(
            format!(
                "it was set {} times within a day, last at {} by {:+.1} s",
                recent.len(),
                last.at,
                last.by_ms as f64 / 1e3
            ),
            set,
        ),
    }
}

fn on_keeping(facts: &ClockFacts, set: &str) -> Check {
    let draft = Draft::of(Area::Clock, "synchronised");
    match facts.keeping {
        Keeping::Kept => draft.ok("the system keeps it in step"),
        Keeping::NotKept => draft.warning("the system does not keep it in step: it drifts by seconds a week", set),
        Keeping::Unknown => {
            draft.skipped("the system does not tell whether it is kept in step (timedatectl does not answer)")
        }
    }
}

fn on_offsets(facts: &ClockFacts, set: &str) -> Check {
    let draft = Draft::of(Area::Clock, "offset");
    let Some(offsets) = &facts.offsets else { return draft.skipped("nobody was asked (--offline)") };
    if offsets.is_empty() && facts.out_of_date > 0 {
        return draft.failed("certificates of canaries would be good at another time, and none is at this one", set);
    }
    let Some(median) = median(offsets) else {
        return draft.skipped("no canary told its time over TLS that proves itself");
    };
    let way = if median > 0.0 { "ahead of" } else { "behind" };
    let found = format!("{:.0} s {way} the median of {} answers", median.abs(), offsets.len());
    if median.abs() <= TOLD_SECONDS {
        draft.ok(format!("as the canaries' own to within {TOLD_SECONDS:.0} s ({} answers)", offsets.len()))
    } else if median.abs() <= WRONG_SECONDS {
        draft.warning(found, set)
    } else {
        draft.failed(found, set)
    }
}

fn median(values: &[f64]) -> Option<f64> {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let middle = sorted.len() / 2;
    let upper = *sorted.get(middle)?;
    if sorted.len() % 2 == 1 { Some(upper) } else { Some((sorted[middle - 1] + upper) / 2.0) }
}

#[cfg(test)]
mod tests {
    use super::super::State;
    use super::*;
    use crate::model::Status;
    use crate::store::sample::evidence;

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    fn good() -> ClockFacts {
        ClockFacts {
            steps: Vec::new(),
            now: at("2026-11-25T09:00:00Z"),
            newest: Some(at("2026-11-25T08:59:30Z")),
            keeping: Keeping::Kept,
            offsets: Some(vec![0.2, -0.4, 0.3]),
            out_of_date: 0,
        }
    }

    #[test]
    fn each_fault_of_the_clock_is_told() {
        use State::{Failed, Ok as Good, Skipped, Warning};
        let step = ClockStep { at: good().now, before: good().now, by_ms: 3_600_000 };
        let off = |offsets: &[f64]| ClockFacts { offsets: Some(offsets.to_vec()), ..good() };
        for (facts, wanted) in [
            (good(), [Good, Good, Good, Good]),
            (ClockFacts { now: at("1970-01-01T00:00:09Z"), ..good() }, [Failed, Good, Good, Good]),
            (ClockFacts { now: at("2126-01-01T00:00:09Z"), ..good() }, [Failed, Good, Good, Good]),
            (ClockFacts { newest: Some(at("2026-11-25T09:02:00Z")), ..good() }, [Failed, Good, Good, Good]),
            (ClockFacts { newest: None, ..good() }, [Good, Good, Good, Good]),
            (ClockFacts { keeping: Keeping::NotKept, ..good() }, [Good, Warning, Good, Good]),
            (ClockFacts { keeping: Keeping::Unknown, ..good() }, [Good, Skipped, Good, Good]),
            (ClockFacts { steps: vec![step], ..good() }, [Good, Good, Good, Warning]),
            (ClockFacts { offsets: None, ..good() }, [Good, Good, Skipped, Good]),
            (off(&[]), [Good, Good, Skipped, Good]),
            (ClockFacts { out_of_date: 2, ..off(&[]) }, [Good, Good, Failed, Good]),
            (off(&[3.0, 4.0]), [Good, Good, Warning, Good]),
            (off(&[-300.0, 0.1, -301.0]), [Good, Good, Failed, Good]),
            // One server with a wrong clock of its own.
            (off(&[0.1, 9000.0, 0.3]), [Good, Good, Good, Good]),
        ] {
            let checks = on_clock(&facts);
            assert_eq!(checks.iter().map(|check| check.state).collect::<Vec<_>>(), wanted, "{facts:?}");
        }
        assert!(on_clock(&off(&[3.4, 3.6]))[2].found.contains("ahead of"));
    }

    #[test]
    fn the_date_of_an_authentic_answer_tells_the_time() {
        let mut measurement = evidence(1, 0, Status::Accessible).measurement;
        measurement.started_at = at("1994-11-06T08:49:37Z");
        let exchange = &mut measurement.http[0];
        (exchange.started, exchange.first_byte) = (Duration::from_secs(1).into(), Some(Duration::from_secs(2).into()));
        let mut with = |headers: &[(&str, &str)]| {
            measurement.http[0].headers =
                headers.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
            offsets(&measurement).0
        };
        // It came at :40; the server wrote :39 at some time between :38 and :40.
        assert_eq!(with(&[("Date", "Sun, 06 Nov 1994 08:49:38 GMT")]), [0.5]);
        assert_eq!(with(&[("date", "Sun, 06 Nov 1994 08:49:00 GMT"), ("Age", "38")]), [0.5]);
        assert_eq!(with(&[("date", "yesterday")]), [] as [f64; 0]);
        assert_eq!(with(&[]), [] as [f64; 0]);
        let date = [("date".to_owned(), "Sun, 06 Nov 1994 08:49:38 GMT".to_owned())];
        measurement.http[0].headers = date.to_vec();
        measurement.tls.iter_mut().for_each(|tls| tls.faults = vec![CertificateFault::Expired]);
        assert_eq!(offsets(&measurement), (vec![], 2), "whoever does not prove itself tells nothing");
    }
}
