//! Log lines: for programs where nobody watches, by level and module while running, and never with an address of the
//! vantage.

#![allow(clippy::unwrap_used, clippy::panic)]

mod support;

use std::io::{Read, Write};
use std::net::{IpAddr, SocketAddr, TcpListener};
use std::thread;
use std::time::Duration;

use nix::sys::signal::Signal;
use serde_json::Value;

use support::daemon::{Daemon, Process, until};
use support::place::Place;
use support::world::World;

const QUICK: &str = "interval = \"1s\"\ntls_timeout = \"700ms\"";

/// A daemon whose lines nobody has a say in.
fn start(place: &Place, arguments: &[&str]) -> Process {
    let all = [&["run", "--listen", "127.0.0.1:0"], arguments].concat();
    let mut command = place.command(&all);
    command.env_remove("BLOCKSPAN_LOG_FORMAT").env_remove("JOURNAL_STREAM");
    Process::spawn(&mut command)
}

#[test]
fn a_service_that_nobody_watches_writes_json_with_its_events() {
    let world = World::start();
    let place = world.place(&["news"], QUICK);
    world.swallow("news", true);
    let mut process = start(&place, &[]);
    until("it tells of the block", || process.said().contains("BLOCKED").then_some(()));
    process.signal(Signal::SIGTERM);
    assert_eq!(process.wait(Duration::from_secs(20)), Some(0));
    let said = process.said();
    let lines: Vec<Value> = said.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    for line in &lines {
        assert!(line["timestamp"].is_string() && line["message"].is_string() && line["target"].is_string(), "{line}");
    }
    let blocked = lines.iter().find(|line| line["message"].as_str().unwrap().contains("BLOCKED")).unwrap();
    assert_eq!(blocked["level"], "WARN");
    // What is no service speaks to people.
    let status = place.run(&["status"]);
    assert!(!status.stderr.contains("{\""), "{}", status.stderr);
}

#[test]
fn levels_change_by_module_while_it_runs() {
    let world = World::start();
    let place = world.place(&["news"], QUICK);
    let config = place.read("blockspan.toml");
    let daemon = Daemon::start(&place);
    let reload = |filter: &str| {
        place.write("blockspan.toml", &format!("{config}\n[log]\nfilter = \"{filter}\"\n"));
        daemon.post("/-/reload")
    };
    assert!(!daemon.said().contains("DEBUG"));
    assert_eq!(reload("info,blockspan::daemon::journal=debug").status, 200);
    daemon.says("configuration read again");
    daemon.says("from here: accessible after ");
    let refused = reload("blockspan=loud");
    assert_eq!(refused.status, 500);
    assert!(refused.body.contains("`filter` is no filter"), "{refused:?}");
    assert_eq!(reload("off").status, 200);
    // What it said before may still be on its way to us.
    let before = until("nothing more arrives", || {
        let length = daemon.said().len();
        thread::sleep(Duration::from_millis(300));
        (daemon.said().len() == length).then_some(length)
    });
    thread::sleep(Duration::from_millis(1500));
    assert_eq!(daemon.said().len(), before, "nothing more is said");
    daemon.stop(Signal::SIGTERM);
}

/// A site that tells its visitors their address and lets none of them in; where it is.
fn echo() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let peer = stream.peer_addr().unwrap().ip();
            let page = format!("<title>Access denied for {peer}</title>");
            let _ = stream.read(&mut [0; 4096]);
            let length = page.len();
            let _ = write!(
                stream,
                "HTTP/1.1 403 No\r\nContent-Type: text/html\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n{page}"
            );
        }
    });
    address
}

#[test]
fn no_line_holds_an_address_of_the_vantage() {
    let world = World::start();
    let place = world.place(&["news", "blog"], QUICK);
    let config = place.read("blockspan.toml");
    // Its own address on the way, and that of its router's name server.
    place.write("blockspan.toml", &config.replace("id = \"here\"\n", "id = \"here\"\nsource = \"127.0.0.77\"\n"));
    let echo = format!("http://{}/", echo());
    let targets = place.read("targets.toml");
    place.write("targets.toml", &format!("{targets}\n[[site]]\nid = \"echo\"\nurls = [\"{echo}\"]\n"));
    world.swallow("news", true);
    let process = start(&place, &["-vv"]);
    until("it tells of the block", || process.said().contains("BLOCKED").then_some(()));
    // What a page tells of its visitor is quoted without it.
    until("it quotes the page", || process.said().contains("Access denied for hidden-address").then_some(()));
    let daemon = Daemon::serving(process);
    let page = daemon.get("/sites/echo").body;
    assert!(page.contains("Access denied for hidden-address") && !page.contains("127.0.0.77"), "{page}");
    let probe = daemon.get(&format!("/probe?debug=true&target={echo}")).body;
    assert!(probe.contains("Access denied for hidden-address") && !probe.contains("127.0.0.77"), "{probe}");
    let mut process = daemon.process;
    world.swallow("news", false);
    until("and of its end", || process.said().contains("no longer blocked").then_some(()));
    process.signal(Signal::SIGTERM);
    process.wait(Duration::from_secs(20));
    let said = process.said();
    assert!(said.lines().count() > 10, "{said}");
    for line in said.lines() {
        assert!(!line.contains("127.0.0.77"), "{line}");
    }
}

