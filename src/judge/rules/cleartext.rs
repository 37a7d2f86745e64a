//! Answers that prove nothing by themselves: clear-text HTTP, or TLS with a chain that does not verify (DESIGN 4.6).

use crate::judge::compare::{self, Likeness};
use crate::judge::denial;
use crate::judge::facts::{Facts, OwnAnswer};
use crate::judge::rule::{Finding, Rule, blocked, rule};
use crate::judge::say;
use crate::judge::seen::same_site;
use crate::knowledge::Fingerprint;
use crate::model::{ControlHttp, HttpExchange};

use super::throttle;

pub(in crate::judge) const MATCHING: &[Rule] = &[
    rule!(
        "http.redirect.confirmed",
        Accessible,
        Differential,
        0.9,
        0.9,
        confirmed,
        "A redirect in clear text leads to another site, which proves itself by TLS, and a control is led there as well.",
        "DESIGN 4.6"
    ),
    rule!(
        "http.matches_control",
        Accessible,
        Differential,
        0.9,
        0.9,
        matches_control,
        "The clear-text answer, by an address of the vantage's own resolver, is the page that a control gets (title words, uncommon headers, length).",
        "OONI ts-017; DESIGN 4.6"
    ),
];

pub(in crate::judge) const PROVEN: &[Rule] = &[
    blocked!(
        "http.redirect.known",
        HttpRedirect,
        SelfProving,
        0.97,
        1.0,
        known_redirect,
        "A redirect without proof leads to a known block page of this country, and no control is led there.",
        "OONI blocking-fingerprints; the lists of [fingerprints]; DESIGN 4.4"
    ),
    blocked!(
        "http.blockpage.known",
        HttpBlockpage,
        SelfProving,
        0.97,
        1.0,
        known_page,
        "An unproven answer (in clear text, or over TLS with a chain that does not verify) bears the mark of a block page of this country in page or header, none of a false positive, and no control gets the same page.",
        "Censored Planet block page signatures; the lists of [fingerprints]; DESIGN 4.4"
    ),
    blocked!(
        "http.451",
        Http451,
        SelfProving,
        0.95,
        1.0,
        legal_with_name,
        "A clear-text answer has status 451 and names someone else than the site as the one who blocks (Link rel=blocked-by), and no control gets 451.",
        "RFC 7725 section 4; DESIGN 4.4"
    ),
];

pub(in crate::judge) const DIFFERENTIAL: &[Rule] = &[
    rule!(
        "http.denied",
        Denied,
        Differential,
        0.7,
        1.0,
        denied,
        "A clear-text refusal bears the marks of a content delivery network, or of the server that the control reaches, or of a server's own page (a list's false positive), or names the site itself as the one who blocks (451), or the control is refused with 451 too.",
        "Raman et al. 2023: most deviations in clear text are such pages"
    ),
    rule!(
        "http.451.unnamed",
        Inconclusive,
        Weak,
        0.0,
        0.0,
        legal,
        "A clear-text answer has status 451 without naming who blocks, while the control gets the page: servers that obey the law of the visitor's country answer so as well as boxes on the path.",
        "RFC 7725; DESIGN 4.4"
    ),
    rule!(
        "http.redirect.by_place",
        Inconclusive,
        Weak,
        0.0,
        0.0,
        by_place,
        "A redirect in clear text leads to another site, and a control is led away too, to a third: the site may send its visitors on by where they are.",
        "DESIGN 4.6"
    ),
    blocked!(
        "http.redirect.differential",
        HttpRedirect,
        Differential,
        0.85,
        0.9,
        redirect,
        "A redirect in clear text leads to another site, whose page is not the one that the control gets.",
        "DESIGN 4.6"
    ),
    blocked!(
        "http.blockpage.refusal",
        HttpBlockpage,
        Differential,
        0.7,
        0.6,
        other_refusal,
        "A clear-text refusal (4xx) without any mark of the site's own server that speaks of law or order, while the control gets the page.",
        "DESIGN 4.6"
    ),
    rule!(
        "http.refused",
        Inconclusive,
        Weak,
        0.0,
        0.0,
        bare_refusal,
        "A clear-text refusal (4xx) that tells nothing of who refuses, while the control gets the page: most are the site's own.",
        "Raman et al. 2023: most deviations in clear text are such pages; DESIGN 4.6"
    ),
    blocked!(
        "http.blockpage.differential",
        HttpBlockpage,
        Differential,
        0.85,
        0.9,
        other_page,
        "The clear-text answer is another page than the control gets (title words, uncommon headers, length).",
        "OONI ts-017; DESIGN 4.6"
    ),
    rule!(
        "http.unverified",
        Inconclusive,
        Weak,
        0.0,
        0.0,
        unverified,
        "The clear-text answer can neither be matched with the control's nor told from it.",
        "DESIGN 4.6"
    ),
];

