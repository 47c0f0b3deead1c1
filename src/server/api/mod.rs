//! The JSON API under `/api/v1`: what people and commands see and do. The shapes are in `types`.

mod actions;
mod bulk;
mod deliveries;
mod events;
mod explain;
mod hide;
mod operate;
mod quarantine;
mod query;
mod sample;
mod search;

pub use sample::{fresh_id, mark as mark_as_test};

use actix_web::body::MessageBody;
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::middleware::{Next, from_fn};
use actix_web::{Error, HttpRequest, web};

use super::problems::{Problem, Sort};
use super::{State, auth, reload};
use crate::config::Config;
use crate::yaml::nearest;

/// All of it, behind the admin token.
pub fn routes(config: &mut web::ServiceConfig) {
    config.service(
        web::scope("/api/v1")
            .wrap(from_fn(admins_only))
            .service(resource("/events").route(web::get().to(events::list)))
            .service(resource("/events/{id}").route(web::get().to(events::one)))
            .service(resource("/events/{id}/body").route(web::get().to(events::bytes)))
            .service(resource("/events/{id}/explain").route(web::get().to(explain::explain)))
            .service(resource("/names").route(web::get().to(events::names)))
            .service(resource("/deliveries").route(web::get().to(deliveries::list)))
            .service(resource("/deliveries/{id}").route(web::get().to(deliveries::one)))
            .service(resource("/deliveries/{id}/message").route(web::get().to(deliveries::message)))
            .service(resource("/receivers").route(web::get().to(operate::receivers)))
            .service(resource("/receivers/{name}/resume").route(web::post().to(operate::resume)))
            .service(resource("/send").route(web::post().to(actions::send)))
            .service(resource("/replay").route(web::post().to(actions::replay)))
            .service(resource("/dismiss").route(web::post().to(actions::dismiss)))
            .service(resource("/quarantine").route(web::get().to(quarantine::list)))
            .service(resource("/quarantine/replay").route(web::post().to(quarantine::replay)))
            .service(resource("/quarantine/dismiss").route(web::post().to(quarantine::dismiss)))
            .service(resource("/quarantine/{id}").route(web::get().to(quarantine::one)))
            .service(resource("/quarantine/{id}/body").route(web::get().to(quarantine::bytes)))
            .service(resource("/kinds").route(web::get().to(operate::kinds)))
            .service(resource("/config").route(web::get().to(operate::config)))
            .service(resource("/reload").route(web::post().to(reload::reload)))
            .service(resource("/stats").route(web::get().to(operate::stats)))
            .default_service(web::to(nothing_here)),
    );
}

fn resource(path: &str) -> actix_web::Resource {
    web::resource(path).default_service(web::to(wrong_method))
}

/// Lets only those pass who show the admin token.
pub(super) async fn admins_only(
    request: ServiceRequest,
    next: Next<impl MessageBody + 'static>,
) -> Result<ServiceResponse<impl MessageBody>, Error> {
    let state = request.app_data::<web::Data<State>>().expect("every app of this server has the state");
    if let Err(problem) = auth::check_admin(&state.intake.door, request.request()) {
        // An answer, not an error: so it passes what the app does to answers.
        return Ok(request.error_response(problem).map_into_right_body());
    }
    next.call(request).await.map(ServiceResponse::map_into_left_body)
}

/// 405, with what the address takes.
pub(super) async fn wrong_method(request: HttpRequest) -> Problem {
    let posts = ["/send", "/replay", "/dismiss", "/resume", "/reload"].iter().any(|end| request.path().ends_with(end));
    let allow = if posts { "POST" } else { "GET" };
    Problem::new(Sort::Method, format!("{} takes {allow}.", request.path())).with(actix_web::http::header::ALLOW, allow)
}

async fn nothing_here(request: HttpRequest) -> Problem {
    Problem::not_found(format!("{} is no address of this API.", request.path()))
}

/// The receiver's name as the running routes.yaml holds it.
fn known_receiver(config: &Config, name: &str) -> Result<std::sync::Arc<str>, Problem> {
    match config.receivers.get_key_value(name) {
        Some((known, _)) => Ok(std::sync::Arc::clone(known)),
        None => Err(no_receiver(name, config.receivers.keys().map(AsRef::as_ref))),
    }
}

fn no_receiver<'a>(name: &str, known: impl Iterator<Item = &'a str> + Clone) -> Problem {
    let cure = match nearest(name, known.clone()) {
        Some(near) => format!("did you mean {near:?}?"),
        None => format!("there are: {}.", known.collect::<Vec<_>>().join(", ")),
    };
    Problem::not_found(format!("No receiver is named {name:?}; {cure}"))
}
