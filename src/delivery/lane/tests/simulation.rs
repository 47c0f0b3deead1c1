//! The lane driven by seeded chance against a model of the store.

use std::collections::{BTreeMap, HashSet};

use super::*;

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
    in_flight: Vec<Arc<Owed>>,
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
                    self.in_flight.push(owed);
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
            if self.chance.u8(..) < 10 {
                self.lane.load_failed(Some(key), at(self.now));
            } else {
                let page = self.come(page);
                self.lane.loaded_key(key, page, at(self.now));
            }
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
        if self.chance.u8(..) < 5 {
            self.lane.untried(sent.id, at(self.now));
            return;
        }
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
        // A retry may come at once, while what was asked before is still under way.
        let chance = if self.chance.bool() { 0.0 } else { self.chance.f64() };
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
            sim.lane.check();
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
