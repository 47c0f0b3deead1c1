//! What is owed, and how it ends.

use jiff::SignedDuration;

use super::world::at;
use super::{Place, Sample, World, owed_ids, tried};
use crate::event::DeliveryId;
use crate::receiver::Reason;
use crate::store::{Attempted, DeliveryFilter, DeliveryState, End, InThread, KeyHash, LIGHT, NewTarget};

const LATER: End = End::Owed { not_before: None };

pub(crate) async fn the_first_success_ends_it<P: Place>() {
    let mut world = World::<P>::new().await;
    let id = world.owe_one(Sample::new("a").to(&["ops"])).await;
    world.end(id, End::Delivered).await;
    world.kill().await;
    assert!(world.owed("ops").await.is_empty());
    let kept = world.delivery(id).await.unwrap();
    assert_eq!((kept.state, kept.attempts, kept.reason), (DeliveryState::Delivered, 1, None));
    assert_eq!((kept.at, kept.detail.as_deref()), (Some(tried(id, 1, End::Delivered).attempt.at), Some("200 ok")));
    assert_eq!(world.store.attempts(id).await.unwrap(), [tried(id, 1, End::Delivered).attempt]);
    // Of one that is gone or never was: nothing to record, and no harm.
    world.end(DeliveryId(1), End::Dead).await;
}

pub(crate) async fn every_attempt_is_on_record<P: Place>() {
    let mut world = World::<P>::new().await;
    let id = world.owe_one(Sample::new("a").to(&["ops"])).await;
    assert!(world.store.attempts(id).await.unwrap().is_empty());
    let not_before = Some(at(SignedDuration::from_mins(5)));
    let made = [tried(id, 1, LATER), tried(id, 2, End::Owed { not_before }), tried(id, 3, End::Dead)];
    world.store.record(made[..2].into()).await.unwrap();
    world.kill().await;
    let owed = world.owed("ops").await.remove(0);
    assert_eq!((owed.attempts, owed.not_before), (2, not_before));
    assert!(owed.content.is_some(), "a page brings its events");
    world.store.record(made[2..].into()).await.unwrap();
    let expected: Vec<_> = made.iter().map(|m| m.attempt.clone()).collect();
    assert_eq!(world.store.attempts(id).await.unwrap(), expected);
    let kept = world.delivery(id).await.unwrap();
    assert_eq!((kept.state, kept.attempts, kept.reason), (DeliveryState::Dead, 3, Some(Reason::Client)));
    assert_eq!((kept.not_before, kept.detail.as_deref()), (None, Some("400 invalid_payload")));
}

pub(crate) async fn a_delivery_tells_of_its_last_attempt<P: Place>() {
    let mut world = World::<P>::new().await;
    let id = world.owe_one(Sample::new("a").to(&["ops"])).await;
    let retry = |minutes| Some(at(SignedDuration::from_mins(minutes)));
    for (number, not_before) in [(1, retry(9)), (2, retry(5)), (3, None)] {
        let attempted = tried(id, number, End::Owed { not_before });
        world.store.record([attempted.clone()].into()).await.unwrap();
        world.restart().await;
        let kept = world.delivery(id).await.unwrap();
        assert_eq!((kept.at, kept.not_before), (Some(attempted.attempt.at), not_before));
        assert_eq!((kept.reason, kept.detail), (Some(Reason::Server), Some("503 busy".to_owned())));
        assert_eq!(world.owed("ops").await[0].not_before, not_before);
    }
    world.store.record([tried(id, 4, End::Delivered)].into()).await.unwrap();
    let kept = world.delivery(id).await.unwrap();
    assert_eq!((kept.reason, kept.detail.as_deref(), kept.attempts), (None, Some("200 ok"), 4));
}

pub(crate) async fn the_numbers_of_attempts_grow<P: Place>() {
    let mut world = World::<P>::new().await;
    let id = world.owe_one(Sample::new("a").to(&["ops"])).await;
    // As two relays would say it that read the same page, one after the other.
    for number in [1, 1, 2] {
        world.store.record([tried(id, number, LATER)].into()).await.unwrap();
    }
    world.restart().await;
    let numbers: Vec<u32> = world.store.attempts(id).await.unwrap().iter().map(|attempt| attempt.number).collect();
    assert_eq!((numbers, world.owed("ops").await[0].attempts), (vec![1, 2, 3], 3));
}

