//! How long a duplicate is known.

use std::sync::Arc;

use super::{Place, Sample, World};
use crate::event::Fingerprint;
use crate::store::{NewEvent, REMEMBERED};

/// So many are accepted at once.
const BATCH: usize = 10_000;

/// The `n`th of many: made from one that was read, as reading takes longer than keeping.
fn nth(sample: &NewEvent, n: usize) -> NewEvent {
    let mut id = [0; 16];
    id[..8].copy_from_slice(&n.to_be_bytes());
    let mut event = (*sample.event).clone();
    event.fingerprint = Fingerprint { id, ..event.fingerprint };
    NewEvent { event: Arc::new(event), ..sample.clone() }
}

pub(crate) async fn the_newest_events_are_known_and_no_others<P: Place>() {
    let world = World::<P>::new().await;
    let sample = Sample::new("many").build();
    let accept = async |numbers: Vec<usize>| {
        let new = numbers.into_iter().map(|n| nth(&sample, n)).collect();
        world.store.accept(new).await.unwrap().iter().map(|answer| answer.duplicate).collect::<Vec<_>>()
    };
    for first in (0..REMEMBERED).step_by(BATCH) {
        let until = (first + BATCH).min(REMEMBERED);
        assert!(!accept((first..until).collect()).await.contains(&true));
    }
    assert_eq!(accept(vec![0]).await, [true], "the last that is known; to come again makes it no newer");
    assert_eq!(accept(vec![REMEMBERED]).await, [false]);
    assert_eq!(accept(vec![1]).await, [true]);
    assert_eq!(accept(vec![0]).await, [false], "it is forgotten");
    assert_eq!(accept(vec![1]).await, [false], "and now this one");
    assert_eq!(accept(vec![3, REMEMBERED]).await, [true, true]);
}
