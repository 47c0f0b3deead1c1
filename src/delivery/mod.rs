//! Getting messages there: one lane per receiver, each with its own queue, pace and health.
//!
//! `lane`, `health`, `pace`, `clock`, `schedule`, `guard`, `prepare`, `preview` and `pulse` are pure; `worker` drives a lane, `attempt` makes one try, `client` speaks HTTP, `mail` SMTP.
//! `environment` is what all of them have of the world around them.

pub mod api_client;
mod attempt;
mod client;
mod clock;
mod environment;
mod guard;
mod health;
mod intake;
mod lane;
mod lanes;
mod mail;
mod narrator;
mod pace;
mod prepare;
mod preview;
mod proxies;
mod pulse;
mod references;
mod schedule;
#[cfg(test)]
pub mod simulated;
mod status;
mod threads;
mod usable;
mod worker;

pub use attempt::{Tried, try_once};
pub use client::{Client, install_crypto};
pub use environment::{Environment, Limits, Network, WallClock};
pub use guard::forbidden_literal;
pub use lanes::{Junction, Lanes, Setup};
pub use mail::check_mail_server;
pub use narrator::Narrator;
pub use prepare::{Prepared, Subject, prepare};
pub use preview::{BodyView, Preview, RequestView};
pub use proxies::proxies_in_environment;
pub use status::{Health, LaneStatus, Tally};
pub use usable::{check_addresses, place_of};
