//! The commands: what a person types, and what they read. Each command is one file; all but `serve`, `demo`, `init` and `check`
//! talk to a running relay; `drill` is what `send --to` does without one.

mod advice;
mod args;
mod bytes;
mod check;
mod client;
mod deliveries;
mod demo;
mod dismiss;
mod drill;
mod events;
mod explain;
mod failure;
mod flat;
mod health;
mod init;
mod input;
mod lanes;
mod look;
mod output;
mod quarantine;
mod range;
mod replay;
mod resume;
mod sample;
mod schema;
mod send;
mod serve;
mod since;
mod table;
mod times;

pub use args::run;
