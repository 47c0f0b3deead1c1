//! What comes from the store, and what is taken in ahead of it.

use super::*;

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

#[test]
fn a_look_that_began_before_its_key_was_spilled_brings_nothing() {
    let mut lane = Lane::new(Settings { capacity: 4, ..settings() }, None, at(0));
    let failed = |id| Owed { urgent: true, ..owed(id, 7) };
    assert!(matches!(lane.poll(at(0)), Step::Load { .. }));
    lane.offer(failed(1_001));
    assert!(matches!(lane.poll(at(0)), Step::Look { .. }));
    lane.looked(vec![failed(1_000), failed(1_001)], at(0));
    assert_eq!(sends(&mut lane, at(0)), [1_000]);
    lane.offer(failed(1_002));
    assert!(matches!(lane.poll(at(0)), Step::Look { after: DeliveryId(1_001), .. }));
    // Its retry comes at once, and 1,001 is on disk only meanwhile.
    lane.ended(DeliveryId(1_000), &says(Verdict::Later), 0.0, at(0));
    assert_eq!(sends(&mut lane, at(0)), [1_000]);
    lane.looked(vec![failed(1_002)], at(0));
    lane.ended(DeliveryId(1_000), &says(Verdict::Delivered), 0.5, at(0));
    lane.recorded(2);
    assert_eq!(sends(&mut lane, at(0)), [0i64; 0], "1,001 comes first");
    lane.loaded(vec![failed(1_001), failed(1_002)], at(0));
    assert!(matches!(lane.poll(at(0)), Step::Load { .. }));
    for id in [1_001, 1_002] {
        assert_eq!(sends(&mut lane, at(0)), [id]);
        ends(&mut lane, id, Verdict::Delivered, at(0));
    }
}
