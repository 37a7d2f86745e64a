//! Bad configurations: one for each fault, and many faults at once.

use proptest::prelude::*;

use super::{Desk, ONE_SITE};
use crate::config::fault::Findings;
use crate::config::load::report_missing_targets;
use crate::config::{DEFAULT_TARGETS, Overrides};

/// Each case is one file with exactly one fault; `«` stands right before the place that must be told.
fn check(file: &str, marked: &str, message: &str) {
    let at = marked.find('«').unwrap_or_else(|| panic!("no mark in {marked}"));
    let line = marked[..at].matches('\n').count() + 1;
    let column = marked[..at].rsplit('\n').next().unwrap().chars().count() + 1;
    let text = marked.replacen('«', "", 1);
    let desk = match file {
        "targets.toml" => Desk::with(&text, ""),
        _ => Desk::with(ONE_SITE, &text),
    }
    .file("empty", "")
    .file("broken.pem", "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n")
    .file("two lines", "a\nb\n");
    assert_eq!(desk.faults(), [(file.to_owned(), line, column, message.to_owned())], "{marked}");
}

#[test]
fn every_fault_of_the_config_file_is_told_with_its_place() {
    for (marked, message) in [
        ("[probe«\n", "not TOML: unclosed table"),
        ("[probe]\ninterval = \"5s\"\n«interval = \"6s\"\n", "the same key or table twice"),
        ("[probe]\n«intervall = \"60s\"\n", "unknown key `intervall` in [probe]"),
        ("[[«site]]\n", "unknown key `site`"),
        ("[«prob]\n", "unknown key `prob`"),
        ("probe = «1\n", "`probe` has the wrong type"),
        ("«[vantage]\nid = \"a\"\n", "`vantage` has the wrong type"),
        ("vantage = [«1]\n", "`vantage` has the wrong type"),
        ("[probe]\ninterval = «60\n", "`interval` is a number without a unit"),
        ("[probe]\ninterval = «\"60\"\n", "`interval` is not a length of time"),
        ("[probe]\ninterval = «\"-1m\"\n", "`interval` is not a length of time"),
        ("[probe]\ninterval = «\"0s\"\n", "`interval` is zero"),
        ("[probe]\ninterval = «\"500ms\"\n", "`interval` is shorter than 1s"),
        ("[probe]\ninterval = «\"20000d\"\n", "`interval` is absurdly long"),
        ("[probe]\ninterval = «true\n", "`interval` has the wrong type"),
        ("[probe]\nhttp_timeout = «\"11m\"\n", "`http_timeout` is longer than 10m"),
        ("[probe]\nquic = «1\n", "`quic` has the wrong type"),
        ("[probe]\nquic_timeout = «\"1ms\"\n", "`quic_timeout` is shorter than 100ms"),
        ("[probe]\njitter = «0.6\n", "`jitter` is out of bounds"),
        ("[probe]\njitter = «nan\n", "`jitter` is out of bounds"),
        ("[probe]\njitter = «\"0.1\"\n", "`jitter` has the wrong type"),
        ("[probe]\nbody_limit = «\"512 kB\"\n", "`body_limit` is not a usable size"),
        ("[probe]\nbody_limit = «99999999999999999999\n", "`body_limit` is not a usable size"),
        ("[probe]\nmax_addresses = «0\n", "`max_addresses` is out of bounds"),
        ("[probe]\nmax_in_flight = «-1\n", "`max_in_flight` is out of bounds"),
        ("[detect]\nconfirm_after = [\"10s\", «\"10s\"]\n", "`confirm_after` does not rise"),
        ("[detect]\nconfirm_after = [\"10s\", «20]\n", "an entry of `confirm_after` is a number without a unit"),
        ("[detect]\nconfirm_after = «\"10s\"\n", "`confirm_after` has the wrong type"),
        ("[throttling]\nsamples = «33\n", "`samples` is out of bounds"),
        ("[throttling]\nenabled = «\"no\"\n", "`enabled` has the wrong type"),
        ("[throttling]\nover = «60\n", "`over` is a number without a unit"),
        ("[throttling]\nwindow = «\"400d\"\n", "`window` is longer than 364d"),
        ("[throttling]\nsustained = «\"25h\"\n", "`sustained` is longer than 1d"),
        ("[store]\nurl = «\"postgres://localhost/x\"\n", "`url` names a PostgreSQL store"),
        ("[store]\nurl = «\"blockspan.db\"\n", "`url` is not a usable store"),
        ("[store]\nurl = «\"sqlite://\"\n", "`url` is not a usable store"),
        ("[store]\nurl = «\"sqlite://:memory:\"\n", "`url` is not a usable store"),
        ("[store]\nkeep_measurements = «\"1m\"\n", "`keep_measurements` is shorter than 1h"),
        ("[helper]\nlisten = «\"0.0.0.0:9646\"\n", "`listen` is open to the network, and the helper asks for no token"),
        (
            "[helper]\ntoken_file = «\"two lines\"\nlisten = \"[::]:1\"\n",
            "`token_file` names a file that holds no token",
        ),
        ("[helper]\nper_minute = «0\n", "`per_minute` is out of bounds"),
        ("[fingerprints]\nfiles = «\"x.csv\"\n", "`files` has the wrong type"),
        (
            "[fingerprints]\nfiles = [«\"x.csv\"]\n",
            "an entry of `files` names a file that cannot be read: there is no such file",
        ),
        ("[fingerprints]\nfiles = [«\"two lines\"]\n", "an entry of `files` names a file of no known format"),
        ("[fingerprints]\n«file = [\"x.csv\"]\n", "unknown key `file` in [fingerprints]"),
        ("[network]\nasn_files = [«\"empty\"]\n", "an entry of `asn_files` names a file of no known format"),
        (
            "[network]\nasn_files = [«\"x.mmdb\"]\n",
            "an entry of `asn_files` names a file that cannot be read: there is no such file",
        ),
        ("[serve]\nlisten = «\"localhost:9645\"\n", "`listen` is not an address to listen on"),
        (
            "[serve]\nlisten = «\"0.0.0.0:9645\"\n",
            "`listen` is open to the network, where page, metrics and reload have neither TLS nor a token",
        ),
        (
            "[serve]\nunprotected = false\nlisten = «\"[2001:db8::1]:80\"\n",
            "`listen` is open to the network, where page, metrics and reload have neither TLS nor a token",
        ),
        ("[serve]\nlisten = \"0.0.0.0:9645\"\nunprotected = «\"yes\"\n", "`unprotected` has the wrong type"),
        (
            "[tls]\nextra_roots = [«\"none.pem\"]\n",
            "an entry of `extra_roots` names a file that cannot be read: there is no such file",
        ),
        ("[tls]\nextra_roots = [«\"empty\"]\n", "an entry of `extra_roots` names a file without a certificate"),
        (
            "[tls]\nextra_roots = [«\"broken.pem\"]\n",
            "an entry of `extra_roots` names a file with a broken certificate",
        ),
        ("[network]\nallow_private = [«\"10.0.0.0/33\"]\n", "an entry of `allow_private` is not a range of addresses"),
        ("[network]\nallow_private = [«\"10.0.0.1/8\"]\n", "an entry of `allow_private` is not a range of addresses"),
        ("[network]\nallow_private = [«\"10.0.0.1\"]\n", "an entry of `allow_private` is not a range of addresses"),
        ("[control]\nresolvers = [«\"udp://192.0.2.1\"]\n", "an entry of `resolvers` is not encrypted"),
        ("[control]\nresolvers = [«\"https://dns.example/\"]\n", "an entry of `resolvers` is not a resolver"),
        ("[control]\nhelpers = [«{ id = \"a\" }]\n", "[[control.helpers]] has no `url`"),
        ("[control]\nhelpers = [{ url = «\"ftp://a.example/\" }]\n", "`url` is not a usable URL"),
        ("[control]\nhelpers = [{ url = «\"http://[::1]/\" }]\n", "this helper's host cannot serve as its id"),
        (
            "[control]\nhelpers = [{ url = \"https://a.example/\" }, { url = «\"https://a.example/x\" }]\n",
            "id `a.example` is used twice",
        ),
        (
            "[control]\nhelpers = [{ url = \"https://a.example/\", token_file = «\"none\" }]\n",
            "`token_file` names a file that cannot be read: there is no such file",
        ),
        (
            "[control]\nhelpers = [{ url = \"https://a.example/\", token_file = «\"empty\" }]\n",
            "`token_file` names an empty file",
        ),
        (
            "[control]\nhelpers = [{ url = \"https://a.example/\", token_file = «\"two lines\" }]\n",
            "`token_file` names a file that holds no token",
        ),
        ("[control]\nmax_age = «\"2d\"\n", "`max_age` is longer than 1d"),
        ("[experiments]\nunrelated_sni = «\"yes\"\n", "`unrelated_sni` has the wrong type"),
        ("[experiments]\nper_hour = «0\n", "`per_hour` is out of bounds"),
        ("[experiments]\nunrelated_name = «\"192.0.2.1\"\n", "`unrelated_name` is not a host name"),
        ("[experiments]\nunrelated_name = «\"localhost\"\n", "`unrelated_name` is not a host name"),
        ("[experiments]\n«unrelated_nmae = \"example.com\"\n", "unknown key `unrelated_nmae` in [experiments]"),
        ("«[[vantage]]\n", "[[vantage]] has no `id`"),
        ("[[vantage]]\nid = «\"almaty kt\"\n", "`id` is not a usable id"),
        ("[[vantage]]\nid = \"a\"\n[[vantage]]\nid = «\"a\"\n", "id `a` is used twice"),
        (
            "[[vantage]]\nid = «\"h.example\"\n[control]\nhelpers = [{ url = \"https://h.example/\" }]\n",
            "id `h.example` is used twice",
        ),
        ("«[[vantage]]\nid = \"a\"\nrole = \"control\"\n", "no vantage measures: all of them are controls"),
        ("[[vantage]]\nid = \"a\"\nrole = «\"contorl\"\n", "`role` is not known: `contorl`"),
        ("[[vantage]]\nid = \"a\"\ncountry = «\"kz\"\n", "`country` is not a country code"),
        ("[[vantage]]\nid = \"a\"\nasn = «0\n", "`asn` is out of bounds"),
        ("[[vantage]]\nid = \"a\"\nasn = «\"AS9198\"\n", "`asn` has the wrong type"),
        ("[[vantage]]\nid = \"a\"\nvia = «\"socks5h://127.0.0.1:1\"\n", "`via` is not a way out"),
        ("[[vantage]]\nid = \"a\"\nvia = «\"socks5://\"\n", "`via` is not a way out"),
        ("[[vantage]]\nid = \"a\"\nvia = «\"socks5://u:p@127.0.0.1:1\"\n", "`via` is not a way out"),
        ("[[vantage]]\nid = \"a\"\nvia = «\"wireguard\"\n", "`via` is not a way out"),
        ("[[vantage]]\nid = \"a\"\ninterface = «\"sixteen-letters!\"\n", "`interface` is too long"),
        ("[[vantage]]\nid = \"a\"\ninterface = «\"a/b\"\n", "`interface` is not the name of an interface"),
        ("[[vantage]]\nid = \"a\"\nsource = «\"0.0.0.0\"\n", "`source` is not a source address"),
        (
            "[[vantage]]\nid = \"a\"\nvia = \"socks5://127.0.0.1\"\ninterface = «\"wg0\"\n",
            "`interface` does not go with a SOCKS5 proxy",
        ),
        (
            "[[vantage]]\nid = \"a\"\nvia = \"socks5://127.0.0.1\"\nresolvers = [«\"system\"]\n",
            "this resolver cannot be asked through a SOCKS5 proxy",
        ),
        (
            "[[vantage]]\nid = \"a\"\nvia = \"socks5://127.0.0.1\"\nresolvers = [\"tcp://192.0.2.1\", «\"udp://192.0.2.1\"]\n",
            "this resolver cannot be asked through a SOCKS5 proxy",
        ),
        (
            "[control]\nresolvers = []\n«[[vantage]]\nid = \"a\"\nvia = \"socks5://127.0.0.1\"\n",
            "a SOCKS5 vantage without resolvers takes those of [control], and there are none",
        ),
        ("[[vantage]]\nid = \"a\"\nresolvers = «[]\n", "`resolvers` is empty"),
        ("[[vantage]]\nid = \"a\"\nresolvers = [\"system\", «\"system\"]\n", "the same resolver twice"),
        ("[[vantage]]\nid = \"a\"\nresolvers = [«\"8.8.8.8\"]\n", "an entry of `resolvers` is not a resolver"),
        ("«[[canary]]\n", "[[canary]] has no `url`"),
        (
            "[[canary]]\nurl = \"https://a.example\"\n[[canary]]\nurl = «\"https://a.example/\"\n",
            "canary `https://a.example/` is used twice",
        ),
        ("[[canary]]\nurl = \"https://a.example\"\nscope = «\"abroad\"\n", "`scope` is not known: `abroad`"),
        ("[[canary]]\nurl = \"https://a.example\"\ncountry = «\"KZ\"\n", "`country` goes with domestic canaries only"),
    ] {
        check("blockspan.toml", marked, message);
    }
}

