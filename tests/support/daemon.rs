//! The binary as a process: what it says is gathered while it runs, and it never outlives its test.

use std::io::{BufRead, BufReader, Read};
use std::net::SocketAddr;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use super::http::{self, Answer};
use super::place::Place;

/// Longest wait for anything that a daemon is to do; a loaded machine is slow, a quick one does not wait.
pub const PATIENCE: Duration = Duration::from_secs(60);

/// A running process; killed when dropped.
pub struct Process {
    child: Child,
    stdout: Arc<Mutex<String>>,
    stderr: Arc<Mutex<String>>,
    readers: Vec<JoinHandle<()>>,
}

impl Process {
    pub fn spawn(command: &mut Command) -> Self {
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let (stdout, stderr) = (Arc::default(), Arc::default());
        let readers = vec![
            gather(child.stdout.take().unwrap(), Arc::clone(&stdout)),
            gather(child.stderr.take().unwrap(), Arc::clone(&stderr)),
        ];
        Self { child, stdout, stderr, readers }
    }

    pub fn id(&self) -> u32 {
        self.child.id()
    }

    pub fn signal(&self, signal: Signal) {
        kill(Pid::from_raw(self.child.id().try_into().unwrap()), signal).unwrap();
    }

    /// The exit code; None when a signal ended it. Longer than `patience` is a failure of the test.
    #[track_caller]
    pub fn wait(&mut self, patience: Duration) -> Option<i32> {
        let begun = Instant::now();
        loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                for reader in self.readers.drain(..) {
                    reader.join().unwrap();
                }
                return status.code();
            }
            assert!(begun.elapsed() < patience, "it still runs after {patience:?}; it said:\n{}", self.said());
            thread::sleep(Duration::from_millis(5));
        }
    }

    pub fn has_ended(&mut self) -> bool {
        self.child.try_wait().unwrap().is_some()
    }

    /// What it has written to standard error so far.
    pub fn said(&self) -> String {
        self.stderr.lock().unwrap().clone()
    }

    /// Standard output and standard error so far.
    pub fn output(&self) -> (String, String) {
        (self.stdout.lock().unwrap().clone(), self.said())
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn gather(from: impl Read + Send + 'static, into: Arc<Mutex<String>>) -> JoinHandle<()> {
    thread::spawn(move || {
        let mut from = BufReader::new(from);
        let mut line = Vec::new();
        while from.read_until(b'\n', &mut line).is_ok_and(|length| length > 0) {
            into.lock().unwrap().push_str(&String::from_utf8_lossy(&line));
            line.clear();
        }
    })
}

/// A daemon that has said where it serves.
pub struct Daemon {
    pub process: Process,
    pub address: SocketAddr,
}

impl Daemon {
    /// Starts `blockspan run` on a free port.
    #[track_caller]
    pub fn start(place: &Place) -> Self {
        Self::serving(Process::spawn(&mut place.command(&["run", "--listen", "127.0.0.1:0"])))
    }

    pub fn id(&self) -> u32 {
        self.process.id()
    }

    /// What it has written to standard error so far.
    pub fn said(&self) -> String {
        self.process.said()
    }

    /// A process that is one, as soon as it serves.
    #[track_caller]
    pub fn serving(process: Process) -> Self {
        let address = until("it says where to look", || {
            let said = process.said();
            let address = said.split_once("look at http://")?.1.split_once('/')?.0;
            Some(address.parse().unwrap())
        });
        Self { process, address }
    }

    pub fn get(&self, path: &str) -> Answer {
        http::ask(self.address, "GET", path)
    }

    pub fn post(&self, path: &str) -> Answer {
        http::ask(self.address, "POST", path)
    }

    /// The value of the metric line that begins with `name` and holds all of `labels`.
    pub fn metric(&self, name: &str, labels: &[&str]) -> Option<f64> {
        let metrics = self.get("/metrics").body;
        let line = metrics.lines().find(|line| {
            line.strip_prefix(name).is_some_and(|rest| rest.starts_with(['{', ' ']))
                && labels.iter().all(|label| line.contains(label))
        });
        line.map(|line| line.rsplit_once(' ').unwrap().1.parse().unwrap())
    }

    /// Waits until the metric has this value.
    #[track_caller]
    pub fn metric_becomes(&self, name: &str, labels: &[&str], value: f64) {
        let wanted = format!("{name} {labels:?} to become {value}; it said:\n");
        let begun = Instant::now();
        while self.metric(name, labels) != Some(value) {
            let said = self.process.said();
            assert!(begun.elapsed() < PATIENCE, "waited in vain for {wanted}{said}\n{}", self.get("/metrics").body);
            thread::sleep(Duration::from_millis(20));
        }
    }

    /// Waits until this stands in the log.
    #[track_caller]
    pub fn says(&self, text: &str) {
        let begun = Instant::now();
        while !self.process.said().contains(text) {
            assert!(begun.elapsed() < PATIENCE, "it never said `{text}`, but:\n{}", self.process.said());
            thread::sleep(Duration::from_millis(10));
        }
    }

    /// Asks it to stop and waits for the end, which must come within the time that is promised.
    #[track_caller]
    pub fn stop(mut self, signal: Signal) -> String {
        self.process.signal(signal);
        assert_eq!(self.process.wait(Duration::from_secs(10)), Some(0), "{}", self.process.said());
        self.process.said()
    }
}

/// Waits until `look` gives something.
#[track_caller]
pub fn until<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    let begun = Instant::now();
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(begun.elapsed() < PATIENCE, "waited in vain until {what}");
        thread::sleep(Duration::from_millis(10));
    }
}
