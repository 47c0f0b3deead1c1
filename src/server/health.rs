//! `/healthz`: the process answers, and nothing in it is broken for good. `/readyz`: events can be accepted and messages move. Open to all: they tell no secret.

use std::sync::Arc;

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

/// Red is a reason to start the process anew.
async fn alive(state: web::Data<State>) -> Result<HttpResponse, Problem> {
    if !state.intake.corridor.store.alive() {
        let detail = "the store's writer broke: the log says why; only a restart helps".to_owned();
        return Err(Problem::new(Sort::Unavailable, detail));
    }
    Ok(HttpResponse::Ok().content_type("text/plain; charset=utf-8").body("ok\n"))
}

async fn ready(state: web::Data<State>) -> Result<web::Json<Readiness>, Problem> {
    match state.readiness().await {
        Ok(()) => Ok(web::Json(Readiness { ready: true, detail: state.standing.load().detail() })),
        Err(detail) => Err(Problem::new(Sort::Unavailable, detail)),
    }
}

/// So many lanes that stand still are named, then how many more.
const NAMED: usize = 3;

impl State {
    /// Whether events can be accepted and messages move, tried out: the writer writes, the lanes turn.
    ///
    /// # Errors
    /// What stands still, in a sentence that tells no secret.
    pub async fn readiness(&self) -> Result<(), String> {
        let writer = if self.intake.corridor.store.writable() {
            self.probe.check().await
        } else {
            Err("the store cannot be written: look at the disk (space, permissions) and the log".to_owned())
        };
        judge(writer, &self.lanes.still(), self.intake.stopping())
    }
}

fn judge(writer: Result<(), String>, still: &[(Arc<str>, String)], stopping: bool) -> Result<(), String> {
    let mut wrong: Vec<String> = writer.err().into_iter().collect();
    wrong.extend(still.iter().take(NAMED).map(|(receiver, why)| format!("the lane of {receiver} stands still: {why}")));
    match still.len().saturating_sub(NAMED) {
        0 => {}
        more => wrong.push(format!("so do {more} more lanes")),
    }
    wrong.extend(stopping.then(|| "the relay is stopping".to_owned()));
    if wrong.is_empty() { Ok(()) } else { Err(wrong.join("; ")) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ready_only_if_all_is_well_and_each_fault_is_named() {
        for bits in 0..8u8 {
            let (store, lanes, stopping) = (bits & 1 != 0, bits & 2 != 0, bits & 4 != 0);
            let writer = if store { Ok(()) } else { Err("the store's writer stands still".to_owned()) };
            let still = if lanes { vec![] } else { vec![(Arc::from("ops"), "its task hangs, for 31 s".to_owned())] };
            let said = judge(writer, &still, stopping).err().unwrap_or_default();
            assert_eq!(said.is_empty(), store && lanes && !stopping, "{said}");
            let named =
                (said.contains("store"), said.contains("ops stands still: its task"), said.contains("stopping"));
            assert_eq!(named, (!store, !lanes, stopping), "{said}");
        }
    }

    #[test]
    fn many_lanes_that_stand_still_are_counted() {
        let still: Vec<_> = (0..5).map(|n| (Arc::from(format!("lane-{n}")), "its task has ended".to_owned())).collect();
        let said = judge(Ok(()), &still, false).unwrap_err();
        assert!(said.contains("lane-2 stands still") && !said.contains("lane-3"), "{said}");
        assert!(said.ends_with("so do 2 more lanes"), "{said}");
    }
}