#[test]
fn every_fault_of_the_targets_is_told_with_its_place() {
    const SITE: &str = "[[site]]\nid = \"a\"\nurls = [\"https://a.example/\"]\n";
    let report = |lines: &str| format!("{SITE}[[site.reported]]\n{lines}");
    for (marked, message) in [
        (format!("{SITE}[«probe]\n"), "unknown key `probe`"),
        (format!("{SITE}«categry = \"NEWS\"\n"), "unknown key `categry` in [[site]]"),
        ("«[[site]]\nurls = [\"https://a.example/\"]\n".to_owned(), "[[site]] has no `id`"),
        ("«[[site]]\nid = \"a\"\n".to_owned(), "[[site]] has no `urls`"),
        ("[[site]]\nid = \"a\"\nurls = «[]\n".to_owned(), "`urls` is empty"),
        ("[[site]]\nid = \"a\"\nurls = «\"https://a.example/\"\n".to_owned(), "`urls` has the wrong type"),
        ("[[site]]\nid = \"a\"\nurls = [«\"a.example\"]\n".to_owned(), "an entry of `urls` is not a usable URL"),
        (
            "[[site]]\nid = \"a\"\nurls = [«\"https://u:p@a.example\"]\n".to_owned(),
            "an entry of `urls` holds a user name or password",
        ),
        (
            "[[site]]\nid = \"a\"\nurls = [\"https://a.example\", «\"https://A.example/\"]\n".to_owned(),
            "URL `https://a.example/` is used twice",
        ),
        (format!("{SITE}[[site]]\nid = «\"a\"\nurls = [\"https://b.example/\"]\n"), "site id `a` is used twice"),
        (format!("{SITE}category = «\"news\"\n"), "`category` is not a category code"),
        (format!("{SITE}name = «\" \"\n"), "`name` is empty"),
        (format!("{SITE}name = «\"a\\u001b[31m\"\n"), "`name` holds control characters"),
        (format!("include = [«\"lists*/a.csv\"]\n{SITE}"), "an entry of `include` has a `*` outside of the file name"),
        (
            format!("include = [«\"none/*.csv\"]\n{SITE}"),
            "an entry of `include` names a directory that cannot be listed: there is no such file",
        ),
        (format!("{SITE}«[[site.reported]]\nstatus = \"blocked\"\n"), "[[site.reported]] has no `citation`"),
        (format!("{SITE}«[[site.reported]]\ncitation = \"x\"\n"), "[[site.reported]] has no `status`"),
        (report("citation = «\"\"\nstatus = \"blocked\"\n"), "`citation` is empty"),
        (report("citation = \"x\"\nstatus = «\"blokced\"\n"), "`status` is not known: `blokced`"),
        (report("citation = \"x\"\nstatus = \"blocked\"\nfrom = «\"August 2014\"\n"), "`from` is not a date"),
        (report("citation = \"x\"\nstatus = \"blocked\"\nfrom = «2014\n"), "`from` is a number, not a date"),
        (report("citation = \"x\"\nstatus = \"blocked\"\nfrom = «\"../..\"\n"), "`from` says nothing"),
        (report("citation = \"x\"\nstatus = \"blocked\"\nas_of = «\"../2014\"\n"), "`as_of` has no first moment"),
        (
            report("citation = \"x\"\nstatus = \"blocked\"\nfrom = \"2014-08\"\nto = «\"2014-07\"\n"),
            "`to` is before `from`",
        ),
        (
            report("citation = \"x\"\nstatus = \"blocked\"\nfrom = 2014-08-01\nas_of = «\"2014-07\"\n"),
            "`as_of` is before `from`",
        ),
        (report("citation = \"x\"\nstatus = \"blocked\"\nvantage = «\"a b\"\n"), "`vantage` is not a usable id"),
        (
            report("citation = \"x\"\nstatus = \"blocked\"\nnotes = 1\n").replace("notes", "«notes"),
            "unknown key `notes` in [[site.reported]]",
        ),
    ] {
        check("targets.toml", &marked, message);
    }
}

