//! Span events told to a receiver that fails half of the time, over a kill of the daemon: each is taken once, in order,
//! with a good signature.

#![allow(clippy::unwrap_used, clippy::panic)]

mod support;

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use aws_lc_rs::hmac;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use nix::sys::signal::Signal;
use serde_json::Value;

use support::daemon::{Daemon, until};
use support::place::Place;
use support::world::World;

const SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";

/// A message as it came.
#[derive(Debug, Clone)]
struct Came {
    headers: BTreeMap<String, String>,
    body: String,
    taken: bool,
}

impl Came {
    fn id(&self) -> &str {
        &self.headers["webhook-id"]
    }

    fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap()
    }

    /// Whether who sent it knows the secret (Standard Webhooks, "Verifying webhook authenticity").
    fn is_signed(&self) -> bool {
        let key = STANDARD.decode(SECRET.strip_prefix("whsec_").unwrap()).unwrap();
        let signed = format!("{}.{}.{}", self.id(), self.headers["webhook-timestamp"], self.body);
        let signature = STANDARD.decode(self.headers["webhook-signature"].strip_prefix("v1,").unwrap()).unwrap();
        hmac::verify(&hmac::Key::new(hmac::HMAC_SHA256, &key), signed.as_bytes(), &signature).is_ok()
    }
}

/// A receiver on loopback: every second message it refuses, drops or takes without an answer.
struct Receiver {
    address: SocketAddr,
    came: Arc<Mutex<Vec<Came>>>,
}

impl Receiver {
    fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let (address, came) = (listener.local_addr().unwrap(), Arc::<Mutex<Vec<Came>>>::default());
        let seen = Arc::clone(&came);
        thread::spawn(move || {
            for stream in listener.incoming() {
                let (stream, seen) = (stream.unwrap(), Arc::clone(&seen));
                thread::spawn(move || receive(stream, &seen));
            }
        });
        Self { address, came }
    }

    fn all(&self) -> Vec<Came> {
        self.came.lock().unwrap().clone()
    }

    fn taken(&self) -> Vec<Came> {
        self.all().into_iter().filter(|came| came.taken).collect()
    }
}

fn receive(stream: TcpStream, seen: &Mutex<Vec<Came>>) -> Option<()> {
    stream.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
    let mut reader = BufReader::new(stream);
    loop {
        let mut line = String::new();
        if reader.read_line(&mut line).ok()? == 0 {
            return None;
        }
        assert!(line.starts_with("POST /hook HTTP/1.1") || line.starts_with("POST /hook?key=s3cret "), "{line}");
        let mut headers = BTreeMap::new();
        loop {
            let mut line = String::new();
            reader.read_line(&mut line).ok()?;
            let Some((name, value)) = line.trim_end().split_once(": ") else { break };
            headers.insert(name.to_ascii_lowercase(), value.to_owned());
        }
        let mut body = vec![0; headers["content-length"].parse().unwrap()];
        reader.read_exact(&mut body).ok()?;
        let body = String::from_utf8(body).unwrap();
        let number = {
            let mut seen = seen.lock().unwrap();
            let taken = seen.len() % 2 == 1;
            seen.push(Came { headers, body, taken });
            seen.len() - 1
        };
        // Even ones fail, each in another way.
        let answer: &[u8] = match number % 6 {
            0 => b"HTTP/1.1 500 No\r\nContent-Length: 0\r\n\r\n",
            2 => return None,
            4 => b"HTTP/1.1 503 Later\r\nRetry-After: 0\r\nContent-Length: 0\r\n\r\n",
            _ => b"HTTP/1.1 204 Thanks\r\n\r\n",
        };
        reader.get_mut().write_all(answer).ok()?;
    }
}

fn place(world: &World, receiver: SocketAddr, more: &str) -> Place {
    let place = world.place(&["news"], "interval = \"1s\"\ntls_timeout = \"700ms\"");
    place.write("hook.secret", SECRET);
    let hook = format!(
        "\n[[webhook]]\nid = \"newsroom\"\nurl = \"http://{receiver}/hook\"\nsecret_file = \"hook.secret\"\nfirst_retry = \"100ms\"\n{more}"
    );
    let config = place.read("blockspan.toml");
    place.write("blockspan.toml", &(config + &hook));
    place
}

fn block(daemon: &Daemon, world: &World, blocked: bool) {
    world.swallow("news", blocked);
    let value = if blocked { 1.0 } else { 0.0 };
    daemon.metric_becomes("blockspan_site_status", &["site=\"news\"", "status=\"blocked\""], value);
}

