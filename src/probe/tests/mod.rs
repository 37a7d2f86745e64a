//! Whole measurements against real sockets on loopback.

mod bed;
mod helper;
mod hops;
mod http;
mod openssl;
mod quic;
mod tls;
