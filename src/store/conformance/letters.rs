//! What is listed for people: quarantine and dead deliveries.

use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;
use jiff::SignedDuration;

use super::retain::prune_all;
use super::world::at;
use super::{Place, Sample, World, owed_ids, tried};
use crate::event::{DeliveryId, Form};
use crate::receiver::Reason;
use crate::store::{
    BEGINNING, Delivery, DeliveryFilter, DeliveryState, End, Mark, NewQuarantined, QUARANTINED_BYTES, QuarantineTotals,
    Totals, Unchanged,
};

fn hour(n: i64) -> SignedDuration {
    SignedDuration::from_hours(n)
}

fn item(body: impl Into<Bytes>, hours: i64) -> NewQuarantined {
    NewQuarantined {
        form: Form { content_type: "text/plain".to_owned(), attributes: Vec::new() },
        body: body.into(),
        reason: "not JSON".to_owned(),
        received_at: at(hour(hours)),
    }
}

async fn totals<P: Place>(world: &World<P>) -> QuarantineTotals {
    world.store.totals().await.unwrap().quarantine
}

pub(crate) async fn quarantine_counts_repeats_and_is_bounded<P: Place>() {
    let mut world = World::<P>::new().await;
    assert!(world.store.quarantine(item("first", 0)).await.unwrap());
    assert!(world.store.quarantine(item("second", 1)).await.unwrap());
    assert!(!world.store.quarantine(item("first", 2)).await.unwrap());
    world.kill().await;
    let kept = world.store.quarantined(10).await.unwrap();
    let seen: Vec<_> = kept.iter().map(|q| (&q.body[..], q.bytes, q.count, q.first, q.last)).collect();
    let (second, first) =
        ((&b"second"[..], 6, 1, at(hour(1)), at(hour(1))), (&b"first"[..], 5, 2, at(hour(0)), at(hour(2))));
    assert_eq!(seen, [second, first]);
    assert_eq!((kept[0].form.content_type.as_str(), kept[0].reason.as_str()), ("text/plain", "not JSON"));
    assert_eq!(world.store.quarantined(1).await.unwrap().len(), 1);

    for n in 0..1_010 {
        world.store.quarantine(item(format!("small {n}"), 3)).await.unwrap();
    }
    let kept = world.store.quarantined(5_000).await.unwrap();
    assert_eq!((kept.len(), &kept[0].body[..], &kept[999].body[..]), (1_000, &b"small 1009"[..], &b"small 10"[..]));
    assert_eq!(
        totals(&world).await,
        QuarantineTotals { items: 1_000, bytes: 8_920, repeated: 1, dropped: 12, ..QuarantineTotals::default() }
    );

    for n in 0..10_u8 {
        world.store.quarantine(item(vec![n; 10 << 20], 4)).await.unwrap();
    }
    world.kill().await;
    let kept = world.store.quarantined(5_000).await.unwrap();
    assert_eq!(kept.len(), 6, "64 MiB hold six of 10 MiB");
    assert_eq!(
        (kept[0].body[0], kept[0].body.len(), kept[0].bytes),
        (9, BEGINNING, 10 << 20),
        "a list shows the beginning"
    );
    assert_eq!(world.store.quarantined_item(kept[0].id).await.unwrap().unwrap().body, vec![9; 10 << 20]);
    assert_eq!(
        totals(&world).await,
        QuarantineTotals { items: 6, bytes: 60 << 20, repeated: 1, dropped: 1_016, ..QuarantineTotals::default() }
    );
}