#[test]
fn all_faults_of_both_files_and_of_the_command_line_are_told_at_once() {
    let desk = Desk::with(
        "[[site]]\nid = \"a\"\nurls = [\"a.example\"]\ncolour = 1\n\n[[site]]\nid = \"a\"\nurls = []\n[[site.reported]]\n",
        "[probe]\ninterval = 60\njiter = 0.1\n[store]\nurl = \"postgres://x\"\n[[vantage]]\nvia = \"tor\"\n",
    );
    let overrides = Overrides { store: Some("x.db".to_owned()), listen: Some("9645".to_owned()) };
    let errors = desk.load_over(overrides).unwrap_err();
    let places: Vec<(usize, usize)> = errors
        .faults
        .iter()
        .map(|fault| fault.place.as_ref().map_or((0, 0), |place| (place.line, place.column)))
        .collect();
    let targets = [(3, 9), (4, 1), (7, 6), (8, 8), (9, 1), (9, 1)];
    let config = [(2, 12), (3, 1), (5, 7), (6, 1), (7, 7)];
    let command_line = [(1, 9), (1, 10)];
    assert_eq!(places, [&targets[..], &config[..], &command_line[..]].concat());
    let shown = errors.to_string();
    assert!(shown.ends_with("13 faults in the configuration"), "{shown}");
}

