//! The lane stepped by hand.

mod health;
mod pages;
mod simulation;

use std::sync::Arc;

use jiff::Timestamp;

use super::*;
use crate::event::EventId;
use crate::receiver::Reason;

const RETRY: Retry =
    Retry { give_up: Duration::from_secs(72 * 3600), first: Duration::from_secs(1), max: Duration::from_secs(900) };

fn settings() -> Settings {
    Settings { rate: None, concurrency: 4, retry: RETRY, capacity: 2_000, unrecorded: UNRECORDED }
}

fn at(millis: u64) -> Now {
    let mono = Duration::from_millis(millis);
    Now { mono, wall: Timestamp::from_second(1_790_000_000).expect("in range") + mono }
}

fn owed(id: i64, key: i64) -> Owed {
    Owed {
        id: DeliveryId(id),
        event: EventId(id),
        receiver: Arc::from("r"),
        route: Arc::from("a route"),
        key: KeyHash(key),
        attempts: 0,
        not_before: None,
        closes: None,
        urgent: false,
        content: None,
    }
}

fn says(verdict: Verdict) -> Judgement {
    Judgement::not_delivered(verdict, Reason::Server, format!("{verdict:?}"))
}

/// A lane that has caught up with an empty store.
fn caught_up(settings: Settings) -> Lane {
    let mut lane = Lane::new(settings, None, at(0));
    assert!(matches!(lane.poll(at(0)), Step::Load { after: DeliveryId(0), .. }));
    lane.loaded(Vec::new(), at(0));
    lane
}

fn sends(lane: &mut Lane, now: Now) -> Vec<i64> {
    let mut sent = Vec::new();
    loop {
        match lane.poll(now) {
            Step::Send(owed) => sent.push(owed.id.0),
            Step::Wait(_) => {
                assert!(!lane.could_send(now), "it overlooks something");
                return sent;
            }
            Step::Load { .. } | Step::LoadKey { .. } | Step::Look { .. } => return sent,
        }
    }
}

fn ends(lane: &mut Lane, id: i64, verdict: Verdict, now: Now) -> Ended {
    let ended = lane.ended(DeliveryId(id), &says(verdict), 1.0, now).expect("it was under way");
    lane.recorded(1);
    ended
}

#[test]
fn one_key_goes_one_by_one_and_others_beside_it() {
    let mut lane = caught_up(settings());
    lane.take([owed(1, 7), owed(2, 7), owed(3, 8)], at(0));
    assert_eq!(sends(&mut lane, at(0)), [1, 3]);
    ends(&mut lane, 1, Verdict::Delivered, at(5));
    assert_eq!(sends(&mut lane, at(5)), [2]);
}

#[test]
fn concurrency_is_kept() {
    let mut lane = caught_up(settings());
    lane.take((1..=9).map(|n| owed(n, n)), at(0));
    assert_eq!(sends(&mut lane, at(0)), [1, 2, 3, 4]);
    ends(&mut lane, 2, Verdict::Delivered, at(1));
    assert_eq!(sends(&mut lane, at(1)), [5]);
}

#[test]
fn a_poisonous_message_delays_only_its_key() {
    let mut lane = caught_up(settings());
    lane.take([owed(1, 7), owed(2, 7), owed(3, 8), owed(4, 9)], at(0));
    assert_eq!(sends(&mut lane, at(0)), [1, 3, 4]);
    ends(&mut lane, 3, Verdict::Delivered, at(1));
    let ended = ends(&mut lane, 1, Verdict::Later, at(2));
    assert_eq!(ended.end, End::Owed { not_before: Some(at(1_002).wall) });
    ends(&mut lane, 4, Verdict::Delivered, at(3));
    assert_eq!(lane.condition().health(), Health::Open);
    lane.take([owed(5, 8)], at(4));
    assert_eq!(sends(&mut lane, at(4)), [5]);
    ends(&mut lane, 5, Verdict::Delivered, at(5));
    assert!(matches!(lane.poll(at(5)), Step::Wait(Some(due)) if due == at(1_002).mono));
    assert_eq!(sends(&mut lane, at(1_002)), [1]);
}

#[test]
fn what_could_go_out_is_known_and_what_waits_for_good_reason_is_not_missed() {
    let rate = Some(Rate { count: 1, per: Duration::from_secs(10) });
    let mut lane = caught_up(Settings { rate, concurrency: 1, ..settings() });
    assert!(!lane.could_send(at(0)), "nothing is owed");
    lane.take([owed(1, 1), owed(2, 2)], at(1));
    assert!(lane.could_send(at(1)));
    assert_eq!(sends(&mut lane, at(1)), [1]);
    assert!(!lane.could_send(at(60_000)), "one at a time");
    ends(&mut lane, 1, Verdict::Delivered, at(2));
    assert!(!lane.could_send(at(3)) && lane.could_send(at(10_001)), "by its rate");
    assert_eq!(sends(&mut lane, at(10_001)), [2]);
    ends(&mut lane, 2, Verdict::Later, at(10_002));
    assert!(!lane.could_send(at(10_500)) && lane.could_send(at(30_000)), "a retry has its time");
}

#[test]
fn a_refused_message_is_dead_and_the_next_of_its_key_follows() {
    let mut lane = caught_up(settings());
    lane.take([owed(1, 7), owed(2, 7)], at(0));
    sends(&mut lane, at(0));
    assert_eq!(ends(&mut lane, 1, Verdict::Refused, at(1)).end, End::Dead);
    assert_eq!(sends(&mut lane, at(1)), [2]);
}

#[test]
fn a_lane_that_cannot_record_stops_sending() {
    let mut lane = caught_up(Settings { concurrency: 5_000, ..settings() });
    lane.take((1..=1_500).map(|n| owed(n, n)), at(0));
    let sent = sends(&mut lane, at(0));
    for id in &sent[..1_000] {
        lane.ended(DeliveryId(*id), &says(Verdict::Delivered), 0.5, at(1));
    }
    lane.take([owed(9_999, 9_999)], at(2));
    assert_eq!(sends(&mut lane, at(2)), [0i64; 0]);
    lane.recorded(1_000);
    assert_eq!(sends(&mut lane, at(3)), [9_999]);
}
