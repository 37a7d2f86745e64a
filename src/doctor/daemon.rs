//! Whether a daemon runs, answers, and measures.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::Path;
use std::time::Duration;

use super::{Area, Check, Draft};
use crate::config::ServeConfig;
use crate::detect::Life;
use crate::model::Timestamp;
use crate::store::{Holder, holder};

/// Longest wait for an answer of the daemon, which is on this machine.
const PATIENCE: Duration = Duration::from_secs(5);
/// Bytes of an answer that are read.
const MOST_BYTES: usize = 8 << 20;
/// Rounds that may be missed before it is told.
const ROUNDS: u32 = 3;

/// What an address on this machine answers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Served {
    /// Nobody listens, or nobody answers.
    Nothing,
    /// Behind TLS, and not asked.
    Unasked,
    /// Something that is no blockspan.
    Other,
    /// A blockspan.
    Daemon {
        /// What it still waits for; None when it is ready.
        missing: Option<String>,
        /// Whether it took the last configuration that it read; None when it does not tell.
        reloaded: Option<bool>,
    },
}

/// What is known of the daemon.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DaemonFacts {
    /// The last run of a daemon on the record. None when there was none, or the record cannot be read.
    pub life: Option<Life>,
    /// Who holds the record; the error of looking for it.
    pub holder: Result<Option<Holder>, String>,
    /// Where it should serve.
    pub address: SocketAddr,
    /// What is served there.
    pub served: Served,
    /// Beginning of the newest measurement.
    pub newest: Option<Timestamp>,
    /// Now.
    pub now: Timestamp,
    /// Time between two rounds.
    pub interval: Duration,
    /// Longest time that one measurement takes.
    pub longest: Duration,
}

/// Looks for a daemon on the record at `path`, and for what is served at `address`.
pub async fn look_at(path: &Path, serve: &ServeConfig) -> (Result<Option<Holder>, String>, Served) {
    let served = if serve.tls.is_some() { Served::Unasked } else { served(serve.listen).await };
    (holder(path).map_err(|error| error.to_string()), served)
}

async fn served(address: SocketAddr) -> Served {
    // Where it listens on every address it is asked on this machine's own.
    let ip = match address.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => IpAddr::V4(Ipv4Addr::LOCALHOST),
        IpAddr::V6(ip) if ip.is_unspecified() => IpAddr::V6(Ipv6Addr::LOCALHOST),
        ip => ip,
    };
    let address = SocketAddr::new(ip, address.port());
    let Some((status, body)) = get(address, "/-/healthy").await else { return Served::Nothing };
    if status != 200 || !body.contains("blockspan") {
        return Served::Other;
    }
    let missing = match get(address, "/-/ready").await {
        Some((200, _)) => None,
        Some((_, body)) => Some(body.trim().to_owned()),
        None => Some("no answer".to_owned()),
    };
    let metrics = get(address, "/metrics").await.map(|(_, body)| body).unwrap_or_default();
    let reloaded = metrics
        .lines()
        .find_map(|line| line.strip_prefix("blockspan_config_last_reload_successful "))
        .map(|value| value.trim() == "1");
    Served::Daemon { missing, reloaded }
}

async fn get(address: SocketAddr, path: &str) -> Option<(u16, String)> {
    let exchange = async {
        use http_body_util::{BodyExt, Empty, Limited};
        let stream = tokio::net::TcpStream::connect(address).await.ok()?;
        let io = hyper_util::rt::TokioIo::new(stream);
        let (mut sender, connection) = hyper::client::conn::http1::handshake(io).await.ok()?;
        let driver = tokio::spawn(connection);
        let request = http::Request::get(path)
            .header(http::header::HOST, address.to_string())
            .body(Empty::<bytes::Bytes>::new())
            .ok()?;
        let answer = sender.send_request(request).await.ok()?;
        let status = answer.status().as_u16();
        let body = Limited::new(answer.into_body(), MOST_BYTES).collect().await.ok()?.to_bytes();
        driver.abort();
        Some((status, String::from_utf8_lossy(&body).into_owned()))
    };
    tokio::time::timeout(PATIENCE, exchange).await.ok().flatten()
}

/// The checks of the daemon.
pub fn on_daemon(facts: &DaemonFacts) -> Vec<Check> {
    let running = Draft::of(Area::Daemon, "running");
    let held = match &facts.holder {
        Ok(held) => held,
        Err(error) => {
            return vec![running.failed(
                format!("the lock of the record cannot be looked at: {error}"),
                "run `blockspan doctor` as the user that runs the daemon",
            )];
        }
    };
    let Some(holder) = held else { return vec![on_nobody(running, facts)] };
    let who = holder.pid.map_or_else(|| "a process".to_owned(), |pid| format!("process {pid}"));
    let mut checks = vec![running.ok(format!("{who} holds the record"))];
    checks.extend(on_served(facts));
    checks.push(on_age(facts));
    checks
}

fn on_nobody(running: Draft, facts: &DaemonFacts) -> Check {
    let start = "start `blockspan run`, or name the record that it writes with --store";
    if let Served::Daemon { .. } = facts.served {
        let found = format!("nobody holds this record; the blockspan at {} writes another one", facts.address);
        return running.warning(found, start);
    }
    match facts.life {
        Some(Life { last_sign, ended: None, .. }) => running.failed(
            format!("nothing is being measured: the last daemon broke off, its last sign of life was at {last_sign}"),
            "look at its log, and at the system's, for why it ended; then start it again",
        ),
        Some(Life { ended: Some(ended), .. }) => {
            running.warning(format!("nothing is being measured: the last daemon was stopped at {ended}"), start)
        }
        None => running.warning("nobody holds the record, so nothing is being measured", start),
    }
}

