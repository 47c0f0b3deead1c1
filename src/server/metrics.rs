//! `/metrics`: the relay's numbers for Prometheus. Nothing is counted here: each scrape reads what others keep.

use std::fmt;
use std::sync::Arc;

use actix_web::middleware::from_fn;
use actix_web::{HttpResponse, web};
use prometheus_client::encoding::text::encode;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::info::Info;
use prometheus_client::registry::Registry;

use super::problems::{Problem, Sort};
use super::types::Stats;
use super::{Standing, State, api};
use crate::delivery::{Health, LaneStatus};
use crate::store::Totals;

/// The address, behind the admin token.
pub fn routes(config: &mut web::ServiceConfig) {
    config.service(
        web::resource("/metrics")
            .wrap(from_fn(api::admins_only))
            .route(web::get().to(metrics))
            .default_service(web::to(api::wrong_method)),
    );
}

async fn metrics(state: web::Data<State>) -> Result<HttpResponse, Problem> {
    let corridor = &state.intake.corridor;
    let facts = Facts {
        stats: Stats { totals: corridor.store.totals().await?, ..corridor.counters.snapshot() },
        lanes: state.lanes.status().await,
        standing: state.standing.load_full(),
        version: Arc::clone(&corridor.config.load().version),
        writable: corridor.store.writable(),
    };
    let text = facts.text().map_err(|e| Problem::new(Sort::Internal, e.to_string()))?;
    Ok(HttpResponse::Ok().content_type("application/openmetrics-text; version=1.0.0; charset=utf-8").body(text))
}

/// What one scrape tells.
struct Facts {
    stats: Stats,
    lanes: Vec<LaneStatus>,
    standing: Arc<Standing>,
    /// Of the running routes.yaml.
    version: Arc<str>,
    /// The store can be written.
    writable: bool,
}

