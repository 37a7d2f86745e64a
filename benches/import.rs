//! How fast OONI measurements are imported: parsed, judged, packed, stored and replayed, beside the bare parsing of the
//! same lines by serde_json. `cargo bench --bench import`; `-- 50000` documents instead of 100,000.

// A program for those who work on blockspan: a fault of its own may end it.
#![allow(clippy::expect_used, clippy::unwrap_used, clippy::panic)]

use std::fmt::Write as _;
use std::io::{BufRead as _, Write as _};
use std::sync::atomic::AtomicBool;
use std::time::Instant;

use blockspan::detect::{Detector, Params};
use blockspan::import::{Input, Order, import};
use blockspan::judge::Knowledge;
use blockspan::model::{Site, SpanSource};
use blockspan::store::Importer;

fn document(number: usize, filler: usize) -> String {
    let (asn, day) = (9000 + number % 40, number / 40);
    let (year, month, day_of, second) = (2018 + day / 336 % 8, 1 + day / 28 % 12, 1 + day % 28, number % 60);
    let blocked = day % 300 > 150;
    let failure = if blocked { "\"generic_timeout_error\"" } else { "null" };
    let response = if blocked {
        "null".to_owned()
    } else {
        format!(
            "{{\"code\":200,\"body\":\"<html><title>Fergana</title>{}\",\"headers\":{{\"Content-Type\":\"text/html\",\"Server\":\"nginx\"}}}}",
            "lorem ipsum ".repeat(filler)
        )
    };
    let mut text = String::new();
    write!(
        text,
        r#"{{"annotations":{{"engine_name":"ooniprobe-engine","engine_version":"3.17.2","platform":"android","network_type":"wifi"}},"data_format_version":"0.2.0","input":"https://fergana.media/","measurement_start_time":"{year}-{month:02}-{day_of:02} 10:20:{second:02}","probe_asn":"AS{asn}","probe_cc":"KZ","probe_ip":"127.0.0.1","probe_network_name":"A network","report_id":"r{number}","resolver_asn":"AS{asn}","resolver_ip":"192.0.2.1","software_name":"ooniprobe-android","software_version":"3.8.0","test_helpers":{{"backend":{{"address":"https://0.th.ooni.org","type":"https"}}}},"test_name":"web_connectivity","test_runtime":1.25,"test_start_time":"{year}-{month:02}-{day_of:02} 10:00:00","test_version":"0.4.2","test_keys":{{"agent":"redirect","client_resolver":"192.0.2.1","retries":null,"socksproxy":null,"network_events":null,"queries":[{{"answers":[{{"asn":13335,"as_org_name":"Edge","answer_type":"A","ipv4":"93.184.216.34","ttl":null}}],"engine":"system","failure":null,"hostname":"fergana.media","query_type":"A","resolver_hostname":null,"resolver_port":null,"resolver_address":"","t":0.02}},{{"answers":null,"engine":"system","failure":"dns_no_answer","hostname":"fergana.media","query_type":"AAAA","resolver_hostname":null,"resolver_port":null,"resolver_address":"","t":0.02}}],"dns_experiment_failure":null,"dns_consistency":"consistent","control_failure":null,"control":{{"tcp_connect":{{"93.184.216.34:443":{{"status":true,"failure":null}}}},"http_request":{{"body_length":1533,"failure":null,"title":"Fergana","headers":{{"Content-Type":"text/html","Server":"nginx"}},"status_code":200}},"dns":{{"failure":null,"addrs":["93.184.216.34"]}}}},"tcp_connect":[{{"ip":"93.184.216.34","port":443,"status":{{"blocked":false,"failure":null,"success":true}},"t":0.1}}],"tls_handshakes":[{{"address":"93.184.216.34:443","cipher_suite":"TLS_AES_128_GCM_SHA256","failure":{failure},"negotiated_protocol":"h2","no_tls_verify":false,"peer_certificates":null,"server_name":"fergana.media","t":0.3,"tls_version":"TLSv1.3"}}],"requests":[{{"failure":{failure},"request":{{"body":"","headers":{{"Accept":"*/*"}},"method":"GET","url":"https://fergana.media/"}},"response":{response},"t":0.8}}],"http_experiment_failure":{failure},"title_match":true,"blocking":false,"accessible":true}}}}"#
    )
    .expect("a text");
    text
}

