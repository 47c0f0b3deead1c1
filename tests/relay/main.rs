//! The real binary over real HTTP: what a user of jobrelay can rely on.

mod support;

mod deliver;
mod drill;
mod durable;
mod egress;
mod explain;
mod hindsight;
mod keep;
mod operate;
mod receive;
mod reload;
mod restart;
mod say;
mod services;
mod threads;