/// The final answer, reached by own addresses, that lacks a proof.
pub(in crate::judge) fn unproven<'e>(facts: &Facts<'e>) -> Option<&'e HttpExchange> {
    let seen = &facts.seen;
    let answer = seen.answer().filter(|_| seen.authentic_own_answer().is_none())?;
    seen.stuck().is_none().then_some(answer)
}

/// Whether the answer is another than every control's.
pub(in crate::judge) fn differs(facts: &Facts<'_>, answer: &HttpExchange) -> bool {
    likeness(facts, answer) == Likeness::Different
}

/// The likeness to the controls' answers: the same as any, or different from every one that can be compared.
fn likeness(facts: &Facts<'_>, answer: &HttpExchange) -> Likeness {
    let all: Vec<Likeness> = facts.controls.answers().map(|(_, http)| compare::likeness(answer, http)).collect();
    if all.contains(&Likeness::Same) {
        Likeness::Same
    } else if !all.is_empty() && all.iter().all(|likeness| *likeness == Likeness::Different) {
        Likeness::Different
    } else {
        Likeness::Unclear
    }
}

pub(in crate::judge) fn sentence(answer: &HttpExchange) -> String {
    let title = answer.body.as_ref().and_then(|body| body.title.as_deref());
    let titled = title.map(|title| format!(", titled {}", say::quoted(title))).unwrap_or_default();
    format!(
        "{} answered for {} in clear text, or without proof of who it is (status {}{titled}).",
        answer.address,
        say::quoted(answer.url.host_str().unwrap_or_default()),
        answer.status.unwrap_or_default()
    )
}

/// The clear-text answer that is the page which a control gets. The same refusal everywhere is how the site is to
/// everybody.
pub(super) fn controls_page<'e>(facts: &Facts<'e>) -> Option<&'e HttpExchange> {
    unproven(facts).filter(|answer| likeness(facts, answer) == Likeness::Same)
}

fn matches_control(facts: &Facts<'_>) -> Option<Finding> {
    controls_page(facts).map(|answer| {
        Finding::new(sentence(answer))
            .and(throttle::doubts(facts))
            .and(say::controls(facts))
            .and(Some("It is the same page that the control gets.".into()))
            .and(relayed(facts))
            .and(say::oddities(facts))
    })
}

/// The true page from an address that nobody else is given: nothing proves a relay in between, and it must not pass in
/// silence (OONI's QA suite lets it).
fn relayed(facts: &Facts<'_>) -> Option<String> {
    let hop =
        facts.seen.hops.iter().find(|hop| !hop.https && matches!(facts.own_answer(hop), OwnAnswer::Different(_)))?;
    Some(format!(
        "The address is not among those that the reference gives for {}: an edge of the site's own or a relay in between, which clear text cannot tell apart.",
        say::host(hop)
    ))
}

fn known_page(facts: &Facts<'_>) -> Option<Finding> {
    // A site that bears the mark for everyone writes about blocking; it is not blocked.
    let everywhere = |answer: &HttpExchange, fingerprint: &Fingerprint| {
        facts.controls.answers().any(|(_, http)| {
            http.title.as_deref().is_some_and(|title| fingerprint.is_in_title(title))
                || compare::likeness(answer, http) == Likeness::Same
        })
    };
    let (answer, fingerprint) = facts.marked().iter().find_map(|marked| {
        let fingerprint = marked.pages().find(|fingerprint| !everywhere(marked.exchange, fingerprint))?;
        Some((marked.exchange, fingerprint))
    })?;
    let mark = fingerprint.pattern.shown();
    Some(Finding::new(sentence(answer)).and(Some(format!(
        "It bears the mark of a block page, {} ({}).",
        say::quoted(mark),
        say::fingerprint(fingerprint)
    ))))
}

fn known_redirect(facts: &Facts<'_>) -> Option<Finding> {
    let (answer, fingerprint) = facts.marked().iter().find_map(|marked| {
        let fingerprint = marked.redirects().next()?;
        Some((marked.exchange, fingerprint))
    })?;
    let target = denial::header(answer, "location").unwrap_or_default();
    // A site that sends everyone there is that way to everybody.
    let host = answer.redirect.as_ref().and_then(|url| url.host_str());
    let everywhere = facts.controls.answers().any(|(_, http)| {
        let ends = http.final_url.as_ref().and_then(|url| url.host_str());
        ends.is_some() && ends == host
            || facts.seen.answer().is_some_and(|last| compare::likeness(last, http) == Likeness::Same)
    });
    (!everywhere).then(|| {
        Finding::new(sentence(answer)).and(Some(format!(
            "It sends visitors on to {}, which is known to lead to a block page ({}).",
            say::quoted(target),
            say::fingerprint(fingerprint)
        )))
    })
}

