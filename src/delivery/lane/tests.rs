//! The lane stepped by hand, and driven by seeded chance against a model of the store.

use std::collections::{BTreeMap, HashSet};
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
fn retry_after_holds_the_whole_lane_and_is_no_illness() {
    let mut lane = caught_up(settings());
    lane.take((1..=3).map(|n| owed(n, n)), at(0));
    sends(&mut lane, at(0));
    for id in 1..=3 {
        let judgement = Judgement { lane_waits: Some(Duration::from_secs(30)), ..says(Verdict::Later) };
        lane.ended(DeliveryId(id), &judgement, 1.0, at(10));
    }
    lane.take([owed(4, 4)], at(11));
    assert_eq!(lane.condition().health(), Health::Open);
    assert!(matches!(lane.poll(at(12)), Step::Wait(Some(until)) if until == at(30_010).mono));
    assert_eq!(sends(&mut lane, at(30_010)), [1], "one message tries whether the others may come");
    ends(&mut lane, 1, Verdict::Delivered, at(30_020));
    assert_eq!(sends(&mut lane, at(30_020)), [2, 3, 4]);
}

#[test]
fn an_answer_that_says_come_again_at_once_each_time_is_asked_less_and_less_often() {
    let mut lane = caught_up(settings());
    lane.take([owed(1, 1), owed(2, 2)], at(0));
    let judgement = Judgement { lane_waits: Some(Duration::ZERO), ..says(Verdict::Later) };
    let (mut now, mut sent) = (0, Vec::new());
    while now < 600_000 {
        match lane.poll(at(now)) {
            Step::Send(owed) => {
                sent.push((now, owed.id.0));
                lane.ended(owed.id, &judgement, 0.5, at(now)).expect("it was under way");
                lane.recorded(1);
            }
            Step::Wait(Some(until)) => now = u64::try_from(until.as_millis()).expect("small"),
            step => panic!("{step:?}"),
        }
    }
    assert!(sent.len() <= 2 * 11, "{sent:?}");
    let pairs = sent[2..].windows(2);
    assert!(pairs.clone().all(|pair| pair[1].0 >= pair[0].0 + 1_000), "a second for the lane: {sent:?}");
    assert_eq!(lane.condition().health(), Health::Open);
}

#[test]
fn a_lane_that_is_down_is_probed_less_and_less_often_also_where_the_answer_says_at_once() {
    let mut lane = caught_up(settings());
    lane.take((1..=4).map(|n| owed(n, n)), at(0));
    for id in sends(&mut lane, at(0)) {
        ends(&mut lane, id, Verdict::Later, at(0));
    }
    assert_eq!(lane.condition().health(), Health::Down);
    let judgement = Judgement { lane_waits: Some(Duration::ZERO), ..says(Verdict::Later) };
    let (mut now, mut probes) = (0, Vec::new());
    while now < 120_000 {
        match lane.poll(at(now)) {
            Step::Send(owed) => {
                probes.push(now / 1_000);
                lane.ended(owed.id, &judgement, 0.5, at(now)).expect("it was under way");
                lane.recorded(1);
            }
            Step::Wait(Some(until)) => now = u64::try_from(until.as_millis()).expect("small"),
            step => panic!("{step:?}"),
        }
    }
    assert_eq!(probes, [1, 3, 7, 15, 31, 61, 91]);
}

#[test]
fn a_message_that_cannot_be_sent_is_not_the_only_probe_of_a_lane_restored_blocked() {
    let mut blocked = caught_up(settings());
    blocked.take((1..=3).map(|n| owed(n, n)), at(0));
    for id in sends(&mut blocked, at(0)) {
        ends(&mut blocked, id, Verdict::Blocked, at(1));
    }
    let broken = Judgement::not_delivered(Verdict::Later, Reason::Template, "internal error".to_owned());
    let mut lane = Lane::new(settings(), Some(blocked.kept(at(2))), at(0));
    assert!(matches!(lane.poll(at(0)), Step::Load { .. }));
    lane.loaded(vec![owed(1, 1), owed(2, 2)], at(0));
    let (mut now, mut tries) = (0, 0);
    loop {
        match lane.poll(at(now)) {
            Step::Send(sent) if sent.id.0 == 2 => break,
            Step::Send(sent) => {
                tries += 1;
                lane.ended(sent.id, &broken, 1.0, at(now)).expect("it was under way");
                lane.recorded(1);
            }
            Step::Wait(Some(until)) => now = u64::try_from(until.as_millis()).expect("small"),
            step => panic!("{step:?}"),
        }
        assert!(now <= 2_000, "nothing of the others");
    }
    ends(&mut lane, 2, Verdict::Blocked, at(now));
    while now < 600_000 {
        match lane.poll(at(now)) {
            Step::Send(sent) if sent.id.0 == 1 => {
                tries += 1;
                lane.ended(sent.id, &broken, 1.0, at(now)).expect("it was under way");
                lane.recorded(1);
            }
            Step::Send(sent) => {
                assert_eq!(now % 300_000, 0, "the probes have their time");
                ends(&mut lane, sent.id.0, Verdict::Blocked, at(now));
            }
            Step::Wait(Some(until)) => now = u64::try_from(until.as_millis()).expect("small"),
            step => panic!("{step:?}"),
        }
    }
    assert!((5..=11).contains(&tries), "as often as while the lane is open: {tries}");
}

