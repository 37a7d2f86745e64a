//! What an HTTPS record (RFC 9460) says of HTTP/3.

use hickory_resolver::proto::rr::rdata::svcb::{SVCB, SvcParamValue};
use hickory_resolver::proto::rr::{Name, RData, Record};

/// Records that are looked at.
const MOST_RECORDS: usize = 16;

/// The UDP port at which the host itself speaks HTTP/3, by its HTTPS records: 443 unless told. Records that lead to
/// another host (alias mode, another target) are passed over: those are other addresses than the ones that are measured.
pub(super) fn http3_port(records: &[Record], name: &Name) -> Option<u16> {
    let services = records.iter().take(MOST_RECORDS).filter_map(|record| match &record.data {
        RData::HTTPS(service) => Some(&service.0),
        _ => None,
    });
    let here =
        |service: &&SVCB| service.svc_priority > 0 && (service.target_name.is_root() || service.target_name == *name);
    services.filter(here).find_map(|service| {
        let values = || service.svc_params.iter().map(|(_, value)| value);
        let speaks = values().any(|value| match value {
            SvcParamValue::Alpn(protocols) => protocols.0.iter().any(|protocol| protocol == "h3"),
            _ => false,
        });
        let port = values().find_map(|value| match value {
            SvcParamValue::Port(port) => Some(*port),
            _ => None,
        });
        Some(port.unwrap_or(443)).filter(|port| speaks && *port > 0)
    })
}

#[cfg(test)]
mod tests {
    use hickory_resolver::proto::rr::rdata::HTTPS;
    use hickory_resolver::proto::rr::rdata::svcb::{Alpn, SvcParamKey};

    use super::*;

    fn name(text: &str) -> Name {
        Name::from_ascii(text).unwrap()
    }

    fn record(priority: u16, target: &str, protocols: &[&str], port: Option<u16>) -> Record {
        let protocols = Alpn(protocols.iter().map(ToString::to_string).collect());
        let mut parameters = vec![(SvcParamKey::Alpn, SvcParamValue::Alpn(protocols))];
        parameters.extend(port.map(|port| (SvcParamKey::Port, SvcParamValue::Port(port))));
        let service = SVCB::new(priority, name(target), parameters);
        Record::from_rdata(name("site.example."), 60, RData::HTTPS(HTTPS(service)))
    }

    #[test]
    fn the_hosts_own_offer_of_http3_is_found() {
        for (records, port) in [
            (vec![record(1, ".", &["h3", "h2"], None)], Some(443)),
            (vec![record(1, "site.example.", &["h3"], Some(8443))], Some(8443)),
            (vec![record(1, ".", &["h2"], None), record(2, ".", &["h3"], None)], Some(443)),
            (vec![record(1, ".", &["h2"], None)], None),
            (vec![record(1, ".", &["h3-29"], None)], None),
            (vec![record(1, "cdn.example.", &["h3"], None)], None),
            (vec![record(0, ".", &["h3"], None)], None),
            (vec![record(1, ".", &["h3"], Some(0))], None),
            (vec![], None),
        ] {
            assert_eq!(http3_port(&records, &name("site.example.")), port, "{records:?}");
        }
    }
}