#[test]
fn several_syntax_errors_are_told_one_a_line() {
    let desk = Desk::with("[[site]]\nid = a\nurls = b\n", "");
    let lines: Vec<usize> = desk.faults().iter().map(|(_, line, ..)| *line).collect();
    assert_eq!(lines, [2, 3]);
}

#[test]
fn targets_without_a_site_are_refused() {
    let faults = Desk::with("", "").faults();
    assert_eq!(faults, [("targets.toml".to_owned(), 0, 0, "no site to watch".to_owned())]);
}

#[test]
fn a_missing_default_targets_file_says_what_to_do() {
    let findings = Findings::default();
    report_missing_targets(DEFAULT_TARGETS.as_ref(), &findings);
    let shown = findings.into_result().unwrap_err().to_string();
    for words in ["there is no targets.toml in this directory", "--targets FILE", "[[site]]"] {
        assert!(shown.contains(words), "{shown}");
    }
}

#[test]
fn a_file_that_is_not_text_is_refused() {
    let desk = Desk::new().file("targets.toml", b"# a\n\xff\n");
    assert_eq!(desk.faults(), [("targets.toml".to_owned(), 0, 0, "line 2 is not UTF-8".to_owned())]);
}

#[test]
fn faults_are_drawn_with_the_text_marked() {
    let desk = Desk::with("[[site]]\nid = \"ä\"\nurls = [\"https://a.example/\"]\ncategry = \"NEWS\"\n", "");
    let shown = desk.load().unwrap_err().to_string();
    let path = desk.path("targets.toml").display().to_string();
    let expected = format!(
        "\
error: `id` is not a usable id
 --> {path}:2:6
  |
2 | id = \"ä\"
  |      ^^^
  |
  = help: expected 1 to 64 of a-z, A-Z, 0-9, `-`, `_` and `.`, beginning
          with a letter or digit

error: unknown key `categry` in [[site]]
 --> {path}:4:1
  |
4 | categry = \"NEWS\"
  | ^^^^^^^ did you mean `category`?
  |
  = help: expected one of: id, name, country, category, urls, reported

2 faults in the configuration"
    );
    assert_eq!(shown, expected);
    assert!(!shown.contains('\u{1b}'), "plain");
    assert!(desk.load().unwrap_err().render(true).contains("\u{1b}["), "coloured");
}

