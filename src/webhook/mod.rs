//! Webhooks: each opening, change and end of a span is told to those who asked for it, in order, until they have it.
//!
//! What is still to be told is the journal of the record itself, beyond a mark that is kept beside it: a restart
//! forgets nothing, and a message that may have been lost is sent again under the same id. Messages and signatures
//! follow Standard Webhooks (<https://www.standardwebhooks.com>, version 1).

mod courier;
mod message;
mod retry;
mod secret;

pub use courier::{Courier, Hooks, Outcome, Told, WebhookError};
pub use message::{Message, message};
pub use secret::{Secret, SecretError};
