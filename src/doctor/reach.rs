//! Whether those whom verdicts depend on can be reached, and what to do where not.

use super::{Area, Check, Draft};
use crate::daemon::{CanaryReached, Reached};
use crate::model::{ControlKind, ControlReport, DnsExchange, Failure, shown_resolver};

const CANARY: Draft = Draft::of(Area::Reachability, "canary");
const RESOLVER: Draft = Draft::of(Area::Reachability, "resolver");
const REFERENCE: Draft = Draft::of(Area::Reachability, "reference");
const CONTROL: Draft = Draft::of(Area::Reachability, "control");

/// Nobody was asked, and why.
pub fn on_reach_skipped(why: &str) -> Vec<Check> {
    vec![Draft::of(Area::Reachability, "all").skipped(why)]
}

/// Nobody could be asked, because a file that the configuration names cannot be used.
pub fn on_no_instrument(why: &str) -> Vec<Check> {
    vec![Draft::of(Area::Reachability, "all").failed(why, "mend or replace the file that is named")]
}

/// The checks of those who were asked.
pub fn on_reach(reached: &Reached) -> Vec<Check> {
    let mut checks = Vec::new();
    if reached.canaries.is_empty() {
        checks.push(CANARY.warning(
            "there is none, so an outage of the vantage looks like an outage of every site",
            "name two stable foreign sites as [[canary]]",
        ));
    }
    checks.extend(reached.canaries.iter().map(|canary| on_canary(canary, &reached.canaries)));
    let name = reached.name.as_deref().unwrap_or_default();
    checks.extend(reached.resolvers.iter().map(|asked| {
        let subject = format!("{} from {}", shown_resolver(&asked.resolver), asked.vantage);
        on_resolver(RESOLVER.about(subject), asked.exchanges.iter(), name)
    }));
    let mut labels: Vec<&str> = Vec::new();
    for exchange in &reached.reference {
        if !labels.contains(&exchange.resolver.as_str()) {
            labels.push(&exchange.resolver);
        }
    }
    checks.extend(labels.into_iter().map(|label| {
        let of_resolver = reached.reference.iter().filter(|asked| asked.resolver == label);
        on_resolver(REFERENCE.about(shown_resolver(label)), of_resolver, name)
    }));
    if reached.controls.is_empty() {
        checks.push(
            CONTROL.skipped("there is no control vantage and no helper; only evidence that proves itself counts"),
        );
    }
    checks.extend(reached.controls.iter().map(on_control));
    checks
}

fn on_canary(canary: &CanaryReached, all: &[CanaryReached]) -> Check {
    let CanaryReached { vantage, result, .. } = canary;
    let draft = CANARY.about(format!("{} from {vantage}", result.url));
    let Some(failure) = &result.failure else {
        return draft.ok(format!("answers ({})", result.scope));
    };
    let found = format!("does not answer: {}", failure.as_ooni());
    let of_vantage = |other: &&CanaryReached| other.vantage == *vantage && other.result.scope == result.scope;
    let others = all.iter().filter(of_vantage).any(|other| other.result.failure.is_none());
    if others {
        draft.warning(found, format!("others answer: {}", hint(failure).unwrap_or("choose a steadier canary")))
    } else {
        draft.failed(found, hint(failure).unwrap_or("check the network of this vantage, then choose a steadier canary"))
    }
}

fn on_resolver<'r>(draft: Draft, mut exchanges: impl Iterator<Item = &'r DnsExchange> + Clone, name: &str) -> Check {
    // No such record of one kind (a name without IPv6) is an answer.
    let answers = |exchange: &&DnsExchange| matches!(exchange.failure, None | Some(Failure::DnsNoAnswer));
    if let Some(answer) = exchanges.clone().find(answers) {
        return draft.ok(format!("answers in {:.0} ms", answer.elapsed.as_seconds() * 1000.0));
    }
    match exchanges.find_map(|exchange| exchange.failure.as_ref()) {
        Some(failure) => draft.failed(
            format!("gives no address for {name}: {}", failure.as_ooni()),
            hint(failure).unwrap_or("name another resolver, or mend this one"),
        ),
        None => draft.failed("there is no name server in /etc/resolv.conf", "name one there, or as `resolvers`"),
    }
}

fn on_control(report: &ControlReport) -> Check {
    let draft = CONTROL.about(report.id.to_string());
    let kind = match report.kind {
        ControlKind::Vantage => "control vantage",
        ControlKind::Helper => "helper",
    };
    if let Some(failure) = &report.unusable {
        let otherwise = match report.kind {
            ControlKind::Vantage => "check its way out",
            ControlKind::Helper => "check that it runs, and its `url`",
        };
        return draft.failed(format!("{kind}: {}", failure.as_ooni()), hint(failure).unwrap_or(otherwise));
    }
    if report.reached() == Some(true) {
        return draft.ok(format!("{kind}: gets the canary"));
    }
    let failure = report.http.as_ref().and_then(|http| http.failure.as_ref());
    let why = failure.map_or_else(String::new, |failure| format!(": {}", failure.as_ooni()));
    draft.warning(
        format!("{kind}: answers, but does not get the canary{why}"),
        "check that its network is not censored itself, or choose another canary",
    )
}