#[test]
fn what_was_never_sent_in_this_run_does_not_die_of_age_at_the_first_fault_of_the_relays_own() {
    let short = Settings { retry: Retry { give_up: Duration::ZERO, ..RETRY }, ..settings() };
    let broken = Judgement::not_delivered(Verdict::Later, Reason::Template, "internal error".to_owned());
    let mut lane = caught_up(short);
    lane.take([owed(1, 1)], at(0));
    let ended = |lane: &mut Lane, now| {
        assert_eq!(sends(lane, now), [1]);
        lane.ended(DeliveryId(1), &broken, 0.0, now).expect("it was under way").end
    };
    assert!(matches!(ended(&mut lane, at(0)), End::Owed { .. }));
    assert!(matches!(ended(&mut lane, at(1_000)), End::Owed { .. }));
    assert_eq!(ended(&mut lane, at(2_000)), End::Dead);
}

#[test]
fn a_page_of_a_key_does_not_hide_that_the_lanes_own_cannot_be_read() {
    let mut lane = Lane::new(Settings { capacity: 4, ..settings() }, None, at(0));
    assert!(matches!(lane.poll(at(0)), Step::Load { limit: 2, .. }));
    lane.loaded(vec![owed(1, 7), owed(2, 7)], at(0));
    assert!(matches!(lane.poll(at(0)), Step::Load { .. }), "it reads on");
    assert_eq!(sends(&mut lane, at(0)), [1]);
    ends(&mut lane, 1, Verdict::Later, at(0));
    // What is behind its head is on disk only; and so is the rest of the lane.
    lane.load_failed(None, at(0));
    assert_eq!(sends(&mut lane, at(999)), [0i64; 0]);
    let mut steps = Vec::new();
    let mut now = 1_000;
    while steps.len() < 3 {
        match lane.poll(at(now)) {
            Step::Send(owed) => {
                ends(&mut lane, owed.id.0, Verdict::Delivered, at(now));
            }
            Step::Load { .. } => {
                steps.push("lane");
                lane.load_failed(None, at(now));
            }
            Step::LoadKey { .. } => {
                steps.push("key");
                lane.loaded_key(KeyHash(7), vec![owed(2, 7)], at(now));
            }
            Step::Wait(Some(until)) => now = u64::try_from(until.as_millis()).expect("small"),
            step => panic!("{step:?}"),
        }
        assert!(lane.cannot_read(), "{steps:?}");
    }
    assert!(steps.contains(&"key"), "{steps:?}");
}

#[test]
fn a_dead_receiver_is_probed_with_other_keys_and_opens_at_one_success() {
    let mut lane = caught_up(settings());
    lane.take((1..=8).map(|n| owed(n, n)), at(0));
    assert_eq!(sends(&mut lane, at(0)), [1, 2, 3, 4]);
    for id in 1..=4 {
        ends(&mut lane, id, Verdict::Later, at(10));
    }
    assert_eq!(lane.condition().health(), Health::Down);
    assert_eq!(sends(&mut lane, at(500)), [0i64; 0]);
    let mut now = 10;
    let mut probes: Vec<i64> = Vec::new();
    for _ in 0..6 {
        let Step::Wait(Some(until)) = lane.poll(at(now)) else { panic!("a probe is due some time") };
        now = u64::try_from(until.as_millis()).expect("small");
        let sent = sends(&mut lane, at(now));
        assert_eq!(sent.len(), 1, "one probe at a time");
        probes.extend(&sent);
        ends(&mut lane, sent[0], Verdict::Later, at(now));
    }
    assert_eq!(probes, [5, 6, 7, 8, 1, 2], "each with another key's head");
    let Step::Wait(Some(until)) = lane.poll(at(now)) else { panic!("a probe is due some time") };
    assert_eq!(until, at(now).mono + Duration::from_secs(30), "the interval grows to 30 s");
    let now = u64::try_from(until.as_millis()).expect("small");
    assert_eq!(sends(&mut lane, at(now)), [3]);
    ends(&mut lane, 3, Verdict::Delivered, at(now));
    assert_eq!(lane.condition().health(), Health::Open);
    assert_eq!(sends(&mut lane, at(now)), [1, 2, 4, 5], "all the rest at once, oldest first");
}

