//! A success closes the failure of its key: for every receiver that wants to hear of it, once, over restarts.

use jiff::SignedDuration;

use super::retain::prune_all;
use super::world::at;
use super::{Place, Sample, World};
use crate::event::DeliveryId;
use crate::store::End;

/// What an accepted success owes: receiver, route, what it closes.
async fn success<P: Place>(world: &World<P>, sample: Sample) -> Vec<(String, String, Option<DeliveryId>)> {
    world.handed();
    let accepted = world.accept(sample.succeeded()).await;
    let handed = world.handed();
    assert_eq!(handed.len(), accepted.deliveries.len());
    for owed in &handed {
        assert_eq!(world.delivery(owed.id).await.unwrap().closes, owed.closes);
    }
    handed.iter().map(|o| (o.receiver.to_string(), o.route.to_string(), o.closes)).collect()
}

pub(crate) async fn a_success_closes_the_failure_over_a_kill<P: Place>() {
    let mut world = World::<P>::new().await;
    let failure = world.owe_one(Sample::new("f").failed(&["pager"]).to(&["pager"])).await;
    world.kill().await;
    world.end(failure, End::Delivered).await;
    world.restart().await;
    let recovery = success(&world, Sample::new("s")).await;
    assert_eq!(recovery, [("pager".to_owned(), String::new(), Some(failure))]);
    world.kill().await;
    assert!(success(&world, Sample::new("s2")).await.is_empty(), "it comes once");
    assert_eq!(world.owed("pager").await.len(), 1);
}

pub(crate) async fn a_routed_success_closes_by_its_own_delivery<P: Place>() {
    let world = World::<P>::new().await;
    let failure = world.accept(Sample::new("f").failed(&["pager", "chat"]).to(&["chat", "pager", "audit"])).await;
    let of = |name: &str| failure.deliveries.iter().find(|(_, receiver)| &**receiver == name).map(|(id, _)| *id);
    let recovery = success(&world, Sample::new("s").to(&["audit", "pager"])).await;
    assert_eq!(
        recovery,
        [
            ("audit".to_owned(), "to audit".to_owned(), None),
            ("pager".to_owned(), "to pager".to_owned(), of("pager")),
            ("chat".to_owned(), String::new(), of("chat")),
        ]
    );
}

pub(crate) async fn only_a_success_closes_and_only_its_key<P: Place>() {
    let world = World::<P>::new().await;
    world.owe_one(Sample::new("f").failed(&["pager"]).to(&["pager"])).await;
    world.accept(Sample::new("stopped").stopped()).await;
    world.accept(Sample::new("running")).await;
    assert_eq!(world.handed().len(), 1);
    assert!(success(&world, Sample::new("other").product("suppliers")).await.is_empty());
    assert_eq!(success(&world, Sample::new("same")).await.len(), 1);
}

pub(crate) async fn only_a_failure_opens<P: Place>() {
    let world = World::<P>::new().await;
    let sample = |id: &str| Sample { opens: vec!["pager"], ..Sample::new(id) }.to(&["pager"]);
    for sample in [sample("running"), sample("stopped").stopped(), sample("succeeded").succeeded()] {
        world.accept(sample).await;
    }
    assert!(success(&world, Sample::new("s")).await.is_empty());
}

pub(crate) async fn a_success_leaves_other_keys_open<P: Place>() {
    let world = World::<P>::new().await;
    let failed = |id: &str, product: &str| Sample::new(id).product(product).failed(&["pager"]).to(&["pager"]);
    world.owe_one(failed("f1", "customers")).await;
    let other = world.owe_one(failed("f2", "suppliers")).await;
    assert_eq!(success(&world, Sample::new("s1")).await.len(), 1);
    let recovery = success(&world, Sample::new("s2").product("suppliers")).await;
    assert_eq!(recovery, [("pager".to_owned(), String::new(), Some(other))]);
}

pub(crate) async fn a_failure_past_the_retention_is_still_closed<P: Place>() {
    let mut world = World::<P>::new().await;
    let failure = world.owe_one(Sample::new("f").failed(&["pager"]).to(&["pager"])).await;
    world.end(failure, End::Delivered).await;
    assert_eq!(prune_all(&world, at(SignedDuration::from_hours(1))).await, 1);
    world.kill().await;
    let later = Sample::new("s").received_after(SignedDuration::from_hours(2));
    assert_eq!(success(&world, later).await, [("pager".to_owned(), String::new(), Some(failure))]);
}

pub(crate) async fn the_latest_failure_is_closed<P: Place>() {
    let mut world = World::<P>::new().await;
    world.owe_one(Sample::new("f1").failed(&["pager"]).to(&["pager"])).await;
    let latest = world.owe_one(Sample::new("f2").failed(&["pager"]).to(&["pager"])).await;
    world.kill().await;
    assert_eq!(success(&world, Sample::new("s")).await, [("pager".to_owned(), String::new(), Some(latest))]);
}

pub(crate) async fn a_moved_failure_is_closed_where_it_went<P: Place>() {
    let mut world = World::<P>::new().await;
    world.owe_one(Sample::new("f").failed(&["old"]).to(&["old"])).await;
    assert_eq!(world.store.move_owed("old", "new", 10).await.unwrap(), 1);
    let moved = world.owed("new").await[0].id;
    world.kill().await;
    assert_eq!(success(&world, Sample::new("s")).await, [("new".to_owned(), String::new(), Some(moved))]);
}

pub(crate) async fn a_replayed_failure_is_closed_by_its_replay<P: Place>() {
    let mut world = World::<P>::new().await;
    let failure = world.owe_one(Sample::new("f").failed(&["pager"]).to(&["pager"])).await;
    world.end(failure, End::Dead).await;
    let replay = world.store.replay(&[failure], None).await.unwrap().remove(0).delivery;
    world.kill().await;
    assert_eq!(success(&world, Sample::new("s")).await, [("pager".to_owned(), String::new(), Some(replay))]);
}

pub(crate) async fn a_failure_dismissed_untried_needs_no_recovery<P: Place>() {
    let mut world = World::<P>::new().await;
    let untried = world.owe_one(Sample::new("f1").failed(&["pager"]).to(&["pager"])).await;
    let tried = world.owe_one(Sample::new("f2").product("suppliers").failed(&["pager"]).to(&["pager"])).await;
    world.end(tried, End::Owed { not_before: None }).await;
    assert_eq!(world.store.dismiss(&[untried, tried]).await.unwrap(), 2);
    world.restart().await;
    assert!(success(&world, Sample::new("s1")).await.is_empty());
    assert_eq!(success(&world, Sample::new("s2").product("suppliers")).await.len(), 1, "it may have arrived");
}
