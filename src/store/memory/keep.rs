//! Small things kept by name: claims of lanes, lane states, versions of routes.yaml.

use std::collections::BTreeSet;
use std::sync::Arc;

use jiff::Timestamp;

use super::state::State;
use crate::store::{LaneRow, Version};

/// Who works a lane, and until when no other relay may.
#[derive(Debug)]
pub struct Claim {
    pub relay: Arc<str>,
    pub until: Timestamp,
}

impl State {
    /// Whether `relay` may work a lane now.
    pub fn holds(&self, relay: &str, receiver: &str, now: Timestamp) -> bool {
        self.claims.get(receiver).is_some_and(|claim| *claim.relay == *relay && now < claim.until)
    }

    pub fn claim(&mut self, relay: &Arc<str>, receiver: &str, until: Timestamp, now: Timestamp) -> bool {
        let free = self.claims.get(receiver).is_none_or(|claim| claim.relay == *relay || claim.until <= now);
        if free {
            self.claims.insert(Arc::from(receiver), Claim { relay: Arc::clone(relay), until });
        }
        free
    }

    pub fn release(&mut self, relay: &str, receiver: &str) {
        if self.claims.get(receiver).is_some_and(|claim| *claim.relay == *relay) {
            self.claims.remove(receiver);
        }
    }

    /// Receivers that have a state or are owed something, by name.
    pub fn lanes(&self) -> Vec<LaneRow> {
        let names: BTreeSet<&Arc<str>> = self.owed.keys().chain(self.lanes.keys()).collect();
        let row = |name: &Arc<str>| LaneRow {
            receiver: Arc::clone(name),
            owed: self.owed.get(name).map_or(0, |owed| owed.len() as u64),
            state: self.lanes.get(name).cloned(),
        };
        names.into_iter().map(row).collect()
    }

    pub fn apply_version(&mut self, version: &str, text: &str, now: Timestamp) {
        let version: Arc<str> = Arc::from(version);
        self.versions.entry(Arc::clone(&version)).or_insert_with(|| text.to_owned());
        self.applied.push((version, now));
    }

    pub fn version(&self, version: &str) -> Option<Version> {
        let (name, at) = self.applied.iter().rev().find(|(name, _)| **name == *version)?;
        Some(Version { version: Arc::clone(name), text: self.versions[name].clone(), at: *at })
    }

    pub fn last_version(&self) -> Option<Version> {
        self.version(&self.applied.last()?.0)
    }

    /// By the order in which they began to rule, whatever the clock said.
    pub fn ruled_since(&self, version: &str, by: Timestamp) -> Option<Timestamp> {
        let mut times = self.applied.iter().rev().filter(|(name, _)| **name == *version).map(|(_, at)| *at);
        times.find(|at| *at <= by)
    }
}
