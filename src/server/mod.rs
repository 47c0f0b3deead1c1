//! The door: actix-web and nothing of it beyond this folder.
//!
//! `ingest` takes what the sender posts and hands it to `admit`, the corridor below HTTP; `api` answers people and
//! commands; `auth` says who may do which; `run` opens the door and closes it last.

mod admit;
mod api;
mod auth;
mod body;
mod counters;
mod health;
mod ingest;
mod metrics;
mod probe;
mod problems;
mod reload;
mod reread;
mod room;
mod run;
mod state;
pub mod types;

pub use admit::{Admitted, Corridor};
pub(crate) use api::{fresh_id, mark_as_test};
#[cfg(any(test, feature = "fuzzing"))]
pub(crate) use auth::credential_fits;
pub use auth::{Door, instructions, start_policy};
pub use counters::Counters;
pub use reload::{Reload, Standing};
pub use run::{Server, bind, run};
pub use state::{Intake, Space, State};
