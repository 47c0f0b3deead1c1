//! The real binary over real HTTP: what a user of jobrelay can rely on.

#[path = "../support/mod.rs"]
mod support;

mod audit;
mod backup;
mod deliver;
mod drill;
mod egress;
mod explain;
mod hindsight;
mod keep;
mod letters;
mod operate;
mod receive;
mod reload;
mod repair;
mod restart;
mod say;
mod services;
mod threads;
mod watch;