/// An address of this machine that is more than loopback.
fn own_address() -> Option<IpAddr> {
    nix::ifaddrs::getifaddrs().unwrap().find_map(|interface| {
        let address = IpAddr::from(interface.address?.as_sockaddr_in()?.ip());
        (!address.is_loopback()).then_some(address)
    })
}

#[test]
fn nor_does_a_line_tell_where_the_machine_is_reached() {
    let Some(own) = own_address() else {
        eprintln!("SKIPPED: nor_does_a_line_tell…: this machine has no address but loopback");
        return;
    };
    let world = World::start();
    let place = world.place(&["news"], QUICK);
    let config = place.read("blockspan.toml");
    place.write("blockspan.toml", &format!("{config}\n[serve]\nunprotected = true\n"));
    let run = |listen: &str| Process::spawn(&mut place.command(&["run", "--listen", listen]));
    let mut process = run(&format!("{own}:0"));
    let port = until("it serves", || {
        let said = process.said();
        Some(said.split_once("look at http://ADDRESS:")?.1.split_once('/')?.0.parse::<u16>().unwrap())
    });
    // Where that is taken, the complaint does not tell it either.
    let other = Place::with(&[]);
    for file in ["blockspan.toml", "targets.toml", "root.pem"] {
        other.write(file, &place.read(file));
    }
    let mut second = Process::spawn(&mut other.command(&["run", "--listen", &format!("{own}:{port}")]));
    assert_eq!(second.wait(Duration::from_secs(20)), Some(1), "{}", second.said());
    assert!(second.said().contains("cannot serve on ADDRESS:"), "{}", second.said());
    process.signal(Signal::SIGTERM);
    process.wait(Duration::from_secs(20));
    for said in [process.said(), second.said()] {
        assert!(!said.contains(&own.to_string()), "{said}");
    }
}

#[test]
fn a_configuration_that_is_refused_is_told_without_its_lines() {
    let world = World::start();
    let place = world.place(&["news"], QUICK);
    let config = place.read("blockspan.toml");
    let daemon = Daemon::start(&place);
    for (number, wrong) in [
        "[serve]\ntoken = \"s3cret-token\"",
        "[[webhook]]\nid = \"a\"\nurl = \"https://hooks.example/s3cret-path",
        "[[webhook]]\nid = \"a\"\nurl = \"https://u:s3cret@hooks.example/\"",
        "[[webhook]]\nid = \"a\"\nurl = \"hooks.example/s3cret\"",
        "[[webhook]]\nid = \"a\"\nurl = \"https://hooks.example/\"\nsecret = \"whsec_s3cret\"",
        "[[vantage]]\nid = \"b\"\nvia = \"socks5://u:s3cret@127.0.0.1:1080\"",
        "[[vantage]]\nid = \"b\"\nsource = \"185.10.20.30/24\"",
        "[[vantage]]\nid = \"b\"\nsource = \"185.10.20.30\"\nvia = \"socks5://127.0.0.1:1080\"",
        "[serve]\nlisten = \"185.10.20.30:9645\"",
        "[[webhook]]\nid = \"a\"\nurl = \"https://hooks.example/\"\nevents = [\"whsec_s3cret\"]",
        "[[vantage]]\nid = \"b\"\nrole = \"185.10.20.30\"",
    ]
    .into_iter()
    .enumerate()
    {
        place.write("blockspan.toml", &format!("{config}\n{wrong}\n"));
        let answer = daemon.post("/-/reload");
        assert_eq!(answer.status, 500, "{wrong}: {answer:?}");
        assert!(answer.body.contains("blockspan.toml:"), "where it is: {answer:?}");
        let page = daemon.get("/").body;
        let started = place.run(&["run", "--listen", "127.0.0.1:0"]);
        assert_eq!(started.code, Some(2), "{number}");
        assert!(started.stderr.contains("blockspan.toml:"), "{}", started.stderr);
        for told in [&answer.body, &page, &started.stderr, &daemon.said()] {
            assert!(!told.contains("s3cret") && !told.contains("185.10.20.30"), "{wrong}: {told}");
        }
    }
    daemon.stop(Signal::SIGTERM);
}
