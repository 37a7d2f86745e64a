//! The words of the project as types: what is watched, what was seen, what we think of it, and since when.
//!
//! This room depends on nothing else of ours; every other room speaks these types.

mod address;
mod control;
mod experiment;
mod failure;
mod hidden;
mod ids;
mod labels;
mod measurement;
mod pace;
mod private;
mod silence;
mod site;
mod slowness;
mod span;
mod status;
mod text;
mod time;
mod verdict;

pub use address::{AddressFamily, carried, is_bogon};
pub use control::{
    CanaryQuic, CanaryReport, CanaryResult, CanaryScope, ControlDns, ControlEndpoint, ControlHttp, ControlKind,
    ControlQuic, ControlReport, Evidence,
};
pub use experiment::{Attempt, Experiment, ExperimentKind, ExperimentOutcome, answer_in_short};
pub use failure::Failure;
pub use hidden::KnownAddresses;
pub use ids::{CanaryId, ControlId, CountryCode, InvalidId, MeasurementId, SiteId, SpanId, VantageId, WebhookId};
pub use labels::UnknownLabel;
pub(crate) use labels::labels;
pub use measurement::{
    AddressOrigin, Body, CertificateFault, CertificateRecord, DnsAnswer, DnsExchange, DnsRole, DnsTransport,
    HttpExchange, Measurement, QueryType, QuicHandshake, QuicHint, TcpConnect, TlsHandshake, Trigger,
};
pub use pace::{Baseline, Pace, TELLING_BODY};
pub use private::{is_private, shown_listener, shown_resolver};
pub use silence::{ClockStep, SilenceCause, SilenceKind, VantageSpan};
pub use site::{Report, Site};
pub use slowness::{PacePart, SLOW_TIME, Slowness, TIMES_SLOWER};
pub use span::{Bracket, Segment, SeriesKey, Span, SpanChange, SpanChangeKind, SpanEvent, SpanEventKind, SpanSource};
pub use status::{Layer, Mechanism, Status};
pub use text::{hex, is_hostile, legible, printable, size_in_words};
pub use time::{Elapsed, Timestamp, TimestampError};
pub use verdict::{ControlSummary, Partial, PartialScope, RuleId, Strength, Verdict};
