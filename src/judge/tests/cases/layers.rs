//! Connections and handshakes that fail; and what the vantage, the site, or a lack of evidence explains.

use super::super::*;
use super::Case;

pub(super) fn cases() -> Vec<Case> {
    use Chain::*;
    use Failure::*;
    vec![
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
    ]
}