pub(crate) async fn a_repeat_only_counts_up<P: Place>() {
    let mut world = World::<P>::new().await;
    for body in ["x", "y"] {
        assert!(world.store.quarantine(item(body, 5)).await.unwrap());
    }
    let typed = |content_type: &str| Form { content_type: content_type.to_owned(), attributes: Vec::new() };
    let repeat = NewQuarantined { reason: "another".to_owned(), form: typed("text/html"), ..item("x", 3) };
    assert!(!world.store.quarantine(repeat).await.unwrap(), "a bare body is the same whatever it is called");
    world.kill().await;
    let kept = world.store.quarantined(9).await.unwrap();
    let seen: Vec<_> = kept.iter().map(|kept| (&kept.body[..], kept.count)).collect();
    assert_eq!(seen, [(&b"y"[..], 1), (&b"x"[..], 2)], "in its old place");
    let x = &kept[1];
    assert_eq!((x.first, x.last), (at(hour(5)), at(hour(5))), "a clock that went back turns nothing back");
    assert_eq!((x.reason.as_str(), x.form.content_type.as_str()), ("not JSON", "text/plain"));
    assert!(x.id < kept[0].id);
}

pub(crate) async fn quarantine_takes_what_just_fits_and_always_the_newest<P: Place>() {
    let world = World::<P>::new().await;
    let bodies = async |world: &World<P>| {
        world.store.quarantined(9).await.unwrap().iter().map(|kept| kept.bytes).collect::<Vec<_>>()
    };
    let half = (QUARANTINED_BYTES / 2) as u64;
    for n in 1..=2_u8 {
        world.store.quarantine(item(vec![n; QUARANTINED_BYTES / 2], 0)).await.unwrap();
    }
    assert_eq!(bodies(&world).await, [half, half]);
    world.store.quarantine(item("x", 0)).await.unwrap();
    assert_eq!(bodies(&world).await, [1, half]);
    world.store.quarantine(item(vec![3; QUARANTINED_BYTES + 1], 0)).await.unwrap();
    assert_eq!(bodies(&world).await, [2 * half + 1]);
    assert_eq!(totals(&world).await.dropped, 3);
}

pub(crate) async fn an_unreadable_binary_event_keeps_its_headers<P: Place>() {
    let mut world = World::<P>::new().await;
    let binary = |id: &str, pairs: [(&str, &str); 2]| {
        let mut attributes: Vec<_> = pairs.map(|(name, value)| (name.to_owned(), value.to_owned())).to_vec();
        attributes.push(("id".to_owned(), id.to_owned()));
        NewQuarantined { form: Form { content_type: "application/json".to_owned(), attributes }, ..item("{", 0) }
    };
    let (source, kind) = (("source", "//acme"), ("type", "job"));
    assert!(world.store.quarantine(binary("1", [source, kind])).await.unwrap());
    assert!(!world.store.quarantine(binary("1", [kind, source])).await.unwrap(), "headers have no order");
    assert!(world.store.quarantine(binary("2", [source, kind])).await.unwrap(), "another event with the same body");
    let text = Form { content_type: "text/plain".to_owned(), ..binary("2", [source, kind]).form };
    let text = NewQuarantined { form: text, ..item("{", 0) };
    assert!(world.store.quarantine(text).await.unwrap(), "it would be read in another way");
    assert_eq!(world.store.dismiss_quarantined(&[world.store.quarantined(1).await.unwrap()[0].id]).await.unwrap(), 1);
    assert!(world.store.quarantine(item("{", 0)).await.unwrap());
    world.kill().await;
    let kept = world.store.quarantined(10).await.unwrap();
    assert!(kept[0].form.attributes.is_empty());
    let headers = |n: usize| kept[n].form.attributes.iter().cloned().collect::<BTreeMap<_, _>>();
    let expected = |id: &str| {
        [("id", id), source, kind].map(|(name, value)| (name.to_owned(), value.to_owned())).into_iter().collect()
    };
    assert_eq!((headers(1), headers(2), kept[2].count), (expected("2"), expected("1"), 2));
    let one = world.store.quarantined_item(kept[2].id).await.unwrap().unwrap();
    assert_eq!((one.form, &one.body[..]), (kept[2].form.clone(), &b"{"[..]));
}

