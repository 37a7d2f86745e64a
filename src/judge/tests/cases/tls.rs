//! Authentic answers and intercepted ones, in TLS.

use super::super::*;
use super::Case;

pub(super) fn cases() -> Vec<Case> {
    use Chain::*;
    use Failure::*;
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
    ]
}