pub(crate) async fn what_is_owed_comes_in_pages_and_by_key<P: Place>() {
    let world = World::<P>::new().await;
    let mut ids = Vec::new();
    for n in 0..7 {
        let product = if n % 3 == 0 { "customers" } else { "suppliers" };
        ids.push(world.owe_one(Sample::new(&format!("{n}")).product(product).to(&["ops"])).await);
    }
    world.owe_one(Sample::new("elsewhere").to(&["audit"])).await;
    world.end(ids[3], End::Delivered).await;
    let page = world.store.owed("ops", DeliveryId(0), 3).await.unwrap();
    assert_eq!(owed_ids(&page), ids[..3]);
    let rest = world.store.owed("ops", ids[2], 10).await.unwrap();
    assert_eq!(owed_ids(&rest), ids[4..]);
    let key = KeyHash::of(&Sample::new("x").build().event.key);
    let of_key = world.store.owed_of_key("ops", key, DeliveryId(0), 10).await.unwrap();
    assert_eq!(owed_ids(&of_key), [ids[0], ids[6]]);
    assert_eq!(owed_ids(&world.store.owed_of_key("ops", key, ids[0], 1).await.unwrap()), [ids[6]]);
    assert!(world.owed("unknown").await.is_empty());
}

pub(crate) async fn an_attempt_may_end_after_its_delivery<P: Place>() {
    let world = World::<P>::new().await;
    let arrived = world.owe_one(Sample::new("a").to(&["ops"])).await;
    let failed = world.owe_one(Sample::new("b").to(&["ops"])).await;
    world.store.dismiss(&[arrived, failed]).await.unwrap();
    world.store.record([tried(arrived, 1, End::Delivered), tried(failed, 1, LATER)].into()).await.unwrap();
    assert_eq!(world.state(arrived).await, DeliveryState::Delivered, "it did arrive");
    assert_eq!(world.state(failed).await, DeliveryState::Dismissed, "it is not owed again");
    assert_eq!(world.store.attempts(failed).await.unwrap().len(), 1);
    assert!(world.owed("ops").await.is_empty() && world.store.lanes().await.unwrap().is_empty());
}

pub(crate) async fn a_copy_is_kept_with_its_delivery<P: Place>() {
    let mut world = World::<P>::new().await;
    let id = world.owe_one(Sample::new("a").to(&["inbox"])).await;
    assert_eq!(world.store.copy(id).await.unwrap(), None);
    for text in ["Customers failed", "Customers failed, late"] {
        let attempted = Attempted { copy: Some(text.to_owned()), ..tried(id, 1, LATER) };
        world.store.record([attempted].into()).await.unwrap();
        world.restart().await;
        assert_eq!(world.store.copy(id).await.unwrap().as_deref(), Some(text));
    }
    world.store.record([tried(id, 3, LATER)].into()).await.unwrap();
    assert_eq!(
        world.store.copy(id).await.unwrap().as_deref(),
        Some("Customers failed, late"),
        "nothing newer was sent"
    );
}

pub(crate) async fn a_replay_is_a_new_delivery<P: Place>() {
    let mut world = World::<P>::new().await;
    let accepted = world.accept(Sample::new("a").to(&["ops"])).await;
    let old = accepted.deliveries[0].0;
    world.end(old, End::Dead).await;
    world.handed();
    let replayed = world.store.replay(&[old, DeliveryId(5)], None).await.unwrap();
    assert_eq!(replayed.len(), 1, "an unknown one is left out");
    let elsewhere = world.store.replay(&[old], Some("audit")).await.unwrap().remove(0);
    let handed = world.handed();
    assert_eq!(owed_ids(&handed), [replayed[0].delivery, elsewhere.delivery]);
    world.kill().await;
    for (id, receiver) in [(replayed[0].delivery, "ops"), (elsewhere.delivery, "audit")] {
        let new = world.delivery(id).await.unwrap();
        assert_eq!((new.event, &*new.receiver, &*new.route), (accepted.id, receiver, "to ops"));
        assert_eq!((new.state, new.attempts, new.replay_of), (DeliveryState::Owed, 0, Some(old)));
        assert!(id > old);
    }
    assert_eq!(world.state(old).await, DeliveryState::Dismissed, "off the list of the dead");
    assert_eq!(world.delivery(old).await.unwrap().replayed_by, Some(elsewhere.delivery), "the newest");
}

