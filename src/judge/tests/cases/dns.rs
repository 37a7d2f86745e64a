//! What resolvers say, and who is to blame when they do not.

use super::super::*;
use super::Case;

pub(super) fn cases() -> Vec<Case> {
    use Chain::*;
    use Failure::*;
    vec![
        ("NXDOMAIN that no zone bears out", proven(story(URL).own_denies(3, None)), "dns.nxdomain.proven"),
        ("NXDOMAIN of a policy zone", proven(story(URL).own_denies(3, Some("rpz.isp.kz."))), "dns.nxdomain.proven"),
        (
            "NXDOMAIN that a cache may hold",
            proven(story(URL).own_denies(3, Some("media."))).control_works().online(),
            "dns.negative_cache",
        ),
        (
            "NXDOMAIN that a cache may hold, the true address is blocked too",
            story(URL)
                .own_denies(3, Some("media."))
                .reference(&[SITE])
                .elsewhere(SITE, At::Tls(GenericTimeout))
                .control_works()
                .online(),
            "dns.negative_cache",
        ),
        ("NXDOMAIN through a home router", own_fails(DnsNxdomain).online(), "dns.nxdomain.relayed"),
        ("NXDOMAIN through a home router, no canary", own_fails(DnsNxdomain), "no.control"),
        ("empty that no zone bears out", proven(story(URL).own_denies(0, None)), "dns.empty.proven"),
        ("empty that a cache may hold", proven(story(URL).own_denies(0, Some("fergana.media."))), "dns.negative_cache"),
        ("REFUSED", own_fails(DnsRefused).online(), "dns.refused.proven"),
        ("REFUSED, no canary", own_fails(DnsRefused), "no.control"),
        ("SERVFAIL", own_fails(DnsServfail).online(), "dns.servfail.proven"),
        ("SERVFAIL, no canary", own_fails(DnsServfail), "no.control"),
        ("silent resolver", own_fails(GenericTimeout).online(), "dns.timeout.proven"),
        ("silent resolver, no canary", own_fails(GenericTimeout), "no.control"),
        ("empty through a home router", own_fails(DnsNoAnswer).online(), "dns.empty.relayed"),
        ("bogon", story(URL).own(&["10.1.1.1"]).reference(&[SITE]).bogon("10.1.1.1"), "dns.bogon"),
        ("bogon, and the site is proven", proven(story(URL).own(&["127.0.0.1"]).bogon("127.0.0.1")), "dns.bogon"),
        ("bogon everywhere", story(URL).own(&["10.1.1.1"]).reference(&["10.1.1.1"]).bogon("10.1.1.1"), "site.bogon"),
        ("bogon without a reference", story(URL).own(&["10.1.1.1"]).bogon("10.1.1.1"), "no.control"),
        ("sinkhole", story(URL).country("IR").own(&["10.10.34.35"]).reference(&[SITE]), "dns.blockpage.known"),
        ("another country's sinkhole", story(URL).own(&["10.10.34.35"]).reference(&[SITE]), "dns.bogon"),
        (
            "injected, the true answer late",
            twice(answer(0, &[LIAR], 1), answer(0, &[SITE], 40))
                .at(LIAR, At::Tcp(GenericTimeout))
                .at(SITE, At::Page(page(200))),
            "dns.injected",
        ),
        (
            "injected NXDOMAIN",
            twice(answer(3, &[], 1), answer(0, &[SITE], 40)).at(SITE, At::Page(page(200))),
            "dns.injected",
        ),
        (
            "the true answer first",
            twice(answer(0, &[SITE], 1), answer(0, &[LIAR], 40)).at(SITE, At::Page(page(200))),
            "tls.authentic",
        ),
        (
            "the same answer twice",
            twice(answer(0, &[SITE], 1), answer(0, &[SITE, EDGE], 40)).at(SITE, At::Tls(GenericTimeout)),
            "no.control",
        ),
        (
            "forged: someone else answers",
            proven(story(URL).own(&[LIAR]).at(LIAR, At::Cert(WrongName))),
            "dns.forged.proven",
        ),
        (
            "forged: nobody answers",
            proven(story(URL).own(&[LIAR]).at(LIAR, At::Tcp(GenericTimeout))).control_works().online(),
            "dns.forged.silent",
        ),
        (
            "a mirror that restarts refuses connections, the reference gives another",
            proven(story(URL).own(&[EDGE]).at(EDGE, At::Tcp(ConnectionRefused))).online(),
            "no.control",
        ),
        (
            "a mirror that refuses connections while the control reaches another",
            proven(story(URL).own(&[EDGE]).at(EDGE, At::Tcp(ConnectionRefused))).control_works().online(),
            "dns.forged.silent",
        ),
        (
            "a mirror whose certificate is out of date",
            proven(story(URL).own(&[EDGE]).at(EDGE, At::Cert(Expired))).control_works().online(),
            "tls.out_of_date",
        ),
        (
            "a mirror that is dead for a control, too",
            proven(story(URL).own(&[EDGE]).at(EDGE, At::Tcp(GenericTimeout)))
                .control_works()
                .whose(|report| {
                    report.endpoints.push(ControlEndpoint {
                        address: format!("{EDGE}:443").parse().unwrap(),
                        tcp_failure: Some(GenericTimeout),
                        tls_tried: false,
                        tls_failure: None,
                    });
                })
                .online(),
            "control.same_address",
        ),
        (
            "forged or dead edge, no control",
            proven(story(URL).own(&[LIAR]).at(LIAR, At::Tcp(GenericTimeout))).online(),
            "no.control",
        ),
        (
            "true answer, one address dead, another works",
            story(URL)
                .own(&[EDGE])
                .reference(&[EDGE, SITE])
                .at(EDGE, At::Tcp(GenericTimeout))
                .elsewhere(SITE, At::Page(page(200)))
                .online(),
            "no.control",
        ),
        (
            "forged, the true address is blocked too",
            story(URL)
                .own(&[LIAR])
                .reference(&[SITE])
                .at(LIAR, At::Cert(WrongName))
                .elsewhere(SITE, At::Tls(GenericTimeout))
                .control_works()
                .online(),
            "dns.forged.differential",
        ),
        (
            "the same wrong certificate at the true address",
            story(URL)
                .own(&[LIAR])
                .reference(&[SITE])
                .at(LIAR, At::Cert(WrongName))
                .elsewhere(SITE, At::Cert(WrongName))
                .control_works()
                .online(),
            "tls.mitm.differential",
        ),
        ("NXDOMAIN by comparison", unproven_dns(DnsNxdomain), "dns.nxdomain.differential"),
        ("REFUSED by comparison", unproven_dns(DnsRefused), "dns.refused.differential"),
        ("empty by comparison", unproven_dns(DnsNoAnswer), "dns.empty.differential"),
        ("SERVFAIL by comparison", unproven_dns(DnsServfail), "dns.servfail.differential"),
        ("silence by comparison", unproven_dns(GenericTimeout), "dns.timeout.differential"),
        (
            "NXDOMAIN everywhere",
            story(URL).own_fails(DnsNxdomain).reference_fails(DnsNxdomain).online(),
            "site.no_name",
        ),
        (
            "NXDOMAIN everywhere but here, where a search page answers",
            story(CLEAR)
                .own(&[LIAR])
                .reference_fails(DnsNxdomain)
                .at(LIAR, At::Page(stranger(200)))
                .control_fails(DnsNxdomain)
                .online(),
            "site.no_name",
        ),
        (
            "NXDOMAIN everywhere but here, where someone shows a certificate of his own",
            story(URL)
                .own(&[LIAR])
                .reference_fails(DnsNxdomain)
                .at(LIAR, At::Cert(Stranger))
                .control_fails(DnsNxdomain)
                .online(),
            "site.no_name",
        ),
        (
            "a name that only the reference does not find, the control reaches it",
            story(URL).own(&[LIAR]).reference_fails(DnsNxdomain).at(LIAR, At::Cert(Stranger)).control_works().online(),
            "tls.mitm.differential",
        ),
        ("NXDOMAIN, reference silent", story(URL).own_fails(DnsNxdomain).online(), "no.control"),
    ]
}
