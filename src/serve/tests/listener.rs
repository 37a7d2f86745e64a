//! A real listener, and clients that are slow, silent or too long.

use super::*;

const QUICK: Limits = Limits {
    connections: 2,
    from_one_network: 2,
    head: Duration::from_secs(2),
    connection: Duration::from_secs(5),
    grace: Duration::from_millis(100),
};

struct Running {
    address: std::net::SocketAddr,
    stop: CancellationToken,
    task: tokio::task::JoinHandle<std::io::Result<()>>,
    _requests: mpsc::Receiver<ReloadRequest>,
}

async fn run(limits: Limits) -> Running {
    let (app, requests) = app();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let (address, stop) = (listener.local_addr().unwrap(), CancellationToken::new());
    let task = tokio::spawn(serve_within(limits, listener, app, Door::of_this_machine(), stop.clone()));
    Running { address, stop, task, _requests: requests }
}

async fn exchange(address: std::net::SocketAddr, text: &str) -> String {
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.write_all(text.as_bytes()).await.unwrap();
    let mut answer = String::new();
    tokio::time::timeout(Duration::from_secs(20), stream.read_to_string(&mut answer)).await.unwrap().unwrap();
    answer
}

#[tokio::test]
async fn a_real_listener_answers_and_stops() {
    let running = run(QUICK).await;
    let ask = |host: &str| format!("GET /-/healthy HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n");
    assert!(exchange(running.address, &ask("localhost")).await.starts_with("HTTP/1.1 200 "));
    assert!(exchange(running.address, &ask("rebound.example")).await.starts_with("HTTP/1.1 421 "));
    assert!(exchange(running.address, "\u{16}\u{3}\u{1}nonsense\r\n\r\n").await.starts_with("HTTP/1.1 400 "));
    running.stop.cancel();
    running.task.await.unwrap().unwrap();
    assert!(TcpStream::connect(running.address).await.is_err());
}

#[tokio::test]
async fn slow_clients_do_not_hold_the_stop() {
    let slow = Duration::from_secs(60);
    let running = run(Limits { head: slow, connection: slow, ..QUICK }).await;
    let mut half_asked = TcpStream::connect(running.address).await.unwrap();
    half_asked.write_all(b"GET / HTTP/1.1\r\nHost: loc").await.unwrap();
    let mut waiting = TcpStream::connect(running.address).await.unwrap();
    waiting.write_all(b"POST /-/reload HTTP/1.1\r\nHost: localhost\r\nContent-Length: 9\r\n\r\nabc").await.unwrap();
    tokio::time::sleep(Duration::from_millis(50)).await;
    let began = Instant::now();
    running.stop.cancel();
    tokio::time::timeout(Duration::from_secs(30), running.task).await.unwrap().unwrap().unwrap();
    assert!(began.elapsed() < Duration::from_secs(20), "{:?}", began.elapsed());
}

#[tokio::test]
async fn silent_clients_are_cut_off() {
    let running = run(Limits { head: Duration::from_millis(200), ..QUICK }).await;
    let began = Instant::now();
    let mut silent = TcpStream::connect(running.address).await.unwrap();
    assert_eq!(silent.read(&mut [0; 8]).await.unwrap_or(0), 0);
    assert!(began.elapsed() >= Duration::from_millis(200), "it had its time");
    running.stop.cancel();
    running.task.await.unwrap().unwrap();
}

#[tokio::test]
async fn who_says_nothing_gives_up_the_place_to_who_asks() {
    let running = run(Limits { head: Duration::from_secs(600), connection: Duration::from_secs(600), ..QUICK }).await;
    // One asks and keeps its connection; one has said a half.
    let mut idle = TcpStream::connect(running.address).await.unwrap();
    idle.write_all(b"GET /-/healthy HTTP/1.1\r\nHost: localhost\r\n\r\n").await.unwrap();
    assert!(idle.read(&mut [0; 1024]).await.unwrap() > 0);
    let mut half = TcpStream::connect(running.address).await.unwrap();
    half.write_all(b"GET / HTTP/1.1\r\nHost: loc").await.unwrap();
    // One is served for as long as the daemon does not answer it.
    let mut served = TcpStream::connect(running.address).await.unwrap();
    served.write_all(b"POST /-/reload HTTP/1.1\r\nHost: localhost\r\n\r\n").await.unwrap();
    assert_eq!(idle.read(&mut [0; 8]).await.unwrap_or(0), 0, "it was waited for longest");
    let ask = "GET /-/healthy HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";
    for _ in 0..3 {
        assert!(exchange(running.address, ask).await.starts_with("HTTP/1.1 200 "));
    }
    assert_eq!(half.read(&mut [0; 8]).await.unwrap_or(0), 0, "it gave up its place");
    let open = tokio::time::timeout(Duration::from_millis(50), served.read(&mut [0; 8])).await;
    assert!(open.is_err(), "who is served is not cut off: {open:?}");
    running.stop.cancel();
    running.task.await.unwrap().unwrap();
}

#[tokio::test]
async fn heads_are_bounded() {
    let running = run(Limits { head: Duration::from_secs(5), ..QUICK }).await;
    let long = format!("GET / HTTP/1.1\r\nHost: localhost\r\nX: {}\r\n\r\n", "x".repeat(20_000));
    assert!(exchange(running.address, &long).await.starts_with("HTTP/1.1 431 "));
    let many = format!("GET / HTTP/1.1\r\nHost: localhost\r\n{}\r\n", "X: 1\r\n".repeat(100));
    assert!(exchange(running.address, &many).await.starts_with("HTTP/1.1 431 "));
    running.stop.cancel();
    running.task.await.unwrap().unwrap();
}
