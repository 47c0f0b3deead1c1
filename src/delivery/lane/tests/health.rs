//! What answers say of the receiver, and when it is tried again.

use super::*;

/// A lane that took in so many, each with a key of its own, and was told to come later by all it sent.
fn down(deliveries: i64) -> Lane {
    let mut lane = caught_up(settings());
    lane.take((1..=deliveries).map(|n| owed(n, n)), at(0));
    for id in sends(&mut lane, at(0)) {
        ends(&mut lane, id, Verdict::Later, at(0));
    }
    assert_eq!(lane.condition().health(), Health::Down);
    lane
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
fn what_is_tried_again_counts_its_attempts_and_lets_go_of_its_event() {
    let mut lane = caught_up(settings());
    let content = Some(Arc::new(crate::message::testing::event_of(None)));
    lane.take([Owed { content, ..owed(1, 1) }], at(0));
    let mut now = 0;
    for (number, reason) in [(1, Reason::Server), (2, Reason::Template), (3, Reason::Server)] {
        let sent = loop {
            match lane.poll(at(now)) {
                Step::Send(owed) => break owed,
                Step::Wait(Some(until)) => now = u64::try_from(until.as_millis()).unwrap(),
                other => panic!("{other:?}"),
            }
        };
        assert_eq!((sent.attempts, sent.content.is_some()), (number - 1, number == 1));
        // The attempt has it still, as in the driver.
        let judgement = Judgement::not_delivered(Verdict::Later, reason, String::new());
        let ended = lane.ended(sent.id, &judgement, 1.0, at(now)).expect("it was under way");
        assert_eq!(ended.number, number);
        lane.recorded(1);
    }
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
    let mut lane = down(4);
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
    let mut lane = down(5);
    let probe = sends(&mut lane, at(60_000));
    assert_eq!(probe.len(), 1);
    lane.untried(DeliveryId(probe[0]), at(60_001));
    assert!(matches!(lane.poll(at(60_001)), Step::Wait(Some(until)) if until == at(61_001).mono));
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
