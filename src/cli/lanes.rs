//! Receivers in trouble: what commands say of a lane that is not open.

use std::collections::BTreeSet;

use jiff::Timestamp;

use crate::delivery::api_client::ApiClient;
use crate::delivery::{Health, LaneStatus};
use crate::server::types::Page;
use crate::store::{Delivery, DeliveryState};

use super::output::{count, one_line};
use super::times::stamp;

/// How the lanes are doing. Extra comfort: empty if the relay does not say, no reason to fail.
pub async fn lanes(client: &ApiClient) -> Vec<LaneStatus> {
    let lanes = client.get("/api/v1/receivers", &[]).await.map_or_else(|_| Vec::new(), |page: Page<_>| page.items);
    let now = Timestamp::now();
    lanes.into_iter().map(|lane| ahead(lane, now)).collect()
}

/// A try that is under way, or due, is not announced.
fn ahead(lane: LaneStatus, now: Timestamp) -> LaneStatus {
    LaneStatus { next_attempt: lane.next_attempt.filter(|at| *at > now), ..lane }
}

/// The lane of a receiver, if it is in trouble.
pub fn in_trouble<'a>(lanes: &'a [LaneStatus], receiver: &str) -> Option<&'a LaneStatus> {
    lanes.iter().find(|lane| &*lane.receiver == receiver && lane.health != Health::Open)
}

/// Why those of `deliveries` wait that are still owed: a sentence for each lane in trouble.
pub fn troubles<'a>(lanes: &[LaneStatus], deliveries: impl IntoIterator<Item = &'a Delivery>) -> BTreeSet<String> {
    let owed = deliveries.into_iter().filter(|delivery| delivery.state == DeliveryState::Owed);
    owed.filter_map(|delivery| in_trouble(lanes, &delivery.receiver)).map(trouble).collect()
}

/// What is the matter with a lane in trouble, and what to do.
pub fn trouble(lane: &LaneStatus) -> String {
    let name = &lane.receiver;
    let owed = format!("{} held", count(lane.owed, "delivery"));
    let since = lane.since.map(|at| format!(" since {}", stamp(at))).unwrap_or_default();
    let next = lane.next_attempt.map(|at| format!("next try at {}", stamp(at)));
    match lane.health {
        Health::Open => String::new(),
        Health::Down => {
            let next = next.map(|next| format!("; {next}")).unwrap_or_default();
            format!("{name} is down{since}, {owed}{next}")
        }
        Health::Blocked => {
            let advice = lane.advice.as_deref().map(|advice| format!(": {}", one_line(advice))).unwrap_or_default();
            let next = next.map_or_else(|| "try it now".to_owned(), |next| format!("{next}, or now"));
            format!("{name} is blocked{since}, {owed}{advice}; {next}: jobrelay resume {name}")
        }
        Health::Orphaned => format!(
            "{name} is not in routes.yaml any more, {owed}; bring the name back, or: jobrelay replay --receiver {name} --to ANOTHER"
        ),
    }
}

#[cfg(test)]
pub mod tests {
    use super::*;

    /// The lane of `data-ops`.
    pub fn in_lane(health: Health) -> LaneStatus {
        LaneStatus {
            health,
            owed: 3,
            since: "2026-01-31T09:00:00Z".parse().ok(),
            next_attempt: "2026-01-31T09:05:00Z".parse().ok(),
            advice: Some("make a new webhook".to_owned()),
            ..LaneStatus::open("data-ops".into(), "slack".to_owned())
        }
    }

    #[test]
    fn each_trouble_says_what_to_do() {
        let told = [Health::Down, Health::Blocked, Health::Orphaned].map(|health| trouble(&in_lane(health)));
        insta::assert_snapshot!(told.join("\n"), @r"
        data-ops is down since 2026-01-31 09:00:00Z, 3 deliveries held; next try at 2026-01-31 09:05:00Z
        data-ops is blocked since 2026-01-31 09:00:00Z, 3 deliveries held: make a new webhook; next try at 2026-01-31 09:05:00Z, or now: jobrelay resume data-ops
        data-ops is not in routes.yaml any more, 3 deliveries held; bring the name back, or: jobrelay replay --receiver data-ops --to ANOTHER
        ");
        let now = in_lane(Health::Down).next_attempt.unwrap();
        let told = [Health::Down, Health::Blocked].map(|health| trouble(&ahead(in_lane(health), now)));
        insta::assert_snapshot!(told.join("\n"), @r"
        data-ops is down since 2026-01-31 09:00:00Z, 3 deliveries held
        data-ops is blocked since 2026-01-31 09:00:00Z, 3 deliveries held: make a new webhook; try it now: jobrelay resume data-ops
        ");
        assert!(in_trouble(&[in_lane(Health::Open)], "data-ops").is_none());
    }
}
