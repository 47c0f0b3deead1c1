//! Who may send events, and who may read and operate the relay. Two separate keys: neither opens the other's door.

mod credential;
mod door;
mod guard;
mod policy;

#[cfg(any(test, feature = "fuzzing"))]
pub(crate) use credential::credential_fits;
pub use door::{Door, check_admin, check_webhook};
pub use policy::{instructions, start_policy};
