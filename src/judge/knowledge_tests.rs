//! What fingerprints and networks change in verdicts, each with its near miss.

use std::sync::Arc;

use super::testing::*;
use super::{Knowledge, judge};
use crate::knowledge::{Fingerprints, Networks, read_list, read_table};
use crate::model::*;

const URL: &str = "https://fergana.media/";
const CLEAR: &str = "http://fergana.media/";

fn clear() -> Story {
    story(CLEAR).own(&[SITE]).reference(&[SITE])
}

fn sent_to(url: &'static str) -> Story {
    clear().at(SITE, At::Page(stranger(302).headers(&[("location", url)]).to(url)))
}

/// The list of the binary, an OONI list of these rows, and a table of networks of these lines.
fn knowing(rows: &str, networks: &str) -> Knowledge {
    let head = "name,scope,location_found,pattern_type,pattern,confidence_no_fp,expected_countries\n";
    let list = read_list("sample.csv", format!("{head}{rows}").as_bytes()).unwrap();
    assert!(list.bad.is_empty(), "{:?}", list.bad);
    let fingerprints = Arc::new(Fingerprints::with(list.entries).unwrap());
    let tables = if networks.is_empty() { Vec::new() } else { vec![read_table(networks.as_bytes()).unwrap().0] };
    Knowledge::new(Vec::new()).with(fingerprints, Arc::new(Networks::new(tables)))
}

fn verdict(story: &Story, knowledge: &Knowledge, country: &str) -> Verdict {
    judge(&story.evidence, knowledge, country.parse().unwrap())
}

fn rule(story: &Story, knowledge: &Knowledge, country: &str) -> String {
    verdict(story, knowledge, country).rules[0].to_string()
}

#[test]
fn a_redirect_to_a_known_block_page_proves_itself_and_names_its_source() {
    let verdict = sent_to("http://reestr.mitc.uz/?u=1").country("UZ").verdict();
    assert_eq!((verdict.status, verdict.mechanism), (Status::Blocked, Some(Mechanism::HttpRedirect)));
    assert_eq!(verdict.rules[0].to_string(), "http.redirect.known");
    let told = verdict.reasons.join(" ");
    assert!(
        told.contains("uz-register of OONI blocking-fingerprints") && told.contains("reestr.mitc.uz/?u=1"),
        "{told}"
    );
}

#[test]
fn the_block_pages_own_certificate_does_not_clear_it() {
    let page = "https://block.mgts.ru/";
    let story = sent_to(page).then(page).own(&[LIAR]).reference(&[LIAR]).at(LIAR, At::Page(stranger(200)));
    assert_eq!(story.clone().country("RU").rule(), "http.redirect.known");
    assert_ne!(story.country("DE").rule(), "http.redirect.known", "it is known in Russia only");
}

#[test]
fn where_everyone_is_sent_nobody_is_blocked() {
    let mut story = sent_to("http://reestr.mitc.uz/").country("UZ").control_works();
    assert_eq!(story.rule(), "http.redirect.known");
    story.control_mut().http.as_mut().unwrap().final_url = Some("http://reestr.mitc.uz/".parse().unwrap());
    assert_ne!(story.rule(), "http.redirect.known");
}

#[test]
fn a_location_that_is_not_followed_leads_nowhere() {
    let headers = [("location", "http://reestr.mitc.uz/")];
    let story = clear().country("UZ").at(SITE, At::Page(page(200).headers(&headers)));
    assert_eq!(story.rule(), "http.blockpage.known", "it is a mark in the header all the same");
}

#[test]
fn a_header_field_betrays_a_filter() {
    let page = stranger(403).headers(&[("server", "Protected by WireFilter 8000")]);
    let story = clear().at(SITE, At::Page(page));
    assert_eq!(story.clone().country("AE").rule(), "http.blockpage.known");
    let elsewhere = story.country("KZ").control_works().online().verdict();
    assert_eq!(elsewhere.rules[0].to_string(), "http.refused");
    assert!(elsewhere.reasons.join(" ").contains("which alone proves nothing here"), "{:?}", elsewhere.reasons);
}

