//! Looking back: by what people know, by time, page by page; and always complete.

use jiff::{SignedDuration, Timestamp};

use super::world::at;
use super::{Place, Sample, World};
use crate::event::{DeliveryId, EventId};
use crate::receiver::Reason;
use crate::store::{DeliveryFilter, DeliveryState, End, EventFilter, PAGE_BYTES};

async fn events<P: Place>(world: &World<P>, filter: EventFilter) -> Vec<EventId> {
    world.store.events(&filter).await.unwrap().events.iter().map(|e| e.id).collect()
}

async fn deliveries<P: Place>(world: &World<P>, filter: DeliveryFilter) -> Vec<DeliveryId> {
    world.store.deliveries(&filter).await.unwrap().iter().map(|d| d.id).collect()
}

fn all() -> EventFilter {
    EventFilter { limit: 100, ..EventFilter::default() }
}

fn newest_first<T: Copy>(ids: &[T], indexes: &[usize]) -> Vec<T> {
    indexes.iter().rev().map(|&n| ids[n]).collect()
}

/// Four events: two jobs, two products, one sender's ID used twice.
async fn four<P: Place>(world: &World<P>) -> Vec<EventId> {
    let mut ids = Vec::new();
    for sample in [
        Sample::new("a").job("j1"),
        Sample::new("b").job("j1"),
        Sample::new("c").job("j2").product("suppliers"),
        Sample::new("a").job("j2").note("again"),
    ] {
        ids.push(world.accept(sample).await.id);
    }
    ids
}

pub(crate) async fn events_are_found_by_what_people_know<P: Place>() {
    let mut world = World::<P>::new().await;
    let ids = four(&world).await;
    let key = Sample::new("x").build().event.key.clone();
    for round in 0..3 {
        let job = |job: &str| EventFilter { job: Some(job.to_owned()), ..all() };
        assert_eq!(events(&world, job("j1")).await, newest_first(&ids, &[0, 1]), "round {round}");
        assert_eq!(events(&world, job("j2")).await, newest_first(&ids, &[2, 3]));
        assert!(events(&world, job("a")).await.is_empty());
        let sender = EventFilter { sender_id: Some("a".to_owned()), ..all() };
        assert_eq!(events(&world, sender.clone()).await, newest_first(&ids, &[0, 3]));
        let of_key = EventFilter { key: Some(key.clone()), ..all() };
        assert_eq!(events(&world, of_key.clone()).await, newest_first(&ids, &[0, 1, 3]));
        let page = EventFilter { limit: 2, ..of_key.clone() };
        assert_eq!(events(&world, page).await, newest_first(&ids, &[1, 3]));
        let next = EventFilter { before: Some(ids[1]), ..of_key.clone() };
        assert_eq!(events(&world, next).await, newest_first(&ids, &[0]));
        let both = EventFilter { job: Some("j2".to_owned()), ..of_key };
        assert_eq!(events(&world, both).await, newest_first(&ids, &[3]));
        let neither = EventFilter { job: Some("j2".to_owned()), before: Some(ids[3]), ..sender };
        assert!(events(&world, neither).await.is_empty());
        if round == 0 { world.restart().await } else { world.kill().await }
    }
}

pub(crate) async fn events_come_by_time_and_in_pages<P: Place>() {
    let world = World::<P>::new().await;
    let mut ids = Vec::new();
    for n in 0..6 {
        ids.push(world.accept(Sample::new(&format!("{n}")).received_after(SignedDuration::from_hours(n))).await.id);
    }
    assert_eq!(events(&world, all()).await, newest_first(&ids, &[0, 1, 2, 3, 4, 5]));
    let hour = |n| Some(at(SignedDuration::from_hours(n)));
    let some = EventFilter { since: hour(2), until: hour(5), ..all() };
    assert_eq!(events(&world, some.clone()).await, newest_first(&ids, &[2, 3, 4]));
    assert_eq!(events(&world, EventFilter { limit: 2, ..some.clone() }).await, newest_first(&ids, &[3, 4]));
    assert_eq!(events(&world, EventFilter { before: Some(ids[3]), ..some.clone() }).await, newest_first(&ids, &[2]));
    let key = Some(Sample::new("x").build().event.key.clone());
    assert_eq!(events(&world, EventFilter { key, ..some }).await, newest_first(&ids, &[2, 3, 4]));
    assert!(events(&world, EventFilter::default()).await.is_empty(), "a limit of none");
}

pub(crate) async fn a_page_of_large_events_ends_early_and_says_where_to_go_on<P: Place>() {
    let world = World::<P>::new().await;
    let large = "x".repeat(PAGE_BYTES / 4);
    let mut ids = Vec::new();
    for n in 0..6 {
        ids.push(world.accept(Sample::new(&format!("{n}")).note(&large)).await.id);
    }
    let key = Sample::new("x").build().event.key.clone();
    for filter in [all(), EventFilter { key: Some(key), ..all() }] {
        let first = world.store.events(&filter).await.unwrap();
        assert_eq!((first.events.len(), first.next), (4, Some(ids[2])));
        let rest = world.store.events(&EventFilter { before: first.next, ..filter.clone() }).await.unwrap();
        assert_eq!((rest.events.len(), rest.next), (2, None));
        let one = world.store.events(&EventFilter { limit: 1, ..filter }).await.unwrap();
        assert_eq!((one.events.len(), one.next), (1, Some(ids[5])));
    }
}

