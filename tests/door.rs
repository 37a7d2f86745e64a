//! Who may come in: TLS with a certificate that is renewed while the daemon runs, a token, and what nobody may do over
//! the network without one.

#![allow(clippy::unwrap_used, clippy::panic)]

mod support;

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use nix::sys::signal::Signal;
use rcgen::{CertificateParams, KeyPair};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};

use support::daemon::{Daemon, Process, until};
use support::place::Place;
use support::world::World;

const TOKEN: &str = "a-token-that-nobody-guesses";

/// Writes a new certificate for localhost and its key; gives the certificate.
fn renew(place: &Place) -> String {
    let key = KeyPair::generate().unwrap();
    let certificate = CertificateParams::new(vec!["localhost".to_owned()]).unwrap().self_signed(&key).unwrap();
    place.write("serve.key", &key.serialize_pem());
    place.write("serve.pem", &certificate.pem());
    certificate.pem()
}

/// Asks over TLS, trusting this certificate alone; the error when it is another.
fn ask(address: SocketAddr, trusted: &str, head: &str) -> Result<String, std::io::Error> {
    let mut roots = rustls::RootCertStore::empty();
    roots.add(CertificateDer::from_pem_slice(trusted.as_bytes()).unwrap()).unwrap();
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    let name = ServerName::try_from("localhost").unwrap();
    let connection = rustls::ClientConnection::new(Arc::new(config), name).unwrap();
    let stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
    let mut stream = rustls::StreamOwned::new(connection, stream);
    write!(stream, "{head}\r\nHost: localhost\r\nConnection: close\r\n\r\n")?;
    let mut answer = String::new();
    match stream.read_to_string(&mut answer) {
        Err(error) if answer.is_empty() => Err(error),
        _ => Ok(answer),
    }
}

fn place(world: &World, serve: &str) -> Place {
    let place = world.place(&["news"], "interval = \"1s\"\ntls_timeout = \"700ms\"");
    let config = place.read("blockspan.toml");
    place.write("blockspan.toml", &format!("{config}\n[serve]\n{serve}\n"));
    place.write("serve.token", TOKEN);
    place
}

/// A daemon as its configuration says, and where it serves.
fn start(place: &Place) -> (Process, SocketAddr) {
    let process = Process::spawn(&mut place.command(&["run", "--listen", "127.0.0.1:0"]));
    let address = until("it says where to look", || {
        let said = process.said();
        said.split_once("look at https://")?.1.split_once('/')?.0.parse().ok()
    });
    (process, address)
}

