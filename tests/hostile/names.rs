//! Name servers that do harm, over datagrams and over TCP.

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpStream, UdpSocket};

/// What a name server says to a question.
pub(crate) type Lie = fn(&[u8]) -> Vec<u8>;

/// The datagrams, by kind.
pub(crate) const DATAGRAMS: [(&str, Lie); 5] = [
    ("answer-that-points-at-itself", looping),
    ("answer-for-another-name", other_name),
    ("answer-without-a-question", |asked| asked[..12].to_vec()),
    ("datagram-of-junk", |_| vec![0xff; 1400]),
    ("answer-of-64-kilobytes", |asked| records(asked, 65_000)),
];

/// Answers each question with a flood of each of the lies.
pub(crate) async fn over_udp(socket: UdpSocket, lies: Vec<Lie>) {
    let mut question = [0; 1500];
    while let Ok((length, from)) = socket.recv_from(&mut question).await {
        let asked = &question[..length.max(12)];
        for lie in &lies {
            for _ in 0..50 {
                let _ = socket.send_to(&lie(asked), from).await;
            }
        }
    }
}

/// An answer whose name is a pointer to itself (RFC 1035 section 4.1.4).
fn looping(asked: &[u8]) -> Vec<u8> {
    let mut answer = asked.to_vec();
    (answer[2], answer[3], answer[6], answer[7]) = (0x81, 0x80, 0, 1);
    let here = u16::try_from(answer.len()).unwrap();
    answer.extend((0xc000 | here).to_be_bytes());
    answer.extend([0, 1, 0, 1, 0, 0, 0, 60, 0, 4, 192, 0, 2, 1]);
    answer
}

/// An answer that gives an address for a name that nobody asked for.
fn other_name(asked: &[u8]) -> Vec<u8> {
    let mut answer = asked.to_vec();
    (answer[2], answer[3], answer[6], answer[7]) = (0x81, 0x80, 0, 1);
    answer.extend(b"\x05other\x04test\x00");
    answer.extend([0, 1, 0, 1, 0, 0, 0, 60, 0, 4, 127, 0, 0, 99]);
    answer
}

/// An answer of so many bytes, most of it records, which says that it has still more of them.
fn records(asked: &[u8], most: usize) -> Vec<u8> {
    let mut answer = asked.to_vec();
    (answer[2], answer[3], answer[6], answer[7]) = (0x81, 0x80, 0xff, 0xff);
    while answer.len() + 16 <= most {
        answer.extend([0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 60, 0, 4, 192, 0, 2, 1]);
    }
    answer
}

/// An answer of 64 kB over TCP, most of it records, again and again.
pub(crate) async fn over_tcp(mut stream: TcpStream) -> std::io::Result<()> {
    let mut question = vec![0; 1500];
    let length = stream.read(&mut question).await?;
    let mut asked = question.get(2..length).unwrap_or(&[0; 12]).to_vec();
    asked.resize(asked.len().max(12), 0);
    let answer = records(&asked, 65_535);
    let framed = [&u16::try_from(answer.len()).unwrap().to_be_bytes(), answer.as_slice()].concat();
    loop {
        stream.write_all(&framed).await?;
    }
}