#[test]
fn a_message_that_cannot_be_put_together_says_nothing_about_the_receiver() {
    let mut lane = caught_up(settings());
    lane.take((1..=4).map(|n| owed(n, n)), at(0));
    sends(&mut lane, at(0));
    for id in 1..=3 {
        ends(&mut lane, id, Verdict::Later, at(10));
    }
    let judgement = Judgement::not_delivered(Verdict::Refused, Reason::Template, "no such name".to_owned());
    let ended = lane.ended(DeliveryId(4), &judgement, 1.0, at(11)).expect("it was under way");
    assert_eq!((ended.end, lane.condition().health()), (End::Dead, Health::Down));
}

#[test]
fn a_key_not_tried_yet_is_tried_at_once_while_few_tell_of_trouble() {
    let mut lane = caught_up(settings());
    lane.take([owed(1, 1)], at(0));
    for n in 0..3 {
        let Step::Send(_) = lane.poll(at(n * 10_000)) else { panic!("its turn") };
        ends(&mut lane, 1, Verdict::Blocked, at(n * 10_000));
    }
    assert_eq!(lane.condition().health(), Health::Blocked);
    lane.take([owed(2, 2)], at(21_000));
    assert_eq!(sends(&mut lane, at(21_000)), [2]);
    ends(&mut lane, 2, Verdict::Delivered, at(21_001));
    assert_eq!(lane.condition().health(), Health::Open);
}

#[test]
fn a_blocked_lane_holds_everything_and_resumes_at_a_word() {
    let mut lane = caught_up(settings());
    lane.take((1..=5).map(|n| owed(n, n)), at(0));
    sends(&mut lane, at(0));
    let news: Vec<_> = (1..=4).map(|id| ends(&mut lane, id, Verdict::Blocked, at(1)).news).collect();
    assert_eq!(news, [None, None, Some(News::Blocked), None]);
    assert!(matches!(lane.poll(at(2)), Step::Wait(Some(until)) if until == at(300_001).mono));
    lane.resume(at(5));
    assert_eq!(sends(&mut lane, at(5)).len(), 1);
    ends(&mut lane, 5, Verdict::Delivered, at(6));
    assert_eq!(sends(&mut lane, at(6)), [1, 2, 3, 4]);
}

#[test]
fn what_waits_for_a_retry_is_tried_at_a_word() {
    let mut lane = caught_up(settings());
    lane.take([owed(1, 1), owed(2, 2)], at(0));
    sends(&mut lane, at(0));
    ends(&mut lane, 1, Verdict::Later, at(1));
    ends(&mut lane, 2, Verdict::Delivered, at(1));
    assert_eq!(sends(&mut lane, at(2)), [0i64; 0]);
    lane.resume(at(3));
    assert_eq!(sends(&mut lane, at(3)), [1]);
}

/// A lane that, at 1 s, reads what is owed of key 7: number 2 spilled while number 1 waited for its retry.
fn reading_key_7() -> Lane {
    let mut lane = caught_up(settings());
    lane.take([owed(1, 7)], at(0));
    sends(&mut lane, at(0));
    ends(&mut lane, 1, Verdict::Later, at(0));
    lane.take([owed(2, 7)], at(1));
    assert_eq!(sends(&mut lane, at(1_000)), [1]);
    ends(&mut lane, 1, Verdict::Delivered, at(1_000));
    assert!(matches!(lane.poll(at(1_000)), Step::LoadKey { .. }));
    lane
}