pub(crate) async fn what_is_read_again_becomes_events_and_leaves_together<P: Place>() {
    let mut world = World::<P>::new().await;
    for n in 0..3 {
        world.store.quarantine(item(format!("{n}"), n)).await.unwrap();
    }
    let ids: Vec<i64> = world.store.quarantined(10).await.unwrap().iter().rev().map(|q| q.id).collect();
    let known = world.accept(Sample::new("known").to(&["ops"])).await;
    world.handed();
    let events = vec![
        Sample::new("known").to(&["ops"]).build(),
        Sample::new("new").to(&["ops"]).received_after(hour(-9)).build(),
    ];
    let accepted = world.store.accept_quarantined(ids[1], events.clone()).await.unwrap().unwrap();
    assert_eq!(accepted.iter().map(|a| a.duplicate).collect::<Vec<_>>(), [true, false]);
    assert_eq!(accepted[0].id, known.id);
    assert_eq!(owed_ids(&world.handed()), [accepted[1].deliveries[0].0], "handed over as any other");
    world.kill().await;
    let stored = world.store.event(accepted[1].id).await.unwrap().unwrap();
    assert_eq!(stored.event.received.received_at, at(hour(-9)), "when it came, not when it was read");
    assert_eq!(world.store.quarantined_item(ids[1]).await.unwrap().map(|q| q.id), None);
    for gone in [ids[1], 99] {
        assert_eq!(world.store.accept_quarantined(gone, events.clone()).await.unwrap(), None);
    }
    assert_eq!(world.owed("ops").await.len(), 2, "once");
    assert_eq!(world.store.dismiss_quarantined(&[ids[0], ids[1], 99]).await.unwrap(), 1);
    world.restart().await;
    assert_eq!(
        totals(&world).await,
        QuarantineTotals { items: 1, bytes: 1, reread: 1, dismissed: 1, ..QuarantineTotals::default() }
    );
}

pub(crate) async fn the_number_of_an_item_is_never_given_again<P: Place>() {
    let mut world = World::<P>::new().await;
    let mut seen = Vec::new();
    for n in 0..6 {
        world.store.quarantine(item(format!("{n}"), 0)).await.unwrap();
        let newest = world.store.quarantined(1).await.unwrap()[0].id;
        assert!(seen.iter().all(|&id| id < newest), "{newest} after {seen:?}");
        seen.push(newest);
        match n % 3 {
            0 => assert_eq!(world.store.dismiss_quarantined(&[newest]).await.unwrap(), 1),
            1 => assert!(world.store.accept_quarantined(newest, Vec::new()).await.unwrap().is_some()),
            _ => assert_eq!(world.store.dismiss_quarantined(&[newest, newest]).await.unwrap(), 1),
        }
        world.kill().await;
    }
}

pub(crate) async fn what_still_cannot_be_read_says_why_now<P: Place>() {
    let mut world = World::<P>::new().await;
    world.store.quarantine(item("x", 0)).await.unwrap();
    let id = world.store.quarantined(1).await.unwrap()[0].id;
    world.store.still_unreadable(id, "a newer reason").await.unwrap();
    world.store.still_unreadable(id + 1, "of nothing").await.unwrap();
    world.kill().await;
    let kept = world.store.quarantined_item(id).await.unwrap().unwrap();
    assert_eq!((kept.reason.as_str(), kept.count, &kept.body[..]), ("a newer reason", 1, &b"x"[..]));
    assert!(!world.store.quarantine(item("x", 1)).await.unwrap(), "still the same item");
}

pub(crate) async fn a_replayed_dead_one_is_off_the_list_with_it<P: Place>() {
    let mut world = World::<P>::new().await;
    let ids = dead(&world, 3).await;
    let replayed = world.store.replay(&ids[..1], None).await.unwrap();
    assert_eq!(world.store.totals().await.unwrap().dead, 2);
    world.kill().await;
    let old = world.delivery(ids[0]).await.unwrap();
    assert_eq!((old.state, old.replayed_by), (DeliveryState::Dismissed, Some(replayed[0].delivery)));
    assert_eq!(world.delivery(ids[1]).await.unwrap().replayed_by, None);
    let delivered = world.owe_one(Sample::new("d").to(&["ops"])).await;
    world.end(delivered, End::Delivered).await;
    world.store.replay(&[delivered], None).await.unwrap();
    assert_eq!(world.state(delivered).await, DeliveryState::Delivered, "it did arrive");
}

