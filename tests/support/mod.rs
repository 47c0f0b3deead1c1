//! What the tests stand on: the real binary, fake receivers on real sockets, events as the sender posts them.
#![allow(dead_code, unused_imports, reason = "several suites share it, and each uses its part")]

mod events;
mod fake;
mod relay;
mod sender;

pub use events::{PLANNING_FAILED, STOPPED, event, finished, update};
pub use fake::{Fake, Reply, Request, certificate};
pub use relay::{Relay, run_in};
pub use sender::{Refusal, Sender};
