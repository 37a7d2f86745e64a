//! Lists of fingerprints and tables of networks that the configuration names.

use super::{Desk, ONE_SITE};
use crate::config::{KnownFile, Loaded};
use crate::knowledge::Fingerprints;

const CONFIG: &str = "[fingerprints]\nfiles = [\"lists/ooni.csv\", \"lists/signatures.json\"]\n\
                      [network]\nasn_files = [\"asn.csv\"]\n";
const OONI: &str = "name,scope,location_found,pattern_type,pattern,confidence_no_fp,expected_countries\n\
                    a,isp,dns,full,203.0.113.9,5,KZ\nb,what,body,contains,blocked,5,KZ\n";
const SIGNATURES: &str = "{\"fingerprint\":\"c_isp_kz_1\",\"pattern\":\"blocked by us\"}\nnonsense\n";
const TABLE: &str = "192.0.2.0,192.0.2.255,64500,Example\nnonsense\n";

fn desk() -> Desk {
    Desk::with(ONE_SITE, CONFIG)
        .file("lists/ooni.csv", OONI)
        .file("lists/signatures.json", SIGNATURES)
        .file("asn.csv", TABLE)
}

#[test]
fn lists_and_tables_are_read_watched_and_counted() {
    let desk = desk();
    let Loaded { config, files, .. } = desk.load().unwrap_or_else(|errors| panic!("{errors}"));
    assert_eq!(config.fingerprints.known.len(), Fingerprints::built_in().len() + 2);
    assert_eq!(config.fingerprints.known.of_address("203.0.113.9".parse().unwrap()).len(), 1);
    assert_eq!(config.network.networks.asn("192.0.2.7".parse().unwrap()).unwrap().number, 64500);
    let file = |name: &str, format| KnownFile { path: desk.path(name), format, entries: Some(1), skipped: 1 };
    let lists =
        [file("lists/ooni.csv", "OONI fingerprints"), file("lists/signatures.json", "Censored Planet signatures")];
    assert_eq!(config.fingerprints.files, lists);
    assert_eq!(config.network.asn_files, [file("asn.csv", "ranges")]);
    for name in ["lists/ooni.csv", "lists/signatures.json", "asn.csv"] {
        assert!(files.contains(&desk.path(name)), "{name} is watched");
    }
}

#[test]
fn a_bad_line_is_a_warning_with_its_place() {
    let warnings = desk().load().unwrap().warnings;
    let [table, ooni, signatures] = warnings.as_slice() else { panic!("{warnings:?}") };
    assert!(ooni.contains("ooni.csv:3: left out: `scope` is \"what\""), "{ooni}");
    assert!(signatures.contains("signatures.json:2: left out: not JSON"), "{signatures}");
    assert!(table.contains("asn.csv:2: left out: a range is"), "{table}");
}

#[test]
fn a_file_full_of_bad_lines_does_not_flood() {
    let desk = desk().file("lists/signatures.json", format!("{SIGNATURES}{}", "nonsense\n".repeat(400)));
    let warnings = desk.load().unwrap().warnings;
    assert_eq!(warnings.len(), 1 + 1 + 100 + 1);
    assert!(warnings.last().unwrap().ends_with("signatures.json: 301 more lines are left out"), "{warnings:?}");
}

#[test]
fn a_changed_list_is_a_changed_configuration() {
    let before = desk().load().unwrap().config.fingerprints.known;
    let again = desk().load().unwrap().config.fingerprints.known;
    let after = desk().file("lists/ooni.csv", OONI.replace("203.0.113.9", "203.0.113.8")).load().unwrap();
    assert_eq!(before, again);
    assert_ne!(before, after.config.fingerprints.known);
}

#[test]
fn too_much_is_a_fault() {
    let line = |n: u32| format!("{{\"fingerprint\":\"f_gen_{n}\",\"pattern\":\"{n:03}.x\"}}\n");
    let list: String = (0..700).map(line).collect();
    let faults = desk().file("lists/signatures.json", list).faults();
    let [(file, 2, _, message)] = faults.as_slice() else { panic!("{faults:?}") };
    assert!(file == "blockspan.toml" && message.starts_with("`files` hold more than 512 regular"), "{message}");
}