#[test]
fn what_spills_while_a_page_of_its_key_is_read_is_read_later() {
    let mut lane = reading_key_7();
    lane.take([owed(3, 7)], at(1_000));
    lane.loaded_key(KeyHash(7), vec![owed(2, 7)], at(1_001));
    assert_eq!(sends(&mut lane, at(1_001)), [2]);
    ends(&mut lane, 2, Verdict::Delivered, at(1_002));
    assert!(matches!(lane.poll(at(1_002)), Step::LoadKey { after: DeliveryId(2), .. }));
}

#[test]
fn health_and_age_survive_a_restart() {
    let mut lane = caught_up(settings());
    lane.take((1..=3).map(|n| owed(n, n)), at(0));
    sends(&mut lane, at(0));
    for id in 1..=3 {
        ends(&mut lane, id, Verdict::Blocked, at(1));
    }
    let json = serde_json::to_string(&lane.kept(at(50))).expect("plain data");
    let kept: KeptLane = serde_json::from_str(&json).expect("what was written");
    let lane = Lane::new(settings(), Some(kept), at(0));
    assert_eq!(lane.condition().health(), Health::Blocked);
    assert_eq!(lane.condition().words().0, Some("Blocked"));
}

#[test]
fn a_lane_that_was_blocked_before_a_restart_stays_so_and_grows_no_older() {
    let short = Settings { retry: Retry { give_up: Duration::from_secs(10), ..RETRY }, ..settings() };
    let mut lane = caught_up(short);
    lane.take((1..=4).map(|n| owed(n, n)), at(0));
    sends(&mut lane, at(0));
    for id in 1..=4 {
        ends(&mut lane, id, Verdict::Blocked, at(9_990));
    }
    let mut lane = Lane::new(short, Some(lane.kept(at(9_990))), at(0));
    let mut now = 0;
    for _ in 0..6 {
        match lane.poll(at(now)) {
            Step::Load { .. } => lane.loaded((1..=4).map(|n| owed(n, n)).collect(), at(now)),
            Step::Send(owed) => {
                let ended = ends(&mut lane, owed.id.0, Verdict::Blocked, at(now));
                assert!(matches!(ended.end, End::Owed { .. }), "{ended:?}");
                assert_eq!(lane.condition().health(), Health::Blocked);
            }
            Step::Wait(Some(until)) => now = u64::try_from(until.as_millis()).expect("small"),
            step => panic!("{step:?}"),
        }
    }
}

#[test]
fn a_clock_set_forward_and_back_kills_nothing() {
    let hour = Settings { retry: Retry { give_up: Duration::from_secs(3_600), ..RETRY }, ..settings() };
    let id = |now: Now| next_id(0, now.wall.as_millisecond());
    let mut lane = caught_up(hour);
    let ahead = Now { wall: at(0).wall + Duration::from_secs(86_400), ..at(60_000) };
    lane.take([], ahead);
    let later = at(2 * 3_600_000);
    lane.take([owed(id(later), 1)], later);
    assert_eq!(sends(&mut lane, later).len(), 1);
    let ended = ends(&mut lane, id(later), Verdict::Later, later);
    assert!(matches!(ended.end, End::Owed { .. }), "it has just come: {ended:?}");
}

#[test]
fn an_event_that_cannot_be_read_does_not_spin_a_lane_that_is_down() {
    let mut lane = caught_up(settings());
    lane.take((1..=5).map(|n| owed(n, n)), at(0));
    for id in sends(&mut lane, at(0)) {
        ends(&mut lane, id, Verdict::Later, at(1));
    }
    assert_eq!(lane.condition().health(), Health::Down);
    let probe = sends(&mut lane, at(60_000));
    assert_eq!(probe.len(), 1);
    lane.untried(DeliveryId(probe[0]), at(60_001));
    assert!(matches!(lane.poll(at(60_001)), Step::Wait(Some(until)) if until == at(61_001).mono));
}

#[test]
fn many_keys_that_wake_at_once_share_the_room() {
    let small = Settings { capacity: 40, concurrency: 100, ..settings() };
    let mut lane = caught_up(small);
    lane.take((1..=30).map(|n| owed(n, n)), at(0));
    let slow_down = Judgement { lane_waits: Some(Duration::from_secs(30)), ..says(Verdict::Later) };
    for id in sends(&mut lane, at(0)) {
        lane.ended(DeliveryId(id), &slow_down, 1.0, at(0));
    }
    lane.take((31..=3_030).map(|n| owed(n, n % 30 + 1)), at(1));
    for id in sends(&mut lane, at(30_000)) {
        lane.ended(DeliveryId(id), &says(Verdict::Delivered), 1.0, at(30_000));
    }
    let mut asked = 0;
    while let Step::LoadKey { limit, .. } = lane.poll(at(30_000)) {
        asked += limit;
    }
    assert!(asked <= 40 + 30, "{asked} deliveries for a room of 40");
}

