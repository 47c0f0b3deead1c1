//! Getting messages there: one lane per receiver, each with its own queue, pace and health.
//!
//! `lane`, `health`, `pace`, `clock`, `schedule`, `guard`, `prepare` and `preview` are pure; `worker` drives a lane, `attempt` makes one try, `client` speaks HTTP, `mail` SMTP.

pub mod api_client;
mod attempt;
mod client;
mod clock;
mod guard;
mod health;
mod intake;
mod lane;
mod lanes;
mod mail;
mod pace;
mod prepare;
mod preview;
mod proxies;
mod references;
mod schedule;
mod status;
mod threads;
mod usable;
mod worker;

pub use attempt::{Tried, try_once};
pub use client::{Client, install_crypto};
pub use lanes::{Junction, Lanes, Setup};
pub use mail::check_mail_server;
pub use prepare::{Prepared, Subject, prepare};
pub use preview::{BodyView, Preview, RequestView};
pub use proxies::proxies_in_environment;
pub use status::{Health, LaneStatus, Tally};
pub use usable::{check_addresses, place_of};
