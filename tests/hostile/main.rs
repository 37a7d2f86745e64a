//! Two hundred hostile servers measured at once by a real daemon: none may hurt its host. Memory and time are bounded,
//! every measurement ends in an outcome of the closed set, and nothing private is dialled.

#![allow(clippy::unwrap_used, clippy::panic)]

mod names;
#[path = "../support/mod.rs"]
mod support;
mod web;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use nix::sys::signal::Signal;
use serde_json::Value;
use tokio::net::{TcpListener, UdpSocket};
use tokio::runtime::Runtime;

use support::daemon::{Daemon, Process};
use support::place::Place;
use web::{CLEAR, Done, OVER_TLS};

/// Sites, over all kinds.
const SITES: usize = 200;
/// The promise: what the daemon takes while all of them are measured at once.
const MOST_MEMORY: u64 = 128 << 20;
/// What one measurement of any of them takes, all of the process: some 42 MiB are the binary of tests itself.
const MOST_ALONE: u64 = 64 << 20;
/// One URL, all of it, where all are measured at once.
const URL_TIMEOUT: Duration = Duration::from_secs(8);
/// The same where a kind is by itself: a slow machine must find out what is wrong with a flood before its time is over.
const TIMEOUT_ALONE: Duration = Duration::from_secs(16);
/// What a measurement may take beyond that: the second after which the prober gives up everything, and twenty more, as
/// a machine that floods itself wakes up late. The servers would go on for a minute.
const LATE: Duration = Duration::from_secs(21);
/// One test at a time: each takes all of a machine.
static ONE: Mutex<()> = Mutex::new(());

/// Hostile servers on loopback, and something that must never be asked.
struct Hostile {
    _runtime: Runtime,
    /// Each kind at its own address: the prober lets few to one at once, and those who hold on would keep out the others.
    clear: BTreeMap<&'static str, SocketAddr>,
    tls: BTreeMap<&'static str, SocketAddr>,
    /// Name servers by what they do; `all` does all of it.
    udp: BTreeMap<&'static str, SocketAddr>,
    tcp: SocketAddr,
    inner: SocketAddr,
    asked_inner: Arc<AtomicUsize>,
    /// The kinds that came to do their harm.
    done: Done,
    root_pem: String,
}

impl Hostile {
    /// Web servers wait so long before they begin, that many are at it at once.
    fn start(wait: Duration) -> Self {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
        let asked_inner = Arc::new(AtomicUsize::new(0));
        let count = Arc::clone(&asked_inner);
        let done = Done::default();
        let (of_clear, of_tls) = (Arc::clone(&done), Arc::clone(&done));
        let (root, root_pem) = web::authority();
        let (clear, tls, udp, tcp, inner) = runtime.block_on(async move {
            // Another loopback address that the configuration does not call public.
            let inner = TcpListener::bind((Ipv4Addr::new(127, 0, 0, 99), 0)).await.unwrap();
            let at = inner.local_addr().unwrap();
            tokio::spawn(async move {
                while inner.accept().await.is_ok() {
                    count.fetch_add(1, Ordering::SeqCst);
                }
            });
            let mut clear = BTreeMap::new();
            for kind in CLEAR {
                let done = Arc::clone(&of_clear);
                let serve = move |stream| web::clear_text(stream, at, Arc::clone(&done), wait);
                clear.insert(kind, web::listen(serve).await);
            }
            let mut tls = BTreeMap::new();
            let (small, large) = (web::acceptor(&root, 1, 16), web::acceptor(&root, 16, 60_000));
            for kind in OVER_TLS {
                let acceptor = if kind == "long-chain" { large.clone() } else { small.clone() };
                let done = Arc::clone(&of_tls);
                let serve = move |stream| web::over_tls(stream, kind, acceptor.clone(), Arc::clone(&done), wait);
                tls.insert(kind, web::listen(serve).await);
            }
            let all = ("all", names::DATAGRAMS.map(|(_, lie)| lie).to_vec());
            let mut udp = BTreeMap::new();
            for (kind, lies) in names::DATAGRAMS.map(|(kind, lie)| (kind, vec![lie])).into_iter().chain([all]) {
                let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
                udp.insert(kind, socket.local_addr().unwrap());
                tokio::spawn(names::over_udp(socket, lies));
            }
            let tcp = web::listen(names::over_tcp).await;
            (clear, tls, udp, tcp, at)
        });
        Self { _runtime: runtime, clear, tls, udp, tcp, inner, asked_inner, done, root_pem }
    }
}

