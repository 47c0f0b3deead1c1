//! Which names of the new file were seen, and for the others the nearest that was: they need not all be remembered for it.

use std::collections::{BTreeMap, HashSet};
use std::hash::{DefaultHasher, Hash, Hasher};

use super::UnseenName;
use crate::config::names::Name;
use crate::event::{Event, Resource};
use crate::yaml::nearest;

/// Values of one word that are known to have been looked at; beyond, they are forgotten, and looked at again when they come again.
const REMEMBERED: usize = 1 << 16;

/// What is known of the names that were not seen yet.
#[derive(Debug, Default)]
pub(super) struct Seen {
    /// By the key at which they are asked for, of each its index and the nearest value so far.
    unseen: BTreeMap<String, Unseen>,
}

#[derive(Debug, Default)]
struct Unseen {
    names: Vec<(usize, Option<Box<str>>)>,
    /// Hashes of the values that were compared with the names.
    compared: HashSet<u64>,
}

impl Seen {
    pub fn new(names: &[Name]) -> Seen {
        let mut seen = Seen::default();
        for (index, name) in names.iter().enumerate() {
            seen.unseen.entry(name.key.clone()).or_default().names.push((index, None));
        }
        seen
    }

    pub fn look(&mut self, names: &[Name], event: &Event) {
        self.unseen.retain(|_, unseen| {
            unseen.names.retain(|(index, _)| !names[*index].is_in(event));
            let Some(&(first, _)) = unseen.names.first() else { return false };
            values(&names[first], event, |value| unseen.compare(names, value));
            true
        });
    }

    /// Of another part of the same events.
    pub fn join(&mut self, names: &[Name], mut other: Seen) {
        self.unseen.retain(|key, unseen| {
            let Some(other) = other.unseen.get_mut(key) else { return false };
            unseen.names.retain_mut(|(index, near)| {
                let Some(at) = other.names.iter().position(|(other, _)| other == index) else { return false };
                if let Some(value) = other.names[at].1.take() {
                    take_nearer(&names[*index].text, near, &value);
                }
                true
            });
            !unseen.names.is_empty()
        });
    }

    pub fn finish(self, names: &[Name]) -> Vec<UnseenName> {
        let mut found: Vec<UnseenName> = self
            .unseen
            .into_values()
            .flat_map(|unseen| unseen.names)
            .map(|(index, near)| UnseenName {
                index,
                route: names[index].route.clone(),
                key: names[index].key.clone(),
                name: names[index].text.clone(),
                nearest: near.map(String::from),
            })
            .collect();
        found.sort_unstable_by_key(|name| name.index);
        found
    }
}

impl Unseen {
    fn compare(&mut self, names: &[Name], value: &str) {
        let mut hasher = DefaultHasher::new();
        value.hash(&mut hasher);
        let hash = hasher.finish();
        if self.compared.contains(&hash) {
            return;
        }
        if self.compared.len() >= REMEMBERED {
            self.compared.clear();
        }
        self.compared.insert(hash);
        for (index, near) in &mut self.names {
            take_nearer(&names[*index].text, near, value);
        }
    }
}

/// Of two equally near values the lesser, so that the order of events does not matter.
fn take_nearer(name: &str, near: &mut Option<Box<str>>, value: &str) {
    let found = match near.as_deref() {
        Some(kept) => nearest(name, [kept.min(value), kept.max(value)]),
        None => nearest(name, [value]),
    };
    if let Some(found) = found.filter(|found| near.as_deref() != Some(*found)) {
        *near = Some(found.into());
    }
}

/// What `event` has at the word of `name`.
fn values(name: &Name, event: &Event, mut each: impl FnMut(&str)) {
    let (word, member) = name.word();
    if word == "tenant" {
        each(&event.tenant);
        each(event.tenant.split('.').next().unwrap_or_default());
    }
    let Some(job) = &event.job else { return };
    let resource = |resource: &Resource| {
        let id = resource.id.as_deref().filter(|_| member != Some("name"));
        let name = resource.name.as_deref().filter(|_| member != Some("id"));
        id.into_iter().chain(name).for_each(&mut each);
    };
    match word {
        "resource" => job.resources().for_each(resource),
        "source" => job.source.iter().for_each(resource),
        "data_product" => job.data_product.iter().for_each(resource),
        "workflow" => job.workflow.iter().for_each(resource),
        "destination" => job.destination.iter().for_each(resource),
        "type" => job.job_type.iter().for_each(|job_type| each(job_type.as_str())),
        "reason" => job.reason.iter().for_each(|reason| each(reason)),
        "job" => job.id.iter().for_each(|id| each(id)),
        _ => {}
    }
}
