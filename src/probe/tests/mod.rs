//! Whole measurements against real sockets on loopback.

mod aside;
mod bed;
mod helper;
mod hops;
mod http;
mod openssl;
mod tls;