/// So many dead ones to `ops`.
async fn dead<P: Place>(world: &World<P>, count: usize) -> Vec<DeliveryId> {
    let mut ids = Vec::new();
    for n in 0..count {
        let id = world.owe_one(Sample::new(&format!("dead {n}")).to(&["ops"])).await;
        world.end(id, End::Dead).await;
        ids.push(id);
    }
    ids
}

async fn walked<P: Place>(world: &World<P>, filter: &DeliveryFilter) -> Vec<Delivery> {
    let (mut found, mut mark) = (Vec::new(), Mark::default());
    loop {
        let page = world.store.walk(filter, mark).await.unwrap();
        assert!(page.deliveries.len() <= filter.limit);
        found.extend(page.deliveries);
        match page.next {
            Some(next) => mark = next,
            None => return found,
        }
    }
}

pub(crate) async fn a_walk_finds_each_once_and_in_order<P: Place>() {
    let mut world = World::<P>::new().await;
    let ends = [End::Delivered, End::Owed { not_before: None }, End::Dead];
    for n in 0..20_usize {
        let accepted = world.accept(Sample::new(&format!("{n}")).to(&["ops", "audit", "pager"][..=n % 3])).await;
        for (m, (id, _)) in accepted.deliveries.iter().enumerate() {
            world.end(*id, ends[(n / 2 + m) % 3]).await;
        }
    }
    world.kill().await;
    let all = world.store.deliveries(&DeliveryFilter { limit: 1_000, ..DeliveryFilter::default() }).await.unwrap();
    let middle = all[all.len() / 2].id;
    let filter = DeliveryFilter { limit: 3, ..DeliveryFilter::default() };
    let mut filters = vec![filter.clone(), DeliveryFilter { before: Some(middle), ..filter.clone() }];
    for state in [DeliveryState::Owed, DeliveryState::Delivered, DeliveryState::Dead, DeliveryState::Dismissed] {
        let of_state = DeliveryFilter { state: Some(state), ..filter.clone() };
        filters.extend([
            DeliveryFilter { receiver: Some("audit".to_owned()), ..of_state.clone() },
            DeliveryFilter { receiver: Some("nobody".to_owned()), ..of_state.clone() },
            DeliveryFilter { route: Some("to pager".to_owned()), ..of_state.clone() },
            DeliveryFilter { reason: Some(Reason::Client), before: Some(middle), ..of_state.clone() },
            DeliveryFilter { limit: 1_000, ..of_state.clone() },
            of_state,
        ]);
    }
    for filter in filters {
        let mut expected: Vec<_> = all.iter().filter(|d| filter.holds(d)).map(|d| d.id).collect();
        expected.reverse();
        let found = walked(&world, &filter).await;
        for receiver in ["ops", "audit", "pager"] {
            let of = |ids: &[DeliveryId]| -> Vec<_> {
                ids.iter().copied().filter(|id| all.iter().any(|d| d.id == *id && &*d.receiver == receiver)).collect()
            };
            let ids: Vec<_> = found.iter().map(|d| d.id).collect();
            assert_eq!(of(&ids), of(&expected), "{receiver} {filter:?}");
        }
        assert_eq!(found.len(), expected.len(), "{filter:?}");
        let listed = DeliveryFilter { limit: 1_000, ..filter };
        let listed: Vec<_> = world.store.deliveries(&listed).await.unwrap().iter().rev().map(|d| d.id).collect();
        assert_eq!(listed, expected, "a list finds the same");
    }
    let since = DeliveryFilter { since: Some(jiff::Timestamp::now() + hour(1)), ..filter.clone() };
    assert!(walked(&world, &since).await.is_empty());
    let until = |hours| DeliveryFilter { until: Some(jiff::Timestamp::now() + hour(hours)), ..filter.clone() };
    assert_eq!(walked(&world, &until(1)).await.len(), all.len());
    assert!(walked(&world, &until(-1)).await.is_empty());
    for limit in 1..8 {
        let found = walked(&world, &DeliveryFilter { limit, ..DeliveryFilter::default() }).await;
        let ids: BTreeSet<_> = found.iter().map(|delivery| delivery.id).collect();
        assert_eq!((found.len(), ids.len()), (all.len(), all.len()), "{limit} at a time");
    }
}