#[test]
fn a_duplicate_shows_its_first_use() {
    let desk = Desk::with(&format!("{ONE_SITE}{ONE_SITE}"), "");
    let errors = desk.load().unwrap_err();
    let also = errors.faults[0].also.as_ref().unwrap();
    assert_eq!((also.place.line, also.place.column), (2, 6));
    assert!(errors.to_string().contains("first used here"));
}

#[test]
fn control_characters_of_a_file_never_reach_the_terminal() {
    let desk = Desk::with(
        "[[site]]\nid = 'x\u{9b}31m'\nurls = [\"https://a.example/\"]\n\"\\u001b]0;owned\\u0007\" = 1\n",
        "[[vantage]]\nid = \"a\"\nrole = \"\\u001b[31mred\"\n",
    );
    let errors = desk.load().unwrap_err();
    assert_eq!(errors.faults.len(), 3);
    let shown = errors.to_string();
    assert!(!shown.chars().any(|c| c.is_control() && c != '\n'), "{shown:?}");
    assert!(errors.faults.iter().all(|fault| !fault.to_string().chars().any(char::is_control)));
}

/// Words of the format, so that random text gets beyond the first syntax error.
fn fragment() -> impl Strategy<Value = String> {
    let keys = "[a-z_]{1,8}|id|urls|site|probe|vantage|interval|reported|include|resolvers|via|from|to";
    let values = "\"[^\"\\\\\n]{0,12}\"|-?[0-9]{1,30}|\\[[0-9,\" ]{0,6}\\]|true|nan|\\{[a-z =1]{0,9}\\}|2014-08-01|'[^'\n]{0,5}'";
    let line = format!("({keys}) = ({values})\n|\\[\\[?({keys})(\\.({keys}))?\\]?\\]\n");
    prop_oneof![4 => proptest::string::string_regex(&line).unwrap(), 1 => ".{0,20}\n"]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(100))]

    #[test]
    fn no_text_panics(targets in prop::collection::vec(fragment(), 0..12), config in prop::collection::vec(fragment(), 0..12)) {
        let desk = Desk::with(&targets.concat(), &config.concat());
        if let Err(errors) = desk.load() {
            prop_assert!(!errors.faults.is_empty());
            let _ = errors.render(true);
        }
    }
}