type Labels = Vec<(&'static str, String)>;

impl Facts {
    fn text(&self) -> Result<String, fmt::Error> {
        let mut registry = Registry::with_prefix("jobrelay");
        self.relay(&mut registry);
        self.door(&mut registry);
        self.letters(&mut registry);
        self.receivers(&mut registry);
        let mut text = String::new();
        encode(&mut text, &registry)?;
        Ok(text)
    }

    fn relay(&self, registry: &mut Registry) {
        let version = |version: &str| Info::new(vec![("version", version.to_owned())]);
        registry.register("build", "The running program", version(env!("CARGO_PKG_VERSION")));
        registry.register("config", "The running routes.yaml", version(&self.version));
        registry.register(
            "config_last_reload_successful",
            "1 if the routes.yaml on disk is the one that runs, 0 if it was refused",
            gauge(u64::from(self.standing.refused.is_none())),
        );
        let read_at = self.standing.read_at.map_or(0, |at| at.as_second().unsigned_abs());
        registry.register(
            "config_last_reload_success_timestamp_seconds",
            "When the routes.yaml on disk was last read and found usable",
            gauge(read_at),
        );
        registry.register("store_writable", "1 if events can be made durable", gauge(u64::from(self.writable)));
    }

    fn door(&self, registry: &mut Registry) {
        let Stats { accepted, duplicates, quarantined, unwritable, refused, .. } = &self.stats;
        registry.register("events_accepted", "Events made durable", counter(*accepted));
        registry.register("events_duplicate", "Events that were known already", counter(*duplicates));
        registry.register("events_quarantined", "Items that could not be read", counter(*quarantined));
        registry.register(
            "requests_unwritable",
            "Requests answered 503 because the store could not take them",
            counter(*unwritable),
        );
        let causes = Family::<Labels, Counter>::default();
        for (cause, count) in refused {
            causes.get_or_create(&vec![("cause", cause.clone())]).inc_by(*count);
        }
        registry.register("requests_refused", "Requests turned away at the webhook", causes);
    }

    /// What is listed for people. Unlike the others, these go on over restarts.
    fn letters(&self, registry: &mut Registry) {
        let Totals { quarantine, dead, dead_expired } = self.stats.totals;
        registry.register("quarantine_items", "Items in the quarantine", gauge(quarantine.items));
        registry.register("quarantine_bytes", "Bytes of their bodies", gauge(quarantine.bytes));
        for (name, help, count) in [
            ("quarantine_repeated", "Times something came that was in the quarantine already", quarantine.repeated),
            ("quarantine_dropped", "Quarantined items that went to make room for newer ones", quarantine.dropped),
            ("quarantine_dismissed", "Quarantined items dismissed by a person", quarantine.dismissed),
            ("quarantine_reread", "Quarantined items that became events when they were read again", quarantine.reread),
            ("dead_expired", "Dead deliveries deleted, still dead, when their retention was over", dead_expired),
        ] {
            registry.register(name, help, counter(count));
        }
        registry.register("dead_listed", "Dead deliveries to look at", gauge(dead));
    }

    fn receivers(&self, registry: &mut Registry) {
        let (owed, in_flight) = (Family::<Labels, Gauge>::default(), Family::<Labels, Gauge>::default());
        let health = Family::<Labels, Gauge>::default();
        let (attempts, dead) = (Family::<Labels, Counter>::default(), Family::<Labels, Counter>::default());
        for lane in &self.lanes {
            let of = |more: &[(&'static str, &str)]| -> Labels {
                let more = more.iter().map(|(name, value)| (*name, (*value).to_owned()));
                std::iter::once(("receiver", lane.receiver.to_string())).chain(more).collect()
            };
            owed.get_or_create(&of(&[])).set(number(lane.owed));
            in_flight.get_or_create(&of(&[])).set(number(lane.in_flight as u64));
            for (state, name) in [
                (Health::Open, "open"),
                (Health::Down, "down"),
                (Health::Blocked, "blocked"),
                (Health::Orphaned, "orphaned"),
            ] {
                health.get_or_create(&of(&[("health", name)])).set(i64::from(lane.health == state));
            }
            let tally = &lane.attempts;
            for (verdict, count) in [
                ("delivered", tally.delivered),
                ("later", tally.later),
                ("refused", tally.refused),
                ("blocked", tally.blocked),
            ] {
                attempts.get_or_create(&of(&[("verdict", verdict)])).inc_by(count);
            }
            dead.get_or_create(&of(&[])).inc_by(tally.dead);
        }
        registry.register("receiver_owed", "Deliveries still owed", owed);
        registry.register("receiver_in_flight", "Attempts under way", in_flight);
        registry.register("receiver_health", "1 at what the receiver is now", health);
        registry.register("attempts", "Attempts that ended, by what the answer meant", attempts);
        registry.register("deliveries_dead", "Deliveries given up", dead);
    }
}

fn counter(count: u64) -> Counter {
    let counter = Counter::default();
    counter.inc_by(count);
    counter
}

fn gauge(count: u64) -> Gauge {
    let gauge = Gauge::default();
    gauge.set(number(count));
    gauge
}

fn number(count: u64) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;

    use super::*;
    use crate::delivery::Tally;
    use crate::server::types::Refusal;

    fn facts() -> Facts {
        let at: Timestamp = "2025-12-02T14:46:04Z".parse().unwrap();
        let mut ops = LaneStatus::open("data \"ops\"".into(), "slack".to_owned());
        ops.owed = 3;
        ops.health = Health::Blocked;
        ops.attempts = Tally { delivered: 5, blocked: 2, ..Tally::default() };
        let mut stats = Stats { accepted: 7, ..Stats::default() };
        stats.refused.insert("unauthorized".to_owned(), 1);
        stats.totals.quarantine.dropped = 37;
        stats.totals.dead = 4;
        Facts {
            stats,
            lanes: vec![ops],
            standing: Arc::new(Standing { since: at, read_at: Some(at), refused: None }),
            version: "0123456789ab".into(),
            writable: true,
        }
    }

    #[test]
    fn each_number_has_its_help_and_type() {
        // Samples of one metric come in any order.
        let text = facts().text().unwrap();
        let mut lines: Vec<&str> = text.lines().collect();
        lines.chunk_by_mut(|a, b| !a.starts_with('#') && !b.starts_with('#')).for_each(<[&str]>::sort_unstable);
        insta::assert_snapshot!(lines.join("\n"), @r#"
        # HELP jobrelay_build The running program.
        # TYPE jobrelay_build info
        jobrelay_build_info{version="0.1.0"} 1
        # HELP jobrelay_config The running routes.yaml.
        # TYPE jobrelay_config info
        jobrelay_config_info{version="0123456789ab"} 1
        # HELP jobrelay_config_last_reload_successful 1 if the routes.yaml on disk is the one that runs, 0 if it was refused.
        # TYPE jobrelay_config_last_reload_successful gauge
        jobrelay_config_last_reload_successful 1
        # HELP jobrelay_config_last_reload_success_timestamp_seconds When the routes.yaml on disk was last read and found usable.
        # TYPE jobrelay_config_last_reload_success_timestamp_seconds gauge
        jobrelay_config_last_reload_success_timestamp_seconds 1764686764
        # HELP jobrelay_store_writable 1 if events can be made durable.
        # TYPE jobrelay_store_writable gauge
        jobrelay_store_writable 1
        # HELP jobrelay_events_accepted Events made durable.
        # TYPE jobrelay_events_accepted counter
        jobrelay_events_accepted_total 7
        # HELP jobrelay_events_duplicate Events that were known already.
        # TYPE jobrelay_events_duplicate counter
        jobrelay_events_duplicate_total 0
        # HELP jobrelay_events_quarantined Items that could not be read.
        # TYPE jobrelay_events_quarantined counter
        jobrelay_events_quarantined_total 0
        # HELP jobrelay_requests_unwritable Requests answered 503 because the store could not take them.
        # TYPE jobrelay_requests_unwritable counter
        jobrelay_requests_unwritable_total 0
        # HELP jobrelay_requests_refused Requests turned away at the webhook.
        # TYPE jobrelay_requests_refused counter
        jobrelay_requests_refused_total{cause="unauthorized"} 1
        # HELP jobrelay_quarantine_items Items in the quarantine.
        # TYPE jobrelay_quarantine_items gauge
        jobrelay_quarantine_items 0
        # HELP jobrelay_quarantine_bytes Bytes of their bodies.
        # TYPE jobrelay_quarantine_bytes gauge
        jobrelay_quarantine_bytes 0
        # HELP jobrelay_quarantine_repeated Times something came that was in the quarantine already.
        # TYPE jobrelay_quarantine_repeated counter
        jobrelay_quarantine_repeated_total 0
        # HELP jobrelay_quarantine_dropped Quarantined items that went to make room for newer ones.
        # TYPE jobrelay_quarantine_dropped counter
        jobrelay_quarantine_dropped_total 37
        # HELP jobrelay_quarantine_dismissed Quarantined items dismissed by a person.
        # TYPE jobrelay_quarantine_dismissed counter
        jobrelay_quarantine_dismissed_total 0
        # HELP jobrelay_quarantine_reread Quarantined items that became events when they were read again.
        # TYPE jobrelay_quarantine_reread counter
        jobrelay_quarantine_reread_total 0
        # HELP jobrelay_dead_expired Dead deliveries deleted, still dead, when their retention was over.
        # TYPE jobrelay_dead_expired counter
        jobrelay_dead_expired_total 0
        # HELP jobrelay_dead_listed Dead deliveries to look at.
        # TYPE jobrelay_dead_listed gauge
        jobrelay_dead_listed 4
        # HELP jobrelay_receiver_owed Deliveries still owed.
        # TYPE jobrelay_receiver_owed gauge
        jobrelay_receiver_owed{receiver="data \"ops\""} 3
        # HELP jobrelay_receiver_in_flight Attempts under way.
        # TYPE jobrelay_receiver_in_flight gauge
        jobrelay_receiver_in_flight{receiver="data \"ops\""} 0
        # HELP jobrelay_receiver_health 1 at what the receiver is now.
        # TYPE jobrelay_receiver_health gauge
        jobrelay_receiver_health{receiver="data \"ops\"",health="blocked"} 1
        jobrelay_receiver_health{receiver="data \"ops\"",health="down"} 0
        jobrelay_receiver_health{receiver="data \"ops\"",health="open"} 0
        jobrelay_receiver_health{receiver="data \"ops\"",health="orphaned"} 0
        # HELP jobrelay_attempts Attempts that ended, by what the answer meant.
        # TYPE jobrelay_attempts counter
        jobrelay_attempts_total{receiver="data \"ops\"",verdict="blocked"} 2
        jobrelay_attempts_total{receiver="data \"ops\"",verdict="delivered"} 5
        jobrelay_attempts_total{receiver="data \"ops\"",verdict="later"} 0
        jobrelay_attempts_total{receiver="data \"ops\"",verdict="refused"} 0
        # HELP jobrelay_deliveries_dead Deliveries given up.
        # TYPE jobrelay_deliveries_dead counter
        jobrelay_deliveries_dead_total{receiver="data \"ops\""} 0
        # EOF
        "#);
    }

    #[test]
    fn a_refused_file_shows() {
        let mut facts = facts();
        let since = facts.standing.since;
        let (file, summary, report) = ("routes.yaml".to_owned(), String::new(), String::new());
        let refused = Some(Refusal { since, file, problems: 1, summary, report });
        facts.standing = Arc::new(Standing { refused, ..Standing::clone(&facts.standing) });
        let text = facts.text().unwrap();
        assert!(text.contains("\njobrelay_config_last_reload_successful 0\n"), "{text}");
        assert!(text.contains("\njobrelay_config_last_reload_success_timestamp_seconds 1764686764\n"), "{text}");
    }
}
