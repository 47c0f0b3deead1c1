//! `/healthz`: the process answers. `/readyz`: events can be accepted and messages move. Open to all: they tell no secret.

use actix_web::{HttpResponse, web};

use super::State;
use super::problems::{Problem, Sort};
use super::types::Readiness;

/// The two addresses.
pub fn routes(config: &mut web::ServiceConfig) {
    config.route("/healthz", web::get().to(alive));
    config.route("/healthz", web::head().to(alive));
    config.route("/readyz", web::get().to(ready));
    config.route("/readyz", web::head().to(ready));
}

async fn alive() -> HttpResponse {
    HttpResponse::Ok().content_type("text/plain; charset=utf-8").body("ok\n")
}

async fn ready(state: web::Data<State>) -> Result<web::Json<Readiness>, Problem> {
    readiness(state.intake.corridor.store.writable(), state.lanes.moving(), state.intake.stopping())
        .map(|()| web::Json(Readiness { ready: true, detail: state.standing.load().detail() }))
        .map_err(|detail| Problem::new(Sort::Unavailable, detail))
}

fn readiness(store: bool, lanes: bool, stopping: bool) -> Result<(), String> {
    let faults = [
        (!store, "the store cannot be written: look at the disk (space, permissions) and the log"),
        (!lanes, "the lanes do not move: look at the log"),
        (stopping, "the relay is stopping"),
    ];
    let wrong: Vec<&str> = faults.into_iter().filter(|(is, _)| *is).map(|(_, what)| what).collect();
    if wrong.is_empty() { Ok(()) } else { Err(wrong.join("; ")) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ready_only_if_all_is_well_and_each_fault_is_named() {
        for bits in 0..8u8 {
            let (store, lanes, stopping) = (bits & 1 != 0, bits & 2 != 0, bits & 4 != 0);
            let said = readiness(store, lanes, stopping).err().unwrap_or_default();
            assert_eq!(said.is_empty(), store && lanes && !stopping, "{said}");
            let named = (said.contains("store"), said.contains("lanes"), said.contains("stopping"));
            assert_eq!(named, (!store, !lanes, stopping), "{said}");
        }
    }
}