/// What to do about a failure. None where that depends on who failed.
fn hint(failure: &Failure) -> Option<&'static str> {
    Some(match failure {
        Failure::GenericTimeout | Failure::TimedOut => "nothing answers: check the network, then the firewall",
        Failure::NetworkDown | Failure::NetworkUnreachable | Failure::HostUnreachable => {
            "there is no way there: connect this machine to a network"
        }
        Failure::ConnectionRefused => "nobody listens there: start the service, or mend the address",
        Failure::ConnectionReset | Failure::Eof => {
            "the connection is broken off on the way: try another path or address"
        }
        Failure::ProxyFailed => "the tunnel is not up: start it, for example with `ssh -N -D 1080 you@machine.abroad`",
        Failure::PermissionDenied => {
            "the system forbids it: check the local firewall, and the rights to use the interface"
        }
        Failure::AddressNotAvailable => "the `source` address or `interface` of the vantage is not there: mend it",
        Failure::DnsNxdomain | Failure::DnsRefused | Failure::DnsServfail | Failure::DnsServerMisbehaving => {
            "the name server does not serve: name another as `resolvers`"
        }
        Failure::SslUnknownAuthority | Failure::SslInvalidHostname | Failure::SslInvalidCertificate => {
            "the certificate is not good: check the clock, then [tls] extra_roots; someone may be in between"
        }
        Failure::Unknown(text) if matches!(text.as_str(), "helper_status_401" | "helper_status_403") => {
            "the helper wants its token: name it as `token_file`"
        }
        Failure::Unknown(text) if text == "helper_status_429" => {
            "the helper is asked too much: ask it less, or another"
        }
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::super::State;
    use super::*;
    use crate::daemon::ResolverReached;
    use crate::model::{CanaryResult, CanaryScope, Status, Timestamp};
    use crate::store::sample::evidence;

    fn canary(url: &str, failure: Option<Failure>) -> CanaryReached {
        let result = CanaryResult::new(url.parse().unwrap(), CanaryScope::Foreign, failure);
        CanaryReached { vantage: "home".parse().unwrap(), result, measurement: None }
    }

    fn control(unusable: Option<Failure>) -> ControlReport {
        ControlReport {
            id: "berlin".parse().unwrap(),
            kind: ControlKind::Vantage,
            at: Timestamp::from_unix_ms(0),
            unusable,
            dns: None,
            endpoints: Vec::new(),
            http: None,
            quic: Vec::new(),
            pace: None,
        }
    }

    fn exchange(failure: Option<Failure>) -> DnsExchange {
        DnsExchange { failure, ..evidence(1, 0, Status::Accessible).measurement.dns[0].clone() }
    }

    fn states(reached: &Reached) -> Vec<State> {
        let checks = on_reach(reached);
        for check in &checks {
            assert_eq!(matches!(check.state, State::Ok | State::Skipped), check.advice.is_none(), "{check:?}");
        }
        checks.iter().map(|check| check.state).collect()
    }

    #[test]
    fn one_canary_of_two_is_a_warning_and_both_are_a_failure() {
        use State::{Failed, Ok as Good, Skipped, Warning};
        let dead = || Some(Failure::GenericTimeout);
        let reached = |canaries| Reached { canaries, ..Reached::default() };
        let (a, b) = ("https://a.example/", "https://b.example/");
        assert_eq!(states(&reached(vec![canary(a, None), canary(b, None)])), [Good, Good, Skipped]);
        assert_eq!(states(&reached(vec![canary(a, dead()), canary(b, None)])), [Warning, Good, Skipped]);
        assert_eq!(states(&reached(vec![canary(a, dead()), canary(b, dead())])), [Failed, Failed, Skipped]);
        assert_eq!(states(&reached(vec![])), [Warning, Skipped]);
    }

    #[test]
    fn resolvers_and_controls_are_told_one_by_one() {
        let resolver = |exchanges| ResolverReached {
            vantage: "home".parse().unwrap(),
            resolver: "udp://192.168.1.1:53".to_owned(),
            exchanges,
        };
        let reached = Reached {
            name: Some("canary.example".to_owned()),
            canaries: vec![canary("https://canary.example/", None)],
            resolvers: vec![
                resolver(vec![exchange(Some(Failure::GenericTimeout)), exchange(Some(Failure::DnsNoAnswer))]),
                resolver(vec![exchange(Some(Failure::DnsServfail))]),
                resolver(vec![]),
            ],
            reference: vec![exchange(None), exchange(Some(Failure::GenericTimeout))],
            controls: vec![control(Some(Failure::ProxyFailed)), control(None)],
        };
        use State::{Failed, Ok as Good, Warning};
        assert_eq!(states(&reached), [Good, Good, Failed, Failed, Good, Failed, Warning]);
        let checks = on_reach(&reached);
        assert_eq!(checks[1].subject.as_deref(), Some("udp://private from home"), "the own network is not told");
        assert!(checks[5].advice.as_deref().unwrap().contains("ssh"), "{:?}", checks[5]);
    }
}
