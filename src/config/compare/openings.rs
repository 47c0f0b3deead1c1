//! Failures that a receiver wants to see closed, as the store keeps them: by key and receiver, closed by the next success of the key,
//! whether that is routed there or not.

use std::collections::HashMap;
use std::sync::Arc;

use crate::routing::{Decision, Target};

/// One message that a file would have sent for an event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Sent {
    pub receiver: Arc<str>,
    /// Empty for a recovery that no route sent.
    pub route: Arc<str>,
    /// It tells the end of a failure.
    pub closes: bool,
}

impl From<&Target> for Sent {
    fn from(target: &Target) -> Sent {
        Sent { receiver: Arc::clone(&target.receiver), route: Arc::clone(&target.route), closes: false }
    }
}

/// All that are open under one file: by key, the receivers that wait for the end.
#[derive(Debug, Default)]
pub(super) struct Openings(HashMap<Box<str>, Vec<Arc<str>>>);

impl Openings {
    /// A failure opens for those of its receivers that want to hear of the recovery.
    pub fn fail(&mut self, key: &str, decision: &Decision, wants_recovery: impl Fn(&str) -> bool) -> Vec<Sent> {
        for Target { receiver, .. } in decision.targets.iter().filter(|target| wants_recovery(&target.receiver)) {
            match self.0.get_mut(key) {
                None => _ = self.0.insert(key.into(), vec![Arc::clone(receiver)]),
                Some(open) if open.contains(receiver) => {}
                Some(open) => open.push(Arc::clone(receiver)),
            }
        }
        decision.targets.iter().map(Sent::from).collect()
    }

    /// A success closes all of its key; who hears of it by a route does not hear of it twice.
    pub fn close(&mut self, key: &str, decision: &Decision) -> Vec<Sent> {
        let mut sent: Vec<Sent> = decision.targets.iter().map(Sent::from).collect();
        let none: Arc<str> = Arc::from("");
        for receiver in self.0.remove(key).unwrap_or_default() {
            match sent.iter_mut().find(|sent| sent.receiver == receiver) {
                Some(routed) => routed.closes = true,
                None => sent.push(Sent { receiver, route: Arc::clone(&none), closes: true }),
            }
        }
        sent
    }
}