/// The smallest kind that there is: the name does not resolve, so nothing is dialled and no page comes.
fn small(number: usize) -> String {
    let (asn, day) = (9000 + number % 40, number / 40);
    let (year, month, day_of, second) = (2018 + day / 336 % 8, 1 + day / 28 % 12, 1 + day % 28, number % 60);
    format!(
        r#"{{"annotations":{{"engine_version":"3.17.2","platform":"android"}},"data_format_version":"0.2.0","input":"https://fergana.media/","measurement_start_time":"{year}-{month:02}-{day_of:02} 10:20:{second:02}","probe_asn":"AS{asn}","probe_cc":"KZ","probe_ip":"127.0.0.1","report_id":"r{number}","resolver_asn":"AS{asn}","software_name":"ooniprobe-android","software_version":"3.8.0","test_helpers":{{"backend":{{"address":"https://0.th.ooni.org","type":"https"}}}},"test_name":"web_connectivity","test_runtime":1.25,"test_start_time":"{year}-{month:02}-{day_of:02} 10:00:00","test_version":"0.4.2","test_keys":{{"queries":[{{"answers":null,"engine":"system","failure":"dns_nxdomain_error","hostname":"fergana.media","query_type":"A","t":0.02}}],"dns_experiment_failure":"dns_nxdomain_error","control_failure":null,"control":{{"tcp_connect":{{}},"http_request":{{"body_length":1533,"failure":null,"title":"Fergana","headers":{{}},"status_code":200}},"dns":{{"failure":null,"addrs":["93.184.216.34"]}}}},"tcp_connect":[],"tls_handshakes":[],"requests":[],"http_experiment_failure":"dns_nxdomain_error","blocking":"dns","accessible":false}}}}"#
    )
}

/// Processor time of this process so far, seconds.
fn processor_seconds() -> f64 {
    let stat = std::fs::read_to_string("/proc/self/stat").expect("/proc");
    let after = stat.rsplit_once(')').expect("a name").1;
    let ticks: Vec<f64> =
        after.split_whitespace().skip(11).take(2).map(|ticks| ticks.parse().expect("ticks")).collect();
    (ticks[0] + ticks[1]) / 100.0
}

/// Memory of this process at its peak, MiB.
fn peak_mib() -> f64 {
    let status = std::fs::read_to_string("/proc/self/status").expect("/proc");
    let line = status.lines().find(|line| line.starts_with("VmHWM")).expect("a peak");
    line.split_whitespace().nth(1).and_then(|kib| kib.parse::<f64>().ok()).expect("a number") / 1024.0
}

fn main() {
    let arguments: Vec<String> = std::env::args().collect();
    if arguments.iter().any(|argument| argument == "--test") {
        return;
    }
    let count = arguments.iter().find_map(|argument| argument.parse::<usize>().ok()).unwrap_or(100_000);
    let site = Site {
        id: "fergana".parse().expect("an id"),
        name: "Fergana".into(),
        country: "KZ".parse().expect("a country"),
        category: None,
        urls: vec!["https://fergana.media/".parse().expect("a URL")],
        reported: Vec::new(),
    };
    println!(
        "| documents | bytes each | a second | a second and core | peak memory | serde_json alone, one core | ratio |"
    );
    println!("|---|---|---|---|---|---|---|");
    for (count, filler) in [(count / 10, Some(0)), (count, Some(0)), (count / 4, Some(1000)), (count, None)] {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("all.jsonl");
        let mut file = std::io::BufWriter::new(std::fs::File::create(&path).expect("a file"));
        let mut bytes = 0;
        for number in 0..count {
            let line = filler.map_or_else(|| small(number), |filler| document(number, filler));
            bytes += line.len();
            writeln!(file, "{line}").expect("a line");
        }
        drop(file);
        let began = Instant::now();
        for line in std::io::BufReader::new(std::fs::File::open(&path).expect("the file")).lines() {
            std::hint::black_box(serde_json::from_str::<serde_json::Value>(&line.expect("a line")).expect("JSON"));
        }
        let alone = count as f64 / began.elapsed().as_secs_f64();

        let knowledge = Knowledge::new(Vec::new());
        let detector = Detector::new(Params::default(), SpanSource::Ooni);
        let stop = AtomicBool::new(false);
        let threads = std::thread::available_parallelism().map_or(1, usize::from);
        let order = Order {
            sites: std::slice::from_ref(&site),
            knowledge: &knowledge,
            detector: &detector,
            again: false,
            threads,
            stop: &stop,
        };
        let mut importer = Importer::open(&folder.path().join("b.db")).expect("a record");
        let (began, processor) = (Instant::now(), processor_seconds());
        let report =
            import(&mut importer, &[Input::File(path)], &order, &mut |_| {}, &mut |_, _| {}).expect("an import");
        let (took, used) = (began.elapsed().as_secs_f64(), processor_seconds() - processor);
        assert_eq!(report.imported as usize, count, "{report:?}");
        assert!(report.spans >= 1, "{report:?}");
        let per_core = count as f64 / used;
        println!(
            "| {count} | {} | {:.0} | {per_core:.0} | {:.0} MiB | {alone:.0} | {:.2} |",
            bytes / count,
            count as f64 / took,
            peak_mib(),
            per_core / alone
        );
    }
}