pub(crate) async fn a_clock_that_jumps_hides_nothing<P: Place>() {
    let mut world = World::<P>::new().await;
    let mut ids = Vec::new();
    let days = [0, 400, 1, -20_000, 2, 80_000];
    for day in days {
        let sample = Sample::new(&format!("{day}")).received_after(SignedDuration::from_hours(24 * day));
        ids.push(world.accept(sample).await.id);
    }
    world.kill().await;
    let day = |n: i64| Some(at(SignedDuration::from_hours(24 * n)));
    assert_eq!(
        events(&world, EventFilter { since: day(0), until: day(3), ..all() }).await,
        newest_first(&ids, &[0, 2, 4])
    );
    assert_eq!(events(&world, EventFilter { since: day(400), until: day(401), ..all() }).await, [ids[1]]);
    assert_eq!(events(&world, EventFilter { until: day(0), ..all() }).await, [ids[3]]);
    assert_eq!(events(&world, EventFilter { since: day(401), ..all() }).await, [ids[5]]);
}

pub(crate) async fn the_next_event_of_a_key_is_the_newest<P: Place>() {
    let mut world = World::<P>::new().await;
    let ids = four(&world).await;
    let key = Sample::new("x").build().event.key.clone();
    let day = SignedDuration::from_hours(24);
    let later = world.accept(Sample::new("later").received_after(day)).await.id;
    for _ in 0..2 {
        let next = async |after, until| world.store.next_of_key(&key, after, until).await.unwrap().map(|e| e.id);
        assert_eq!(next(ids[0], Timestamp::MAX).await, Some(later));
        assert_eq!(next(ids[0], at(day)).await, Some(ids[3]), "those received before then");
        assert_eq!(next(ids[2], at(day)).await, Some(ids[3]));
        assert_eq!(next(ids[3], at(day)).await, None);
        assert_eq!(next(later, Timestamp::MAX).await, None);
        assert!(world.store.next_of_key("another", EventId(0), Timestamp::MAX).await.unwrap().is_none());
        world.kill().await;
    }
}

pub(crate) async fn deliveries_are_found_by_each_part<P: Place>() {
    let mut world = World::<P>::new().await;
    let mut ids = Vec::new();
    let mut of_events = Vec::new();
    for n in 0..3 {
        let accepted = world.accept(Sample::new(&format!("{n}")).to(&["ops", "audit"])).await;
        of_events.push(accepted.id);
        ids.extend(accepted.deliveries.iter().map(|d| d.0));
    }
    world.end(ids[0], End::Delivered).await;
    world.end(ids[1], End::Dead).await;
    world.end(ids[2], End::Dead).await;
    world.kill().await;
    let all = || DeliveryFilter { limit: 100, ..DeliveryFilter::default() };
    let ops = || DeliveryFilter { receiver: Some("ops".to_owned()), ..all() };
    let dead = || DeliveryFilter { state: Some(DeliveryState::Dead), ..all() };
    let future = Timestamp::now() + SignedDuration::from_hours(1);
    let past = Timestamp::now() - SignedDuration::from_hours(1);
    let cases = [
        (all(), vec![0, 1, 2, 3, 4, 5]),
        (DeliveryFilter { limit: 2, ..all() }, vec![4, 5]),
        (DeliveryFilter { before: Some(ids[2]), ..all() }, vec![0, 1]),
        (DeliveryFilter { id: Some(ids[3]), ..all() }, vec![3]),
        (DeliveryFilter { event: Some(of_events[1]), ..all() }, vec![2, 3]),
        (DeliveryFilter { event: Some(of_events[1]), ..dead() }, vec![2]),
        (ops(), vec![0, 2, 4]),
        (dead(), vec![1, 2]),
        (DeliveryFilter { limit: 1, ..dead() }, vec![2]),
        (DeliveryFilter { before: Some(ids[2]), ..dead() }, vec![1]),
        (DeliveryFilter { state: Some(DeliveryState::Dead), ..ops() }, vec![2]),
        (DeliveryFilter { state: Some(DeliveryState::Owed), ..ops() }, vec![4]),
        (DeliveryFilter { state: Some(DeliveryState::Owed), ..all() }, vec![3, 4, 5]),
        (DeliveryFilter { state: Some(DeliveryState::Delivered), ..all() }, vec![0]),
        (DeliveryFilter { route: Some("to audit".to_owned()), ..all() }, vec![1, 3, 5]),
        (DeliveryFilter { route: Some("to audit".to_owned()), ..ops() }, vec![]),
        (DeliveryFilter { receiver: Some("unknown".to_owned()), ..all() }, vec![]),
        (DeliveryFilter { reason: Some(Reason::Client), ..all() }, vec![1, 2]),
        (DeliveryFilter { reason: Some(Reason::Client), ..ops() }, vec![2]),
        (DeliveryFilter { reason: Some(Reason::Client), ..dead() }, vec![1, 2]),
        (DeliveryFilter { reason: Some(Reason::Auth), ..all() }, vec![]),
        (DeliveryFilter { since: Some(past), ..all() }, vec![0, 1, 2, 3, 4, 5]),
        (DeliveryFilter { since: Some(future), ..all() }, vec![]),
        (DeliveryFilter { until: Some(future), ..all() }, vec![0, 1, 2, 3, 4, 5]),
        (DeliveryFilter { until: Some(past), ..all() }, vec![]),
    ];
    for (filter, expected) in cases {
        let shown = format!("{filter:?}");
        assert_eq!(deliveries(&world, filter).await, newest_first(&ids, &expected), "{shown}");
    }
}
