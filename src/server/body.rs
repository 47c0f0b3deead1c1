//! Reading a request's body: bounded in bytes, alone and together with all others, and in time; copied only when it comes in pieces.

use std::time::Duration;

use actix_web::http::header;
use actix_web::rt::time::timeout;
use actix_web::{HttpRequest, web};
use bytes::{Bytes, BytesMut};
use futures_util::StreamExt;
use serde::de::DeserializeOwned;

use super::counters::Cause;
use super::problems::{Problem, Sort};
use super::room::{Room, Share};
use crate::store::StoreError;

/// The most a body may have: 1 MiB.
pub const LIMIT: usize = 1024 * 1024;

/// How long a body may take to arrive.
const PATIENCE: Duration = Duration::from_secs(30);

/// Reads the body. It counts in `room` until the share it comes with is dropped.
///
/// # Errors
/// Compressed, too large, too slow, broken off, or no room beside the bodies of others; with the cause to count.
pub async fn read(
    request: &HttpRequest,
    payload: &mut web::Payload,
    room: &Room,
) -> Result<(Bytes, Share), (Cause, Problem)> {
    let headers = request.headers();
    if let Some(encoding) = headers.get(header::CONTENT_ENCODING)
        && !encoding.as_bytes().eq_ignore_ascii_case(b"identity")
    {
        let detail = format!(
            "The body has Content-Encoding {}. Send it as it is: turn compression off at the sender, or let the proxy in front unpack it.",
            encoding.to_str().unwrap_or("of an unknown name").escape_debug()
        );
        let problem = Problem::new(Sort::Encoding, detail).with(header::ACCEPT_ENCODING, "identity");
        return Err((Cause::Encoding, problem));
    }
    let announced =
        headers.get(header::CONTENT_LENGTH).and_then(|v| v.to_str().ok()).and_then(|v| v.parse::<usize>().ok());
    if announced.is_some_and(|length| length > LIMIT) {
        return Err(too_large());
    }
    let mut share = room.share();
    timeout(PATIENCE, collect(payload, announced.unwrap_or(0), &mut share))
        .await
        .unwrap_or_else(|_| {
            let detail = format!("The body did not arrive whole within {} s. Send it again.", PATIENCE.as_secs());
            Err((Cause::Incomplete, Problem::new(Sort::Timeout, detail)))
        })
        .map(|body| (body, share))
}

/// Reads a JSON body of the API.
///
/// # Errors
/// As [`read`], and 400 with the place if it is not what is expected.
pub async fn read_json<T: DeserializeOwned>(
    request: &HttpRequest,
    payload: &mut web::Payload,
    room: &Room,
) -> Result<T, Problem> {
    let (body, _share) = read(request, payload, room).await.map_err(|(_, problem)| problem)?;
    serde_json::from_slice(&body).map_err(|e| Problem::bad(format!("The body is not the JSON expected here: {e}.")))
}

async fn collect(payload: &mut web::Payload, announced: usize, share: &mut Share) -> Result<Bytes, (Cause, Problem)> {
    let mut first: Option<Bytes> = None;
    let mut all: Option<BytesMut> = None;
    let mut held = 0;
    // What is announced is promised whole at once: who begins can end, and not half of everybody.
    let mut there_is_room = share.grow(announced);
    while let Some(chunk) = payload.next().await {
        let chunk = chunk.map_err(|e| {
            (
                Cause::Incomplete,
                Problem::bad(format!("The body broke off: {e}. Nothing of it was kept: send it again.")),
            )
        })?;
        held += chunk.len();
        if held > LIMIT {
            return Err(too_large());
        }
        there_is_room = there_is_room && share.grow(held);
        if !there_is_room {
            // The rest is read and dropped: a sender that still writes would hear a broken connection instead of the answer.
            (first, all) = (None, None);
            share.give_back();
            continue;
        }
        match (&mut all, first.take()) {
            (Some(all), _) => all.extend_from_slice(&chunk),
            (None, None) => first = Some(chunk),
            (None, Some(begun)) => {
                let mut both = BytesMut::with_capacity(if announced >= held { announced } else { held * 2 });
                both.extend_from_slice(&begun);
                both.extend_from_slice(&chunk);
                all = Some(both);
            }
        }
    }
    if !there_is_room {
        return Err((Cause::Busy, StoreError::Busy.into()));
    }
    Ok(all.map(BytesMut::freeze).or(first).unwrap_or_default())
}

fn too_large() -> (Cause, Problem) {
    let detail = format!(
        "The body is above the limit of {LIMIT} bytes (1 MiB). A job event has about 1,000; send large batches in smaller ones."
    );
    (Cause::TooLarge, Problem::new(Sort::TooLarge, detail))
}
