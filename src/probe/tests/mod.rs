//! Whole measurements against real sockets on loopback.

mod bed;
mod experiment;
mod helper;
mod hops;
mod http;
mod openssl;
mod tls;
