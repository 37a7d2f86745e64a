//! The drawing of one measurement: a block a hop, a paragraph a layer, then the verdict.

use super::super::look::{self, BOLD, DIM, Look};
use super::super::text::{columns, wrap};
use super::super::words;
use super::sketch::{NAME, Sketch};
use super::{dns, experiments, others, pace, transport};
use crate::knowledge::Networks;
use crate::language::Language;
use crate::model::{Evidence, Measurement, Partial, PartialScope, Status, Verdict};

/// Draws one measurement with its verdict, at most `look.width` columns wide. Addresses bear the number of their network
/// where `networks` tells.
pub(super) fn measurement(evidence: &Evidence, verdict: &Verdict, look: &Look, networks: &Networks) -> String {
    let measurement = &evidence.measurement;
    let name = longest_name(evidence).clamp(16, NAME);
    let mut sketch = Sketch { look, name, networks, out: String::new() };
    title(&mut sketch, evidence);

    let hops = measurement.dns.iter().map(|step| step.hop).chain(measurement.http.iter().map(|step| step.hop));
    let last = hops.chain(measurement.tcp.iter().map(|step| step.hop)).max().unwrap_or(0);
    for hop in 0..=last {
        if hop > 0 {
            redirect(&mut sketch, evidence, hop);
        }
        dns::draw(&mut sketch, measurement, hop);
        transport::draw(&mut sketch, measurement, hop);
    }
    experiments::draw(&mut sketch, &evidence.experiments);
    pace::draw(&mut sketch, evidence);
    others::draw(&mut sketch, evidence);
    conclusion(&mut sketch, verdict);
    sketch.out
}

fn longest_name(evidence: &Evidence) -> usize {
    let Measurement { dns, tcp, .. } = &evidence.measurement;
    let resolvers = dns.iter().map(|step| columns(&dns::name(step)));
    let addresses = tcp.iter().map(|step| columns(&step.address.to_string()));
    resolvers.chain(addresses).max().unwrap_or(0)
}

fn title(sketch: &mut Sketch<'_>, evidence: &Evidence) {
    let measurement = &evidence.measurement;
    let look = sketch.look;
    let site = look.show(measurement.site.as_str(), look.width);
    let url = measurement.url.as_str();
    if columns(&site) + 2 + columns(url) <= look.width {
        sketch.line(&format!("{}  {}", look.paint(BOLD, &site), look.show(url, look.width)));
    } else {
        sketch.line(&look.paint(BOLD, &site));
        sketch.paragraph(url, 2, look::PLAIN);
    }
    let text = format!(
        "from {}, {}, took {}",
        measurement.vantage,
        words::moment(measurement.started_at),
        words::elapsed(measurement.elapsed)
    );
    sketch.paragraph(&text, 0, DIM);
    sketch.line("");
}

fn redirect(sketch: &mut Sketch<'_>, evidence: &Evidence, hop: u8) {
    let from = evidence.measurement.http.iter().find(|exchange| exchange.hop + 1 == hop);
    let to = from.and_then(|exchange| exchange.redirect.as_ref());
    let arrow = sketch.look.pick("→", "->");
    let text = match to {
        Some(url) => format!("{arrow} sent on to {url}"),
        None => format!("{arrow} hop {hop}"),
    };
    sketch.line("");
    sketch.paragraph(&text, 2, BOLD);
}

fn conclusion(sketch: &mut Sketch<'_>, verdict: &Verdict) {
    let mut headline = verdict.status.as_str().to_uppercase();
    if let Some(mechanism) = verdict.mechanism {
        headline.push_str(" by ");
        headline.push_str(mechanism.as_str());
    }
    let style = look::of_status(verdict.status).bold();
    sketch.line("");
    sketch.paragraph(&format!("{headline}, confidence {}", words::percent(verdict.confidence)), 2, style);
    if let (Status::Blocked, Some(mechanism)) = (verdict.status, verdict.mechanism) {
        sketch.paragraph(&capital(&Language::English.mechanism(mechanism)), 2, look::PLAIN);
    }
    for reason in &verdict.reasons {
        sketch.bullet(reason);
    }
    let rules: Vec<String> = verdict.rules.iter().map(ToString::to_string).collect();
    if !rules.is_empty() {
        let name = if rules.len() == 1 { "rule" } else { "rules" };
        sketch.paragraph(&format!("{name} {}, rule set {}", rules.join(", "), verdict.ruleset), 2, DIM);
    }
    verdict.partial.iter().for_each(|partial| part(sketch, partial));
    sketch.line("");
}