fn place(hostile: &Hostile) -> Place {
    let mut targets = String::new();
    for number in 0..SITES {
        let url = match number % (CLEAR.len() + OVER_TLS.len() + 1) {
            kind if kind < CLEAR.len() => {
                format!("http://{}/{}/{number}", hostile.clear[CLEAR[kind]], CLEAR[kind])
            }
            kind if kind < CLEAR.len() + OVER_TLS.len() => {
                format!("https://{}/{number}", hostile.tls[OVER_TLS[kind - CLEAR.len()]])
            }
            _ => format!("https://name-{number}.test:{}/", hostile.clear["garbage"].port()),
        };
        let _ = writeln!(
            targets,
            "[[site]]\nid = \"site-{number}\"\nname = \"Site\"\ncountry = \"KZ\"\nurls = [\"{url}\"]"
        );
    }
    let resolvers = format!("\"udp://{}\", \"tcp://{}\"", hostile.udp["all"], hostile.tcp);
    Place::with(&[
        ("targets.toml", &targets),
        ("blockspan.toml", &config(hostile, &resolvers, URL_TIMEOUT)),
        ("root.pem", &hostile.root_pem),
    ])
}

/// A vantage that asks these resolvers, and gives a URL so long; half of it for its HTTP.
fn config(hostile: &Hostile, resolvers: &str, url_timeout: Duration) -> String {
    format!(
        r#"[probe]
interval = "2s"
jitter = 0.0
dns_timeout = "2s"
tcp_timeout = "2s"
tls_timeout = "3s"
http_timeout = "{}s"
url_timeout = "{}s"
max_in_flight = {SITES}
[experiments]
unrelated_sni = false
sni_elsewhere = false
other_resolvers = false
other_family = false
other_host = false
host_elsewhere = false
[tls]
extra_roots = ["root.pem"]
[network]
allow_private = ["127.0.0.1/32"]
[control]
resolvers = []
[[vantage]]
id = "here"
country = "KZ"
resolvers = [{resolvers}]
[[canary]]
url = "http://{}/half-answer"
"#,
        url_timeout.as_secs() / 2,
        url_timeout.as_secs(),
        hostile.clear["half-answer"],
    )
}

/// The most memory that a process has had resident, bytes (`VmHWM` in proc(5)); None when it is gone.
fn peak_memory(pid: u32) -> Option<u64> {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let line = status.lines().find(|line| line.starts_with("VmHWM:"))?;
    Some(line.split_whitespace().nth(1)?.parse::<u64>().ok()? * 1024)
}

fn mebibytes(bytes: u64) -> f64 {
    bytes as f64 / f64::from(1 << 20)
}

