//! Whole measurements against real sockets on loopback.

mod aside;
pub(crate) mod bed;
mod experiment;
mod helper;
mod hops;
mod http;
mod openssl;
mod quic;
mod tls;
