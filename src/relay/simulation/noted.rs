//! What an accept or a record made durable: noted at the moment it happens, and whether it may be so.

use std::sync::Arc;

use super::clock;
use super::network::may_give_up;
use super::world::{Change, Inner, Made, World};
use crate::receiver::{Reason, Verdict};
use crate::store::{Accepted, Attempted, End, KeyHash, NewEvent};

/// Notes what an `accept` made durable.
pub fn accepted(world: &World, items: &[NewEvent], answers: &[Accepted]) {
    let at = clock::now();
    for (item, answer) in items.iter().zip(answers) {
        world.step("accepted", (answer.id, answer.duplicate, &answer.deliveries));
        let key = KeyHash::of(&item.event.key);
        let product = item.event.job.as_ref().and_then(|job| job.data_product.as_ref()?.id.as_deref()?.parse().ok());
        let mut inner = world.lock();
        if answer.duplicate {
            inner.duplicates += 1;
        } else {
            let deliveries = answer.deliveries.iter().map(|(delivery, _)| *delivery).collect();
            inner.changes.push(Change::Accepted { event: answer.id, deliveries });
            inner.came.insert(answer.id, at);
        }
        for (delivery, receiver) in &answer.deliveries {
            let receiver = Arc::clone(receiver);
            inner.of_key.entry((Arc::clone(&receiver), key)).or_default().push(*delivery);
            let event = answer.id;
            inner.made.insert(*delivery, Made::new(event, receiver, key, product, at));
        }
    }
}

/// Notes what a `record` made durable, and whether it may be so.
pub fn recorded(world: &World, attempts: &[Attempted]) {
    for attempted in attempts {
        let id = attempted.delivery;
        world.step("recorded", (id, attempted.attempt.number, format!("{:?}", attempted.end)));
        let mut inner = world.lock();
        let wrong = wrong(world, &inner, attempted);
        let life = inner.lives.len() - 1;
        if let Some(made) = inner.made.get_mut(&id) {
            made.recorded = (life, made.recorded_in(life) + 1);
            if !matches!(attempted.end, End::Owed { .. }) {
                made.ended.get_or_insert((attempted.end, clock::now()));
            }
        }
        drop(inner);
        if let Some(wrong) = wrong {
            world.violated(|| format!("{id} is recorded as {:?}: {wrong}", attempted.end));
        }
    }
}

fn wrong(world: &World, inner: &Inner, attempted: &Attempted) -> Option<String> {
    let Some(made) = inner.made.get(&attempted.delivery) else { return Some("nobody is owed it".to_owned()) };
    if attempted.attempt.reason == Some(Reason::Template) {
        return (!inner.gone_at.contains_key(&made.event)).then(|| "its event is there".to_owned());
    }
    let life = inner.lives.len() - 1;
    // The plain form belongs to the same attempt as the one before it.
    let requests =
        || made.requests.iter().map(|number| &inner.requests[*number]).filter(|request| request.life == life);
    let first =
        requests().enumerate().filter(|(_, request)| !request.plain).map(|(n, _)| n).nth(made.recorded_in(life));
    let last = first.and_then(|first| {
        let plain = requests().nth(first + 1).filter(|next| next.plain);
        plain.or_else(|| requests().nth(first))
    });
    let Some(last) = last else { return Some("it was not sent so often in this life".to_owned()) };
    let Some(heard) = last.to else { return Some("it is still under way".to_owned()) };
    let arrived = last.answer == Some(Verdict::Delivered);
    let verdict = attempted.attempt.verdict;
    match attempted.end {
        End::Delivered => (!arrived).then(|| "it did not arrive".to_owned()),
        _ if arrived => Some("it arrived".to_owned()),
        End::Dead if verdict == Verdict::Refused => {
            (last.answer != Some(Verdict::Refused)).then(|| format!("the receiver said {:?}", last.answer))
        }
        End::Dead => (!may_give_up(world, inner, attempted.delivery, heard)).then(|| {
            let counted = inner.counted(&made.receiver, made.at, heard);
            format!("it is {counted:?} old at most")
        }),
        End::Owed { .. } => (last.answer == Some(Verdict::Refused)).then(|| "it was refused".to_owned()),
    }
}