#[test]
fn a_known_page_behind_an_untrusted_certificate_proves_itself() {
    let shown = stranger(200).keeping("<h1>Страница заблокирована</h1>");
    let story = |what| story(URL).own(&[SITE]).reference(&[SITE]).at(SITE, what);
    let verdict = story(At::PageOver(Chain::Stranger, shown.clone())).verdict();
    assert_eq!((verdict.status, verdict.mechanism), (Status::Blocked, Some(Mechanism::HttpBlockpage)));
    assert_eq!(story(At::Page(shown)).rule(), "tls.authentic", "the site itself may write that");
}

#[test]
fn a_false_positive_takes_the_proof_away() {
    let page = stranger(200).keeping("<h1>Страница заблокирована</h1><p>Parked by Example Hosting</p>");
    let story = clear().at(SITE, At::Page(page));
    assert_eq!(rule(&story, &knowing("", ""), "KZ"), "http.blockpage.known");
    let parked = knowing("parked,fp,body,contains,Parked by Example Hosting,5,\n", "");
    assert_eq!(rule(&story, &parked, "KZ"), "no.control");
}

#[test]
fn a_false_positive_in_the_page_leaves_a_redirect_its_proof() {
    let moved = knowing("moved,fp,body,contains,The document has moved,5,\n", "");
    let to = "http://reestr.mitc.uz/";
    let page = stranger(302).headers(&[("location", to)]).keeping("<p>The document has moved</p>").to(to);
    assert_eq!(rule(&clear().at(SITE, At::Page(page.clone())), &moved, "UZ"), "http.redirect.known");
    let known = knowing("mirror,fp,header.location,prefix,http://reestr.,5,\n", "");
    assert_ne!(rule(&clear().at(SITE, At::Page(page)), &known, "UZ"), "http.redirect.known");
}

#[test]
fn a_servers_own_refusal_is_denied_and_its_other_pages_count_half() {
    let own = knowing("stock,fp,body,contains,<p>Example Server refuses,5,\n", "");
    let page = |status| stranger(status).keeping("<p>Example Server refuses you</p>");
    let story = |status| clear().at(SITE, At::Page(page(status))).control_works().online();
    assert_eq!(rule(&story(403), &Knowledge::new(Vec::new()), "KZ"), "http.refused");
    let denied = verdict(&story(403), &own, "KZ");
    assert_eq!((denied.status, denied.rules[0].to_string().as_str()), (Status::Denied, "http.denied"));
    assert!(denied.reasons.join(" ").contains("fingerprint stock"), "{:?}", denied.reasons);
    let (plain, halved) = (story(200).verdict(), verdict(&story(200), &own, "KZ"));
    assert_eq!(halved.rules[0].to_string(), "http.blockpage.differential");
    assert!((halved.weight - plain.weight / 2.0).abs() < 1e-9);
}

#[test]
fn a_page_that_block_pages_resemble_too_is_not_denied() {
    let both =
        knowing("stock,fp,body,contains,<p>Example Server refuses,5,\nwords,vbw,body,contains,refuses you,5,\n", "");
    let page = stranger(403).keeping("<p>Example Server refuses you</p>");
    let story = clear().at(SITE, At::Page(page)).control_works().online();
    assert_eq!(rule(&story, &both, "KZ"), "http.refused");
}

