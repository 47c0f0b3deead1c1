//! What a file that can be used probably does not mean: warnings. Pure.

mod coverage;
mod plain_secrets;
mod routes;

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::receiver::Receiver;
use crate::routing::Routes;
use crate::yaml::{Map, Node, Problems};

/// A file that was read without errors.
pub(super) struct Read<'a> {
    pub text: &'a str,
    /// The top of the file.
    pub root: &'a Map,
    /// The nodes of the routes, in the same order.
    pub items: &'a [Node],
    pub routes: &'a Routes,
    pub receivers: &'a BTreeMap<Arc<str>, Arc<Receiver>>,
}

pub(super) fn lint(read: &Read<'_>, problems: &mut Problems) {
    routes::warn(read, problems);
    coverage::warn(read, problems);
    plain_secrets::warn(read, problems);
}

#[cfg(test)]
mod tests;
