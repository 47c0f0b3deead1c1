//! The real binary over real HTTP: what a user of jobrelay can rely on.

#[path = "../support/mod.rs"]
mod support;

mod deliver;
mod drill;
mod explain;
mod hindsight;
mod keep;
mod letters;
mod operate;
mod receive;
mod reload;
mod restart;
mod say;
mod services;
mod threads;
