//! Peers that our own TLS library cannot play: `openssl s_server`, where it is installed.

use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use super::bed::{self, Ca};
use crate::model::CertificateFault::{Malformed, UnknownIssuer};
use crate::model::{CertificateFault, Failure, Measurement};

/// A server that ends with the test.
struct Server {
    child: Child,
    address: SocketAddr,
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn openssl(arguments: &[&str]) -> bool {
    let status = Command::new("openssl").args(arguments).stdout(Stdio::null()).stderr(Stdio::null()).status();
    status.is_ok_and(|status| status.success())
}

/// Whether there is an openssl; says so when a test is skipped.
fn missing() -> bool {
    let missing = !openssl(&["version"]);
    if missing {
        eprintln!("SKIPPED: `openssl` is not installed, so its peers were not tested");
    }
    missing
}

fn path(path: &Path) -> &str {
    path.to_str().unwrap()
}

/// A self-signed certificate and its key. Without `-x509` extensions it is one of X.509 version 1.
fn certificate(directory: &Path, bits: u32, digest: &str, version_1: bool) -> (PathBuf, PathBuf) {
    let [key, request, chain] = ["key.pem", "request.pem", "chain.pem"].map(|name| directory.join(name));
    let size = format!("rsa:{bits}");
    let new = ["req", "-new", "-newkey", &size, "-nodes", digest, "-subj", "/CN=127.0.0.1", "-keyout", path(&key)];
    if version_1 {
        assert!(openssl(&[&new[..], &["-out", path(&request)]].concat()));
        assert!(openssl(&[
            "x509",
            "-req",
            "-in",
            path(&request),
            "-signkey",
            path(&key),
            digest,
            "-out",
            path(&chain)
        ]));
    } else {
        let extension = ["-x509", "-addext", "subjectAltName=IP:127.0.0.1", "-out", path(&chain)];
        assert!(openssl(&[&new[..], &extension].concat()));
    }
    (chain, key)
}

fn serve((chain, key): &(PathBuf, PathBuf), arguments: &[&str]) -> Server {
    let mut child = Command::new("openssl")
        .args(["s_server", "-accept", "127.0.0.1:0", "-www", "-cert", path(chain), "-key", path(key)])
        .args(arguments)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let address = lines
        .map_while(Result::ok)
        .find_map(|line| line.strip_prefix("ACCEPT ").map(|address| address.parse().unwrap()))
        .unwrap();
    Server { child, address }
}

async fn measured(server: &Server) -> Measurement {
    let ca = Ca::new("lab");
    let mut config = bed::config(&ca);
    config.probe.tls_timeout = std::time::Duration::from_secs(3);
    config.probe.http_timeout = std::time::Duration::from_secs(3);
    bed::measure(&config, &format!("https://{}/", server.address), &[]).await
}

#[tokio::test]
async fn what_we_do_not_speak_is_a_broken_handshake_that_the_peer_answered() {
    if missing() {
        return;
    }
    let directory = tempfile::tempdir().unwrap();
    let good = certificate(directory.path(), 2048, "-sha256", false);
    for (arguments, alert) in [
        // TLS 1.1 at most.
        (&["-tls1_1", "-cipher", "ALL:@SECLEVEL=0"][..], "protocol_version"),
        // RSA key exchange only.
        (&["-tls1_2", "-cipher", "AES128-SHA256:@SECLEVEL=0"], "handshake_failure"),
    ] {
        let measurement = measured(&serve(&good, arguments)).await;
        let tls = &measurement.tls[0];
        assert_eq!(tls.failure, Some(Failure::SslFailedHandshake), "{tls:#?}");
        assert_eq!(tls.alert.as_deref(), Some(alert));
        assert!(tls.chain.is_empty() && measurement.http.is_empty());
    }
}

#[tokio::test]
async fn pages_behind_odd_certificates_are_read_and_never_trusted() {
    if missing() {
        return;
    }
    for (bits, digest, version_1, faults) in [
        (2048, "-sha256", false, &[UnknownIssuer][..]),
        (1024, "-sha1", false, &[UnknownIssuer, Malformed]),
        (1024, "-sha1", true, &[UnknownIssuer, Malformed]),
    ] {
        let directory = tempfile::tempdir().unwrap();
        let odd = certificate(directory.path(), bits, digest, version_1);
        for version in ["-tls1_2", "-tls1_3"] {
            let server = serve(&odd, &[version, "-cipher", "ALL:@SECLEVEL=0"]);
            let measurement = measured(&server).await;
            let tls = &measurement.tls[0];
            let missing: Vec<&CertificateFault> = faults.iter().filter(|fault| !tls.faults.contains(fault)).collect();
            assert!(missing.is_empty(), "{bits} {digest} {version_1} {version}: {missing:?} of {:?}", tls.faults);
            assert_eq!(tls.failure, Some(Failure::SslUnknownAuthority));
            assert_eq!(tls.chain.len(), 1);
            let answer = &measurement.http[0];
            assert!(!measurement.is_authentic(answer));
            assert_eq!((answer.failure.clone(), answer.status), (None, Some(200)));
            assert!(answer.body.as_ref().unwrap().kept.is_some());
        }
    }
}
