//! Two relays on one store: either the second is refused, or each lane is one relay's at a time.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use super::world::{Beside, CLAIM, remember};
use super::{Place, Sample, World, owed_ids, tried};
use crate::event::DeliveryId;
use crate::store::{End, Owed, Store};

const A_SECOND: Duration = Duration::from_secs(1);

/// The second relay, what is handed over to it, and the clock of both. `None`: the store is one relay's alone; it was refused, which the
/// first one does not notice.
async fn second<P: Place>(world: &World<P>) -> Option<(Beside, Arc<Mutex<Vec<Owed>>>)> {
    let handed = Arc::default();
    let beside = world.open_beside(remember(&handed)).await;
    world.accept(Sample::new("beside").to(&["audit"])).await;
    assert_eq!(world.handed().len(), 1, "the first works on");
    Some((beside?, handed))
}

async fn claims(store: &Arc<dyn Store>, receiver: &str) -> bool {
    store.claim(receiver, CLAIM).await.unwrap()
}

pub(crate) async fn a_lane_is_one_relays_until_its_claim_expires<P: Place>() {
    let world = World::<P>::new().await;
    let first = &world.store;
    let Some((Beside { store: other, pass }, _)) = second(&world).await else {
        for receiver in ["ops", "ops", "never heard of"] {
            assert!(claims(first, receiver).await, "there is no other to ask");
        }
        return;
    };
    assert!(!claims(&other, "ops").await, "the first holds it since its start");
    pass(CLAIM.saturating_sub(A_SECOND));
    assert!(!claims(&other, "ops").await);
    assert!(claims(first, "ops").await, "its holder extends it");
    pass(CLAIM.saturating_sub(A_SECOND));
    assert!(!claims(&other, "ops").await, "counted from the extension; to be refused extends nothing");
    assert!(claims(&other, "audit").await, "nobody extended that one");
    assert!(!claims(first, "audit").await, "and it has a new holder");
    pass(A_SECOND);
    assert!(claims(&other, "ops").await, "it has expired");
    assert!(!claims(first, "ops").await, "the holder of before is a stranger now");
    assert!(claims(first, "pager").await, "a claim nobody took is its own again");
}

pub(crate) async fn a_released_lane_is_free_at_once<P: Place>() {
    let world = World::<P>::new().await;
    let first = &world.store;
    let Some((Beside { store: other, .. }, _)) = second(&world).await else {
        first.release("ops").await.unwrap();
        first.release("never heard of").await.unwrap();
        assert!(claims(first, "ops").await);
        return;
    };
    other.release("ops").await.unwrap();
    assert!(!claims(&other, "ops").await, "only its holder can release it");
    first.release("ops").await.unwrap();
    first.release("never heard of").await.unwrap();
    assert!(claims(&other, "ops").await);
    assert!(!claims(first, "ops").await);
    assert!(claims(first, "audit").await, "others stay");
    first.release("ops").await.unwrap();
    assert!(!claims(first, "ops").await, "it was not its own any more");
    first.save_lane("ops", "{}").await.unwrap();
    assert!(!claims(first, "ops").await && claims(&other, "ops").await, "to keep a state claims nothing");
}

pub(crate) async fn fresh_deliveries_are_handed_to_the_holder_of_their_lane<P: Place>() {
    let world = World::<P>::new().await;
    let first = &world.store;
    let Some((Beside { store: other, pass }, to_other)) = second(&world).await else {
        first.release("ops").await.unwrap();
        world.accept(Sample::new("a").to(&["ops"])).await;
        assert_eq!(world.handed().len(), 1, "there is no other to work it");
        return;
    };
    let to_other = || std::mem::take(&mut *to_other.lock().unwrap());
    first.release("ops").await.unwrap();
    assert!(claims(&other, "ops").await);
    let lanes = |handed: Vec<Owed>| handed.iter().map(|owed| owed.receiver.to_string()).collect::<Vec<_>>();
    let everywhere = |id: &str| vec![Sample::new(id).to(&["ops", "audit"]).build()];
    first.accept(everywhere("a")).await.unwrap();
    assert_eq!(lanes(world.handed()), ["audit"]);
    assert_eq!(lanes(to_other()), <[&str; 0]>::default(), "it reads what another accepted");
    other.accept(everywhere("b")).await.unwrap();
    assert_eq!(lanes(to_other()), ["ops"]);
    assert_eq!(lanes(world.handed()), <[&str; 0]>::default());
    // Both see both, whoever accepted them, in one order.
    let owed = world.owed("ops").await;
    assert_eq!(owed.len(), 2);
    assert_eq!(owed_ids(&other.owed("ops", DeliveryId(0), 10).await.unwrap()), owed_ids(&owed));
    assert!(other.accept(everywhere("a")).await.unwrap()[0].duplicate, "known to one, known to all");
    assert!(to_other().is_empty());
    // Replays and moves go the same way.
    let audit = world.owed("audit").await;
    other.record([tried(audit[0].id, 1, End::Dead)].into()).await.unwrap();
    first.replay(&[owed[0].id, audit[0].id], None).await.unwrap();
    assert_eq!(lanes(world.handed()), ["audit"]);
    other.move_owed("audit", "ops", 1).await.unwrap();
    assert_eq!(lanes(to_other()), ["ops"]);
    pass(CLAIM);
    first.accept(everywhere("c")).await.unwrap();
    other.accept(everywhere("d")).await.unwrap();
    assert!(
        world.handed().is_empty() && to_other().is_empty(),
        "nobody's lanes: what they are owed waits in the store"
    );
    assert_eq!(world.owed("audit").await.last().map(|owed| owed.attempts), Some(0));
}

pub(crate) async fn a_relay_that_closes_leaves_the_other_working<P: Place>() {
    let world = World::<P>::new().await;
    let Some((Beside { store: other, .. }, _)) = second(&world).await else { return };
    world.store.close().await;
    assert!(!world.store.writable() && other.writable());
    assert!(!claims(&other, "ops").await, "a claim that was not released runs on: what was under way may still arrive");
    let accepted = other.accept(vec![Sample::new("a").to(&["ops"]).build()]).await.unwrap();
    assert_eq!(other.owed("ops", DeliveryId(0), 10).await.unwrap()[0].id, accepted[0].deliveries[0].0);
}
