//! What the errors of the QUIC library mean in the closed set.

use quinn::{ConnectionError, TransportErrorCode};

use crate::model::Failure;

/// TLS alerts are transport errors 0x100 to 0x1ff (RFC 9001 section 4.8).
const ALERTS: std::ops::Range<u64> = 0x100..0x200;

/// The failure that ended a handshake. The peer's own words are never kept.
pub(super) fn of(error: &ConnectionError) -> Failure {
    match error {
        ConnectionError::VersionMismatch => Failure::QuicIncompatibleVersion,
        ConnectionError::TransportError(error) => of_code(error.code),
        ConnectionError::ConnectionClosed(close) => of_code(close.error_code),
        ConnectionError::ApplicationClosed(_) => Failure::Eof,
        ConnectionError::Reset => Failure::ConnectionReset,
        ConnectionError::TimedOut => Failure::GenericTimeout,
        ConnectionError::LocallyClosed | ConnectionError::CidsExhausted => Failure::Interrupted,
    }
}

fn of_code(code: TransportErrorCode) -> Failure {
    match u64::from(code) {
        number if ALERTS.contains(&number) => Failure::SslFailedHandshake,
        // CONNECTION_REFUSED (RFC 9000 section 20.1): the server is there and declines.
        2 => Failure::ConnectionRefused,
        number => Failure::Unknown(format!("QUIC transport error 0x{number:x}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_told_apart() {
        assert_eq!(of_code(TransportErrorCode::crypto(120)), Failure::SslFailedHandshake);
        assert_eq!(of_code(TransportErrorCode::CONNECTION_REFUSED), Failure::ConnectionRefused);
        assert_eq!(
            of_code(TransportErrorCode::PROTOCOL_VIOLATION),
            Failure::Unknown("QUIC transport error 0xa".to_owned())
        );
        assert_eq!(of(&ConnectionError::VersionMismatch), Failure::QuicIncompatibleVersion);
    }
}
