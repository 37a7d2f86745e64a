//! What a censor reads in the first datagrams of a QUIC connection: their keys follow from the connection id that stands
//! in them in the clear (RFC 9001 5.2), so that anyone on the path can read the ClientHello.

use std::collections::BTreeMap;

use rustls::Side;
use rustls::crypto::aws_lc_rs::cipher_suite::TLS13_AES_128_GCM_SHA256;
use rustls::quic::{DirectionalKeys, Version};

use super::hello::{Sight, look_at_handshake};

/// First bytes of the handshake that the censor keeps, at most.
const HEAD: usize = 16 * 1024;

/// What the datagrams from a client have shown of its ClientHello so far.
#[derive(Default)]
pub(crate) struct Initials {
    keys: Option<DirectionalKeys>,
    /// Pieces of the handshake by their offset: they come in any order.
    pieces: BTreeMap<usize, Vec<u8>>,
    done: bool,
}

impl Initials {
    /// Takes a datagram. Some when the ClientHello is now whole and bears a name, once.
    pub(crate) fn see(&mut self, datagram: &[u8]) -> Option<String> {
        let mut rest = datagram;
        while let (false, Some(packet)) = (self.done, Initial::parse(rest)) {
            rest = &rest[packet.bytes.len()..];
            self.read(&packet);
        }
        match look_at_handshake(&self.handshake()) {
            Sight::Sni(name) if !self.done => {
                self.done = true;
                Some(name)
            }
            _ => None,
        }
    }

    fn read(&mut self, packet: &Initial<'_>) -> Option<()> {
        if self.keys.is_none() {
            let suite = TLS13_AES_128_GCM_SHA256.tls13()?.quic_suite()?;
            // The side is that of the server, who reads what the client wrote.
            self.keys = Some(suite.keys(packet.destination, Side::Server, Version::V1).remote);
        }
        for (offset, piece) in crypto_frames(&open(self.keys.as_ref()?, packet)?) {
            if offset + piece.len() <= HEAD {
                self.pieces.insert(offset, piece);
            }
        }
        Some(())
    }

    /// What is there of the handshake without a gap.
    fn handshake(&self) -> Vec<u8> {
        let mut handshake = Vec::new();
        for (offset, piece) in &self.pieces {
            let Some(fresh) = handshake.len().checked_sub(*offset).and_then(|known| piece.get(known..)) else {
                continue;
            };
            handshake.extend_from_slice(fresh);
        }
        handshake
    }
}

/// An Initial packet of version 1, still protected (RFC 9000 17.2.2).
struct Initial<'a> {
    destination: &'a [u8],
    /// Where the packet number begins.
    number_at: usize,
    bytes: &'a [u8],
}

impl<'a> Initial<'a> {
    fn parse(bytes: &'a [u8]) -> Option<Self> {
        let mut reader = Reader { bytes, at: 0 };
        let first = reader.take(1)?[0];
        let version = reader.take(4)?;
        if first & 0xf0 != 0xc0 || version != [0, 0, 0, 1] {
            return None;
        }
        let destination = reader.counted_by_one()?;
        reader.counted_by_one()?;
        let token = reader.varint()?;
        reader.take(token)?;
        let rest = reader.varint()?;
        let number_at = reader.at;
        reader.take(rest)?;
        Some(Self { destination, number_at, bytes: &bytes[..reader.at] })
    }
}

/// The frames of a packet, its protection taken off (RFC 9001 5.3, 5.4).
fn open(keys: &DirectionalKeys, packet: &Initial<'_>) -> Option<Vec<u8>> {
    let mut bytes = packet.bytes.to_vec();
    let sample_at = packet.number_at + 4;
    let sample = packet.bytes.get(sample_at..sample_at + keys.header.sample_len())?;
    let (head, tail) = bytes.split_at_mut(packet.number_at);
    keys.header.decrypt_in_place(sample, head.first_mut()?, tail.get_mut(..4)?).ok()?;
    let number_length = usize::from(head[0] & 3) + 1;
    let number = tail[..number_length].iter().fold(0, |number, byte| number * 256 + u64::from(*byte));
    let (header, payload) = bytes.split_at_mut(packet.number_at + number_length);
    keys.packet.decrypt_in_place(number, header, payload).ok().map(<[u8]>::to_vec)
}

/// Pieces of the handshake in a packet's frames. Only frames that an Initial may have are read (RFC 9000 12.4).
fn crypto_frames(frames: &[u8]) -> Vec<(usize, Vec<u8>)> {
    let mut reader = Reader { bytes: frames, at: 0 };
    let mut pieces = Vec::new();
    while let Some(kind) = reader.varint() {
        let read = match kind {
            // PADDING, PING.
            0 | 1 => Some(()),
            2 | 3 => reader.acknowledgement(kind == 3),
            6 => reader.crypto().map(|piece| pieces.push(piece)),
            _ => None,
        };
        if read.is_none() {
            break;
        }
    }
    pieces
}

struct Reader<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Reader<'a> {
    fn take(&mut self, count: usize) -> Option<&'a [u8]> {
        let taken = self.bytes.get(self.at..self.at.checked_add(count)?)?;
        self.at += count;
        Some(taken)
    }

    fn counted_by_one(&mut self) -> Option<&'a [u8]> {
        let count = usize::from(self.take(1)?[0]);
        self.take(count)
    }

    /// A number whose first two bits tell its length (RFC 9000 16).
    fn varint(&mut self) -> Option<usize> {
        let first = self.take(1)?[0];
        let more = self.take((1 << (first >> 6)) - 1)?;
        Some(more.iter().fold(usize::from(first & 0x3f), |number, byte| number * 256 + usize::from(*byte)))
    }

    fn acknowledgement(&mut self, with_counts: bool) -> Option<()> {
        let [_largest, _delay, ranges, _first] = [self.varint()?, self.varint()?, self.varint()?, self.varint()?];
        let counts = if with_counts { 3 } else { 0 };
        for _ in 0..ranges.checked_mul(2)? + counts {
            self.varint()?;
        }
        Some(())
    }

    fn crypto(&mut self) -> Option<(usize, Vec<u8>)> {
        let offset = self.varint()?;
        let length = self.varint()?;
        Some((offset, self.take(length)?.to_vec()))
    }
}