#[test]
fn vague_words_and_products_prove_nothing_but_are_told() {
    let lists = knowing("words,vbw,body,contains,is restricted,5,KZ\nwall,prod,body,contains,Wall Filter,5,\n", "");
    for text in ["<p>is restricted</p>", "<p>Wall Filter</p>"] {
        let story = clear().at(SITE, At::Page(stranger(200).keeping(text)));
        assert_eq!(rule(&story, &lists, "KZ"), "no.control", "{text}");
        let compared = verdict(&story.control_works().online(), &lists, "KZ");
        assert_eq!(compared.rules[0].to_string(), "http.blockpage.differential");
        assert!(compared.reasons.join(" ").contains("proves nothing here"), "{:?}", compared.reasons);
    }
}

#[test]
fn a_cname_to_a_block_page_is_a_sinkhole() {
    let mut led = answer(0, &[LIAR], 12);
    led.cnames = vec!["TrustPositif.kominfo.go.id.".into()];
    let story = story(URL).own_answers(vec![led]).reference(&[SITE]).at(LIAR, At::Tcp(Failure::GenericTimeout));
    let verdict = story.clone().country("ID").verdict();
    assert_eq!(verdict.rules[0].to_string(), "dns.blockpage.known");
    assert!(verdict.reasons[0].contains("TrustPositif") && verdict.reasons[0].contains("id-trust-positif"));
    assert_eq!(story.country("KZ").rule(), "no.control");
}

#[test]
fn a_sinkhole_of_elsewhere_is_told() {
    let lists = knowing(&format!("there,isp,dns,full,{LIAR},5,RU\n"), "");
    let story = story(URL)
        .own(&[LIAR])
        .reference(&[SITE])
        .at(LIAR, At::Cert(Chain::WrongName))
        .elsewhere(SITE, At::Page(page(200)));
    assert_eq!(rule(&story, &lists, "RU"), "dns.blockpage.known");
    let verdict = verdict(&story, &lists, "KZ");
    assert_eq!(verdict.rules[0].to_string(), "dns.forged.proven");
    assert!(verdict.reasons.join(" ").contains("a block page's address elsewhere"), "{:?}", verdict.reasons);
}

/// SITE and EDGE are of one network, LIAR is of another.
const TABLE: &str = "185.15.0.0,185.15.0.255,64500,Example\n92.47.0.0,92.47.255.255,64501,Other\n";

#[test]
fn different_addresses_of_one_network_are_no_forgery() {
    let (with, without) = (knowing("", TABLE), knowing("", ""));
    let other_name = |own: &str| {
        story(URL)
            .own(&[own])
            .reference(&[SITE])
            .at(own, At::Cert(Chain::WrongName))
            .elsewhere(SITE, At::Page(page(200)))
    };
    let silent = |own: &str| {
        let story = story(URL).own(&[own]).reference(&[SITE]).at(own, At::Tcp(Failure::GenericTimeout));
        story.elsewhere(SITE, At::Page(page(200))).control_works().online()
    };
    for (story, forged) in [(other_name(EDGE), "dns.forged.proven"), (silent(EDGE), "dns.forged.silent")] {
        assert_eq!(rule(&story, &without, "KZ"), forged);
        assert!(!rule(&story, &with, "KZ").starts_with("dns."), "{}", rule(&story, &with, "KZ"));
    }
    for (story, forged) in [(other_name(LIAR), "dns.forged.proven"), (silent(LIAR), "dns.forged.silent")] {
        assert_eq!(rule(&story, &with, "KZ"), forged, "another network settles nothing");
    }
}

#[test]
fn two_answers_of_one_network_are_no_injection() {
    let twice = |second: &str| {
        let answers = vec![answer(0, &[EDGE], 1), answer(0, &[second], 40)];
        let story = story(URL).own_answers(answers).reference(&[SITE]);
        story.at(EDGE, At::Tls(Failure::GenericTimeout))
    };
    assert_eq!(rule(&twice(SITE), &knowing("", ""), "KZ"), "dns.injected");
    assert_eq!(rule(&twice(SITE), &knowing("", TABLE), "KZ"), "no.control");
    assert_eq!(rule(&twice(LIAR), &knowing("", TABLE), "KZ"), "dns.injected");
}
