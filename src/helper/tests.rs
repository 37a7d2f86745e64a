//! A helper as it is asked over the wire: by our own client, and by an OONI probe's request.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use url::Url;

use super::Helper;
use crate::config::{Config, HelperConfig};
use crate::model::{ControlReport, Failure};
use crate::probe::tests::bed::{self, Ca, ClosedPort, HERE, NOW, PAST, Zone, page};
use crate::probe::{HelperClient, Roots};

/// Another address of this machine, which the helper's guard does not allow.
const PRIVATE: Ipv4Addr = Ipv4Addr::new(127, 9, 0, 1);

/// A helper that serves until it is dropped.
struct Running {
    address: SocketAddr,
    stop: CancellationToken,
    task: JoinHandle<()>,
}

impl Running {
    async fn start(config: &Config) -> Self {
        let helper = Helper::open(config).await.unwrap();
        let (address, stop) = (helper.address(), CancellationToken::new());
        let task = tokio::spawn(helper.run(stop.clone()));
        Self { address, stop, task }
    }

    fn url(&self) -> String {
        format!("http://{}/", self.address)
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// A world of one authority and one zone: a helper that knows only 127.0.0.0/16 as public.
async fn config(ca: &Ca, names: &[&'static str]) -> Config {
    let mut config = bed::config(ca);
    let zone: Zone = names.iter().map(|name| (*name, vec![HERE])).collect();
    config.control.resolvers = vec![bed::encrypted_name_server(ca, zone).await];
    config.network.allow_private = vec!["127.0.0.0/16".parse().unwrap()];
    config.helper.listen = SocketAddr::from((HERE, 0));
    config
}

fn client(ca: &Ca, helper: &Running, token: Option<&Path>) -> HelperClient {
    let roots = Roots::load(&[ca.pem.path().to_owned()]).unwrap();
    let token_file = token.map(Path::to_owned);
    let config = HelperConfig { id: "abroad".parse().unwrap(), url: helper.url().parse().unwrap(), token_file };
    HelperClient::new(&config, &roots).unwrap()
}

async fn ask(ca: &Ca, helper: &Running, url: &str, endpoints: &[SocketAddr]) -> ControlReport {
    let url: Url = url.parse().unwrap();
    client(ca, helper, None).ask(&url, endpoints).await
}

/// One request in its own words; status, head and body of the answer.
async fn raw(helper: &Running, request: &str) -> (u16, String, String) {
    let mut stream = TcpStream::connect(helper.address).await.unwrap();
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut text = String::new();
    stream.read_to_string(&mut text).await.unwrap();
    let (head, body) = text.split_once("\r\n\r\n").unwrap();
    (head.split(' ').nth(1).unwrap().parse().unwrap(), head.to_ascii_lowercase(), body.to_owned())
}

async fn post(helper: &Running, fields: &str, body: &str) -> (u16, String, String) {
    let length = body.len();
    let head = format!("POST / HTTP/1.1\r\nHost: h\r\nConnection: close\r\n{fields}Content-Length: {length}\r\n\r\n");
    raw(helper, &(head + body)).await
}

async fn get(helper: &Running, path: &str, fields: &str) -> (u16, String, String) {
    raw(helper, &format!("GET {path} HTTP/1.1\r\nHost: h\r\nConnection: close\r\n{fields}\r\n")).await
}

/// What a helper answers to this request.
async fn answer(helper: &Running, request: &Value) -> Value {
    let (status, _, body) = post(helper, "Content-Type: application/json\r\n", &request.to_string()).await;
    assert_eq!(status, 200, "{body}");
    serde_json::from_str(&body).unwrap()
}

#[tokio::test]
async fn a_site_that_answers_is_reached() {
    let ca = Ca::new("lab");
    let acceptor = ca.acceptor(&["site.example"], NOW, &["http/1.1"]);
    let site = bed::https(HERE, acceptor, |path| match path {
        "/" => page("302 Found", "Location: /end\r\n", b""),
        _ => page("200 OK", "X-Odd: 1\r\n", b"<title>The end</title>"),
    })
    .await;
    let helper = Running::start(&config(&ca, &["site.example"]).await).await;
    let report = ask(&ca, &helper, &format!("https://site.example:{}/", site.port()), &[site]).await;
    assert_eq!((report.unusable.clone(), report.reached()), (None, Some(true)), "{report:?}");
    assert_eq!(report.dns.as_ref().unwrap().addresses, [IpAddr::from(HERE)]);
    assert_eq!(report.endpoints.len(), 1);
    assert!(report.endpoints[0].tls_tried && report.endpoints[0].tls_failure.is_none());
    let http = report.http.unwrap();
    assert_eq!((http.status, http.title.as_deref()), (Some(200), Some("The end")));
    assert_eq!(http.body_length, Some(22));
    assert!(http.header_names.contains(&"x-odd".to_owned()));
    assert_eq!(http.final_url.unwrap().path(), "/end");
    assert_eq!(http.leaf_sha256.unwrap().len(), 64);
    let pace = report.pace.unwrap();
    assert!(pace.connect.is_some() && pace.handshake.is_some() && pace.first_byte.is_some());
}

#[tokio::test]
async fn a_name_that_is_gone_is_told_as_such() {
    let ca = Ca::new("lab");
    let helper = Running::start(&config(&ca, &[]).await).await;
    let report = ask(&ca, &helper, "https://gone.example/", &[]).await;
    assert_eq!((report.unusable.clone(), report.reached()), (None, Some(false)));
    assert_eq!(report.dns.unwrap().failure, Some(Failure::DnsNxdomain));
    assert_eq!(report.http.unwrap().failure, Some(Failure::DnsNxdomain));
    let answer = answer(&helper, &json!({ "http_request": "https://gone.example/" })).await;
    assert_eq!(answer["dns"], json!({ "failure": "dns_name_error", "addrs": [] }));
    assert_eq!(answer["http_request"]["failure"], "dns_lookup_error");
}

#[tokio::test]
async fn a_closed_port_and_a_false_certificate_are_told_apart() {
    let ca = Ca::new("lab");
    let dead = ClosedPort::take();
    let expired = bed::https(HERE, ca.acceptor(&["site.example"], PAST, &[]), |_| page("200 OK", "", b"x")).await;
    let helper = Running::start(&config(&ca, &["site.example"]).await).await;
    let report = ask(&ca, &helper, &format!("https://site.example:{}/", dead.address.port()), &[]).await;
    assert_eq!(report.reached(), Some(false));
    assert_eq!(report.endpoints[0].tcp_failure, Some(Failure::ConnectionRefused));
    assert_eq!(report.http.unwrap().failure, Some(Failure::ConnectionRefused));

    let report = ask(&ca, &helper, &format!("https://site.example:{}/", expired.port()), &[]).await;
    assert_eq!(report.reached(), Some(false));
    assert_eq!(report.endpoints[0].tls_failure, Some(Failure::SslInvalidCertificate));
    assert_eq!(report.http.unwrap().failure, Some(Failure::SslInvalidCertificate));
}

/// What was tried only for the asker is no reason for the exchange to have failed.
#[tokio::test]
async fn a_forged_address_does_not_hide_that_the_name_is_gone() {
    let ca = Ca::new("lab");
    let forged = bed::https(HERE, ca.acceptor(&["block.example"], NOW, &[]), |_| page("200 OK", "", b"x")).await;
    let helper = Running::start(&config(&ca, &[]).await).await;
    let url = format!("https://gone.example:{}/", forged.port());
    let told = answer(&helper, &json!({ "http_request": url, "tcp_connect": [forged.to_string()] })).await;
    assert_eq!(told["tls_handshake"][forged.to_string()]["failure"], "ssl_invalid_hostname");
    assert_eq!(told["dns"]["failure"], "dns_name_error");
    assert_eq!(told["http_request"]["failure"], "dns_lookup_error");
}

/// An address that only the asker was given is tried as well, and carries no request.
#[tokio::test]
async fn the_askers_own_address_is_tried() {
    let ca = Ca::new("lab");
    let site = bed::https(HERE, ca.acceptor(&["site.example"], NOW, &[]), |_| page("200 OK", "", b"x")).await;
    let forged = SocketAddr::from(([127, 0, 0, 77], site.port()));
    let helper = Running::start(&config(&ca, &["site.example"]).await).await;
    let url = format!("https://site.example:{}/", site.port());
    let report = ask(&ca, &helper, &url, &[forged]).await;
    assert_eq!(report.reached(), Some(true));
    let failed: Vec<_> = report.endpoints.iter().filter(|endpoint| endpoint.tcp_failure.is_some()).collect();
    assert_eq!((report.endpoints.len(), failed.len(), failed[0].address), (2, 1, forged));
    let answer = answer(&helper, &json!({ "http_request": url, "tcp_connect": [forged.to_string()] })).await;
    assert_eq!(
        answer["ip_info"],
        json!({ "127.0.0.1": { "asn": 0, "flags": 10 }, "127.0.0.77": { "asn": 0, "flags": 1 } })
    );
}

/// A server on an address that nobody may be led to; how many connections it got.
async fn forbidden_server() -> (SocketAddr, Arc<AtomicUsize>) {
    let count = Arc::new(AtomicUsize::new(0));
    let counter = Arc::clone(&count);
    let address = bed::serve(PRIVATE, move |stream| {
        counter.fetch_add(1, Ordering::SeqCst);
        async move { drop(stream) }
    })
    .await;
    (address, count)
}

#[tokio::test]
async fn nobody_is_led_inside() {
    let ca = Ca::new("lab");
    let (inside, count) = forbidden_server().await;
    let to = format!("Location: http://{inside}/\r\n");
    let away = bed::http(HERE, move |_| page("302 Found", &to, b"")).await;
    let mut config = config(&ca, &["site.example"]).await;
    let zone = Zone::from([("site.example", vec![HERE]), ("inside.example", vec![PRIVATE])]);
    config.control.resolvers = vec![bed::encrypted_name_server(&ca, zone).await];
    let helper = Running::start(&config).await;

    // By a redirect.
    let report = ask(&ca, &helper, &format!("http://site.example:{}/", away.port()), &[]).await;
    assert_eq!((report.unusable.clone(), report.reached()), (None, Some(false)));

    // By a name.
    let url = format!("http://inside.example:{}/", inside.port());
    let told = answer(&helper, &json!({ "http_request": url, "tcp_connect": [] })).await;
    assert_eq!(told["ip_info"][PRIVATE.to_string()]["flags"], 2 | 4);
    assert_eq!(told["tcp_connect"], json!({}));
    assert_eq!(told["http_request"]["status_code"], -1);

    // By the asker's addresses, in any dress; one that is not off limits is still tried.
    let url = format!("http://site.example:{}/", inside.port());
    let dressed = [inside.to_string(), format!("[::ffff:127.9.0.1]:{}", inside.port()), "169.254.169.254:80".into()];
    let told = answer(&helper, &json!({ "http_request": url, "tcp_connect": dressed })).await;
    assert_eq!(told["ip_info"][PRIVATE.to_string()]["flags"], 1 | 4);
    assert_eq!(told["ip_info"]["::ffff:127.9.0.1"]["flags"], 1 | 4);
    assert_eq!(told["ip_info"]["169.254.169.254"]["flags"], 1 | 4);
    let tried: Vec<_> = told["tcp_connect"].as_object().unwrap().keys().cloned().collect();
    assert_eq!(tried, [format!("127.0.0.1:{}", inside.port())]);

    // By the URL itself, however its host is written.
    for host in [PRIVATE.to_string(), "127.9.1".into(), "2131296257".into(), "[::ffff:127.9.0.1]".into()] {
        let request = json!({ "http_request": format!("http://{host}:{}/", inside.port()) });
        let (status, _, body) = post(&helper, "", &request.to_string()).await;
        assert_eq!(status, 400, "{host}: {body}");
        assert!(body.contains("not a public address"), "{body}");
    }
    assert_eq!(count.load(Ordering::SeqCst), 0, "nothing was dialled");
}

#[tokio::test]
async fn an_oonis_probes_request_is_answered_with_every_key_of_its_type() {
    let ca = Ca::new("lab");
    let site = bed::https(HERE, ca.acceptor(&["site.example"], NOW, &["http/1.1"]), |_| {
        page("200 OK", "Alt-Svc: h3=\":443\"\r\n", b"<title>Home</title>")
    })
    .await;
    let helper = Running::start(&config(&ca, &["site.example"]).await).await;
    let (url, endpoint) = (format!("https://site.example:{}/", site.port()), site.to_string());
    let request = json!({
        "http_request": url,
        "http_request_headers": {
            "Accept": ["text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"],
            "Accept-Language": ["en-US,en;q=0.9"],
            "User-Agent": ["Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36"],
        },
        "tcp_connect": [endpoint, format!("{HERE}:80")],
        "x_quic_enabled": false,
    });
    let told = answer(&helper, &request).await;
    let keys: Vec<_> = told.as_object().unwrap().keys().map(String::as_str).collect();
    let expected = [
        "dns",
        "http3_request",
        "http_request",
        "ip_info",
        "quic_handshake",
        "tcp_connect",
        "tls_handshake",
        "x_blockspan",
    ];
    assert_eq!(keys, expected);
    assert_eq!(told["tcp_connect"], json!({ endpoint.clone(): { "status": true, "failure": null } }));
    let handshake = json!({ endpoint: { "server_name": "site.example", "status": true, "failure": null } });
    assert_eq!(told["tls_handshake"], handshake);
    assert_eq!(told["quic_handshake"], json!({}));
    assert_eq!(told["http3_request"], Value::Null);
    assert_eq!(told["dns"], json!({ "failure": null, "addrs": ["127.0.0.1"] }));
    assert_eq!(told["ip_info"], json!({ "127.0.0.1": { "asn": 0, "flags": 11 } }));
    let http = told["http_request"].as_object().unwrap();
    let keys: Vec<_> = http.keys().map(String::as_str).collect();
    assert_eq!(keys, ["body_length", "discovered_h3_endpoint", "failure", "headers", "status_code", "title"]);
    assert_eq!((&http["body_length"], &http["status_code"]), (&json!(19), &json!(200)));
    assert_eq!((&http["failure"], &http["title"]), (&Value::Null, &json!("Home")));
    assert_eq!(http["discovered_h3_endpoint"], "site.example:443");
    assert_eq!(http["headers"], json!({ "Content-Length": "19", "Connection": "close", "Alt-Svc": "h3=\":443\"" }));
    assert!(told["x_blockspan"].is_object());

    // The same keys when nothing is reached.
    let told = answer(&helper, &json!({ "http_request": "http://gone.example/", "tcp_connect": null })).await;
    assert_eq!(told.as_object().unwrap().keys().map(String::as_str).collect::<Vec<_>>(), expected);
    for section in ["tcp_connect", "tls_handshake", "quic_handshake", "ip_info"] {
        assert_eq!(told[section], json!({}), "{section}");
    }
    let none = json!({
        "body_length": -1, "discovered_h3_endpoint": "", "failure": "dns_lookup_error", "headers": {},
        "status_code": -1, "title": "",
    });
    assert_eq!(told["http_request"], none);
}

#[tokio::test]
async fn only_the_three_fields_of_the_asker_reach_the_site() {
    let ca = Ca::new("lab");
    let heard = Arc::new(std::sync::Mutex::new(String::new()));
    let hearing = Arc::clone(&heard);
    let site = bed::serve(HERE, move |mut stream| {
        let hearing = Arc::clone(&hearing);
        async move {
            let head = bed::head(&mut stream).await;
            *hearing.lock().unwrap() = head;
            let _ = stream.write_all(&page("200 OK", "", b"x")).await;
        }
    })
    .await;
    let helper = Running::start(&config(&ca, &["site.example"]).await).await;
    let fields =
        json!({ "User-Agent": ["probe/1"], "accept": ["a/b"], "Cookie": ["secret=1"], "Host": ["other.example"] });
    let url = format!("http://site.example:{}/", site.port());
    answer(&helper, &json!({ "http_request": url, "http_request_headers": fields })).await;
    let heard = heard.lock().unwrap().to_ascii_lowercase();
    assert!(heard.contains("user-agent: probe/1") && heard.contains("accept: a/b"), "{heard}");
    assert!(heard.contains(&format!("host: site.example:{}", site.port())), "{heard}");
    assert!(!heard.contains("secret") && !heard.contains("other.example"), "{heard}");
}

#[tokio::test]
async fn only_those_who_bring_the_token_are_answered() {
    let ca = Ca::new("lab");
    let token = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(token.path(), "a-secret-of-friends\n").unwrap();
    let wrong = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(wrong.path(), "a-secret-of-friendz\n").unwrap();
    let mut config = config(&ca, &[]).await;
    config.helper.token_file = Some(token.path().to_owned());
    let helper = Running::start(&config).await;
    let url = "https://gone.example/".parse().unwrap();
    assert_eq!(client(&ca, &helper, Some(token.path())).ask(&url, &[]).await.reached(), Some(false));
    for bad in [None, Some(wrong.path())] {
        let report = client(&ca, &helper, bad).ask(&url, &[]).await;
        assert_eq!(report.unusable, Some(Failure::Unknown("helper_status_401".into())));
    }
    let (status, head, _) = post(&helper, "", "{}").await;
    assert_eq!(status, 401);
    assert!(head.contains("www-authenticate: bearer"), "{head}");
    assert_eq!(get(&helper, "/health", "").await.0, 200);
    assert_eq!(get(&helper, "/metrics", "").await.0, 401);
    let (status, _, metrics) = get(&helper, "/metrics", "Authorization: Bearer a-secret-of-friends\r\n").await;
    assert_eq!(status, 200);
    assert!(metrics.contains("blockspan_helper_requests_total{outcome=\"unauthorized\"} 3"), "{metrics}");
    assert!(metrics.contains("blockspan_helper_requests_total{outcome=\"not_reached\"} 1"), "{metrics}");
    assert!(metrics.contains("blockspan_helper_measurements_in_flight 0"), "{metrics}");
}

#[tokio::test]
async fn one_network_may_ask_only_so_often() {
    let ca = Ca::new("lab");
    let mut config = config(&ca, &[]).await;
    config.helper.per_minute = 2;
    config.helper.behind_proxy = true;
    let helper = Running::start(&config).await;
    let from = |network: &str| format!("X-Forwarded-For: 192.0.2.1, {network}\r\n");
    for _ in 0..2 {
        assert_eq!(post(&helper, &from("198.51.100.1"), "{}").await.0, 400);
    }
    let (status, head, _) = post(&helper, &from("198.51.100.200"), "{}").await;
    assert_eq!(status, 429);
    let wait = head.split("retry-after: ").nth(1).and_then(|rest| rest.split("\r\n").next()).unwrap();
    assert!((1..=30).contains(&wait.parse::<u32>().unwrap()), "{head}");
    assert_eq!(post(&helper, &from("198.51.101.1"), "{}").await.0, 400, "another network");
    assert_eq!(get(&helper, "/health", &from("198.51.100.1")).await.0, 200);
}

/// Without a proxy of ours nobody is who the field says.
#[tokio::test]
async fn the_proxys_field_is_believed_only_behind_a_proxy() {
    let ca = Ca::new("lab");
    let mut config = config(&ca, &[]).await;
    config.helper.per_minute = 1;
    let helper = Running::start(&config).await;
    assert_eq!(post(&helper, "X-Forwarded-For: 198.51.100.1\r\n", "{}").await.0, 400);
    assert_eq!(post(&helper, "X-Forwarded-For: 203.0.113.1\r\n", "{}").await.0, 429);
}

#[tokio::test]
async fn what_is_no_request_is_refused() {
    let ca = Ca::new("lab");
    let helper = Running::start(&config(&ca, &[]).await).await;
    let (status, _, said) = post(&helper, "", "<html>").await;
    assert_eq!(status, 400);
    assert!(said.contains("`http_request`"), "{said}");
    let large = json!({ "http_request": "https://gone.example/", "pad": "x".repeat(70_000) });
    assert_eq!(post(&helper, "", &large.to_string()).await.0, 413);
    assert_eq!(post(&helper, "Origin: https://evil.example\r\n", "{}").await.0, 403);
    assert_eq!(get(&helper, "/", "").await.0, 405);
    assert_eq!(get(&helper, "/x", "").await.0, 404);
}

#[tokio::test]
async fn too_many_at_once_are_sent_away_and_a_stop_lets_the_first_finish() {
    let ca = Ca::new("lab");
    let gate = Arc::new(tokio::sync::Semaphore::new(0));
    let waiting = Arc::clone(&gate);
    let site = bed::serve(HERE, move |mut stream| {
        let waiting = Arc::clone(&waiting);
        async move {
            bed::head(&mut stream).await;
            let _open = waiting.acquire().await;
            let _ = stream.write_all(&page("200 OK", "", b"late")).await;
        }
    })
    .await;
    let mut config = config(&ca, &["site.example"]).await;
    config.helper.max_in_flight = 1;
    config.probe.http_timeout = Duration::from_secs(20);
    config.probe.url_timeout = Duration::from_secs(20);
    let helper = Running::start(&config).await;
    let url: Url = format!("http://site.example:{}/", site.port()).parse().unwrap();
    let (first, second) = (client(&ca, &helper, None), client(&ca, &helper, None));
    let (stop, gate_open) = (helper.stop.clone(), Arc::clone(&gate));
    let (held, sent_away) = tokio::join!(first.ask(&url, &[]), async {
        let metrics = async || get(&helper, "/metrics", "").await.2;
        while !metrics().await.contains("measurements_in_flight 1") {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        let sent_away = second.ask(&url, &[]).await;
        stop.cancel();
        gate_open.add_permits(1);
        sent_away
    });
    assert_eq!(sent_away.unusable, Some(Failure::Unknown("helper_status_429".into())));
    assert_eq!((held.unusable.clone(), held.reached()), (None, Some(true)));
    assert!(TcpStream::connect(helper.address).await.is_err(), "it takes no more");
}
