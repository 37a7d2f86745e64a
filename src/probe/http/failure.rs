//! What an error of the HTTP library means.

use std::error::Error;
use std::io;

use crate::model::Failure;
use crate::probe::wire::WireNotes;

/// The failure behind `error`: bytes that are no HTTP first, then what the transport did, then the library's word.
pub(super) fn of(error: &hyper::Error, notes: &WireNotes) -> Failure {
    if error.is_parse() || error.is_parse_too_large() || error.is_parse_status() {
        return Failure::HttpRequestFailed;
    }
    if let Some(ended) = notes.ended() {
        return ended;
    }
    let mut source: Option<&(dyn Error + 'static)> = error.source();
    while let Some(inner) = source {
        if let Some(io) = inner.downcast_ref::<io::Error>() {
            // HTTP/2 words an end of the stream as a broken pipe; a real one has the system's number.
            if io.kind() == io::ErrorKind::BrokenPipe && io.raw_os_error().is_none() {
                return Failure::Eof;
            }
            match Failure::from_io(io) {
                Failure::Unknown(_) => {}
                known => return known,
            }
        }
        source = inner.source();
    }
    if error.is_incomplete_message() { Failure::Eof } else { Failure::HttpRequestFailed }
}