/// The controls are refused with 451 as well.
fn legal_everywhere(facts: &Facts<'_>) -> bool {
    facts.controls.answers().any(|(_, http)| http.status == Some(451))
}

/// A 451 whose blocker is a host of the site itself.
fn names_itself(answer: &HttpExchange) -> bool {
    let named = denial::blocked_by(answer).and_then(|who| answer.url.join(who).ok());
    let hosts = named.as_ref().and_then(url::Url::host_str).zip(answer.url.host_str());
    hosts.is_some_and(|(blocker, site)| same_site(blocker, site))
}

fn legal_with_name(facts: &Facts<'_>) -> Option<Finding> {
    let answer = unproven(facts).filter(|answer| answer.status == Some(451))?;
    let who = denial::blocked_by(answer).filter(|_| !names_itself(answer))?;
    (!legal_everywhere(facts)).then(|| {
        Finding::new(sentence(answer)).and(Some(format!("It names {} as the one who blocks.", say::quoted(who))))
    })
}

fn denied(facts: &Facts<'_>) -> Option<Finding> {
    let answer = unproven(facts)
        .filter(|answer| answer.status.is_some_and(|status| (400..500).contains(&status) || status == 503))?;
    let refuser = denial::refuser(answer);
    let same_server = facts.controls.answers().any(|(_, http)| compare::same_server(answer, http));
    let legal = answer.status == Some(451) && legal_everywhere(facts);
    let innocent = innocent(facts, answer).filter(|_| answer.status != Some(451));
    let itself = answer.status == Some(451) && names_itself(answer);
    let who = match (refuser, legal, same_server) {
        _ if itself => "It names a host of the site itself as the one who blocks: it is the site that refuses.".into(),
        (Some(who), _, _) => {
            format!("The answer is {who}'s own refusal page: the site's side turns this vantage away.")
        }
        (None, true, _) => "The control is refused for legal reasons too.".into(),
        (None, false, true) => {
            "The answer bears the header names of the site's own server: it is the server that refuses.".into()
        }
        (None, false, false) => innocent_page(innocent?),
    };
    Some(Finding::new(sentence(answer)).and(say::controls(facts)).and(Some(who)))
}

/// Factor on a page that differs from the control's and is known as a server's own.
const INNOCENT: f64 = 0.5;

fn innocent<'e>(facts: &Facts<'e>, answer: &HttpExchange) -> Option<&'e Fingerprint> {
    facts.marked().iter().find(|marked| std::ptr::eq(marked.exchange, answer))?.innocent()
}

fn innocent_page(fingerprint: &Fingerprint) -> String {
    format!("The page is known as a server's own, not as a block page ({}).", say::fingerprint(fingerprint))
}

/// What a fingerprint that proves nothing here says of the answer.
fn hint(facts: &Facts<'_>, answer: &HttpExchange) -> Option<String> {
    let fingerprint = facts.marked().iter().find(|marked| std::ptr::eq(marked.exchange, answer))?.hint()?;
    Some(format!(
        "It bears a text that block pages bear, {} ({}), which alone proves nothing here.",
        say::quoted(fingerprint.pattern.shown()),
        say::fingerprint(fingerprint)
    ))
}

/// The comparison may be relied on: the control works and a foreign canary answers.
fn compared(facts: &Facts<'_>, answer: &HttpExchange, why: &str) -> Option<Finding> {
    let trust = facts.differential()?;
    Some(
        Finding::new(sentence(answer))
            .and(say::controls(facts))
            .and([why.to_owned(), say::canaries(facts)])
            .and(hint(facts, answer))
            .trusted(trust),
    )
}

fn legal(facts: &Facts<'_>) -> Option<Finding> {
    let answer = unproven(facts).filter(|answer| answer.status == Some(451))?;
    let plain = facts.controls.answers().any(|(_, http)| http.status.is_some_and(|status| status < 400));
    plain.then(|| {
        Finding::new(sentence(answer)).and(say::controls(facts)).and(Some(
            "It does not name who blocks, so the server itself may refuse as well as someone in between.".into(),
        ))
    })
}

