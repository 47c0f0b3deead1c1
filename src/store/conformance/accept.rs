//! Taking in: durable before the answer, once, in order.

use std::sync::Arc;

use super::{Place, Sample, World, owed_ids, tried};
use crate::event::DeliveryId;
use crate::store::{End, Owed, StoreError};

pub(crate) async fn an_event_is_kept_as_it_came<P: Place>() {
    let mut world = World::<P>::new().await;
    let new = Sample::new("a").to(&["ops", "audit"]).build();
    let accepted = world.store.accept(vec![new.clone()]).await.unwrap().remove(0);
    assert!(!accepted.duplicate && !accepted.id_reused);
    for _ in 0..2 {
        let kept = world.store.event(accepted.id).await.unwrap().expect("it is kept");
        assert_eq!(kept.event.received, new.event.received);
        assert_eq!(
            (kept.event.key.as_str(), &kept.event.fingerprint),
            (new.event.key.as_str(), &new.event.fingerprint)
        );
        assert_eq!(
            (kept.id, kept.decision, kept.version),
            (accepted.id, new.decision.clone(), Arc::clone(&new.version))
        );
        world.restart().await;
    }
    let unknown = crate::event::EventId(accepted.id.0 + 100);
    assert!(world.store.event(unknown).await.unwrap().is_none());
}

pub(crate) async fn a_batch_is_answered_item_by_item<P: Place>() {
    let world = World::<P>::new().await;
    let items =
        [Sample::new("a").to(&["ops"]), Sample::new("b"), Sample::new("a").to(&["ops"]), Sample::new("c").to(&["ops"])];
    let answers = world.store.accept(items.iter().map(Sample::build).collect()).await.unwrap();
    let duplicates: Vec<bool> = answers.iter().map(|a| a.duplicate).collect();
    assert_eq!(duplicates, [false, false, true, false]);
    assert_eq!(answers[2].id, answers[0].id);
    assert!(answers[2].deliveries.is_empty());
    assert!(answers[0].id < answers[1].id && answers[1].id < answers[3].id);
    assert!(world.store.accept(Vec::new()).await.unwrap().is_empty());
}

pub(crate) async fn fresh_deliveries_are_handed_over_first<P: Place>() {
    let world = World::<P>::new().await;
    let new = Sample::new("a").to(&["ops", "audit"]).build();
    let accepted = world.store.accept(vec![new.clone()]).await.unwrap().remove(0);
    let handed = world.handed();
    let told: Vec<_> = handed.iter().map(|o| (o.id, Arc::clone(&o.receiver))).collect();
    assert_eq!(told, accepted.deliveries);
    for owed in &handed {
        assert!(Arc::ptr_eq(owed.content.as_ref().expect("fresh ones bring their event"), &new.event));
        assert_eq!((owed.event, owed.attempts, owed.not_before, owed.closes), (accepted.id, 0, None, None));
        assert_eq!(owed.key, crate::store::KeyHash::of(&new.event.key));
        assert_eq!(*owed.route, *format!("to {}", owed.receiver));
        assert_eq!(owed_ids(&world.owed(&owed.receiver).await), [owed.id]);
    }
    world.accept(Sample::new("b")).await;
    assert!(world.handed().is_empty(), "nothing fresh, nothing handed over");
}

pub(crate) async fn the_order_of_acceptance_is_the_order_of_ids<P: Place>() {
    let world = World::<P>::new().await;
    let tasks: Vec<_> = (0..60)
        .map(|n| {
            let store = Arc::clone(&world.store);
            tokio::spawn(async move { store.accept(vec![Sample::new(&format!("{n}")).to(&["ops"]).build()]).await })
        })
        .collect();
    let mut answered = Vec::new();
    for task in tasks {
        let accepted = task.await.unwrap().unwrap().remove(0);
        assert!(accepted.id.0 < accepted.deliveries[0].0.0);
        answered.push(accepted.deliveries[0].0);
    }
    answered.sort_unstable();
    let handed = owed_ids(&world.handed());
    assert_eq!(handed, answered, "handed over once each, in order");
    assert_eq!(owed_ids(&world.owed("ops").await), answered);
}

pub(crate) async fn a_duplicate_is_answered_and_not_owed_again<P: Place>() {
    let mut world = World::<P>::new().await;
    let first = world.accept(Sample::new("a").to(&["ops"])).await;
    for round in 0..3 {
        let again = world.accept(Sample::new("a").to(&["ops", "audit"])).await;
        assert_eq!((again.id, again.duplicate, again.deliveries.len()), (first.id, true, 0), "round {round}");
        if round == 0 { world.restart().await } else { world.kill().await }
    }
    assert_eq!(world.handed().len(), 1);
    assert_eq!(world.owed("ops").await.len(), 1);
    assert!(world.owed("audit").await.is_empty());
}

