//! The books agree with what happened, whatever happens to the relay.

use jiff::SignedDuration;

use super::retain::prune_all;
use super::world::at;
use super::{Place, Sample, World};
use crate::event::Form;
use crate::store::{Books, DeliveryBooks, End, EventBooks, NewQuarantined};

async fn life<P: Place>(world: &World<P>) -> Books {
    let books = world.store.ledger().await.unwrap().life;
    assert!(books.receivers.values().all(DeliveryBooks::balance), "{books:?}");
    books
}

async fn of<P: Place>(world: &World<P>, receiver: &str) -> DeliveryBooks {
    life(world).await.receivers.get(receiver).copied().unwrap_or_default()
}

pub(crate) async fn every_delivery_made_stands_in_one_state<P: Place>() {
    let world = World::<P>::new().await;
    assert_eq!(life(&world).await, Books::default());
    let mut ids = Vec::new();
    for n in 0..6 {
        ids.push(world.owe_one(Sample::new(&format!("{n}")).to(&["ops"])).await);
    }
    world.end(ids[0], End::Delivered).await;
    world.end(ids[1], End::Dead).await;
    world.end(ids[2], End::Dead).await;
    world.end(ids[3], End::Owed { not_before: None }).await;
    assert_eq!(world.store.dismiss(&[ids[1], ids[4]]).await.unwrap(), 2);
    let expected = DeliveryBooks { made: 6, delivered: 1, dead: 1, dismissed: 2, owed: 2 };
    assert_eq!(of(&world, "ops").await, expected);
    // One that was dismissed while it was under way, and arrived.
    world.end(ids[4], End::Delivered).await;
    world.store.replay(&[ids[2]], None).await.unwrap();
    assert_eq!(world.store.move_owed("ops", "new", 2).await.unwrap(), 2);
    let expected = DeliveryBooks { made: 7, delivered: 2, dead: 0, dismissed: 4, owed: 1 };
    assert_eq!((of(&world, "ops").await, of(&world, "new").await.made), (expected, 2));
}

pub(crate) async fn the_books_survive_a_kill_and_retention<P: Place>() {
    let mut world = World::<P>::new().await;
    let quarantined = |body: &'static str| NewQuarantined {
        form: Form { content_type: "text/plain".to_owned(), attributes: Vec::new() },
        body: body.into(),
        reason: "not JSON".to_owned(),
        received_at: at(SignedDuration::ZERO),
    };
    let first = world.owe_one(Sample::new("a").failed(&["ops"]).to(&["ops"])).await;
    world.end(first, End::Delivered).await;
    assert_eq!(world.accept(Sample::new("b").succeeded()).await.deliveries.len(), 1, "a recovery");
    assert!(world.accept(Sample::new("a").failed(&["ops"]).to(&["ops"])).await.duplicate);
    let mut unmatched = Sample::new("c").build();
    unmatched.decision.matched.clear();
    world.store.accept(vec![unmatched]).await.unwrap();
    for body in ["x", "x", "y"] {
        world.store.quarantine(quarantined(body)).await.unwrap();
    }
    let before = life(&world).await;
    let events = EventBooks { matched: 1, nobody: 1, unmatched: 1, duplicates: 1, quarantined: 3 };
    assert_eq!((before.events, before.events.accepted()), (events, 3));
    assert_eq!(before.receivers["ops"], DeliveryBooks { made: 2, delivered: 1, owed: 1, ..DeliveryBooks::default() });
    world.kill().await;
    assert_eq!(life(&world).await, before);
    assert_eq!(world.store.ledger().await.unwrap().at_open, before);
    assert_eq!(prune_all(&world, at(SignedDuration::from_hours(1))).await, 2);
    assert_eq!(life(&world).await, before);
    world.restart().await;
    world.owe_one(Sample::new("d").to(&["ops"])).await;
    let ledger = world.store.ledger().await.unwrap();
    assert_eq!(ledger.at_open, before);
    assert_eq!((ledger.life.receivers["ops"].made, ledger.life.events.accepted()), (3, 4));
}

pub(crate) async fn what_did_not_happen_is_not_in_the_books<P: Place>() {
    let world = World::<P>::new().await;
    let id = world.owe_one(Sample::new("a").to(&["ops"])).await;
    world.end(id, End::Delivered).await;
    let before = life(&world).await;
    let unknown = crate::event::DeliveryId(id.0 + 1_000);
    world.end(unknown, End::Delivered).await;
    assert_eq!(world.store.dismiss(&[id, unknown]).await.unwrap(), 0);
    assert!(world.store.replay(&[unknown], None).await.unwrap().is_empty());
    assert_eq!(world.store.move_owed("ops", "new", 10).await.unwrap(), 0);
    world.store.close().await;
    assert!(world.store.accept(vec![Sample::new("b").to(&["ops"]).build()]).await.is_err());
    assert_eq!(before.receivers["ops"], DeliveryBooks { made: 1, delivered: 1, ..DeliveryBooks::default() });
}