/// Where a control's redirects ended, when that is on another site than `from`.
fn control_departure<'e>(facts: &Facts<'e>, from: &str) -> Option<&'e str> {
    let ends = facts.controls.answers().filter_map(|(_, http)| http.final_url.as_ref()?.host_str());
    ends.into_iter().find(|end| !same_site(end, from))
}

fn confirmed(facts: &Facts<'_>) -> Option<Finding> {
    let answer = unproven(facts).filter(|answer| answer.status.is_some_and(|status| status < 400))?;
    let (from, _) = facts.seen.unproven_departure()?;
    let last = facts.seen.last().filter(|hop| hop.answer_is_authentic())?;
    let there = |http: &ControlHttp| http.final_url.as_ref().and_then(url::Url::host_str) == Some(&last.host);
    facts.controls.answers().find(|(_, http)| there(http))?;
    Some(
        Finding::new(format!(
            "{} sent visitors in clear text on to {}, which answered from {} over TLS with a valid certificate.",
            say::host(from),
            say::host(last),
            answer.address
        ))
        .and(say::controls(facts))
        .and(Some("The control is led there as well.".into()))
        .and(say::oddities(facts)),
    )
}

fn by_place(facts: &Facts<'_>) -> Option<Finding> {
    let answer = unproven(facts)?;
    let (from, to) = facts.seen.unproven_departure()?;
    let elsewhere = control_departure(facts, &from.host).filter(|end| !same_site(end, &to.host))?;
    Some(Finding::new(sentence(answer)).and(say::controls(facts)).and(Some(format!(
        "{} sent visitors in clear text on to {}, and the control to {}: the site may do so by where visitors are.",
        say::host(from),
        say::host(to),
        say::quoted(elsewhere)
    ))))
}

fn redirect(facts: &Facts<'_>) -> Option<Finding> {
    let answer = unproven(facts).filter(|answer| likeness(facts, answer) == Likeness::Different)?;
    let (from, to) = facts.seen.unproven_departure()?;
    // The redirect is the same for the control, so it is not what differs.
    if control_departure(facts, &from.host).is_some_and(|end| same_site(end, &to.host)) {
        return None;
    }
    let why = format!(
        "{} sent visitors in clear text on to {}, and the page there is not the one that the control gets.",
        say::host(from),
        say::host(to)
    );
    compared(facts, answer, &why)
}

/// Words (in lower case) of those who refuse because they are told to: in English, Russian and Kazakh.
const ORDERED: &[&str] = &[
    "by decision of",
    "by order of",
    "court order",
    "authorised body",
    "authorized body",
    "решению суда",
    "по решению",
    "по требованию",
    "законодательств",
    "уполномоченн",
    "сот шешімі",
    "заңнамасы",
    "уәкілетті",
];

/// A clear-text refusal without a mark of the site's own server.
fn refusal<'e>(facts: &Facts<'e>) -> Option<&'e HttpExchange> {
    let refused = |answer: &&HttpExchange| answer.status.is_some_and(|status| (400..500).contains(&status));
    unproven(facts).filter(refused).filter(|answer| likeness(facts, answer) == Likeness::Different)
}

fn other_refusal(facts: &Facts<'_>) -> Option<Finding> {
    let answer = refusal(facts)?;
    let text = String::from_utf8_lossy(&compare::page(answer)).to_lowercase();
    let word = ORDERED.iter().find(|word| text.contains(**word))?;
    let why = format!(
        "The control gets the page; this one speaks of law or order ({}), yet whether the site or someone in between refuses is not certain.",
        say::quoted(word)
    );
    compared(facts, answer, &why)
}

fn bare_refusal(facts: &Facts<'_>) -> Option<Finding> {
    let answer = refusal(facts)?;
    Some(
        Finding::new(sentence(answer)).and(say::controls(facts)).and(hint(facts, answer)).and(Some(
            "The control gets the page; nothing tells whether the site or someone in between refuses.".into(),
        )),
    )
}

fn other_page(facts: &Facts<'_>) -> Option<Finding> {
    let answer = unproven(facts).filter(|answer| likeness(facts, answer) == Likeness::Different)?;
    let finding = compared(facts, answer, "The control gets another page.")?;
    Some(match innocent(facts, answer) {
        // A parked name or a server's own error page differs from the site's too.
        Some(fingerprint) => finding.and(Some(innocent_page(fingerprint))).trusted(INNOCENT),
        None => finding,
    })
}

fn unverified(facts: &Facts<'_>) -> Option<Finding> {
    let answer = unproven(facts)?;
    Some(
        Finding::new(sentence(answer))
            .and(say::controls(facts))
            .and(Some("The pages are neither alike enough nor different enough to tell.".into())),
    )
}