#[test]
fn two_hundred_hostile_servers_at_once_cost_little_and_reach_nothing_private() {
    let _alone = ONE.lock().unwrap_or_else(PoisonError::into_inner);
    let hostile = Hostile::start(Duration::from_secs(2));
    let place = place(&hostile);
    let begun = Instant::now();
    let mut daemon = Daemon::start(&place);
    let sum = |name: &str| -> f64 {
        let text = daemon.get("/metrics").body;
        let counts = text.lines().filter(|line| line.starts_with(name));
        counts.filter_map(|line| line.rsplit(' ').next()?.parse::<f64>().ok()).sum()
    };
    let mut together: f64 = 0.0;
    let all_came = || {
        let done = hostile.done.lock().unwrap();
        CLEAR.iter().chain(&OVER_TLS).all(|kind| done.contains(*kind))
    };
    // Twice as many as there are: what is left over from the first round would show in the second.
    while sum("blockspan_measurements_total{") < 2.0 * SITES as f64 || !all_came() {
        together = together.max(sum("blockspan_probes_in_flight "));
        assert!(
            begun.elapsed() < Duration::from_secs(120),
            "{} after two minutes, of which these came to do their harm: {:?}",
            sum("blockspan_measurements_total{"),
            hostile.done.lock().unwrap()
        );
        std::thread::sleep(Duration::from_millis(100));
    }
    let (took, memory) = (begun.elapsed().as_secs_f64(), peak_memory(daemon.id()).unwrap());
    daemon.process.signal(Signal::SIGTERM);
    // How soon it stops is held by other tests, beside which nobody floods the machine.
    assert_eq!(daemon.process.wait(Duration::from_secs(60)), Some(0), "{}", daemon.said());
    let log = daemon.said();
    eprintln!("hostile servers: {together} at once, {took:.1} s, {:.1} MiB at most", mebibytes(memory));
    assert!(!log.contains("panicked"), "{log}");
    assert!(memory < MOST_MEMORY, "{memory} bytes");
    assert!(together >= 0.9 * SITES as f64, "only {together} at once");
    assert_eq!(hostile.asked_inner.load(Ordering::SeqCst), 0, "{} was dialled", hostile.inner);

    let all = place.good(&["measurements", "--format", "ndjson"]);
    let mut inward = 0;
    for line in all.lines() {
        let measured: Value = serde_json::from_str(line).unwrap();
        let (url, elapsed) = (measured["url"].as_str().unwrap(), measured["elapsed_seconds"].as_f64().unwrap());
        assert!(elapsed < (URL_TIMEOUT + LATE).as_secs_f64(), "{url} took {elapsed} s");
        assert_ne!(measured["status"], "blocked", "nothing here is censorship: {line}");
        let dialled: Vec<&Value> = measured["tcp"].as_array().unwrap().iter().collect();
        for one in &dialled {
            let address = one["address"].as_str().unwrap();
            let is_public = address.starts_with("127.0.0.1:");
            assert_eq!(one["bogon"].as_bool().unwrap(), !is_public, "{line}");
        }
        inward += usize::from(dialled.iter().any(|one| one["bogon"] == true));
        assert!(line.len() < 300_000, "{} bytes are kept of {url}", line.len());
    }
    assert!(inward > 0, "redirects to the inner server are recorded");
}

/// One measurement of one hostile server: what failed, layer by layer, seconds, and the most memory of the process, bytes.
fn alone(hostile: &Hostile, url: &str, resolver: &str) -> (String, f64, u64) {
    let config = config(hostile, &format!("\"{resolver}\""), TIMEOUT_ALONE);
    let place = Place::with(&[("blockspan.toml", &config), ("root.pem", &hostile.root_pem)]);
    let mut process = Process::spawn(&mut place.command(&["check", "--format", "json", url]));
    let mut memory = 0;
    let begun = Instant::now();
    while !process.has_ended() {
        assert!(begun.elapsed() < Duration::from_secs(120), "{url} is measured without end");
        memory = memory.max(peak_memory(process.id()).unwrap_or(0));
        std::thread::sleep(Duration::from_millis(2));
    }
    process.wait(Duration::from_secs(5));
    let (said, complaint) = process.output();
    assert!(!complaint.contains("panicked"), "{url}: {complaint}");
    let measured: Value =
        serde_json::from_str(said.trim()).unwrap_or_else(|error| panic!("{url}: {error}: {complaint}"));
    let failures = ["dns", "tcp", "tls", "http"].into_iter().flat_map(|layer| {
        let steps = measured[layer].as_array().unwrap();
        steps.iter().filter_map(move |step| Some(format!("{layer}.{}", step["failure"].as_str()?)))
    });
    let failures: BTreeSet<String> = failures.collect();
    (Vec::from_iter(failures).join(" "), measured["elapsed_seconds"].as_f64().unwrap(), memory)
}