pub(crate) async fn replaying_an_event_adds_to_it<P: Place>() {
    let world = World::<P>::new().await;
    let accepted = world.accept(Sample::new("a").to(&["ops"])).await;
    world.accept(Sample::new("b").to(&["ops"])).await;
    world.handed();
    let targets = ["audit", "ops"].map(|name| NewTarget { receiver: name.into(), route: "new route".into() });
    let replayed = world.store.replay_event(accepted.id, targets.to_vec()).await.unwrap();
    assert_eq!(
        replayed.iter().map(|r| (&*r.receiver, r.replay_of)).collect::<Vec<_>>(),
        [("audit", None), ("ops", None)]
    );
    let handed = world.handed();
    assert_eq!(owed_ids(&handed), replayed.iter().map(|r| r.delivery).collect::<Vec<_>>());
    assert!(handed.iter().all(|owed| &*owed.route == "new route"));
    let filter = DeliveryFilter { event: Some(accepted.id), limit: 10, ..DeliveryFilter::default() };
    let all: Vec<DeliveryId> = world.store.deliveries(&filter).await.unwrap().iter().map(|d| d.id).collect();
    assert_eq!(all, [replayed[1].delivery, replayed[0].delivery, accepted.deliveries[0].0]);
    let none = world.store.replay_event(crate::event::EventId(3), targets.to_vec()).await.unwrap();
    assert!(none.is_empty());
}

pub(crate) async fn dismissing_takes_off_the_list<P: Place>() {
    let mut world = World::<P>::new().await;
    let mut ids = Vec::new();
    for n in 0..3 {
        ids.push(world.owe_one(Sample::new(&format!("{n}")).to(&["ops"])).await);
    }
    world.end(ids[1], End::Dead).await;
    world.end(ids[2], End::Delivered).await;
    assert_eq!(world.store.dismiss(&[ids[0], ids[1], ids[2], DeliveryId(5)]).await.unwrap(), 2);
    assert_eq!(world.store.dismiss(&ids).await.unwrap(), 0);
    world.kill().await;
    let mut states = Vec::new();
    for id in ids {
        states.push(world.state(id).await);
    }
    assert_eq!(states, [DeliveryState::Dismissed, DeliveryState::Dismissed, DeliveryState::Delivered]);
    assert!(world.owed("ops").await.is_empty());
}

pub(crate) async fn moving_keeps_the_order<P: Place>() {
    let mut world = World::<P>::new().await;
    let mut old = Vec::new();
    for n in 0..5 {
        old.push(world.owe_one(Sample::new(&format!("{n}")).to(&["gone"])).await);
    }
    world.end(old[1], End::Delivered).await;
    world.handed();
    assert_eq!(world.store.move_owed("gone", "gone", 10).await.unwrap(), 0, "it is there already");
    assert_eq!(world.store.move_owed("gone", "ops", 3).await.unwrap(), 3);
    world.kill().await;
    assert_eq!(world.store.move_owed("gone", "ops", 3).await.unwrap(), 1);
    assert_eq!(world.store.move_owed("gone", "ops", 3).await.unwrap(), 0);
    let moved = world.owed("ops").await;
    assert_eq!(owed_ids(&world.handed()), owed_ids(&moved));
    let mut of = Vec::new();
    for owed in &moved {
        of.push(world.delivery(owed.id).await.unwrap().replay_of.unwrap());
    }
    assert_eq!(of, [old[0], old[2], old[3], old[4]]);
    assert_eq!(world.state(old[0]).await, DeliveryState::Dismissed);
    assert!(world.owed("gone").await.is_empty());
}

