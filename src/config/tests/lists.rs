//! Citizen Lab test lists that `include` names.

use proptest::prelude::*;

use super::{Desk, ONE_SITE, file_name};
use crate::config::Loaded;

const HEADER: &str = "url,category_code,category_description,date_added,source,notes\n";

fn desk(name: &str, lines: &str) -> Desk {
    Desk::with(&format!("include = [\"lists/*.csv\"]\n{ONE_SITE}"), "").file(name, format!("{HEADER}{lines}"))
}

#[test]
fn one_site_is_made_for_each_host() {
    let desk = desk(
        "lists/kz.csv",
        "https://zonakz.net/,NEWS,News Media,2014-04-15,citizenlab,\"a, \"\"b\"\"\nsecond line\"\n\
         http://zonakz.net/x,NEWS,News Media,2014-04-15,citizenlab,\n\
         https://пример.рф/,,,,,",
    )
    .file("lists/global.csv", format!("{HEADER}https://www.livejournal.com/,HOST,Hosting,2014-04-15,citizenlab,\n"));
    let Loaded { config, files, warnings } = desk.load().unwrap_or_else(|errors| panic!("{errors}"));
    assert_eq!(warnings, [""; 0]);
    let sites: Vec<(&str, &str, usize)> =
        config.sites.iter().map(|site| (site.id.as_str(), site.country.as_str(), site.urls.len())).collect();
    assert_eq!(
        sites,
        [
            ("example", "ZZ", 1),
            ("www.livejournal.com", "ZZ", 1),
            ("zonakz.net", "KZ", 2),
            ("xn--e1afmkfd.xn--p1ai", "KZ", 1)
        ]
    );
    assert_eq!(config.sites[2].category.as_deref(), Some("NEWS"));
    assert_eq!(config.sites[3].category, None);
    let names: Vec<String> = files.iter().map(|file| file_name(file)).collect();
    assert_eq!(names[..3], ["targets.toml", "global.csv", "kz.csv"], "a directory's files in order of their names");
}

#[test]
fn what_a_site_has_already_is_left_to_it_and_said() {
    let desk = desk(
        "lists/kz.csv",
        "https://example.org/,NEWS,,,,\nhttps://a.example/,NEWS,,,,\nhttps://a.example/,NEWS,,,,\n",
    );
    let Loaded { config, warnings, .. } = desk.load().unwrap();
    assert_eq!(config.sites.len(), 2);
    assert!(
        warnings[0].ends_with("kz.csv:2: https://example.org/ is left out: site example has it already"),
        "{warnings:?}"
    );
    assert!(warnings[1].ends_with("kz.csv:4: https://a.example/ is left out: it was listed before"), "{warnings:?}");
    assert_eq!(warnings.len(), 2);
}

#[test]
fn a_fragment_is_dropped_and_said() {
    let Loaded { config, warnings, .. } = desk("lists/kz.csv", "http://a.example/#!/,FILE,,,,\n").load().unwrap();
    assert_eq!(config.sites[1].urls[0].as_str(), "http://a.example/");
    assert!(warnings[0].ends_with("kz.csv:2: `http://a.example/#!/` is read without its fragment"), "{warnings:?}");
}

#[test]
fn a_flood_of_faults_is_cut_and_counted() {
    let errors = desk("lists/kz.csv", &"x,y\n".repeat(50_000)).load().unwrap_err();
    assert_eq!((errors.faults.len(), errors.beyond), (1000, 49_000));
    assert!(errors.to_string().ends_with("50000 faults in the configuration, of which 100 are shown"));
}

#[test]
fn a_host_never_takes_the_id_of_a_site() {
    let targets = "include = [\"kz.csv\"]\n[[site]]\nid = \"a.example\"\nurls = [\"https://b.example/\"]\n";
    let desk = Desk::with(targets, "").file("kz.csv", format!("{HEADER}https://a.example/,NEWS,,,,\n"));
    assert_eq!(desk.faults(), [("kz.csv".to_owned(), 2, 1, "site id `a.example` is used twice".to_owned())]);
}

#[test]
fn every_bad_line_is_told() {
    let desk = desk(
        "lists/kz.csv",
        "a.example,NEWS,,,,\n\nhttps://b.example/,news,,,,\nhttps://c.example/,NEWS,,,a,b,c\n,NEWS,,,,\nhttps://d.example/,NEWS,,,,\n",
    );
    let at = |line, column, message: &str| ("kz.csv".to_owned(), line, column, message.to_owned());
    assert_eq!(
        desk.faults(),
        [
            at(2, 1, "`url` is not a usable URL"),
            at(4, 20, "`category_code` is not a category code"),
            at(5, 1, "7 fields where the header has 6"),
            at(6, 1, "`url` is not a usable URL"),
        ]
    );
}

#[test]
fn a_list_without_header_or_file_is_refused() {
    let desk =
        Desk::with(&format!("include = [\"a.csv\", \"b.csv\"]\n{ONE_SITE}"), "").file("a.csv", "https://a.example/\n");
    let faults = desk.faults();
    assert_eq!(faults[0], ("a.csv".to_owned(), 1, 1, "not a test list: there is no column `url`".to_owned()));
    assert!(faults[1].3.contains("there is no such file"), "{faults:?}");
    assert_eq!(faults.len(), 2);
}

#[test]
fn long_and_odd_hosts_get_ids_of_their_own() {
    let label = "a".repeat(60);
    let lines =
        format!("https://{label}.b.example/,,,,,\nhttps://{label}.c.example/,,,,,\nhttp://[2001:db8::1]/,,,,,\n");
    let config = desk("lists/kz.csv", &lines).load().unwrap_or_else(|errors| panic!("{errors}")).config;
    assert_eq!(config.sites.len(), 4);
    assert!(config.sites[3].id.as_str().starts_with("h2001db81-"), "{}", config.sites[3].id);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(100))]

    #[test]
    fn no_list_panics(header in prop::bool::ANY, text in "([a-z,\"\n\r\u{feff}é:/.]{0,10}|https://[a-z\\[\\]:.]{0,6}/,){0,12}") {
        let text = if header { format!("{HEADER}{text}") } else { text };
        let desk = Desk::with("include = [\"x.csv\"]\n", "").file("x.csv", text);
        if let Err(errors) = desk.load() {
            let _ = errors.render(false);
        }
    }
}
