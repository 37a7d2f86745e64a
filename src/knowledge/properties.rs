//! Whatever bytes come, the readers give a value and named lines: no panic, bounded memory.

use proptest::prelude::*;

use super::*;

/// Bytes that look like a list or a table here and there, so that more than the first line is reached.
fn bytes() -> impl Strategy<Value = Vec<u8>> {
    let piece = prop_oneof![
        Just(
            b"name,scope,other_names,location_found,pattern_type,pattern,confidence_no_fp,expected_countries\n"
                .to_vec()
        ),
        Just(b"a,isp,,body,contains,".to_vec()),
        Just(b"b,nat,,header.location,regexp,".to_vec()),
        Just(b"{\"fingerprint\":\"c_isp_ru_1\",\"pattern\":\"".to_vec()),
        Just(b"\"}\n".to_vec()),
        Just(b"192.0.2.0,192.0.2.255,64500,".to_vec()),
        Just(b"2001:db8::\t2001:db8::ff\t64500\tKZ\t".to_vec()),
        Just(b"\xab\xcd\xefMaxMind.com".to_vec()),
        Just(b"((a{9}){9}){9}".to_vec()),
        prop::sample::select(&b"\n\r,\t\"\\.*+?()[]{}|^$\xff\x00"[..]).prop_map(|byte| vec![byte]),
        prop::collection::vec(any::<u8>(), 0..24),
        "\\PC{0,12}".prop_map(String::into_bytes),
    ];
    prop::collection::vec(piece, 0..40).prop_map(|pieces| pieces.concat())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn any_bytes_give_a_list_or_none(bytes in bytes(), body in prop::collection::vec(any::<u8>(), 0..200)) {
        if let Ok(list) = read_list("list", &bytes) {
            let lines = bytes.iter().filter(|byte| matches!(**byte, b'\n' | b'\r')).count() + 1;
            prop_assert!(list.entries.len() + list.bad.count <= lines);
            prop_assert!(list.bad.named.len() <= 100);
            prop_assert!(list.bad.named.iter().all(|bad| bad.line as usize <= lines && !bad.wrong.is_empty()));
            // What was read can be looked for.
            let library = Fingerprints::only(list.entries).unwrap();
            library.of_answer(&[("x".into(), "y".into())], &body);
            library.of_answer(&[], &bytes);
        }
    }

    #[test]
    fn any_bytes_give_a_table_or_none(bytes in bytes(), address in any::<std::net::IpAddr>()) {
        let lines = bytes.iter().filter(|byte| matches!(**byte, b'\n' | b'\r')).count() + 1;
        if let Ok((table, bad)) = read_table(&bytes) {
            prop_assert!(table.len().unwrap_or(0) + bad.count <= lines);
            prop_assert!(Networks::new(vec![table]).asn(address).is_none_or(|asn| asn.number != 0));
        }
    }

    #[test]
    fn what_an_expression_needs_is_in_all_that_it_matches(
        expression in r"([abc.|]|\\[.]|[abc][*+?]|[abc][{]1,2[}]|[(][abc|]{1,4}[)][*]?|\[[abc]{1,3}\]){3,12}",
        text in "[abc.]{0,40}",
    ) {
        if let (Ok(regex), Some(needed)) = (pattern::compile(&expression), pattern::needed(&expression)) {
            for found in regex.find_iter(text.as_bytes()) {
                prop_assert!(String::from_utf8_lossy(found.as_bytes()).contains(&needed), "{} needs {}", expression, needed);
            }
        }
    }

    #[test]
    fn what_a_list_looks_for_is_found(text in "[a-z .*(){}<>/]{3,40}", before in "[a-z\n]{0,20}", after in "[a-z\n]{0,20}") {
        let escaped = serde_json::to_string(&regex::escape(&text)).unwrap();
        let line = format!("{{\"fingerprint\":\"c_isp_1\",\"pattern\":{escaped}}}");
        let list = read_list("list", line.as_bytes()).unwrap();
        if text.trim().len() >= 3 {
            let library = Fingerprints::only(list.entries).unwrap();
            prop_assert_eq!(library.of_answer(&[], format!("{before}{text}{after}").as_bytes()).len(), 1);
        } else {
            prop_assert_eq!(list.bad.count, 1);
        }
    }
}
