//! What to do about a delivery that did not arrive.

use crate::receiver::Reason;
use crate::store::{Delivery, DeliveryState};

/// The next step for a person, by what went wrong. `None` when it arrived or nothing is known yet.
pub fn advice(delivery: &Delivery) -> Option<String> {
    if matches!(delivery.state, DeliveryState::Delivered | DeliveryState::Dismissed) {
        return None;
    }
    let receiver = &delivery.receiver;
    let cause = match delivery.reason? {
        Reason::Auth => format!("renew the address or key of {receiver} in routes.yaml or its secret"),
        Reason::RateLimited => {
            format!("the service asks for fewer messages: a lower `rate` for {receiver} avoids this")
        }
        Reason::Client => {
            format!("the service refuses this message: compare its answer with the settings of {receiver}")
        }
        Reason::Server => "the service itself has trouble".to_owned(),
        Reason::Timeout => {
            format!("the service is slow or out of reach; `timeout` of {receiver} says how long to wait")
        }
        Reason::Dns => {
            format!("is the host in the url of {receiver} spelled right, and known to this machine's resolver?")
        }
        Reason::Tls => {
            format!("if its certificate comes from a private authority, name that in `tls: {{ca: FILE}}` of {receiver}")
        }
        Reason::Connect => {
            format!("is the url of {receiver} right, is the service up, does a firewall or proxy stand between?")
        }
        Reason::Form => {
            format!("the service cannot read the message's form: look at `message` and `body` of {receiver}")
        }
        Reason::Template => format!("mend the template in routes.yaml (`message` or `body` of {receiver})"),
    };
    Some(match delivery.state {
        DeliveryState::Dead => format!("{cause}; then: jobrelay replay {}", delivery.id),
        _ => format!("{cause}; it is tried again by itself"),
    })
}

#[cfg(test)]
pub mod tests {
    use super::*;
    use crate::event::{DeliveryId, EventId};

    /// A delivery to `data-ops`, tried once.
    pub fn delivery(state: DeliveryState, reason: Option<Reason>) -> Delivery {
        Delivery {
            id: DeliveryId(2),
            event: EventId(1),
            receiver: "data-ops".into(),
            route: "failed jobs".into(),
            state,
            attempts: 1,
            at: Some("2026-01-31T09:05:00Z".parse().unwrap()),
            not_before: None,
            reason,
            detail: Some("in the service's words".to_owned()),
            closes: None,
            replay_of: None,
            replayed_by: None,
        }
    }

    #[test]
    fn a_dead_one_can_be_replayed_and_an_owed_one_need_not() {
        let dead = advice(&delivery(DeliveryState::Dead, Some(Reason::Template))).unwrap();
        assert!(dead.ends_with("then: jobrelay replay dlv_0000000000002"), "{dead}");
        let owed = advice(&delivery(DeliveryState::Owed, Some(Reason::Auth))).unwrap();
        assert!(owed.starts_with("renew") && owed.ends_with("tried again by itself"), "{owed}");
        assert_eq!(advice(&delivery(DeliveryState::Delivered, None)), None);
        assert_eq!(advice(&delivery(DeliveryState::Owed, None)), None);
    }
}