#[test]
fn a_token_is_asked_for_over_tls_and_the_certificate_is_renewed_while_it_runs() {
    let world = World::start();
    let place = place(&world, "tls_certificate = \"serve.pem\"\ntls_key = \"serve.key\"\ntoken_file = \"serve.token\"");
    let first = renew(&place);
    let (process, address) = start(&place);
    let get = |path: &str, field: &str| ask(address, &first, &format!("GET {path} HTTP/1.1{field}")).unwrap();
    for path in ["/", "/metrics", "/api/v1/spans", "/feed.atom", "/probe", "/nothing"] {
        let answer = get(path, "");
        assert!(answer.starts_with("HTTP/1.1 401 "), "{path}: {answer}");
        assert!(answer.to_ascii_lowercase().contains("www-authenticate: basic realm=\"blockspan\""), "{answer}");
        assert!(!answer.contains("news"), "{answer}");
    }
    for path in ["/-/healthy", "/-/ready"] {
        assert!(get(path, "").starts_with("HTTP/1.1 200 "), "{path} says only whether it lives");
    }
    let password = STANDARD.encode(format!("anyone:{TOKEN}"));
    for field in [format!("Bearer {TOKEN}"), format!("Basic {password}")] {
        let answer = get("/", &format!("\r\nAuthorization: {field}"));
        assert!(answer.starts_with("HTTP/1.1 200 ") && answer.contains("Site news"), "{answer}");
    }
    for field in [format!("Bearer {TOKEN}x"), "Basic !".to_owned(), format!("Basic {}", STANDARD.encode("anyone:"))] {
        assert!(get("/", &format!("\r\nAuthorization: {field}")).starts_with("HTTP/1.1 401 "), "{field}");
    }
    // In clear text there is nothing.
    let mut clear = TcpStream::connect(address).unwrap();
    clear.write_all(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n").unwrap();
    let mut answer = Vec::new();
    let _ = clear.read_to_end(&mut answer);
    assert!(!answer.starts_with(b"HTTP/"), "{answer:?}");

    // The files are watched; a key that does not fit changes nothing.
    place.write("serve.key", &KeyPair::generate().unwrap().serialize_pem());
    until("the misfit is told", || process.said().contains("cannot use the certificate in").then_some(()));
    assert!(ask(address, &first, "GET /-/ready HTTP/1.1").is_ok(), "the one before goes on");
    let second = renew(&place);
    until("the new certificate is shown", || ask(address, &second, "GET /-/ready HTTP/1.1").ok());
    assert!(ask(address, &first, "GET /-/ready HTTP/1.1").is_err());

    // So is the token; one that can be guessed changes nothing.
    let with = |token: &str| {
        let answer = ask(address, &second, &format!("GET / HTTP/1.1\r\nAuthorization: Bearer {token}")).unwrap();
        answer.starts_with("HTTP/1.1 200 ")
    };
    place.write("serve.token", "short");
    until("the short token is told", || process.said().contains("a token that can be guessed").then_some(()));
    assert!(with(TOKEN) && !with("short"), "the one before goes on");
    place.write("serve.token", "another-token-that-nobody-guesses");
    until("the new token counts", || with("another-token-that-nobody-guesses").then_some(()));
    assert!(!with(TOKEN));
    let log = process.said();
    assert!(!log.contains(TOKEN) && !log.contains("another-token"), "{log}");
    process.signal(Signal::SIGTERM);
}

#[test]
fn who_comes_over_the_network_without_a_token_may_look_and_not_act() {
    let world = World::start();
    let place = place(&world, "unprotected = true");
    let process = Process::spawn(&mut place.command(&["run", "--listen", "0.0.0.0:0"]));
    let daemon = Daemon::serving(process);
    let at = |path: &str| support::http::ask(SocketAddr::from(([127, 0, 0, 1], daemon.address.port())), "GET", path);
    assert_eq!(at("/").status, 200);
    assert_eq!(at("/probe?target=x").status, 403);
    let here = SocketAddr::from(([127, 0, 0, 1], daemon.address.port()));
    let reload = support::http::ask(here, "POST", "/-/reload");
    assert_eq!(reload.status, 403);
    assert!(reload.body.contains("token_file"), "{reload:?}");
    daemon.stop(Signal::SIGTERM);
    // The same where they come by a proxy on this machine.
    let daemon = Daemon::start(&place);
    assert_eq!((daemon.get("/").status, daemon.get("/probe?target=x").status), (200, 403));
    assert_eq!(daemon.post("/-/reload").status, 403);
    daemon.stop(Signal::SIGTERM);
}

#[test]
fn an_open_server_answers_to_its_addresses_and_to_the_names_that_are_listed() {
    let world = World::start();
    let place = place(&world, "unprotected = true\nhosts = [\"status.example.org\"]");
    let process = Process::spawn(&mut place.command(&["run", "--listen", "0.0.0.0:0"]));
    let daemon = Daemon::serving(process);
    let status = |host: &str| {
        let mut stream = TcpStream::connect(("127.0.0.1", daemon.address.port())).unwrap();
        write!(stream, "GET /api/v1/sites HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n").unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        answer.split(' ').nth(1).unwrap().to_owned()
    };
    for host in ["localhost", "127.0.0.1:9645", "192.0.2.7", "[2001:db8::1]:80", "status.example.org"] {
        assert_eq!(status(host), "200", "{host}");
    }
    // A page of that name was made to point here.
    assert_eq!(status("evil.example"), "421");
    daemon.stop(Signal::SIGTERM);
}

#[test]
fn an_open_address_wants_tls_and_a_token() {
    let world = World::start();
    for (serve, said) in [
        ("listen = \"0.0.0.0:9645\"", "have neither TLS nor a token"),
        ("listen = \"0.0.0.0:9645\"\ntoken_file = \"serve.token\"", "no TLS, so that the token travels in clear text"),
        ("tls_certificate = \"serve.pem\"", "`tls_key` is missing"),
        ("tls_certificate = \"serve.token\"\ntls_key = \"serve.key\"", "names a file that is no PEM file"),
        ("listen = \"0.0.0.0:9645\"\ntls_certificate = \"serve.pem\"\ntls_key = \"serve.key\"", "have no token"),
        ("token_file = \"nowhere\"", "cannot be read"),
    ] {
        let place = place(&world, serve);
        renew(&place);
        place.run(&["config", "check"]).refused(2, &[said]);
    }
    let place = place(
        &world,
        "listen = \"0.0.0.0:9645\"\ntls_certificate = \"serve.pem\"\ntls_key = \"serve.key\"\ntoken_file = \"serve.token\"",
    );
    renew(&place);
    assert_eq!(place.run(&["config", "check"]).code, Some(0));
}

#[test]
fn smuggled_requests_and_odd_paths_get_one_refusal_or_none() {
    let world = World::start();
    let place = world.place(&["news"], "interval = \"1s\"\ntls_timeout = \"700ms\"");
    let daemon = Daemon::start(&place);
    let send = |request: &str| {
        let mut stream = TcpStream::connect(daemon.address).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
        stream.write_all(request.as_bytes()).unwrap();
        let mut answer = vec![0; 4096];
        let length = stream.read(&mut answer).expect("it answers or closes");
        answer.truncate(length);
        if !request.contains("Connection: close") {
            // A connection that stays open says no more within this.
            stream.set_read_timeout(Some(Duration::from_millis(700))).unwrap();
        }
        let _ = stream.read_to_end(&mut answer);
        String::from_utf8_lossy(&answer).into_owned()
    };
    let hidden = "GET /metrics HTTP/1.1\r\nHost: localhost\r\n\r\n";
    for request in [
        // Two lengths, and which of them counts (RFC 9112 section 6.3).
        format!("POST /-/reload HTTP/1.1\r\nHost: localhost\r\nContent-Length: 4\r\nContent-Length: 0\r\n\r\n{hidden}"),
        format!("GET / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 0, 9\r\n\r\n{hidden}"),
        format!("GET / HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked, identity\r\n\r\n{hidden}"),
        format!("GET / HTTP/1.1\r\nHost: localhost\r\nContent-Length: +0\r\n\r\n{hidden}"),
        "GET / HTTP/1.1\r\nHost : localhost\r\n\r\n".to_owned(),
        "GET / HTTP/1.1\r\nHost: localhost\r\n folded\r\n\r\n".to_owned(),
        "GET / HTTP/1.1\r\nHost: localhost\r\nHost: other\r\n\r\n".to_owned(),
        "GET /\0 HTTP/1.1\r\nHost: localhost\r\n\r\n".to_owned(),
        "GET http://other.example/ HTTP/1.1\r\nHost: localhost\r\n\r\n".to_owned(),
    ] {
        let answer = send(&request);
        assert!(!answer.contains("blockspan_build_info"), "the hidden request was answered: {request:?}\n{answer}");
        assert!(answer.starts_with("HTTP/1.1 4"), "{request:?}\n{answer}");
    }
    assert_eq!(send("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"), "", "HTTP/2 is not spoken, and not answered in HTTP/1.1");
    for path in [
        "/../../etc/passwd",
        "/%2e%2e/%2e%2e/etc/passwd",
        "/sites/..%2f..%2fetc%2fpasswd",
        "//etc/passwd",
        "/sites/%00",
    ] {
        let answer = send(&format!("GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"));
        assert!(answer.starts_with("HTTP/1.1 404") || answer.starts_with("HTTP/1.1 400"), "{path}: {answer}");
        assert!(!answer.contains("root:"), "{path}");
    }
    // Both at once: the length must not count (RFC 9112 section 6.1), and nothing is hidden behind it.
    let both = send(
        "POST /nothing HTTP/1.1\r\nHost: localhost\r\nContent-Length: 60\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n0\r\n\r\nGET /metrics HTTP/1.1\r\nHost: localhost\r\n\r\n",
    );
    assert!(both.starts_with("HTTP/1.1 404 ") && !both.contains("blockspan_build_info"), "{both}");
    daemon.stop(Signal::SIGTERM);
}
