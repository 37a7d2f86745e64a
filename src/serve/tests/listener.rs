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
    let running = run(Limits { head: Duration::from_secs(60), ..QUICK }).await;
    let mut half_asked = TcpStream::connect(running.address).await.unwrap();
    half_asked.write_all(b"GET / HTTP/1.1\r\nHost: loc").await.unwrap();
    let mut waiting = TcpStream::connect(running.address).await.unwrap();
    waiting.write_all(b"POST /-/reload HTTP/1.1\r\nHost: localhost\r\nContent-Length: 9\r\n\r\nabc").await.unwrap();
    tokio::time::sleep(Duration::from_millis(50)).await;
    let began = Instant::now();
    running.stop.cancel();
    tokio::time::timeout(Duration::from_secs(2), running.task).await.unwrap().unwrap().unwrap();
    assert!(began.elapsed() < Duration::from_secs(1), "{:?}", began.elapsed());
}

#[tokio::test]
async fn silent_clients_are_cut_off_and_make_room() {
    let running = run(QUICK).await;
    let began = Instant::now();
    let mut silent = Vec::new();
    for _ in 0..QUICK.connections {
        silent.push(TcpStream::connect(running.address).await.unwrap());
    }
    let ask = "GET /-/healthy HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";
    assert!(exchange(running.address, ask).await.starts_with("HTTP/1.1 200 "));
    assert!(began.elapsed() >= QUICK.head, "more connections than allowed were served at once");
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