#[test]
fn a_page_of_a_key_that_is_under_way_holds_up_a_refresh() {
    let mut lane = reading_key_7();
    lane.refresh();
    assert!(matches!(lane.poll(at(1_000)), Step::Wait(None)));
    lane.loaded_key(KeyHash(7), vec![owed(2, 7)], at(1_001));
    assert!(matches!(lane.poll(at(1_001)), Step::Load { after: DeliveryId(0), .. }));
}

#[test]
fn it_gives_up_only_after_the_time_and_an_attempt() {
    let short = Settings { retry: Retry { give_up: Duration::from_secs(10), ..RETRY }, ..settings() };
    let mut lane = caught_up(short);
    lane.take([owed(1, 1)], at(0));
    let mut now = 0;
    loop {
        match lane.poll(at(now)) {
            Step::Send(_) => {
                let ended = ends(&mut lane, 1, Verdict::Later, at(now));
                if ended.end == End::Dead {
                    assert!(ended.gave_up && now >= 10_000, "{now}");
                    break;
                }
                assert!(now < 10_000, "an attempt after the time must be the last");
            }
            Step::Wait(Some(until)) => now = u64::try_from(until.as_millis()).expect("small"),
            step => panic!("{step:?}"),
        }
    }
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

#[test]
fn what_fails_now_is_heard_of_before_a_long_backlog_is_through() {
    let slow = Rate { count: 1, per: Duration::from_secs(1) };
    let mut lane = Lane::new(Settings { rate: Some(slow), capacity: 30, ..settings() }, None, at(0));
    assert!(matches!(lane.poll(at(0)), Step::Load { limit: 15, .. }));
    lane.loaded((1..=20).map(|n| owed(n, n)).collect(), at(0));
    // Far above what was read: a job that runs, then fails, and one that fails behind more of its own than are worth a look.
    let failed = |id, key| Owed { urgent: true, ..owed(id, key) };
    lane.offer(failed(1_001, 901));
    lane.offer(failed(2_000, 900));
    let (mut sent, mut pages) = (Vec::new(), 0);
    for second in 1..=9 {
        loop {
            match lane.poll(at(second * 1_000)) {
                Step::Send(owed) => {
                    sent.push(owed.id.0);
                    ends(&mut lane, owed.id.0, Verdict::Delivered, at(second * 1_000));
                }
                Step::Look { key: KeyHash(901), after, .. } => {
                    assert_eq!(after, DeliveryId(20));
                    lane.looked(vec![owed(1_000, 901), failed(1_001, 901)], at(second * 1_000));
                }
                Step::Look { .. } => lane.looked((500..508).map(|n| owed(n, 900)).collect(), at(second * 1_000)),
                Step::Load { after, .. } => {
                    assert_eq!(after, DeliveryId(20), "the backlog is read on from where it was");
                    // Read before those two were on record, so they are in it.
                    let backlog = (21..=33).map(|n| owed(n, n)).chain([owed(1_000, 901), failed(1_001, 901)]);
                    lane.loaded(backlog.collect(), at(second * 1_000));
                    pages += 1;
                }
                Step::Wait(_) => break,
                step @ Step::LoadKey { .. } => panic!("{step:?}"),
            }
        }
    }
    assert_eq!((sent, pages), (vec![1, 1_000, 2, 1_001, 3, 4, 5, 6, 7], 1));
}

#[test]
fn what_was_taken_ahead_while_a_page_was_read_is_not_taken_again() {
    let mut lane = Lane::new(settings(), None, at(0));
    assert!(matches!(lane.poll(at(0)), Step::Load { .. }));
    // Too many come meanwhile: the last is passed over, and looked up with those of its key before it.
    let failed = |id| Owed { urgent: true, ..owed(id, 7) };
    lane.offer(failed(3));
    assert!(matches!(lane.poll(at(1)), Step::Look { .. }));
    lane.looked((1..=3).map(failed).collect(), at(1));
    assert_eq!(sends(&mut lane, at(1)), [1]);
    ends(&mut lane, 1, Verdict::Delivered, at(2));
    assert_eq!(sends(&mut lane, at(2)), [2]);
    // The page is from before they came; then come those that found room.
    lane.loaded(Vec::new(), at(3));
    lane.take([failed(1), failed(2)], at(3));
    lane.fall_behind();
    ends(&mut lane, 2, Verdict::Delivered, at(4));
    assert!(matches!(lane.poll(at(4)), Step::Load { after: DeliveryId(2), .. }));
    assert_eq!(sends(&mut lane, at(4)), [3]);
    lane.loaded(vec![failed(3)], at(5));
    ends(&mut lane, 3, Verdict::Delivered, at(5));
    assert_eq!(sends(&mut lane, at(6)), [0i64; 0]);
}

#[test]
fn what_was_taken_ahead_is_forgotten_once_its_own_outcome_is_on_record() {
    let mut lane = Lane::new(Settings { capacity: 4, ..settings() }, None, at(0));
    assert!(matches!(lane.poll(at(0)), Step::Load { limit: 2, .. }));
    let failed = |id| Owed { urgent: true, ..owed(id, id) };
    for id in [1_001, 1_002] {
        lane.offer(failed(id));
        assert!(matches!(lane.poll(at(0)), Step::Look { .. }));
        lane.looked(vec![failed(id)], at(0));
    }
    assert_eq!(sends(&mut lane, at(0)).len(), 2);
    for id in [1_001, 1_002] {
        lane.ended(DeliveryId(id), &says(Verdict::Delivered), 0.5, at(1));
    }
    lane.recorded(1);
    lane.loaded(vec![owed(1, 1), owed(2, 2)], at(1));
    assert!(matches!(lane.poll(at(1)), Step::Load { .. }));
    assert!(!lane.ahead.knows(DeliveryId(1_001)), "no page brings it any more");
    assert!(lane.ahead.knows(DeliveryId(1_002)), "the page that is read now may bring it");
}

#[test]
fn what_is_done_ahead_and_seen_again_beside_a_newer_one_of_its_key_is_not_forgotten() {
    let mut lane = Lane::new(Settings { capacity: 4, ..settings() }, None, at(0));
    let failed = |id| Owed { urgent: true, ..owed(id, 7) };
    let delivered = |lane: &mut Lane, id| lane.ended(DeliveryId(id), &says(Verdict::Delivered), 0.5, at(1));
    assert!(matches!(lane.poll(at(0)), Step::Load { limit: 2, .. }));
    lane.loaded(vec![owed(1, 1), owed(2, 2)], at(0));
    assert!(matches!(lane.poll(at(0)), Step::Load { limit: 2, .. }));
    lane.offer(failed(1_001));
    assert!(matches!(lane.poll(at(0)), Step::Look { .. }));
    lane.looked(vec![failed(1_001)], at(0));
    assert_eq!(sends(&mut lane, at(0)), [1, 1_001, 2]);
    delivered(&mut lane, 1_001);
    // Its outcome is not on disk: a look for a newer one of its key brings it again.
    lane.offer(failed(1_002));
    assert!(matches!(lane.poll(at(1)), Step::Look { .. }));
    lane.looked(vec![failed(1_001), failed(1_002)], at(1));
    assert_eq!(sends(&mut lane, at(1)), [1_002]);
    lane.loaded(vec![owed(3, 3), owed(4, 4)], at(1));
    for id in [1, 2, 1_002] {
        delivered(&mut lane, id);
    }
    assert!(matches!(lane.poll(at(1)), Step::Load { .. }));
    lane.loaded(vec![failed(1_001), failed(1_002)], at(1));
    assert!(matches!(lane.poll(at(1)), Step::Load { .. }));
    assert_eq!(sends(&mut lane, at(1)), [3, 4]);
}

/// The lane beside a model of the store, with everything left to seeded chance.
struct Simulation {
    chance: fastrand::Rng,
    now: u64,
    lane: Lane,
    disk: BTreeMap<i64, Owed>,
    next_id: i64,
    /// Fresh ones on their way into the lane, as the intake keeps them.
    intake: Vec<Owed>,
    gap: bool,
    key_pages: Vec<(KeyHash, Page)>,
    page: Option<Page>,
    look: Option<Page>,
    urgent: Vec<Owed>,
    in_flight: Vec<Owed>,
    /// Outcomes on their way to the disk.
    outcomes: VecDeque<(i64, Ended)>,
    ended: HashSet<i64>,
    sick_until: u64,
    settings: Settings,
}

/// A page that was asked for: what is on disk at any time until it comes.
enum Page {
    Read(Vec<Owed>),
    ToRead { key: Option<KeyHash>, after: DeliveryId, limit: usize },
}

impl Simulation {
    fn ask(&self, key: Option<KeyHash>, after: DeliveryId, limit: usize, at_once: bool) -> Page {
        if at_once { Page::Read(self.read(after, key, limit)) } else { Page::ToRead { key, after, limit } }
    }

    fn come(&self, page: Page) -> Vec<Owed> {
        match page {
            Page::Read(page) => page,
            Page::ToRead { key, after, limit } => self.read(after, key, limit),
        }
    }

    fn accept(&mut self, keys: i64) {
        self.next_id += 1;
        let urgent = self.chance.u8(..) < 40;
        let fresh = Owed { urgent, ..owed(self.next_id, self.chance.i64(0..keys)) };
        self.disk.insert(self.next_id, fresh.clone());
        if self.gap || self.intake.len() > 20 {
            self.gap = true;
            if fresh.urgent {
                self.urgent.push(fresh);
            }
        } else {
            self.intake.push(fresh);
        }
    }

    fn read(&self, after: DeliveryId, key: Option<KeyHash>, limit: usize) -> Vec<Owed> {
        let above = self.disk.range(after.0 + 1..).map(|(_, owed)| owed);
        above.filter(|owed| key.is_none_or(|key| owed.key == key)).take(limit).cloned().collect()
    }

    fn drain(&mut self) {
        if !self.lane.loading() && !self.lane.behind() {
            self.lane.take(std::mem::take(&mut self.intake), at(self.now));
            if self.gap {
                self.lane.fall_behind();
            }
        }
        if self.lane.behind() && !self.lane.loading() {
            self.intake.clear();
            self.gap = true;
        }
        for owed in std::mem::take(&mut self.urgent) {
            self.lane.offer(owed);
        }
    }

    /// Polls until it waits; returns until when.
    fn poll(&mut self) -> Option<u64> {
        self.drain();
        loop {
            match self.lane.poll(at(self.now)) {
                Step::Send(owed) => {
                    let is_owed = |o: &&Owed| !self.ended.contains(&o.id.0);
                    let mut before = self.disk.range(..owed.id.0).map(|(_, o)| o).filter(is_owed);
                    let earlier = before.find(|o| o.key == owed.key);
                    assert!(earlier.is_none(), "{} before {:?} of the same key", owed.id, earlier.map(|o| o.id));
                    assert!(!self.ended.contains(&owed.id.0), "{} was sent after its end", owed.id);
                    self.in_flight.push(*owed);
                    assert!(self.in_flight.len() <= self.settings.concurrency);
                }
                Step::Load { after, limit } => {
                    self.urgent.extend(self.intake.drain(..).filter(|owed| owed.urgent));
                    self.gap = false;
                    let at_once = self.chance.bool();
                    self.page = Some(self.ask(None, after, limit, at_once));
                }
                Step::LoadKey { key, after, limit } => {
                    let at_once = self.chance.bool();
                    self.key_pages.push((key, self.ask(Some(key), after, limit, at_once)));
                }
                Step::Look { key, after, limit } => {
                    let at_once = self.chance.bool();
                    self.look = Some(self.ask(Some(key), after, limit, at_once));
                }
                Step::Wait(until) => return until.map(|u| u64::try_from(u.as_millis()).expect("small") + 1),
            }
        }
    }

    fn bring_pages(&mut self) {
        if let Some(page) = self.page.take() {
            if self.chance.u8(..) < 10 {
                self.lane.load_failed(None, at(self.now));
            } else {
                let page = self.come(page);
                self.lane.loaded(page, at(self.now));
            }
        }
        for (key, page) in std::mem::take(&mut self.key_pages) {
            let page = self.come(page);
            self.lane.loaded_key(key, page, at(self.now));
        }
        if let Some(page) = self.look.take() {
            let page = if self.chance.u8(..) < 10 { Vec::new() } else { self.come(page) };
            self.lane.looked(page, at(self.now));
        }
    }

    fn answer(&mut self) {
        if self.in_flight.is_empty() {
            return;
        }
        let sent = self.in_flight.swap_remove(self.chance.usize(0..self.in_flight.len()));
        let sick = self.now < self.sick_until;
        let verdict = match self.chance.u8(0..100) {
            0..10 => Verdict::Later,
            10..12 => Verdict::Refused,
            _ if sick => {
                if self.sick_until.is_multiple_of(2) {
                    Verdict::Later
                } else {
                    Verdict::Blocked
                }
            }
            _ => Verdict::Delivered,
        };
        let chance = self.chance.f64();
        let reason = if self.chance.u8(..) < 20 { Reason::Template } else { Reason::Server };
        let judgement = Judgement { reason: Some(reason), ..says(verdict) };
        let ended = self.lane.ended(sent.id, &judgement, chance, at(self.now)).expect("it was under way");
        if matches!(ended.end, End::Delivered | End::Dead) {
            self.ended.insert(sent.id.0);
        }
        self.outcomes.push_back((sent.id.0, ended));
    }

    /// Puts the first outcomes on disk.
    fn record(&mut self, most: usize) {
        let some = most.min(self.outcomes.len());
        for (id, ended) in self.outcomes.drain(..some) {
            match ended.end {
                End::Owed { not_before } => {
                    let row = self.disk.get_mut(&id).expect("still owed");
                    row.attempts = ended.number;
                    row.not_before = not_before;
                }
                End::Delivered | End::Dead => _ = self.disk.remove(&id),
            }
        }
        self.lane.recorded(some);
    }
}

#[test]
fn whatever_happens_all_is_sent_in_order_and_nothing_is_forgotten() {
    for seed in 0..200 {
        let chance = fastrand::Rng::with_seed(seed);
        let capacity = [20, 300, 2_000][usize::try_from(seed % 3).expect("small")];
        let settings = Settings { concurrency: 3, capacity, ..settings() };
        let mut sim = Simulation {
            lane: Lane::new(settings, None, at(0)),
            chance,
            now: 0,
            disk: BTreeMap::new(),
            next_id: 0,
            intake: Vec::new(),
            gap: true,
            key_pages: Vec::new(),
            page: None,
            look: None,
            urgent: Vec::new(),
            in_flight: Vec::new(),
            outcomes: VecDeque::new(),
            ended: HashSet::new(),
            sick_until: 0,
            settings,
        };
        let keys = [1, 3, 40, 200, 2_000][usize::try_from(seed % 5).expect("small")];
        let lag = [2, 10, 100, 400][sim.chance.usize(0..4)];
        let most = [60, 1_500][sim.chance.usize(0..2)];
        for _ in 0..sim.chance.usize(0..most) {
            sim.accept(keys);
        }
        for _ in 0..4_000 {
            match sim.chance.u8(0..12) {
                0..3 => sim.accept(keys),
                3..5 => sim.bring_pages(),
                5..9 => sim.answer(),
                9 => sim.now += sim.chance.u64(0..2_000),
                // Just more than is held, so that what is new is near to what is old.
                10 if sim.chance.u8(..) < 4 => (0..capacity.min(300)).for_each(|_| sim.accept(keys)),
                10 if sim.chance.u8(..) < 3 => sim.sick_until = sim.now + sim.chance.u64(0..200_000),
                10 if sim.chance.u8(..) < 8 => sim.lane.refresh(),
                10 if sim.chance.u8(..) < 8 => sim.lane.resume(at(sim.now)),
                _ => {}
            }
            // A commit takes as long as some sends, or as a hundred.
            if sim.chance.usize(0..lag) == 0 {
                let most = sim.chance.usize(0..3 * lag);
                sim.record(most);
            }
            sim.poll();
            assert!(sim.lane.held <= capacity * (STRETCH + 1), "seed {seed}: {} held", sim.lane.held);
        }
        for step in 0.. {
            assert!(step < 200_000, "seed {seed}: {} are owed and nothing moves", sim.disk.len());
            let most = sim.chance.usize(0..6);
            sim.record(most);
            let until = sim.poll();
            if sim.disk.is_empty() && sim.in_flight.is_empty() {
                break;
            }
            let idle = sim.in_flight.is_empty() && sim.outcomes.is_empty();
            if idle && sim.page.is_none() && sim.key_pages.is_empty() && sim.look.is_none() {
                sim.now = until
                    .unwrap_or_else(|| panic!("seed {seed}: {} are owed and it waits for nothing", sim.disk.len()));
            } else {
                sim.bring_pages();
                sim.answer();
            }
        }
        assert_eq!(sim.ended.len(), usize::try_from(sim.next_id).expect("small"), "seed {seed}");
    }
}
