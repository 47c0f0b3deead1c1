//! What is kept for how long.

use jiff::SignedDuration;

use super::world::at;
use super::{Place, Sample, World, tried};
use crate::event::DeliveryId;
use crate::store::{Attempted, DeliveryFilter, DeliveryState, End, EventFilter, InThread, KeyHash, Version};

fn hour(n: i64) -> SignedDuration {
    SignedDuration::from_hours(n)
}

/// Prunes until two calls in a row find nothing: a call may look at a part of the events only.
pub(super) async fn prune_all<P: Place>(world: &World<P>, before: jiff::Timestamp) -> u64 {
    let (mut removed, mut empty) = (0, 0);
    while empty < 2 {
        let step = world.store.prune(before, 3).await.unwrap();
        assert!(step <= 3, "small steps");
        removed += step;
        empty = if step == 0 { empty + 1 } else { 0 };
    }
    removed
}

pub(crate) async fn what_owes_nothing_goes_with_all_that_hangs_on_it<P: Place>() {
    let mut world = World::<P>::new().await;
    let mut ids = Vec::new();
    for n in 0..10 {
        let accepted = world.accept(Sample::new(&format!("{n}")).received_after(hour(n)).to(&["ops"])).await;
        let (event, delivery) = (accepted.id, accepted.deliveries[0].0);
        let copy = Some("a copy".to_owned());
        let attempts = vec![
            tried(delivery, 1, End::Owed { not_before: None }),
            Attempted { copy, reference: Some(format!("thread {n}")), ..tried(delivery, 2, End::Delivered) },
        ];
        world.store.record(attempts.into()).await.unwrap();
        ids.push((event, delivery));
    }
    let replay = world.store.replay(&[ids[0].1], None).await.unwrap()[0].delivery;
    world.end(replay, End::Dead).await;
    assert_eq!(prune_all(&world, at(hour(7))).await, 7);
    world.kill().await;
    for (event, delivery) in &ids[..7] {
        assert!(world.store.event(*event).await.unwrap().is_none());
        assert!(world.delivery(*delivery).await.is_none());
        assert!(world.store.attempts(*delivery).await.unwrap().is_empty());
        assert_eq!(world.store.copy(*delivery).await.unwrap(), None);
    }
    assert!(world.delivery(replay).await.is_none());
    let thread = |before| InThread {
        receiver: "ops".into(),
        key: KeyHash::of(&Sample::new("x").build().event.key),
        job: Some("job-1".to_owned()),
        closes: None,
        before,
    };
    let reference = async |before| world.store.reference(&thread(before)).await.unwrap();
    assert_eq!(reference(ids[9].1).await.as_deref(), Some("thread 8"));
    assert_eq!(reference(ids[7].1).await, None, "threads go with what began them");
    let job = EventFilter { job: Some("job-1".to_owned()), limit: 100, ..EventFilter::default() };
    assert_eq!(world.store.events(&job).await.unwrap().events.len(), 3);
    assert_eq!(world.store.attempts(ids[8].1).await.unwrap().len(), 2);
    let newer = world.accept(Sample::new("next").to(&["ops"])).await;
    assert!(newer.id.0 > replay.0);
}

pub(crate) async fn what_is_owed_stays_however_old<P: Place>() {
    let world = World::<P>::new().await;
    let owed = world.accept(Sample::new("owed").to(&["ops", "audit"])).await;
    world.end(owed.deliveries[0].0, End::Delivered).await;
    let replayed = world.accept(Sample::new("replayed").to(&["ops"])).await;
    world.end(replayed.deliveries[0].0, End::Dead).await;
    let again = world.store.replay(&[replayed.deliveries[0].0], None).await.unwrap()[0].delivery;
    assert_eq!(prune_all(&world, at(hour(1000))).await, 0);
    assert!(world.delivery(owed.deliveries[0].0).await.is_some());
    world.end(owed.deliveries[1].0, End::Dead).await;
    world.end(again, End::Delivered).await;
    assert_eq!(prune_all(&world, at(hour(1000))).await, 2);
    let left = DeliveryFilter { limit: 10, ..DeliveryFilter::default() };
    assert!(world.store.deliveries(&left).await.unwrap().is_empty());
}