/// What is interfered with though the site can be reached.
fn part(sketch: &mut Sketch<'_>, partial: &Partial) {
    let what = match partial.scope {
        PartialScope::Ipv4 => "IPv4",
        PartialScope::Ipv6 => "IPv6",
        PartialScope::Address => "an address",
        PartialScope::Quic => "QUIC",
        PartialScope::Resolver => "a resolver",
    };
    let style = look::of_status(Status::Blocked).bold();
    let sure = words::percent(partial.confidence);
    sketch.line("");
    sketch.paragraph(&format!("PARTLY BLOCKED: {what} by {}, confidence {sure}", partial.mechanism), 2, style);
    sketch.bullet(&partial.reason);
    sketch.paragraph(&format!("rule {}", partial.rule), 2, DIM);
}

impl Sketch<'_> {
    /// One reason, hanging from its bullet.
    fn bullet(&mut self, text: &str) {
        let bullet = self.look.pick("•", "*");
        let lines = wrap(&self.look.show(text, 2_000), self.look.width.saturating_sub(4));
        for (at, line) in lines.iter().enumerate() {
            let lead = if at == 0 { bullet } else { " " };
            self.line(&format!("  {lead} {line}"));
        }
    }
}

/// A phrase as a sentence.
fn capital(phrase: &str) -> String {
    let mut chars = phrase.chars();
    let first = chars.next().map(|c| c.to_uppercase().to_string()).unwrap_or_default();
    format!("{first}{}.", chars.as_str())
}

#[cfg(test)]
mod tests {
    use super::super::super::fixtures;
    use super::*;

    fn draw(evidence: &(Evidence, Verdict), look: Look) -> String {
        measurement(&evidence.0, &evidence.1, &look, &Networks::default())
    }