pub(crate) async fn what_changed_since_it_was_looked_up_is_left_alone<P: Place>() {
    let mut world = World::<P>::new().await;
    let ids = dead(&world, 4).await;
    let delivered = world.owe_one(Sample::new("d").to(&["ops"])).await;
    world.end(delivered, End::Delivered).await;
    let owed = world.owe_one(Sample::new("o").to(&["ops"])).await;
    world.store.dismiss(&ids[..1]).await.unwrap();
    let mut asked = ids.clone();
    asked.extend([delivered, owed, DeliveryId(3)]);
    let still = |state, again| Unchanged { state, again };
    world.handed();
    let replay = async |world: &World<P>, unchanged, to| {
        let replayed = world.store.replay_unchanged(&asked, unchanged, to).await.unwrap();
        assert_eq!(owed_ids(&world.handed()), replayed.iter().map(|r| r.delivery).collect::<Vec<_>>());
        replayed.iter().map(|r| (r.replay_of.unwrap(), r.receiver.to_string())).collect::<Vec<_>>()
    };
    let to = |ids: &[DeliveryId], name: &str| ids.iter().map(|id| (*id, name.to_owned())).collect::<Vec<_>>();
    assert_eq!(replay(&world, still(DeliveryState::Dead, false), None).await, to(&ids[1..], "ops"));
    world.kill().await;
    assert_eq!(replay(&world, still(DeliveryState::Dead, false), None).await, []);
    assert_eq!(replay(&world, still(DeliveryState::Dead, true), None).await, [], "not dead any more");
    assert_eq!(replay(&world, still(DeliveryState::Dismissed, false), Some("audit")).await, to(&ids[..1], "audit"));
    assert_eq!(replay(&world, still(DeliveryState::Dismissed, false), Some("audit")).await, [], "there is a replay");
    assert_eq!(replay(&world, still(DeliveryState::Delivered, false), None).await, to(&[delivered], "ops"));
    assert_eq!(replay(&world, still(DeliveryState::Delivered, true), None).await, to(&[delivered], "ops"));
    assert_eq!(replay(&world, still(DeliveryState::Owed, true), Some("audit")).await, [], "it is sent as it is");
}

pub(crate) async fn the_dead_that_expire_are_counted<P: Place>() {
    let mut world = World::<P>::new().await;
    let ids = dead(&world, 5).await;
    world.store.dismiss(&ids[..1]).await.unwrap();
    let again = world.store.replay(&ids[1..2], None).await.unwrap()[0].delivery;
    world.end(again, End::Dead).await;
    let owing = world.accept(Sample::new("owing").to(&["ops", "audit"])).await.deliveries;
    world.store.record([tried(owing[0].0, 1, End::Dead)].into()).await.unwrap();
    assert_eq!(world.store.totals().await.unwrap(), Totals { dead: 5, ..Totals::default() });
    assert_eq!(prune_all(&world, at(hour(1))).await, 5);
    world.kill().await;
    assert_eq!(world.store.totals().await.unwrap(), Totals { dead: 1, dead_expired: 4, ..Totals::default() });
    world.end(owing[1].0, End::Dead).await;
    assert_eq!(prune_all(&world, at(hour(1))).await, 1);
    world.restart().await;
    assert_eq!(world.store.totals().await.unwrap(), Totals { dead_expired: 6, ..Totals::default() });
}
