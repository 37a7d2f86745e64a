//! One case or more for every rule, and near misses: evidence that lacks one thing.

mod throttle;

use super::rule_table;
use super::testing::*;
use crate::model::*;

const URL: &str = "https://fergana.media/";
const CLEAR: &str = "http://fergana.media/";

/// The own resolver tells the truth.
fn site() -> Story {
    story(URL).own(&[SITE]).reference(&[SITE])
}

fn clear() -> Story {
    story(CLEAR).own(&[SITE]).reference(&[SITE])
}

/// One thing happens at the site's address; control and canary are fine.
fn here(what: At) -> Story {
    site().at(SITE, what).control_works().online()
}

fn clear_page(page: Page) -> Story {
    clear().at(SITE, At::Page(page)).control_works().online()
}

/// The own resolver misbehaves; the site proves itself at an address that only the reference gave.
fn proven(own: Story) -> Story {
    own.reference(&[SITE]).elsewhere(SITE, At::Page(page(200)))
}

fn own_fails(failure: Failure) -> Story {
    proven(story(URL).own_fails(failure))
}

/// What it is, the evidence, the country, our verdict on it: for the tests of rooms that carry evidence elsewhere and back.
pub(crate) fn judged_cases() -> Vec<(&'static str, Evidence, CountryCode, Verdict)> {
    let judged = |(what, story, _): (_, Story, _)| (what, story.evidence.clone(), story.country, story.verdict());
    cases().into_iter().map(judged).collect()
}

