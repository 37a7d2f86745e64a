//! The lists as OONI and Censored Planet publish them. They are not ours to ship, so this looks for them in the folder
//! that `BLOCKSPAN_FINGERPRINTS` names, and says so when there is none.

use std::path::PathBuf;

use super::*;
use crate::model::CountryCode;

fn folder(test: &str) -> Option<PathBuf> {
    let folder = std::env::var_os("BLOCKSPAN_FINGERPRINTS").map(PathBuf::from);
    if folder.is_none() {
        eprintln!("SKIPPED: {test} needs BLOCKSPAN_FINGERPRINTS=FOLDER with the published lists (docs/knowledge.md)");
    }
    folder
}

fn all(folder: &std::path::Path) -> Vec<List> {
    let files = [
        "fingerprints_dns.csv",
        "fingerprints_http.csv",
        "censoredplanet-analysis/blockpage_signatures.json",
        "censoredplanet-analysis/false_positive_signatures.json",
        "censoredplanet-assets/blockpage_signatures.json",
        "censoredplanet-assets/false_positive_signatures.json",
    ];
    files.iter().map(|file| load_fingerprints(&folder.join(file)).unwrap()).collect()
}

#[test]
fn every_line_of_the_published_lists_is_read_or_named() {
    let Some(folder) = folder("every_line_of_the_published_lists_is_read_or_named") else { return };
    let lists = all(&folder);
    let lines: Vec<usize> = lists.iter().map(|list| list.entries.len() + list.bad.count).collect();
    assert_eq!(lines[..2], [226, 1729]);
    assert!(lines[2..].iter().all(|lines| (400..700).contains(lines)), "{lines:?}");
    for list in &lists {
        eprintln!("{:?}: {} read, left out: {:?}", list.format, list.entries.len(), list.bad.named);
        assert!(list.bad.count <= 2, "{:?}", list.bad);
    }
}

#[test]
fn known_pages_and_addresses_are_found_in_the_published_lists() {
    let Some(folder) = folder("known_pages_and_addresses_are_found_in_the_published_lists") else { return };
    let entries = all(&folder).into_iter().flat_map(|list| list.entries).collect();
    let known = Fingerprints::only(entries).unwrap();
    let proves = |found: &[Found<'_>], country: &str| {
        let country: CountryCode = country.parse().unwrap();
        found.iter().any(|found| found.fingerprint.proves_in(country))
    };
    assert!(!known.of_address("10.10.34.34".parse().unwrap()).is_empty());
    assert!(!known.of_name("internet-positif.org").is_empty());
    let found = known.of_answer(&[("location".into(), "http://homeline.kg/access/blockpage.html".into())], b"");
    assert!(proves(&found, "KG") && !proves(&found, "KZ"), "{found:?}");
    let found = known
        .of_answer(&[], "<title>Доступ к запрашиваемому ресурсу закрыт</title><p>FortiGuard Web Filtering".as_bytes());
    assert!(!found.is_empty() && !proves(&found, "KZ"), "{found:?}");
    let stock = known.of_answer(&[], b"<p><em>Thank you for using nginx.</em></p>");
    assert!(
        stock.iter().all(|found| found.fingerprint.scope == Scope::FalsePositive) && !stock.is_empty(),
        "{stock:?}"
    );
}