pub(crate) async fn duplicates_at_the_same_moment_are_accepted_once<P: Place>() {
    let world = World::<P>::new().await;
    let tasks: Vec<_> = (0..20)
        .map(|_| {
            let store = Arc::clone(&world.store);
            tokio::spawn(async move { store.accept(vec![Sample::new("a").to(&["ops"]).build()]).await })
        })
        .collect();
    let mut fresh = 0;
    for task in tasks {
        let accepted = task.await.unwrap().unwrap().remove(0);
        fresh += usize::from(!accepted.duplicate);
        assert!(world.store.event(accepted.id).await.unwrap().is_some(), "durable before either answer");
    }
    assert_eq!((fresh, world.owed("ops").await.len()), (1, 1));
}

pub(crate) async fn an_id_with_other_data_is_a_new_event<P: Place>() {
    let mut world = World::<P>::new().await;
    let first = world.accept(Sample::new("a").to(&["ops"])).await;
    let other = world.accept(Sample::new("a").note("changed").to(&["ops"])).await;
    assert!(other.id_reused && !other.duplicate && other.id > first.id);
    world.kill().await;
    assert_eq!(world.accept(Sample::new("a")).await.id, first.id);
    assert_eq!(world.accept(Sample::new("a").note("changed")).await.id, other.id);
    assert_eq!(world.owed("ops").await.len(), 2);
}

pub(crate) async fn a_kill_after_the_answer_loses_nothing<P: Place>() {
    let mut world = World::<P>::new().await;
    let mut owed = Vec::new();
    for n in 0..12 {
        let accepted = world.accept(Sample::new(&format!("{n}")).to(&["ops"])).await;
        owed.push(accepted.deliveries[0].0);
        if n % 3 == 0 {
            world.end(owed.remove(0), crate::store::End::Delivered).await;
        }
        world.kill().await;
        assert_eq!(owed_ids(&world.owed("ops").await), owed);
        assert!(world.store.event(accepted.id).await.unwrap().is_some());
    }
}

pub(crate) async fn ids_grow_over_restarts<P: Place>() {
    let mut world = World::<P>::new().await;
    let mut last = DeliveryId(0);
    for n in 0..4 {
        let accepted = world.accept(Sample::new(&format!("{n}")).to(&["ops"])).await;
        assert!(accepted.id.0 > last.0);
        last = accepted.deliveries[0].0;
        if n % 2 == 0 { world.restart().await } else { world.kill().await }
    }
}

pub(crate) async fn after_close_nothing_works<P: Place>() {
    let world = World::<P>::new().await;
    world.accept(Sample::new("a").to(&["ops"])).await;
    assert!(world.store.writable());
    world.store.close().await;
    world.store.close().await;
    assert!(!world.store.writable());
    assert!(matches!(world.store.accept(vec![Sample::new("b").build()]).await, Err(StoreError::Closed)));
    assert!(matches!(world.store.owed("ops", DeliveryId(0), 1).await, Err(StoreError::Closed)));
    assert!(matches!(world.store.probe().await, Err(StoreError::Closed)));
}

pub(crate) async fn what_was_refused_is_not_kept<P: Place>() {
    let mut world = World::<P>::new().await;
    world.store.probe().await.unwrap();
    let id = world.owe_one(Sample::new("a").to(&["ops"])).await;
    let before = world.store.ledger().await.unwrap().life;
    world.store.close().await;
    assert!(world.store.accept(vec![Sample::new("b").to(&["ops"]).build()]).await.is_err());
    assert!(world.store.record([tried(id, 1, End::Dead)].into()).await.is_err());
    assert!(world.store.dismiss(&[id]).await.is_err());
    world.kill().await;
    assert_eq!(world.store.ledger().await.unwrap().life, before);
    assert_eq!(owed_ids(&world.owed("ops").await), [id]);
    assert!(!world.accept(Sample::new("b").to(&["ops"])).await.duplicate, "the sender tries again");
}

pub(crate) async fn what_someone_must_act_on_is_urgent<P: Place>() {
    let mut world = World::<P>::new().await;
    for sample in [
        Sample::new("running"),
        Sample::new("failed").failed(&["ops"]),
        Sample::new("recovered").succeeded(),
        Sample::new("succeeded").succeeded(),
    ] {
        world.accept(sample.to(&["ops"])).await;
    }
    let urgent = |owed: &[Owed]| owed.iter().map(|owed| owed.urgent).collect::<Vec<_>>();
    assert_eq!(urgent(&world.handed()), [false, true, true, false]);
    world.kill().await;
    assert_eq!(urgent(&world.owed("ops").await), [false, true, true, false]);
}
