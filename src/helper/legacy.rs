//! Failures by the names that OONI's first helper had for them. Probes compare with these, so every later helper keeps
//! to them: the set is small, and some failures have no name at all.

use crate::model::{DnsExchange, Failure};

/// OONI's own name for NXDOMAIN in a control's answer.
const NAME_ERROR: &str = "dns_name_error";
const LOOKUP_ERROR: &str = "dns_lookup_error";
const REFUSED: &str = "connection_refused_error";
const UNKNOWN: &str = "unknown_error";

fn is_lookup(failure: &Failure) -> bool {
    matches!(
        failure,
        Failure::DnsNxdomain
            | Failure::DnsNoAnswer
            | Failure::DnsRefused
            | Failure::DnsServfail
            | Failure::DnsServerMisbehaving
            | Failure::DnsReplyWithWrongQueryId
    )
}

/// Why nothing was resolved, by what all the exchanges say together: that there is no such name is final, whoever says
/// it; that there is no address is so only when nobody says anything else.
pub(super) fn most_telling<'e>(exchanges: &[&'e DnsExchange]) -> Option<&'e Failure> {
    let failures = || exchanges.iter().filter_map(|exchange| exchange.failure.as_ref());
    failures()
        .find(|failure| **failure == Failure::DnsNxdomain)
        .or_else(|| failures().find(|failure| **failure != Failure::DnsNoAnswer))
        .or_else(|| failures().next())
}

/// Why nothing was resolved.
pub(super) fn lookup(exchanges: &[&DnsExchange]) -> Option<&'static str> {
    match most_telling(exchanges)? {
        Failure::DnsNxdomain => Some(NAME_ERROR),
        Failure::DnsNoAnswer => None,
        other if is_lookup(other) => Some("dns_server_failure"),
        _ => Some(UNKNOWN),
    }
}

/// Why a connection could not be opened.
pub(super) fn connect(failure: &Failure) -> &'static str {
    match failure {
        Failure::ConnectionRefused => REFUSED,
        silence if silence.is_timeout() => Failure::GenericTimeout.label(),
        _ => "connect_error",
    }
}

/// Why there was no answer. `looking_up` tells that it never came to a connection.
pub(super) fn exchange(failure: &Failure, looking_up: bool) -> &'static str {
    match failure {
        Failure::ConnectionRefused => REFUSED,
        silence if silence.is_timeout() && !looking_up => Failure::GenericTimeout.label(),
        silence if silence.is_timeout() => LOOKUP_ERROR,
        lookup if is_lookup(lookup) => LOOKUP_ERROR,
        _ => UNKNOWN,
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::model::{DnsRole, DnsTransport, QueryType};

    #[test]
    fn each_section_has_its_own_names() {
        for (failure, of_connect, of_exchange) in [
            (Failure::ConnectionRefused, "connection_refused_error", "connection_refused_error"),
            (Failure::GenericTimeout, "generic_timeout_error", "generic_timeout_error"),
            (Failure::TimedOut, "generic_timeout_error", "generic_timeout_error"),
            (Failure::ConnectionReset, "connect_error", "unknown_error"),
            (Failure::HostUnreachable, "connect_error", "unknown_error"),
            (Failure::SslUnknownAuthority, "connect_error", "unknown_error"),
            (Failure::DnsBogon, "connect_error", "unknown_error"),
            (Failure::DnsNxdomain, "connect_error", "dns_lookup_error"),
            (Failure::DnsServfail, "connect_error", "dns_lookup_error"),
        ] {
            assert_eq!((connect(&failure), exchange(&failure, false)), (of_connect, of_exchange), "{failure}");
        }
        assert_eq!(exchange(&Failure::GenericTimeout, true), "dns_lookup_error");
    }

    #[test]
    fn a_lookups_failures_are_taken_together() {
        let told = |failures: &[Option<Failure>]| {
            let exchanges: Vec<_> = failures.iter().cloned().map(exchange_with).collect();
            lookup(&exchanges.iter().collect::<Vec<_>>())
        };
        let (gone, empty) = (Some(Failure::DnsNxdomain), Some(Failure::DnsNoAnswer));
        let silent = Some(Failure::GenericTimeout);
        assert_eq!(told(&[None, None]), None);
        assert_eq!(told(&[silent.clone(), gone]), Some("dns_name_error"));
        assert_eq!(told(&[empty.clone(), empty.clone()]), None);
        assert_eq!(told(&[empty.clone(), silent]), Some("unknown_error"));
        assert_eq!(told(&[Some(Failure::DnsServfail), empty.clone()]), Some("dns_server_failure"));
        assert_eq!(told(&[Some(Failure::DnsRefused), empty]), Some("dns_server_failure"));
    }

    fn exchange_with(failure: Option<Failure>) -> DnsExchange {
        DnsExchange {
            hop: 0,
            resolver: String::new(),
            role: DnsRole::Own,
            transport: DnsTransport::Doh,
            name: "site.example".into(),
            query_type: QueryType::A,
            started: Duration::ZERO.into(),
            elapsed: Duration::ZERO.into(),
            failure,
            answers: Vec::new(),
        }
    }
}