pub(crate) async fn what_died_stays_listed_for_the_whole_retention<P: Place>() {
    let mut world = World::<P>::new().await;
    let died_at = async |world: &World<P>, delivery, hours| {
        let mut last = tried(delivery, 2, End::Dead);
        last.attempt.at = at(hour(hours));
        world.store.record([tried(delivery, 1, End::Owed { not_before: None }), last].into()).await.unwrap();
    };
    let with_it = world.owe_one(Sample::new("dead").to(&["ops"])).await;
    died_at(&world, with_it, 100).await;
    let replayed = world.owe_one(Sample::new("its replay").to(&["ops"])).await;
    died_at(&world, replayed, 1).await;
    let replay = world.store.replay(&[replayed], None).await.unwrap()[0].delivery;
    died_at(&world, replay, 200).await;
    let early = world.owe_one(Sample::new("early").to(&["ops"])).await;
    died_at(&world, early, 99).await;
    world.kill().await;
    assert_eq!(prune_all(&world, at(hour(100))).await, 1);
    assert!(world.delivery(early).await.is_none());
    assert_eq!(world.state(with_it).await, DeliveryState::Dead);
    assert_eq!(prune_all(&world, at(hour(101))).await, 1);
    assert!(world.delivery(with_it).await.is_none());
    assert_eq!(world.state(replay).await, DeliveryState::Dead);
    world.store.dismiss(&[replay]).await.unwrap();
    assert_eq!(prune_all(&world, at(hour(101))).await, 1, "dismissed, it is on no list");
}

pub(crate) async fn old_owed_events_do_not_hide_the_rest<P: Place>() {
    let world = World::<P>::new().await;
    for n in 0..20 {
        world.accept(Sample::new(&format!("owed {n}")).to(&["ops"])).await;
    }
    for n in 0..20 {
        world.accept(Sample::new(&format!("free {n}"))).await;
    }
    assert_eq!(prune_all(&world, at(hour(1))).await, 20);
    assert_eq!(world.owed("ops").await.len(), 20);
    world.accept(Sample::new("one more")).await;
    assert_eq!(prune_all(&world, at(hour(1))).await, 1);
    assert_eq!(world.store.prune(at(hour(-1)), 10).await.unwrap(), 0, "received later");
    assert_eq!(world.store.owed("ops", DeliveryId(0), 100).await.unwrap().len(), 20);
}

pub(crate) async fn what_came_while_the_clock_was_wrong_hides_nothing<P: Place>() {
    let world = World::<P>::new().await;
    let mut ids = Vec::new();
    for (n, hours) in [0, 900, 1, -900, 2].into_iter().enumerate() {
        ids.push(world.accept(Sample::new(&format!("{n}")).received_after(hour(hours))).await.id);
    }
    assert_eq!(prune_all(&world, at(hour(2))).await, 3);
    let all = EventFilter { limit: 9, ..EventFilter::default() };
    let left: Vec<_> = world.store.events(&all).await.unwrap().events.iter().map(|event| event.id).collect();
    assert_eq!(left, [ids[4], ids[1]], "received then, or later by the clock of that time");
}

pub(crate) async fn versions_are_kept_with_the_times_they_applied<P: Place>() {
    let mut world = World::<P>::new().await;
    assert_eq!(world.store.last_version().await.unwrap(), None);
    assert_eq!(world.store.ruled_since("a", at(hour(9))).await.unwrap(), None);
    // The clock goes back before the third.
    for (version, text, hours) in [("a", "routes: one", 0), ("b", "routes: two", 5), ("a", "routes: other", 3)] {
        world.store.apply_version(version, text, at(hour(hours))).await.unwrap();
    }
    world.kill().await;
    let version = |name: &str, text: &str, n| Version { version: name.into(), text: text.to_owned(), at: at(hour(n)) };
    let (a, b) = (version("a", "routes: one", 3), version("b", "routes: two", 5));
    assert_eq!(world.store.version("a").await.unwrap(), Some(a.clone()));
    assert_eq!(world.store.version("b").await.unwrap(), Some(b));
    assert_eq!(world.store.version("c").await.unwrap(), None);
    assert_eq!(world.store.last_version().await.unwrap(), Some(a));
    for (name, by, since) in
        [("a", 9, Some(3)), ("a", 3, Some(3)), ("a", 2, Some(0)), ("b", 9, Some(5)), ("b", 4, None), ("c", 9, None)]
    {
        let found = world.store.ruled_since(name, at(hour(by))).await.unwrap();
        assert_eq!(found, since.map(|n| at(hour(n))), "{name} by {by}");
    }
}
