//! The sender of job events, with whatever stands between that tries again.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::time::sleep;

use super::clock;
use super::plan::{Sample, Status};
use super::world::World;
use crate::event::{Form, Received};
use crate::server::{Admitted, Corridor};

/// See the module.
pub struct Sender {
    pub world: World,
    pub corridor: Arc<Corridor>,
    pub unanswered: Arc<Mutex<Vec<Vec<Sample>>>>,
}

impl Sender {
    /// Posts these, in so many milliseconds, until they are taken.
    pub fn post(&self, samples: Vec<Sample>, after: u64) {
        self.unanswered.lock().expect("no holder panics").push(samples.clone());
        let (world, corridor) = (self.world.clone(), Arc::clone(&self.corridor));
        let unanswered = Arc::clone(&self.unanswered);
        tokio::spawn(async move {
            sleep(Duration::from_millis(after)).await;
            let answers = loop {
                match corridor.admit(samples.iter().map(received).collect()).await {
                    Ok(answers) => break answers,
                    Err(_) => sleep(Duration::from_secs(2)).await,
                }
            };
            let mut unanswered = unanswered.lock().expect("no holder panics");
            let place = unanswered.iter().position(|waiting| *waiting == samples).expect("it was put there");
            unanswered.remove(place);
            for (sample, answer) in samples.iter().zip(answers) {
                match answer {
                    Admitted::Accepted(accepted) => {
                        world.lock().promised.push((sample.id, sample.note, accepted.id));
                    }
                    Admitted::Unreadable(_, why) => world.violated(|| format!("{sample:?} is unreadable: {why}")),
                }
            }
        });
    }
}

fn received(sample: &Sample) -> Received {
    let Sample { id, product, job, status, note } = sample;
    let (state, error) = match status {
        Status::Running => ("RUNNING", ""),
        Status::Failed => ("DONE", r#","error":{"reason":"PLANNING_FAILED","message":"no plan"}"#),
        Status::Succeeded => ("DONE", ""),
    };
    let body = format!(
        r#"{{"specversion":"1.0","id":"{id}","source":"https://acme.tamr.cloud/webhooks/1","type":"job","data":{{"jobId":"job-{job}","jobType":"UPDATE_DATA_PRODUCT","dataProductId":"{product}","note":"{note}","status":{{"state":"{state}","stateStartTime":"2026-09-21T14:00:00.000Z"{error}}}}}}}"#
    );
    let form = Form { content_type: "application/cloudevents+json".to_owned(), attributes: Vec::new() };
    Received { form, body: body.into(), received_at: clock::wall() }
}
