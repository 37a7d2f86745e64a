//! Pages over plain HTTP.

use super::super::*;
use super::Case;

pub(super) fn cases() -> Vec<Case> {
    use Failure::*;
    vec![
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