/// What comes of each kind. Nothing failed where as much of the page as is ever read was read.
const OUTCOMES: [(&str, &str); 26] = [
    ("endless-headers", "http.http_request_failed"),
    ("long-header", "http.http_request_failed"),
    ("continue-flood", "http.http_request_failed"),
    ("slow-body", "http.generic_timeout_error"),
    ("endless-body", ""),
    ("chunk-sizes", "http.http_request_failed"),
    ("gzip-bomb", ""),
    ("brotli-bomb", ""),
    ("redirect-loop", "http.http_too_many_redirects"),
    ("redirect-chain", "http.http_too_many_redirects"),
    ("inward", "tcp.dns_bogon_error"),
    ("garbage", "http.http_request_failed"),
    ("half-answer", "http.eof_error"),
    ("silent over TLS", "tls.generic_timeout_error"),
    ("garbage over TLS", "tls.ssl_failed_handshake"),
    ("half-record over TLS", "tls.generic_timeout_error"),
    ("long-chain over TLS", "tls.ssl_failed_handshake"),
    ("settings-flood over TLS", "http.http_request_failed"),
    // Whether our word that we leave gets through to a server that does not listen.
    ("continuation-flood over TLS", "http.http_request_failed|http.generic_timeout_error"),
    ("ping-flood over TLS", "http.http_request_failed"),
    ("answer-that-points-at-itself", "dns.dns_server_misbehaving"),
    ("answer-for-another-name", "dns.dns_server_misbehaving"),
    ("answer-without-a-question", "dns.dns_server_misbehaving"),
    ("datagram-of-junk", "dns.dns_reply_with_wrong_query_id"),
    ("answer-of-64-kilobytes", "dns.dns_server_misbehaving"),
    ("answers-without-end over TCP", "dns.dns_server_misbehaving"),
];

/// Every kind, alone: where it is, and whom it is asked for.
fn kinds(hostile: &Hostile) -> Vec<(String, String, String)> {
    let nobody = format!("udp://{}", hostile.udp["all"]);
    let clear = CLEAR.map(|kind| (kind.to_owned(), format!("http://{}/{kind}", hostile.clear[kind]), nobody.clone()));
    let over_tls =
        OVER_TLS.map(|kind| (format!("{kind} over TLS"), format!("https://{}/", hostile.tls[kind]), nobody.clone()));
    let name = format!("https://name.test:{}/", hostile.clear["garbage"].port());
    let datagrams =
        names::DATAGRAMS.map(|(kind, _)| (kind.to_owned(), name.clone(), format!("udp://{}", hostile.udp[kind])));
    let stream = ("answers-without-end over TCP".to_owned(), name.clone(), format!("tcp://{}", hostile.tcp));
    clear.into_iter().chain(over_tls).chain(datagrams).chain([stream]).collect()
}

#[test]
fn each_kind_by_itself_is_bounded() {
    let _alone = ONE.lock().unwrap_or_else(PoisonError::into_inner);
    let hostile = Hostile::start(Duration::ZERO);
    let kinds = kinds(&hostile);
    assert_eq!(kinds.len(), OUTCOMES.len());
    let left = Mutex::new(kinds.iter());
    std::thread::scope(|scope| {
        for _ in 0..6 {
            scope.spawn(|| {
                while let Some((kind, url, resolver)) = { left.lock().unwrap().next() } {
                    let (failures, seconds, memory) = alone(&hostile, url, resolver);
                    eprintln!("{kind:30} {seconds:5.1} s {:6.1} MiB  {failures}", mebibytes(memory));
                    let (_, expected) = OUTCOMES.iter().find(|(of, _)| of == kind).unwrap();
                    assert!(expected.split('|').any(|one| one == failures), "{kind}: {failures}, not {expected}");
                    assert!(seconds < (TIMEOUT_ALONE + LATE).as_secs_f64(), "{kind} took {seconds} s");
                    assert!(memory < MOST_ALONE, "{kind} took {memory} bytes");
                }
            });
        }
    });
    assert_eq!(hostile.asked_inner.load(Ordering::SeqCst), 0, "{} was dialled", hostile.inner);
}
