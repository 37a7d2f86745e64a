//! `blockspan helper` as a process: asked by `check` as its control, and by hand; how it starts and how it stops.

#![allow(clippy::unwrap_used, clippy::panic)]

mod support;

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::thread;
use std::time::Duration;

use nix::sys::signal::Signal;
use serde_json::Value;

use support::daemon::{Process, until};
use support::http;
use support::place::Place;

const LOOPBACK_IS_PUBLIC: &str = "[network]\nallow_private = [\"127.0.0.0/8\"]\n";

/// A site in clear text that answers every request with the same page, until the test is over.
fn site() -> SocketAddr {
    const PAGE: &str = "<title>A page of its own</title>";
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let mut head = Vec::new();
            let mut byte = [0];
            while !head.ends_with(b"\r\n\r\n") && stream.read(&mut byte).is_ok_and(|read| read > 0) {
                head.push(byte[0]);
            }
            let length = PAGE.len();
            let _ = write!(stream, "HTTP/1.1 200 OK\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n{PAGE}");
        }
    });
    address
}

/// What the command line says of the door holds for the address in the file, too.
#[test]
fn the_command_line_settles_who_may_reach_it() {
    let file = "[helper]\nlisten = \"0.0.0.0:0\"\n";
    let place = Place::with(&[("token", "a-secret-of-friends\n"), ("blockspan.toml", file)]);
    for settled in [&["--unprotected"][..], &["--token-file", "token"]] {
        let mut process = Process::spawn(&mut place.command(&[&["helper"], settled].concat()));
        until("it listens", || process.said().contains("helping at http://0.0.0.0:").then_some(()));
        process.signal(Signal::SIGINT);
        assert_eq!(process.wait(Duration::from_secs(10)), Some(0), "{}", process.said());
    }
    place.run(&["helper"]).refused(2, &["blockspan.toml:2:10", "asks for no token"]);
}

/// A helper that has said where it listens.
fn start(place: &Place, arguments: &[&str]) -> (Process, SocketAddr) {
    let process = Process::spawn(&mut place.command(&[&["helper", "--listen", "127.0.0.1:0"], arguments].concat()));
    let address = until("it says where it helps", || {
        let said = process.said();
        Some(said.split_once("helping at http://")?.1.split_once('/')?.0.parse().unwrap())
    });
    (process, address)
}

/// Asks by hand; status and body.
fn ask(helper: SocketAddr, token: &str, body: &str) -> (u16, String) {
    let mut stream = TcpStream::connect(helper).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
    let length = body.len();
    write!(
        stream,
        "POST / HTTP/1.1\r\nHost: {helper}\r\nAuthorization: Bearer {token}\r\nContent-Type: application/json\r\n\
         Content-Length: {length}\r\nConnection: close\r\n\r\n{body}"
    )
    .unwrap();
    let mut text = String::new();
    stream.read_to_string(&mut text).unwrap();
    let (head, body) = text.split_once("\r\n\r\n").unwrap();
    (head.split(' ').nth(1).unwrap().parse().unwrap(), body.to_owned())
}

#[test]
fn check_has_it_as_its_control_and_sigterm_stops_it_in_order() {
    let abroad = Place::with(&[("blockspan.toml", LOOPBACK_IS_PUBLIC), ("token", "a-secret-of-friends\n")]);
    let (mut helper, address) = start(&abroad, &["--token-file", "token"]);
    assert_eq!(http::ask(address, "GET", "/health").status, 200);

    let url = format!("http://{}/?secret=1", site());
    let config = format!(
        r#"{LOOPBACK_IS_PUBLIC}
[control]
resolvers = []
helpers = [{{ id = "abroad", url = "http://{address}/", token_file = "token" }}]
[[vantage]]
id = "here"
resolvers = ["udp://127.0.0.1:9"]
[[canary]]
url = "{url}"
scope = "foreign"
"#
    );
    let targets = format!("[[site]]\nid = \"own\"\nurls = [\"{url}\"]\n");
    let here =
        Place::with(&[("targets.toml", &targets), ("blockspan.toml", &config), ("token", "a-secret-of-friends\n")]);
    let ended = here.run(&["check", &url, "--format", "json"]);
    let told: Value = serde_json::from_str(ended.stdout.lines().next().unwrap_or_default()).unwrap();
    assert_eq!((ended.code, &told["status"]), (Some(0), &Value::from("accessible")), "{ended:?}");
    assert_eq!(told["control"]["id"], "abroad", "{told}");
    assert_eq!(told["control"]["status"], "accessible", "{told}");

    let request = serde_json::json!({ "http_request": url, "tcp_connect": ["127.0.0.1:1"] }).to_string();
    let (status, answer) = ask(address, "a-secret-of-friends", &request);
    let answer: Value = serde_json::from_str(&answer).unwrap();
    assert_eq!((status, &answer["http_request"]["title"]), (200, &Value::from("A page of its own")), "{answer}");
    assert_eq!(ask(address, "wrong", &request).0, 401);

    helper.signal(Signal::SIGTERM);
    assert_eq!(helper.wait(Duration::from_secs(10)), Some(0), "{}", helper.said());
    let said = helper.said();
    assert!(said.contains("SIGTERM: stopping") && said.contains("stopped in order"), "{said}");
    assert!(!said.contains("/secret") && !said.contains("of-friends"), "neither URLs nor tokens are logged: {said}");
}

#[test]
fn it_does_not_open_itself_to_the_network_by_oversight() {
    let place = Place::with(&[("token", "a-secret-of-friends\n"), ("empty", "\n")]);
    place.run(&["helper", "--listen", "0.0.0.0:0"]).refused(2, &["asks for no token", "--unprotected"]);
    place.run(&["helper", "--listen", "[::]:0"]).refused(2, &["asks for no token", "token_file"]);
    place.run(&["helper", "--listen", "nowhere"]).refused(2, &["`--listen` is not an address", "127.0.0.1:9645"]);
    place
        .run(&["helper", "--token-file", "nowhere"])
        .refused(2, &["`--token-file` names a file that cannot be read", "no such file"]);
    place.run(&["helper", "--token-file", "empty"]).refused(2, &["`--token-file` names an empty file"]);
    place.write("blockspan.toml", "[helper]\nlisten = \"0.0.0.0:9646\"\nper_minut = 7\n");
    place.run(&["helper"]).refused(2, &["blockspan.toml:2:10", "asks for no token", "unknown key `per_minut`"]);
    place.write("blockspan.toml", "[control]\nresolvers = []\n");
    place.run(&["helper"]).refused(2, &["nobody to look names up with"]);

    place.write("blockspan.toml", "[helper]\nlisten = \"0.0.0.0:9646\"\ntoken_file = \"token\"\n");
    place.write("targets.toml", "[[site]]\nid = \"a\"\nurls = [\"https://a.test/\"]\n");
    let ended = place.run(&["config", "check"]);
    assert_eq!(ended.code, Some(0), "{ended:?}");
    assert!(ended.stderr.contains("clear text unless a proxy with TLS"), "{ended:?}");
}

#[test]
fn an_address_that_is_taken_is_told() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let ended = Place::new().run(&["helper", "--listen", &address]);
    ended.refused(1, &["the helper cannot run", &address, "[helper] listen"]);
}