/// (what it is, evidence, rule expected)
fn cases() -> Vec<(&'static str, Story, &'static str)> {
    use Chain::*;
    use Failure::*;
    let twice = |first, second| story(URL).own_answers(vec![first, second]).reference(&[SITE]);
    vec![
        // An authentic answer.
        ("plain success", site().at(SITE, At::Page(page(200))), "tls.authentic"),
        (
            "success while all canaries fail",
            site().at(SITE, At::Page(page(200))).no_world(GenericTimeout),
            "tls.authentic",
        ),
        (
            "one dead address of two",
            story(URL).own(&[SITE, EDGE]).at(EDGE, At::Tls(GenericTimeout)).at(SITE, At::Page(page(200))),
            "tls.authentic",
        ),
        (
            "an own address is proven though the control's carried the request",
            story(URL).own(&[EDGE]).reference(&[SITE]).at(EDGE, At::Ready).elsewhere(SITE, At::Page(page(200))),
            "tls.authentic",
        ),
        (
            "another own resolver lies",
            site().resolver_fails("udp://9.9.9.9:53", DnsNxdomain).at(SITE, At::Page(page(200))),
            "tls.authentic",
        ),
        (
            "addresses differ from the reference but the certificate verifies (CDN)",
            story(URL).own(&[EDGE]).reference(&[SITE]).at(EDGE, At::Page(page(200))),
            "tls.authentic",
        ),
        (
            "clear text sends on to https",
            clear().at(SITE, redirect(URL)).then(URL).own(&[SITE]).at(SITE, At::Page(page(200))),
            "tls.authentic",
        ),
        ("403 without a control", site().at(SITE, At::Page(page(403))), "tls.authentic"),
        ("403 for everyone", site().at(SITE, At::Page(page(403))).control_sees(&page(403)), "tls.authentic"),
        ("404", here(At::Page(page(404))), "tls.authentic"),
        ("403 only here", here(At::Page(page(403))), "tls.denied.differential"),
        ("451 over TLS", site().at(SITE, At::Page(page(451))), "tls.denied.legal"),
        (
            "challenge",
            site().at(SITE, At::Page(page(403).headers(&[("CF-Mitigated", "challenge")]))),
            "tls.denied.challenge",
        ),
        (
            "Akamai",
            site().at(SITE, At::Page(page(403).titled("Access Denied").headers(&[("server", "AkamaiGHost")]))),
            "tls.denied.challenge",
        ),
        ("200 with a mark", site().at(SITE, At::Page(page(200).headers(&[("cf-mitigated", "x")]))), "tls.authentic"),
        ("503 of the server", site().at(SITE, At::Page(page(503))), "tls.server_fault"),
        (
            "block page words over valid TLS",
            here(At::Page(page(200).titled("Страница заблокирована"))),
            "tls.authentic",
        ),
        (
            "endless redirects",
            site().at(SITE, At::Page(page(302).to(URL).failing(HttpTooManyRedirects))),
            "tls.authentic.redirects",
        ),
        (
            "a redirect to nowhere",
            site().at(SITE, At::Page(page(302).failing(HttpInvalidRedirectLocationHost))),
            "tls.authentic.redirects",
        ),
        // Interception.
        ("known CA", site().at(SITE, At::Cert(KnownCa)), "tls.mitm.known_ca"),
        (
            "known CA, everything else dead",
            site().at(SITE, At::Cert(KnownCa)).no_world(SslUnknownAuthority),
            "tls.mitm.known_ca",
        ),
        (
            "known CA, but one own address is authentic",
            site().at(EDGE, At::Cert(KnownCa)).at(SITE, At::Page(page(200))),
            "tls.authentic",
        ),
        (
            "known CA, and the control sees it too",
            site().at(SITE, At::Cert(KnownCa)).control_fails(SslUnknownAuthority),
            "site.down",
        ),
        ("known name", site().at(SITE, At::Cert(KnownName)), "tls.mitm.known_name"),
        (
            "known name, and the control sees it too",
            site().at(SITE, At::Cert(KnownName)).control_fails(SslUnknownAuthority),
            "site.down",
        ),
        ("unknown CA", here(At::Cert(Stranger)), "tls.mitm.differential"),
        ("unknown CA and a page over it", here(At::PageOver(Stranger, stranger(200))), "tls.mitm.differential"),
        ("wrong name", here(At::Cert(WrongName)), "tls.mitm.differential"),
        ("unknown CA alone", site().at(SITE, At::Cert(Stranger)).online(), "no.control"),
        (
            "unknown CA everywhere",
            site().at(SITE, At::Cert(Stranger)).control_fails(SslUnknownAuthority).online(),
            "site.down",
        ),
        (
            "captive portal",
            site().at(SITE, At::Cert(Stranger)).control_works().no_world(SslUnknownAuthority),
            "vantage.offline",
        ),
        (
            "a leaf that the control accepts",
            here(At::Cert(Stranger)).whose(|report| report.http.as_mut().unwrap().leaf_sha256 = Some("AB".repeat(32))),
            "tls.same_leaf",
        ),
        ("out of date here only", here(At::Cert(Expired)), "tls.out_of_date"),
        (
            "one stale server, the ClientHello is swallowed at another",
            story(URL)
                .own(&[SITE, EDGE])
                .at(SITE, At::Cert(Expired))
                .at(EDGE, At::Tls(GenericTimeout))
                .control_works()
                .online(),
            "tls.timeout.differential",
        ),
        (
            "out of date everywhere",
            site().at(SITE, At::Cert(Expired)).control_fails(SslInvalidCertificate).online(),
            "site.down",
        ),
        (
            "out of date, canaries too",
            site().at(SITE, At::Cert(Expired)).control_works().no_world(SslInvalidCertificate),
            "vantage.clock",
        ),
        // The vantage.
        ("cut off", site().at(SITE, At::Tls(Interrupted)).control_works().online(), "vantage.interrupted"),
        ("dead proxy", site().at(SITE, At::Tcp(ProxyFailed)).control_works(), "vantage.proxy"),
        (
            "proxy fails for one address",
            site().at(SITE, At::Tls(GenericTimeout)).at(EDGE, At::Tcp(ProxyFailed)).control_works().online(),
            "tls.timeout.differential",
        ),
        ("no network", story(URL).own_fails(NetworkUnreachable).reference_fails_locally(), "vantage.no_network"),
        ("all canaries fail", here_offline(), "vantage.offline"),
        ("resolver dead for all", own_fails(GenericTimeout).no_world(GenericTimeout), "vantage.offline"),
        (
            "country cut off",
            site().at(SITE, At::Tcp(GenericTimeout)).no_world(GenericTimeout).home(),
            "vantage.domestic_only",
        ),
        // DNS.
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
        // The site.
        ("down", site().at(SITE, At::Tcp(GenericTimeout)).control_fails(GenericTimeout).online(), "site.down"),
        (
            "an old TLS server",
            site().at(SITE, At::Tls(SslFailedHandshake)).control_fails(SslFailedHandshake).online(),
            "site.down",
        ),
        (
            "no common cipher",
            site()
                .at(SITE, At::Tls(SslFailedHandshake))
                .alert("handshake_failure")
                .control_fails(SslFailedHandshake)
                .online(),
            "site.tls_incompatible",
        ),
        (
            "no common cipher, a helper with another library fails too",
            site()
                .at(SITE, At::Tls(SslFailedHandshake))
                .alert("handshake_failure")
                .control_fails(SslFailedHandshake)
                .whose(|report| report.kind = ControlKind::Helper)
                .online(),
            "site.down",
        ),
        (
            "clear-text redirects without an end, for everyone",
            clear()
                .at(SITE, At::Page(page(302).to(CLEAR).failing(HttpTooManyRedirects)))
                .control_fails(HttpTooManyRedirects)
                .online(),
            "site.redirects",
        ),
        (
            "a redirect to nowhere, for everyone",
            clear()
                .at(SITE, At::Page(page(302).failing(HttpInvalidRedirectLocationHost)))
                .control_fails(HttpInvalidRedirectLocationHost)
                .online(),
            "site.redirects",
        ),
        (
            "down, controls disagree",
            site().at(SITE, At::Tcp(GenericTimeout)).control_fails(GenericTimeout).control_works().online(),
            "tcp.timeout.differential",
        ),
        (
            "the control gets further",
            site().at(SITE, At::Tcp(GenericTimeout)).control_fails(GenericTimeout).whose(connects).online(),
            "control.differs",
        ),
        (
            "dead for the control too",
            here(At::Tcp(GenericTimeout)).whose(|report| endpoint(report, Some(GenericTimeout))),
            "control.same_address",
        ),
        (
            "alive for the control",
            here(At::Tcp(GenericTimeout)).whose(|report| endpoint(report, None)),
            "tcp.timeout.differential",
        ),
        // What is missing.
        ("ClientHello swallowed, no control", site().at(SITE, At::Tls(GenericTimeout)).online(), "no.control"),
        (
            "ClientHello swallowed, control dead",
            site().at(SITE, At::Tls(GenericTimeout)).control_dead().online(),
            "no.control",
        ),
        ("ClientHello swallowed, no canary", site().at(SITE, At::Tls(GenericTimeout)).control_works(), "no.canary"),
        (
            "ClientHello swallowed, only a domestic canary",
            site().at(SITE, At::Tls(GenericTimeout)).control_works().home(),
            "no.canary",
        ),
        // Layers.
        ("ClientHello swallowed", here(At::Tls(GenericTimeout)), "tls.timeout.differential"),
        ("ClientHello swallowed, kernel gives up", here(At::Tls(TimedOut)), "tls.timeout.differential"),
        (
            "ClientHello swallowed, one canary of two fails",
            here(At::Tls(GenericTimeout)).no_world(GenericTimeout),
            "tls.timeout.differential",
        ),
        ("ClientHello reset", here(At::Tls(ConnectionReset)), "tls.reset.differential"),
        ("ClientHello closed", here(At::Tls(Eof)), "tls.eof.differential"),
        ("alert", here(At::Tls(SslFailedHandshake)), "tls.alert.differential"),
        ("SYN swallowed", here(At::Tcp(GenericTimeout)), "tcp.timeout.differential"),
        ("SYN reset", here(At::Tcp(ConnectionReset)), "tcp.reset.differential"),
        ("SYN refused", here(At::Tcp(ConnectionRefused)), "tcp.refused.differential"),
        ("no route", here(At::Tcp(HostUnreachable)), "tcp.unreachable.differential"),
        ("prohibited", here(At::Tcp(PermissionDenied)), "tcp.unreachable.differential"),
        ("request swallowed", here(At::Http(GenericTimeout)), "http.timeout.differential"),
        ("request reset", here(At::Http(ConnectionReset)), "http.reset.differential"),
        ("request closed", here(At::Http(Eof)), "http.eof.differential"),
        (
            "a cipher that only another TLS library knows",
            here(At::Tls(SslFailedHandshake))
                .whose(|report| report.kind = ControlKind::Helper)
                .alert("handshake_failure"),
            "evidence.insufficient",
        ),
        (
            "the same alert though the same library succeeds elsewhere",
            here(At::Tls(SslFailedHandshake)).alert("handshake_failure"),
            "tls.alert.differential",
        ),
        (
            "another alert, helper only",
            here(At::Tls(SslFailedHandshake)).whose(|report| report.kind = ControlKind::Helper),
            "tls.alert.differential",
        ),
        (
            "a long page over a slow line",
            here(At::Page(page(200).length(200_000).failing(GenericTimeout))),
            "evidence.insufficient",
        ),
        (
            "frozen after the first packets",
            here(At::Page(page(200).length(16_000).failing(GenericTimeout))),
            "http.truncated.differential",
        ),
        ("body stops", here(At::Cut(GenericTimeout)), "http.truncated.differential"),
        ("unreadable answer", here(At::Http(HttpRequestFailed)), "evidence.insufficient"),
        ("this machine aborts", here(At::Tls(ConnectionAborted)), "evidence.insufficient"),
        (
            "the deepest failure of two addresses",
            story(URL)
                .own(&[SITE, EDGE])
                .at(SITE, At::Tls(GenericTimeout))
                .at(EDGE, At::Tcp(ConnectionRefused))
                .control_works()
                .online(),
            "tls.timeout.differential",
        ),
        (
            "IPv6 without a way out",
            story(URL).own(&[SIX]).at(SIX, At::Tcp(NetworkUnreachable)).control_works().online(),
            "evidence.insufficient",
        ),
        (
            "IPv6 that connects and then is silent, no canary over IPv6",
            story(URL).own(&[SIX]).at(SIX, At::Tls(GenericTimeout)).control_works().online(),
            "evidence.insufficient",
        ),
        (
            "IPv6 that connects and then is silent",
            story(URL).own(&[SIX]).at(SIX, At::Tls(GenericTimeout)).control_works().online().over(BOTH),
            "tls.timeout.differential",
        ),
        (
            "IPv6 swallowed, where IPv6 works",
            story(URL).own(&[SIX]).at(SIX, At::Tcp(GenericTimeout)).control_works().online().over(BOTH),
            "tcp.timeout.differential",
        ),
        (
            "IPv6 down for the control as well",
            story(URL).own(&[SIX]).at(SIX, At::Tcp(GenericTimeout)).control_fails(GenericTimeout).online().over(BOTH),
            "site.down",
        ),
        (
            "a stranger's certificate over IPv6 came over IPv6",
            story(URL).own(&[SIX]).at(SIX, At::Cert(Stranger)).control_works().online(),
            "tls.mitm.differential",
        ),
        (
            "IPv4 of an IPv6-only vantage",
            site().at(SITE, At::Tcp(NetworkUnreachable)).control_works().online().over(&[AddressFamily::Ipv6]),
            "evidence.insufficient",
        ),
        (
            "dead for the control too, IPv6 masked",
            here(At::Tcp(GenericTimeout))
                .at(SIX, At::Tcp(GenericTimeout))
                .whose(|report| endpoint(report, Some(GenericTimeout))),
            "control.same_address",
        ),
        (
            "the target of a redirect fails",
            here(redirect("https://fergana.news/"))
                .then("https://fergana.news/")
                .own(&[EDGE])
                .at(EDGE, At::Tls(ConnectionReset)),
            "tls.reset.differential",
        ),
        // Clear text.
        ("the control's page", clear_page(page(200)), "http.matches_control"),
        (
            "the control's page, canaries dead",
            clear().at(SITE, At::Page(page(200))).control_works().no_world(GenericTimeout),
            "http.matches_control",
        ),
        ("no control", clear().at(SITE, At::Page(page(200))).online(), "no.control"),
        (
            "the control fails",
            clear().at(SITE, At::Page(page(200))).control_fails(GenericTimeout).online(),
            "http.unverified",
        ),
        ("another page", clear_page(stranger(200)), "http.blockpage.differential"),
        ("another page, no canary", clear().at(SITE, At::Page(stranger(200))).control_works(), "no.canary"),
        ("a translated title only", clear_page(page(200).titled("Независимые новости")), "http.matches_control"),
        ("half alike", clear_page(page(200).titled("Независимые новости").headers(&[])), "http.unverified"),
        ("a refusal of nobody known", clear_page(stranger(403)), "http.refused"),
        ("a bare 404 instead of the page", clear_page(stranger(404).titled("404 Not Found")), "http.refused"),
        (
            "a refusal by order",
            clear_page(stranger(403).keeping("<p>Доступ ограничен по решению суда</p>")),
            "http.blockpage.refusal",
        ),
        ("a refusal by the site's server", clear_page(page(403).titled("Forbidden").length(120)), "http.denied"),
        ("a refusal by a network", clear_page(stranger(403).headers(&[("cf-mitigated", "challenge")])), "http.denied"),
        ("a server's fault", clear_page(stranger(502)), "http.unverified"),
        (
            "redirect to a known block page",
            clear().country("UZ").at(
                SITE,
                At::Page(stranger(302).headers(&[("location", "http://reestr.mitc.uz/")]).to("http://reestr.mitc.uz/")),
            ),
            "http.redirect.known",
        ),
        (
            "known block page, title",
            clear().at(SITE, At::Page(stranger(200).titled("Страница заблокирована"))),
            "http.blockpage.known",
        ),
        (
            "known block page, body",
            clear().at(SITE, At::Page(stranger(403).keeping("<h1>Страница заблокирована</h1>"))),
            "http.blockpage.known",
        ),
        (
            "another country's block page",
            clear().country("RU").at(SITE, At::Page(stranger(200).titled("Страница заблокирована"))),
            "no.control",
        ),
        (
            "a page about blocking",
            clear()
                .at(SITE, At::Page(page(200).titled("Страница заблокирована")))
                .control_sees(&page(200).titled("Страница заблокирована"))
                .online(),
            "http.matches_control",
        ),
        (
            "451 that names a blocker",
            clear().at(SITE, At::Page(stranger(451).headers(&[("Link", BLOCKED_BY)]))),
            "http.451",
        ),
        (
            "451 with another link",
            clear().at(SITE, At::Page(stranger(451).headers(&[("Link", "<https://a/>; rel=next")]))),
            "no.control",
        ),
        ("451 without a name", clear_page(stranger(451)), "http.451.unnamed"),
        (
            "451 that names the site itself",
            clear_page(stranger(451).headers(&[("Link", r#"<https://legal.fergana.media/why>; rel="blocked-by""#)])),
            "http.denied",
        ),
        (
            "451 for everyone",
            clear()
                .at(SITE, At::Page(stranger(451).titled("Unavailable").length(99).headers(&[("Link", BLOCKED_BY)])))
                .control_sees(&page(451))
                .online(),
            "http.denied",
        ),
        (
            "sent on to a block page",
            clear_page(page(302).to("http://stop.example.kz/"))
                .then("http://stop.example.kz/")
                .own(&[LIAR])
                .at(LIAR, At::Page(stranger(200))),
            "http.redirect.differential",
        ),
        (
            "sent on to a block page with a valid certificate",
            clear_page(page(302).to("https://stop.example.kz/"))
                .then("https://stop.example.kz/")
                .own(&[LIAR])
                .at(LIAR, At::Page(stranger(200))),
            "http.redirect.differential",
        ),
        (
            "sent on to the site's new home",
            clear_page(page(301).to("https://fergana.news/"))
                .then("https://fergana.news/")
                .own(&[EDGE])
                .at(EDGE, At::Page(page(200))),
            "http.matches_control",
        ),
        (
            "sent on to the site's new home, which looks different from here",
            moved("https://fergana.news/", stranger(200)).whose(|report| ends_at(report, "https://fergana.news/ru")),
            "http.redirect.confirmed",
        ),
        (
            "sent on to the site's new home, which refuses",
            moved("https://fergana.news/", stranger(403)).whose(|report| ends_at(report, "https://fergana.news/")),
            "http.refused",
        ),
        (
            "sent on to another place than the control",
            moved("http://fergana.agency/", stranger(200)).whose(|report| ends_at(report, "http://fergana.news/")),
            "http.redirect.by_place",
        ),
        (
            "sent on as the control is, where the page differs",
            moved("http://fergana.news/", stranger(200)).whose(|report| ends_at(report, "http://www.fergana.news/")),
            "http.blockpage.differential",
        ),
        (
            "sent on while the control stays",
            moved("http://stop.example.kz/", stranger(200)).whose(|report| ends_at(report, CLEAR)),
            "http.redirect.differential",
        ),
        (
            "Host reset in clear text",
            clear().at(SITE, At::Http(ConnectionReset)).control_works().online(),
            "http.reset.differential",
        ),
    ]
}

const BLOCKED_BY: &str = r#"<https://isp.example/>; rel="blocked-by""#;

/// The clear-text URL sends on to another, where this page is.
fn moved(url: &'static str, page: Page) -> Story {
    clear_page(self::page(301).to(url)).then(url).own(&[EDGE]).at(EDGE, At::Page(page))
}

fn ends_at(report: &mut ControlReport, url: &str) {
    report.http.as_mut().unwrap().final_url = Some(url.parse().unwrap());
}

fn here_offline() -> Story {
    site().at(SITE, At::Tls(Failure::GenericTimeout)).control_works().no_world(Failure::GenericTimeout)
}

fn unproven_dns(failure: Failure) -> Story {
    story(URL)
        .own_fails(failure)
        .reference(&[SITE])
        .elsewhere(SITE, At::Tls(Failure::GenericTimeout))
        .control_works()
        .online()
}

fn endpoint(report: &mut ControlReport, tcp_failure: Option<Failure>) {
    let address = format!("{SITE}:443").parse().unwrap();
    report.endpoints.push(ControlEndpoint { address, tcp_failure, tls_tried: false, tls_failure: None });
}

fn connects(report: &mut ControlReport) {
    report.endpoints.push(ControlEndpoint {
        address: format!("{SITE}:443").parse().unwrap(),
        tcp_failure: None,
        tls_tried: true,
        tls_failure: Some(Failure::GenericTimeout),
    });
}

impl Story {
    fn reference_fails_locally(mut self) -> Self {
        self = self.reference_fails(Failure::NetworkUnreachable);
        self.evidence.measurement.dns.last_mut().unwrap().answers.clear();
        self
    }
}

#[test]
fn every_case_is_decided_by_the_rule_expected() {
    assert_decided(&cases());
}

#[test]
fn every_rule_is_hit_and_known() {
    let all = cases().into_iter().chain(super::experiment_tests::cases()).chain(throttle::cases());
    let hit: std::collections::BTreeSet<&str> = all.map(|(_, _, rule)| rule).collect();
    let known: std::collections::BTreeSet<&str> = rule_table().iter().map(|rule| rule.id).collect();
    assert_eq!(known.len(), rule_table().len(), "an id is used twice");
    assert_eq!(hit, known);
}

#[test]
fn rules_keep_the_meaning_of_status_strength_and_weight() {
    for rule in rule_table() {
        assert!((0.0..=1.0).contains(&rule.confidence) && (0.0..=1.0).contains(&rule.weight), "{}", rule.id);
        assert_eq!(rule.mechanism.is_some(), rule.status == Status::Blocked, "{}", rule.id);
        if rule.status == Status::Blocked {
            assert!(rule.strength != Strength::Weak && rule.weight > 0.0, "{}", rule.id);
        }
        if rule.status == Status::Inconclusive {
            assert_eq!((rule.confidence, rule.weight, rule.strength), (0.0, 0.0, Strength::Weak), "{}", rule.id);
        }
    }
}

#[test]
fn no_reason_is_empty_or_carries_control_characters() {
    for (what, story, _) in cases().into_iter().chain(throttle::cases()) {
        let reasons = story.verdict().reasons;
        assert!(!reasons.is_empty(), "{what}");
        for reason in reasons {
            assert!(!reason.is_empty() && !reason.contains("  ") && reason.ends_with(['.', '”']), "{what}: {reason}");
            assert!(!reason.chars().any(char::is_control), "{what}: {reason}");
        }
    }
}

#[test]
fn the_usual_case_reads_like_an_explanation() {
    let verdict = here(At::Tls(Failure::GenericTimeout)).verdict();
    assert_eq!(verdict.mechanism, Some(Mechanism::TlsTimeout));
    assert_eq!((verdict.confidence, verdict.weight), (0.9, 0.9));
    assert_eq!(
        verdict.reasons,
        [
            "185.15.0.1:443 accepted the connection, but after the encrypted greeting that names fergana.media nothing came back for 10.0 s.",
            "The control berlin got an answer from the site (status 200) at 2026-11-24T20:00:05.000Z.",
            "1 of 1 foreign canaries answered.",
        ]
    );
    let control = verdict.control.unwrap();
    assert_eq!((control.id.as_str(), control.status), ("berlin", Status::Accessible));
}

#[test]
fn a_lying_resolver_reads_like_an_explanation() {
    let verdict = proven(story(URL).own_denies(3, None)).verdict();
    assert_eq!(
        verdict.reasons,
        [
            "The name server of this network (system) answered that fergana.media does not exist.",
            "Cloudflare's encrypted resolver gave 1 address (185.15.0.1).",
            "At 185.15.0.1:443, which only the reference gave, fergana.media proved itself with a valid certificate.",
            "The answer bears no zone that says so, as a true one does.",
        ]
    );
}

#[test]
fn what_misbehaves_beside_an_authentic_answer_is_told() {
    let story = site().resolver_fails("udp://9.9.9.9:53", Failure::DnsNxdomain);
    let reasons = story.at(EDGE, At::Tls(Failure::GenericTimeout)).at(SITE, At::Page(page(200))).verdict().reasons;
    assert!(reasons.iter().any(|reason| reason.contains("udp://9.9.9.9:53 answered that")), "{reasons:?}");
    assert!(reasons.iter().any(|reason| reason.contains("1 of the 2 addresses")), "{reasons:?}");
}

#[test]
fn disagreeing_controls_count_less() {
    let story = here(At::Tls(Failure::ConnectionReset));
    let (alone, divided) = (story.verdict(), story.clone().control_fails(Failure::GenericTimeout).verdict());
    assert_eq!(divided.status, Status::Blocked);
    assert!(divided.weight < alone.weight && divided.confidence < alone.confidence);
    let broken = site().at(SITE, At::Tls(Failure::ConnectionReset)).control_sees(&page(503)).online().verdict();
    assert!(broken.weight < alone.weight);
}

#[test]
fn ranges_that_are_allowed_count_as_public() {
    let story = site().at(SITE, At::Page(page(200)));
    let lab = super::Knowledge::new(vec!["10.0.0.0/8".parse().unwrap()]);
    let country = "KZ".parse().unwrap();
    let own = self::story(URL).own(&["10.1.1.1"]).reference(&["10.1.1.1"]);
    let timeout = own.at("10.1.1.1", At::Tls(Failure::GenericTimeout)).control_works().online();
    assert_eq!(super::judge(&timeout.evidence, &lab, country).mechanism, Some(Mechanism::TlsTimeout));
    assert_eq!(super::judge(&story.evidence, &lab, country).status, Status::Accessible);
}

#[test]
fn only_a_plain_authentic_success_needs_no_second_opinion() {
    let needs = |story: Story| story.needs_second_opinion(None);
    assert!(!needs(site().at(SITE, At::Page(page(200)))));
    assert!(!needs(clear().at(SITE, redirect(URL)).then(URL).own(&[SITE]).at(SITE, At::Page(page(200)))));
    assert!(needs(clear().at(SITE, At::Page(page(200)))));
    assert!(needs(site().at(SITE, At::Page(page(403)))));
    assert!(needs(site().at(SITE, At::Tls(Failure::GenericTimeout))));
    assert!(needs(own_fails(Failure::DnsNxdomain)));
    assert!(needs(site().at(SITE, At::Cert(Chain::KnownCa))));
    assert!(needs(story(URL)));
}

#[test]
fn a_site_that_lives_at_another_address_counts_less() {
    let own = story(URL).own(&[EDGE]).reference(&[EDGE, SITE]).at(EDGE, At::Tls(Failure::ConnectionReset));
    let lost = own.clone().elsewhere(SITE, At::Tls(Failure::ConnectionReset)).control_works().online().verdict();
    let alive = own.elsewhere(SITE, At::Page(page(200))).control_works().online().verdict();
    assert_eq!((lost.mechanism, alive.mechanism), (Some(Mechanism::TlsReset), Some(Mechanism::TlsReset)));
    assert!(alive.weight < lost.weight);
}

#[test]
fn a_line_that_loses_packets_makes_less_sure() {
    let silent = || site().at(SITE, At::Tls(Failure::GenericTimeout)).control_works().online();
    let weight = |story: Story| story.verdict().weight;
    let all = weight(silent().online().online());
    let near = |a: f64, b: f64| (a - b).abs() < 1e-9;
    let lost = Failure::GenericTimeout;
    assert!(near(weight(silent().online().no_world(lost.clone())), all * 0.5), "one of three");
    assert!(near(weight(silent().no_world(lost.clone())), all * 0.15), "one of two");
    assert!(near(weight(silent().no_world(lost.clone()).no_world(lost)), all * 0.15), "two of three");
}