#[test]
fn a_receiver_that_fails_half_of_the_time_is_told_everything_once() {
    let (world, receiver) = (World::start(), Receiver::start());
    let place = place(&world, receiver.address, "");
    let daemon = Daemon::start(&place);
    block(&daemon, &world, true);
    block(&daemon, &world, false);
    until("two are taken", || (receiver.taken().len() >= 2).then_some(()));
    block(&daemon, &world, true);
    until("the third is in the record", || {
        (daemon.get("/feed.atom").body.matches("<entry>").count() == 3).then_some(())
    });
    // Killed with a message under way, perhaps.
    drop(daemon);
    let daemon = Daemon::start(&place);
    block(&daemon, &world, false);
    until("all four are taken", || {
        let ids: std::collections::BTreeSet<String> =
            receiver.taken().iter().map(|came| came.id().to_owned()).collect();
        (ids.len() >= 4).then_some(())
    });
    let metric = |outcome: &str| {
        daemon.metric("blockspan_webhook_messages_total", &["webhook=\"newsroom\"", &format!("outcome=\"{outcome}\"")])
    };
    until("the count", || (metric("delivered")? >= 1.0).then_some(()));
    assert!(metric("failed").unwrap() >= 1.0 && metric("given_up") == Some(0.0));
    daemon.metric_becomes("blockspan_webhook_waiting", &["webhook=\"newsroom\""], 0.0);
    let log = daemon.stop(Signal::SIGTERM);
    assert!(!log.contains("/hook") && !log.contains("whsec"), "address and secret stay out of the log: {log}");

    let all = receiver.all();
    assert!(all.iter().all(Came::is_signed), "every message is signed");
    // Each event has one id and one body, however often it was sent.
    let mut told: Vec<(String, String)> = Vec::new();
    for came in &all {
        match told.iter().find(|(id, _)| id == came.id()) {
            None => told.push((came.id().to_owned(), came.json()["type"].as_str().unwrap().to_owned())),
            Some((_, kind)) => assert_eq!(came.json()["type"], **kind),
        }
    }
    let kinds: Vec<&str> = told.iter().map(|(_, kind)| kind.as_str()).collect();
    assert_eq!(kinds, ["span.opened", "span.closed", "span.opened", "span.closed"], "in order, one each");
    // Taken twice is only what was taken when the daemon was killed.
    assert!(receiver.taken().len() <= told.len() + 1, "{:?}", receiver.taken());
    let last = all.last().unwrap().json();
    assert_eq!(last["data"]["site"], serde_json::json!({ "id": "news", "name": "Site news", "country": "KZ" }));
    assert_eq!(last["data"]["span"]["span_id"], last["data"]["span_id"]);
    assert!(last["data"]["headline"].as_str().unwrap().contains("Site news: no longer blocked from here"));
    let decided = last["data"]["measurement_id"].as_str().unwrap();
    assert!(last["data"]["text"].as_str().unwrap().contains(decided), "the text can be quoted");
}

#[test]
fn what_was_not_taken_for_too_long_is_let_go_and_one_that_wants_no_more_is_left_alone() {
    let world = World::start();
    let gone = TcpListener::bind("127.0.0.1:0").unwrap();
    // It never listens, and nobody else gets its port.
    let silent = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None).unwrap();
    silent.bind(&SocketAddr::from(([127, 0, 0, 1], 0)).into()).unwrap();
    let dead = silent.local_addr().unwrap().as_socket().unwrap();
    let more = format!(
        "give_up_after = \"1s\"\n[[webhook]]\nid = \"gone\"\nurl = \"http://{}/hook\"\nfirst_retry = \"100ms\"\n",
        gone.local_addr().unwrap()
    );
    let asked = Arc::new(Mutex::new(0));
    let count = Arc::clone(&asked);
    thread::spawn(move || {
        for stream in gone.incoming() {
            let mut stream = stream.unwrap();
            *count.lock().unwrap() += 1;
            let _ = stream.read(&mut [0; 8192]);
            let _ = stream.write_all(b"HTTP/1.1 410 Gone\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
        }
    });
    let place = place(&world, dead, &more);
    let daemon = Daemon::start(&place);
    block(&daemon, &world, true);
    let of = |outcome: &str| ["webhook=\"newsroom\"".to_owned(), format!("outcome=\"{outcome}\"")];
    let given_up = of("given_up");
    let given_up: Vec<&str> = given_up.iter().map(String::as_str).collect();
    daemon.metric_becomes("blockspan_webhook_messages_total", &given_up, 1.0);
    daemon.says("webhook gone: it answers 410");
    block(&daemon, &world, false);
    let feed = || daemon.get("/feed.atom").body.matches("<entry>").count();
    until("the end is in the record", || (feed() == 2).then_some(()));
    daemon.metric_becomes("blockspan_webhook_messages_total", &given_up, 2.0);
    assert_eq!(*asked.lock().unwrap(), 1, "who wants no more is not asked again");
    daemon.stop(Signal::SIGTERM);
}

#[test]
fn the_address_of_a_webhook_may_be_a_secret_in_a_file() {
    let world = World::start();
    let receiver = Receiver::start();
    let place = place(&world, receiver.address, "");
    let config = place.read("blockspan.toml");
    let url = format!("url = \"http://{}/hook\"", receiver.address);
    assert!(config.contains(&url));
    place.write("hook.url", &format!("http://{}/hook?key=s3cret\n", receiver.address));
    place.write("blockspan.toml", &config.replace(&url, &format!("{url}\nurl_file = \"hook.url\"")));
    place.run(&["config", "check"]).refused(2, &["`url` and `url_file` cannot both be given"]);
    place.write("blockspan.toml", &config.replace(&url, "url_file = \"nowhere\""));
    place.run(&["config", "check"]).refused(2, &["`url_file` names a file that cannot be read"]);
    place.write("blockspan.toml", &config.replace(&url, "url_file = \"hook.url\""));
    let daemon = Daemon::start(&place);
    block(&daemon, &world, true);
    until("it is told", || (!receiver.taken().is_empty()).then_some(()));
    assert!(!daemon.get("/").body.contains("s3cret"));
    let log = daemon.stop(Signal::SIGTERM);
    assert!(!log.contains("s3cret"), "{log}");
}

#[test]
fn a_bad_webhook_is_told_with_its_place() {
    let world = World::start();
    let place = place(&world, "127.0.0.1:1".parse().unwrap(), "events = [\"openned\"]\n");
    place.write("hook.secret", "short");
    let ended = place.run(&["config", "check"]);
    assert_eq!(ended.code, Some(2));
    for words in ["`secret_file` names a file that holds no usable secret", "text of 16 bytes", "openned", "opened"] {
        assert!(ended.stderr.contains(words), "{words}: {}", ended.stderr);
    }
    assert!(!ended.stderr.contains("short\n"), "the secret is not shown");
}
