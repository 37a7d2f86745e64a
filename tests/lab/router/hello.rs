//! What a censor reads in the first bytes of a connection: the server name of a ClientHello, the Host of a request, the
//! name in a question over TCP.

use hickory_proto::op::Message;

/// What the bytes show so far.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Sight {
    /// The beginning of something; more bytes will tell.
    NotYet,
    /// A whole ClientHello with this server name.
    Sni(String),
    /// A whole request head with this Host.
    Host(String),
    /// A whole DNS question (these bytes, without the length before it) for this name.
    Question(String, Vec<u8>),
    /// Nothing that names a site.
    Nothing,
}

/// Reads the first bytes that a client sent to `port`.
pub(crate) fn look(port: u16, bytes: &[u8]) -> Sight {
    match bytes.first() {
        None => Sight::NotYet,
        Some(_) if port == 53 => look_at_dns(bytes),
        Some(22) => look_at_tls(bytes),
        Some(byte) if byte.is_ascii_uppercase() => look_at_http(bytes),
        Some(_) => Sight::Nothing,
    }
}

/// Over TCP a length stands before each message (RFC 1035 4.2.2).
fn look_at_dns(bytes: &[u8]) -> Sight {
    let Some((length, rest)) = bytes.split_first_chunk() else { return Sight::NotYet };
    let Some(message) = rest.get(..usize::from(u16::from_be_bytes(*length))) else { return Sight::NotYet };
    name_asked_for(message).map_or(Sight::Nothing, |name| Sight::Question(name, message.to_vec()))
}

/// The name in a DNS question.
pub(crate) fn name_asked_for(message: &[u8]) -> Option<String> {
    Message::from_vec(message).ok()?.queries.first().map(|query| query.name().to_ascii())
}

fn look_at_http(bytes: &[u8]) -> Sight {
    // The HTTP/2 preface names no host.
    let Some(end) = bytes.windows(4).position(|window| window == b"\r\n\r\n") else { return Sight::NotYet };
    let head = String::from_utf8_lossy(&bytes[..end]);
    let host = head.split("\r\n").skip(1).find_map(|line| {
        let (name, value) = line.split_once(':')?;
        name.eq_ignore_ascii_case("host").then(|| value.trim().to_owned())
    });
    match host {
        Some(host) => Sight::Host(host.rsplit_once(':').map_or(host.clone(), |(name, _port)| name.to_owned())),
        None => Sight::Nothing,
    }
}

/// TLS records (RFC 8446 5.1) carry the handshake, which may span several of them and several segments.
fn look_at_tls(bytes: &[u8]) -> Sight {
    let mut handshake = Vec::new();
    let mut rest = bytes;
    loop {
        match look_at_handshake(&handshake) {
            Sight::NotYet => {}
            seen => return seen,
        }
        if rest.len() < 5 {
            return Sight::NotYet;
        }
        if rest[0] != 22 {
            return Sight::Nothing;
        }
        let length = usize::from(u16::from_be_bytes([rest[3], rest[4]]));
        let Some(record) = rest.get(5..5 + length) else { return Sight::NotYet };
        handshake.extend_from_slice(record);
        rest = &rest[5 + length..];
    }
}

/// Reads the first bytes of a handshake, out of its records or QUIC frames.
pub(crate) fn look_at_handshake(handshake: &[u8]) -> Sight {
    let Some([kind, high, middle, low]) = handshake.first_chunk() else { return Sight::NotYet };
    let end = 4 + usize::from(*high) * 65_536 + usize::from(*middle) * 256 + usize::from(*low);
    match handshake.get(4..end) {
        None => Sight::NotYet,
        Some(hello) if *kind == 1 => server_name(hello).map_or(Sight::Nothing, Sight::Sni),
        Some(_) => Sight::Nothing,
    }
}

/// The server name of a ClientHello's body (RFC 8446 4.1.2, RFC 6066 3).
fn server_name(hello: &[u8]) -> Option<String> {
    let mut reader = Reader(hello);
    reader.take(2 + 32)?;
    let session = reader.number(1)?;
    reader.take(session)?;
    let suites = reader.number(2)?;
    reader.take(suites)?;
    let compressions = reader.number(1)?;
    reader.take(compressions)?;
    let length = reader.number(2)?;
    let mut extensions = Reader(reader.take(length)?);
    loop {
        let kind = extensions.number(2)?;
        let length = extensions.number(2)?;
        let body = extensions.take(length)?;
        if kind == 0 {
            let mut names = Reader(body);
            names.take(3)?;
            let length = names.number(2)?;
            return String::from_utf8(names.take(length)?.to_vec()).ok();
        }
    }
}

struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    fn take(&mut self, count: usize) -> Option<&'a [u8]> {
        let (head, rest) = self.0.split_at_checked(count)?;
        self.0 = rest;
        Some(head)
    }

    fn number(&mut self, bytes: usize) -> Option<usize> {
        Some(self.take(bytes)?.iter().fold(0, |number, byte| number * 256 + usize::from(*byte)))
    }
}