pub(crate) async fn lanes_count_what_is_owed<P: Place>() {
    let mut world = World::<P>::new().await;
    assert!(world.store.lanes().await.unwrap().is_empty());
    for n in 0..3 {
        world.accept(Sample::new(&format!("{n}")).to(&["ops", "audit"])).await;
    }
    let done = world.owed("audit").await;
    world.store.record(done.iter().map(|o| tried(o.id, 1, End::Delivered)).collect()).await.unwrap();
    world.store.save_lane("quiet", r#"{"health":"down"}"#).await.unwrap();
    world.store.save_lane("quiet", r#"{"health":"open"}"#).await.unwrap();
    assert!(world.store.claim("ops", std::time::Duration::from_secs(30)).await.unwrap());
    for _ in 0..3 {
        let lanes = world.store.lanes().await.unwrap();
        let lanes: Vec<_> = lanes.iter().map(|l| (&*l.receiver, l.owed, l.state.as_deref())).collect();
        assert_eq!(lanes, [("ops", 3, None), ("quiet", 0, Some(r#"{"health":"open"}"#))]);
        world.kill().await;
    }
}

/// What a message of `sample` to `ops` would answer to, as number `before`.
async fn answers<P: Place>(world: &World<P>, sample: &Sample, before: DeliveryId) -> Option<String> {
    let key = KeyHash::of(&sample.build().event.key);
    let message = InThread { receiver: "ops".into(), key, job: Some(sample.job.clone()), closes: None, before };
    world.store.reference(&message).await.unwrap()
}

async fn begins<P: Place>(world: &World<P>, delivery: DeliveryId, reference: &str) {
    let reference = Some(reference.to_owned());
    world.store.record([Attempted { reference, ..tried(delivery, 1, End::Delivered) }].into()).await.unwrap();
}

pub(crate) async fn messages_of_a_job_find_their_thread<P: Place>() {
    const LAST: DeliveryId = DeliveryId(i64::MAX);
    let mut world = World::<P>::new().await;
    let (one, two) = (Sample::new("a").to(&["ops"]), Sample::new("b").job("job-2").to(&["ops"]));
    assert_eq!(answers(&world, &one, LAST).await, None);
    let first = world.owe_one(one.clone()).await;
    begins(&world, first, "begun in vain").await;
    begins(&world, first, "first").await;
    let of_two = world.owe_one(two.clone()).await;
    world.end(of_two, End::Delivered).await;
    let again = world.owe_one(Sample::new("c").to(&["ops"])).await;
    begins(&world, again, "again").await;
    world.kill().await;
    assert_eq!(answers(&world, &one, first).await, None, "it began the thread itself");
    assert_eq!(answers(&world, &one, again).await.as_deref(), Some("first"));
    assert_eq!(answers(&world, &one, LAST).await.as_deref(), Some("again"));
    assert_eq!(answers(&world, &two, LAST).await, None, "another job");
    assert_eq!(answers(&world, &one.product("suppliers"), LAST).await, None, "another key");
}

pub(crate) async fn a_recovery_finds_the_thread_of_its_failure<P: Place>() {
    let mut world = World::<P>::new().await;
    let failed = world.owe_one(Sample::new("f").failed(&["ops"]).to(&["ops"])).await;
    begins(&world, failed, "failure").await;
    let running = world.owe_one(Sample::new("r").job("job-2").to(&["ops"])).await;
    begins(&world, running, "next run").await;
    world.kill().await;
    world.accept(Sample::new("s").job("job-2").succeeded()).await;
    let recovery = world.owed("ops").await.remove(0);
    assert_eq!(recovery.closes, Some(failed));
    let mut message = InThread {
        receiver: "ops".into(),
        key: recovery.key,
        job: Some("job-2".to_owned()),
        closes: recovery.closes,
        before: recovery.id,
    };
    assert_eq!(world.store.reference(&message).await.unwrap().as_deref(), Some("failure"));
    message.closes = Some(DeliveryId(1));
    assert_eq!(world.store.reference(&message).await.unwrap().as_deref(), Some("next run"), "the failure had none");
    message.receiver = "audit".into();
    assert_eq!(world.store.reference(&message).await.unwrap(), None);
}

pub(crate) async fn a_large_event_is_left_out_of_pages<P: Place>() {
    let world = World::<P>::new().await;
    world.owe_one(Sample::new("small").to(&["ops"])).await;
    let large = world.accept(Sample::new("large").note(&"x".repeat(LIGHT)).to(&["ops"])).await;
    let bytes = Sample::new("just").build().event.received.body.len();
    world.owe_one(Sample::new("just").note(&"x".repeat(LIGHT - bytes)).to(&["ops"])).await;
    let held: Vec<bool> = world.owed("ops").await.iter().map(|owed| owed.content.is_some()).collect();
    assert_eq!(held, [true, false, true]);
    let whole = world.store.event(large.id).await.unwrap().expect("it is kept whole");
    assert!(whole.event.received.body.len() > LIGHT);
}