fn on_served(facts: &DaemonFacts) -> Vec<Check> {
    let answers = Draft::of(Area::Daemon, "answers");
    let address = facts.address;
    match &facts.served {
        Served::Unasked => {
            vec![answers.skipped("what is served is behind TLS and was not asked: see `/-/ready` yourself")]
        }
        Served::Nothing => vec![answers.warning(
            format!("nothing answers at {address}"),
            "if it was started with --listen, nothing is wrong; else look at its log and start it again",
        )],
        Served::Other => vec![answers.warning(
            format!("what answers at {address} is no blockspan"),
            "choose another address as `[serve] listen`, or end the program that holds this one",
        )],
        Served::Daemon { missing, reloaded } => {
            let mut checks = vec![match missing {
                None => answers.ok(format!("healthy and ready at http://{address}/")),
                Some(missing) => answers.warning(missing.clone(), "wait a little; if it stays so, look at its log"),
            }];
            let reload = Draft::of(Area::Daemon, "reload");
            checks.extend(reloaded.map(|taken| {
                if taken {
                    reload.ok("it has taken the last configuration that it read")
                } else {
                    reload.failed(
                        "it refused the last configuration that it read, and goes on with the one before",
                        "see `blockspan config check`, mend the file, and it is read again by itself",
                    )
                }
            }));
            checks
        }
    }
}

fn on_age(facts: &DaemonFacts) -> Check {
    let measuring = Draft::of(Area::Daemon, "measuring");
    let Some(newest) = facts.newest else {
        return measuring.warning("nothing has been recorded yet", "wait for the first round; then look at its log");
    };
    let age = facts.now.since(newest);
    let found = format!("the newest measurement began {} s ago", age.as_secs());
    let limit = facts.interval * ROUNDS + facts.longest;
    if age <= limit {
        measuring.ok(found)
    } else {
        measuring.failed(
            format!("{found}, and one is due every {} s", facts.interval.as_secs()),
            "look at its log: the disk may be full, or the clock was set; then start it again",
        )
    }
}

#[cfg(test)]
mod tests {
    use super::super::State;
    use super::*;
    use crate::probe::tests::bed::ClosedPort;

    fn good() -> DaemonFacts {
        let now = Timestamp::from_unix_ms(1_800_000_000_000);
        DaemonFacts {
            life: None,
            holder: Ok(Some(Holder { pid: Some(7) })),
            address: SocketAddr::from(([127, 0, 0, 1], 9645)),
            served: Served::Daemon { missing: None, reloaded: Some(true) },
            newest: Some(now.minus(Duration::from_secs(30))),
            now,
            interval: Duration::from_secs(60),
            longest: Duration::from_secs(30),
        }
    }

    #[test]
    fn each_fault_of_the_daemon_is_told() {
        use State::{Failed, Ok as Good, Warning};
        let served = |served| DaemonFacts { served, ..good() };
        let old = good().now.minus(Duration::from_secs(600));
        let life = |ended| Some(Life { began: old, last_sign: old, ended });
        let waits = Some("Not ready: no round.".to_owned());
        for (facts, wanted) in [
            (good(), &[Good, Good, Good, Good][..]),
            (DaemonFacts { holder: Ok(None), ..good() }, &[Warning]),
            (DaemonFacts { holder: Ok(None), served: Served::Nothing, ..good() }, &[Warning]),
            (DaemonFacts { life: life(None), holder: Ok(None), served: Served::Nothing, ..good() }, &[Failed]),
            (DaemonFacts { life: life(Some(old)), holder: Ok(None), served: Served::Nothing, ..good() }, &[Warning]),
            (
                DaemonFacts { holder: Ok(Some(Holder { pid: None })), life: life(None), ..good() },
                &[Good, Good, Good, Good],
            ),
            (DaemonFacts { holder: Err("no".to_owned()), ..good() }, &[Failed]),
            (served(Served::Nothing), &[Good, Warning, Good]),
            (served(Served::Other), &[Good, Warning, Good]),
            (served(Served::Daemon { missing: waits, reloaded: None }), &[Good, Warning, Good]),
            (served(Served::Daemon { missing: None, reloaded: Some(false) }), &[Good, Good, Failed, Good]),
            (DaemonFacts { newest: Some(old), ..good() }, &[Good, Good, Good, Failed]),
            (DaemonFacts { newest: None, ..good() }, &[Good, Good, Good, Warning]),
        ] {
            let checks = on_daemon(&facts);
            assert_eq!(checks.iter().map(|check| check.state).collect::<Vec<_>>(), wanted, "{facts:?}");
            for check in checks {
                assert_eq!(check.state == Good, check.advice.is_none(), "{check:?}");
            }
        }
    }

    #[tokio::test]
    async fn nobody_and_somebody_else_are_told_apart() {
        let closed = ClosedPort::take();
        assert_eq!(served(closed.address).await, Served::Nothing);
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        tokio::spawn(async move {
            use tokio::io::{AsyncReadExt, AsyncWriteExt};
            while let Ok((mut stream, _)) = listener.accept().await {
                let mut some = [0; 512];
                let _ = stream.read(&mut some).await;
                let _ = stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi").await;
            }
        });
        assert_eq!(served(address).await, Served::Other);
    }
}