    #[test]
    fn an_accessible_site() {
        insta::assert_snapshot!(draw(&fixtures::accessible(), Look::plain()), @r#"
        fergana  https://fergana.media/
        from almaty-kt, 2026-11-24 20:00:00 UTC, took 432 ms

          DNS       fergana.media
            ✓ system                      12 ms  104.21.48.1
            ✓ cloudflare-dns.com (DoH)    31 ms  reference: 104.21.48.1, 172.67.176.9
          TCP
            ✓ 104.21.48.1:443             41 ms  connected
          TLS       as fergana.media
            ✓ 104.21.48.1:443             44 ms  certificate valid, TLSv1.3, h2
              certificate of fergana.media, issued by C=US, O=Let's Encrypt, CN=R13
              valid 2026-10-01 to 2026-12-30 (35 days left)
          HTTP      GET https://fergana.media/
            ✓ 104.21.48.1:443            320 ms  200 OK, 48.2 kB
              title "Фергана - международное агентство новостей"

          ACCESSIBLE, confidence 99.9 %
          • The certificate is valid for fergana.media, so the answer comes from the
            site itself.
          rule tls.authentic, rule set 1
        "#);
    }

    #[test]
    fn a_site_blocked_in_part() {
        insta::assert_snapshot!(draw(&fixtures::quic_swallowed(), Look::plain()), @r#"
        fergana  https://fergana.media/
        from almaty-kt, 2026-11-24 20:00:00 UTC, took 432 ms

          DNS       fergana.media
            ✓ system                      12 ms  104.21.48.1
            ✓ cloudflare-dns.com (DoH)    31 ms  reference: 104.21.48.1, 172.67.176.9
          TCP
            ✓ 104.21.48.1:443             41 ms  connected
          TLS       as fergana.media
            ✓ 104.21.48.1:443             44 ms  certificate valid, TLSv1.3, h2
              certificate of fergana.media, issued by C=US, O=Let's Encrypt, CN=R13
              valid 2026-10-01 to 2026-12-30 (35 days left)
          HTTP      GET https://fergana.media/
            ✓ 104.21.48.1:443            320 ms  200 OK, 48.2 kB
              title "Фергана - международное агентство новостей"
          QUIC      as fergana.media
            ✗ 104.21.48.1:443            10.0 s  silence: nothing answers the first
                                                 packet
              the site says that it speaks HTTP/3 (Alt-Svc)
              greeted well from here 2026-11-24 14:00:00 UTC
          CONTROL   the same URL from elsewhere
            ✓ berlin                             gets the page: 200, 48.2 kB
              title "Фергана - международное агентство новостей"
              QUIC works
          CANARIES  does the vantage have a network?
            ✓ foreign                            2 of 2 answer, over IPv4, IPv6, QUIC
            ✓ domestic                           1 of 1 answer

          ACCESSIBLE, confidence 99.9 %
          • The certificate is valid for fergana.media, so the answer comes from the
            site itself.
          rule tls.authentic, rule set 1

          PARTLY BLOCKED: QUIC by quic.timeout, confidence 80 %
          • Over QUIC nothing came back, while TLS works there and a control is greeted
            over QUIC.
          rule partial.quic
        "#);
    }

    #[test]
    fn a_swallowed_clienthello() {
        insta::assert_snapshot!(draw(&fixtures::clienthello_swallowed(), Look::plain()), @r#"
        fergana  https://fergana.media/
        from almaty-kt, 2026-11-24 20:00:00 UTC, took 10.2 s

          DNS       fergana.media
            ✓ system                      12 ms  104.21.48.1
            ✓ cloudflare-dns.com (DoH)    31 ms  reference: 104.21.48.1, 172.67.176.9
          TCP
            ✓ 104.21.48.1:443             41 ms  connected
          TLS       as fergana.media
            ✗ 104.21.48.1:443            10.0 s  silence: nothing answers the
                                                 ClientHello
          CONTROL   the same URL from elsewhere
            ✓ berlin                             gets the page: 200, 48.2 kB
              title "Фергана - международное агентство новостей"
          CANARIES  does the vantage have a network?
            ✓ foreign                            2 of 2 answer
            ✓ domestic                           1 of 1 answer

          BLOCKED by tls.timeout, confidence 97 %
          The encrypted greeting that names the site is swallowed.
          • TCP to 104.21.48.1:443 connects, then nothing answers the ClientHello that
            names fergana.media.
          • The control berlin got the page from the same address within the same
            minute.
          • The canaries answer, so the vantage has a network.
          rule tls.timeout.differential, rule set 1
        "#);
    }

    #[test]
    fn a_name_that_does_not_exist_here() {
        insta::assert_snapshot!(draw(&fixtures::nxdomain(), Look::plain()), @r#"
        fergana  https://fergana.media/
        from almaty-kt, 2026-11-24 20:00:00 UTC, took 432 ms

          DNS       fergana.media
            ✗ 212.154.163.162            9.0 ms  the name does not exist (NXDOMAIN)
            ✓ cloudflare-dns.com (DoH)    31 ms  reference: 104.21.48.1, 172.67.176.9
          TCP
            ✓ 104.21.48.1:443             41 ms  connected (address from the reference)
          TLS       as fergana.media
            ✓ 104.21.48.1:443             44 ms  certificate valid, TLSv1.3, h2
              certificate of fergana.media, issued by C=US, O=Let's Encrypt, CN=R13
              valid 2026-10-01 to 2026-12-30 (35 days left)
          HTTP      GET https://fergana.media/
            ✓ 104.21.48.1:443            320 ms  200 OK, 48.2 kB
              title "Фергана"
          CANARIES  does the vantage have a network?
            ✓ foreign                            2 of 2 answer
            ✓ domestic                           1 of 1 answer

          BLOCKED by dns.nxdomain, confidence 99.5 %
          The provider's name server says that the site's name does not exist.
          • The vantage's resolver says that the name does not exist; at the address
            that the reference gives, a valid certificate answers.
          rule dns.nxdomain.proven, rule set 1
        "#);
    }

    #[test]
    fn addresses_bear_their_networks() {
        let table = "104.16.0.0,104.31.255.255,13335,Edge\u{1b}[2J Ltd\n172.64.0.0,172.71.255.255,13335,Edge\n";
        let networks = Networks::new(vec![crate::knowledge::read_table(table.as_bytes()).unwrap().0]);
        let (evidence, verdict) = fixtures::nxdomain();
        let drawn = measurement(&evidence, &verdict, &Look::plain(), &networks);
        assert!(drawn.contains("reference: 104.21.48.1 (AS13335),"), "{drawn}");
        assert!(
            drawn.contains("connected (address from the reference),\n")
                && drawn.contains("AS13335 Edge\u{fffd}[2J Ltd")
        );
        assert!(!drawn.contains('\u{1b}'));
    }

    #[test]
    fn interception_with_hostile_names() {
        insta::assert_snapshot!(draw(&fixtures::intercepted(), Look::plain()), @r#"
        fergana  https://fergana.media/
        from almaty-kt, 2026-11-24 20:00:00 UTC, took 432 ms

          DNS       fergana.media
            ✓ system                      12 ms  104.21.48.1
            ✓ cloudflare-dns.com (DoH)    31 ms  reference: 104.21.48.1, 172.67.176.9
          TCP
            ✓ 104.21.48.1:443             41 ms  connected
          TLS       as fergana.media
            ✗ 104.21.48.1:443             51 ms  someone answers, but not provably the
                                                 site, TLSv1.3, h2
              certificate of fergana.media�[2J, issued by C=KZ, CN=Qaznet Trust Network�
              valid 2026-10-01 to 2026-12-30 (35 days left)
              it leads to no trusted root, comes without proof of its key
          HTTP      GET https://fergana.media/
            ✓ 104.21.48.1:443            320 ms  302 Found, 48.2 kB
              title "moved"

          → sent on to http://blocked.example/
          DNS       blocked.example
            ✓ system                     7.0 ms  212.154.0.1
          TCP
            ✓ 212.154.0.1:80              41 ms  connected
          HTTP      GET http://blocked.example/
            ✓ 212.154.0.1:80             320 ms  200 OK, 48.2 kB
              title "Доступ� ограничен"
          CANARIES  does the vantage have a network?
            ✓ foreign                            2 of 2 answer
            ✓ domestic                           1 of 1 answer

          BLOCKED by tls.mitm, confidence 100 %
          Someone in between answers with a certificate of their own.
          • The certificate was issued by Qaznet Trust Network, a known interception
            authority of Kazakhstan.
          rule tls.mitm.known_ca, rule set 1
        "#);
    }

    #[test]
    fn a_vantage_without_a_network_in_ascii() {
        let look = Look { unicode: false, ..Look::plain() };
        insta::assert_snapshot!(draw(&fixtures::offline(), look), @"
        fergana  https://fergana.media/
        from almaty-kt, 2026-11-24 20:00:00 UTC, took 5.00 s

          DNS       fergana.media
            x system                     5.00 s  no answer before the deadline
            - cloudflare-dns.com (DoH)   1.0 ms  reference: the network cannot be
                                                 reached
          CONTROL   the same URL from elsewhere
            - berlin                             could not be asked: the vantage's own
                                                 proxy failed
          CANARIES  does the vantage have a network?
            x foreign                            0 of 2 answer; not www.wikipedia.org,
                                                 www.debian.org
            x domestic                           0 of 1 answer; not egov.kz

          OFFLINE, confidence 99 %
          * No canary answers: the vantage has no network.
          rule canary.all_fail, rule set 1
        ");
    }

    #[test]
    fn drawings_keep_to_the_width_and_hold_no_control_characters() {
        let all = [
            fixtures::accessible(),
            fixtures::clienthello_swallowed(),
            fixtures::nxdomain(),
            fixtures::intercepted(),
            fixtures::quic_swallowed(),
            fixtures::offline(),
        ];
        for width in [40, 50, 64, 80, 120, 200] {
            for evidence in &all {
                for unicode in [true, false] {
                    let drawn = draw(evidence, Look { width, unicode, ..Look::plain() });
                    for line in drawn.lines() {
                        assert!(columns(line) <= width, "{width}: {line:?}");
                        assert!(!line.chars().any(char::is_control), "{line:?}");
                        assert!(unicode || line.is_ascii(), "{line:?}");
                    }
                }
            }
        }
    }
}
