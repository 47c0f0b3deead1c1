//! What Slack's answers mean: codes as plain text from a webhook, JSON with `ok` and `error` from the Web API.

use serde_json::Value;

use crate::receiver::{Answer, Judgement, Reason, Verdict};

/// Of an incoming webhook.
pub(super) fn of_webhook(answer: &Answer) -> Judgement {
    let code = std::str::from_utf8(&answer.body).unwrap_or_default().trim();
    let judged = Judgement::of_status(answer);
    let blocked = |reason, advice| blocked(reason, answer.summary(), advice);
    match (answer.status, code) {
        (403, "invalid_token") => blocked(
            Reason::Auth,
            "the webhook was revoked: make a new one in Slack (the app's Incoming Webhooks) and put its URL into `url`",
        ),
        (403, "action_prohibited") => blocked(
            Reason::Auth,
            "the workspace forbids posting here: ask a Slack administrator, or make a webhook for another channel",
        ),
        (404, "no_service" | "no_team") => blocked(
            Reason::Client,
            "the webhook or its workspace is gone: make a new one in Slack and put its URL into `url`",
        ),
        (404, "channel_not_found") | (410, "channel_is_archived") => blocked(
            Reason::Client,
            "the channel is gone or archived: make a webhook for another one and put its URL into `url`",
        ),
        _ if judged.verdict == Verdict::Refused => bad_form(answer.summary()),
        _ => judged,
    }
}

/// Of `chat.postMessage`: the status says nothing, `ok` and `error` say all. The reference is the message's `ts`.
pub(super) fn of_web_api(answer: &Answer) -> Judgement {
    if !(200..=299).contains(&answer.status) {
        return Judgement::of_status(answer);
    }
    let said = read(answer);
    if said["ok"] == true {
        let reference = said["ts"].as_str().map(str::to_owned);
        return Judgement { detail: format!("{} ok", answer.status), reference, ..Judgement::delivered(answer) };
    }
    let Some(code) = said["error"].as_str().filter(|_| said["ok"] == false) else {
        return Judgement::not_delivered(Verdict::Later, Reason::Server, answer.summary())
            .advise("this is not how Slack answers: check `endpoint`, or the proxy between");
    };
    let detail = Answer { body: code.to_owned().into(), ..answer.clone() }.summary();
    let later = |reason| Judgement::not_delivered(Verdict::Later, reason, detail.clone());
    match code {
        "ratelimited" | "rate_limited" | "message_limit_exceeded" => {
            Judgement { lane_waits: answer.retry_after, ..later(Reason::RateLimited) }
        }
        "internal_error"
        | "fatal_error"
        | "service_unavailable"
        | "request_timeout"
        | "team_added_to_org"
        | "external_channel_migrating" => Judgement { lane_waits: answer.retry_after, ..later(Reason::Server) },
        "missing_scope" | "no_permission" | "not_allowed_token_type" => blocked(
            Reason::Auth,
            detail,
            "the token may not post: give the app the scope chat:write (OAuth & Permissions), install it again, and put its bot token into `token`",
        ),
        "invalid_auth" | "not_authed" => blocked(
            Reason::Auth,
            detail,
            "Slack does not know the token: put the app's Bot User OAuth Token (xoxb-…, under OAuth & Permissions) into `token`",
        ),
        "token_revoked" | "token_expired" => blocked(
            Reason::Auth,
            detail,
            "the token was revoked or has expired: install the app in the workspace again and put its new bot token into `token`",
        ),
        "account_inactive" => blocked(
            Reason::Auth,
            detail,
            "the app was removed from the workspace, or whoever the token belongs to: install it again and put its bot token into `token`",
        ),
        "access_denied"
        | "ekm_access_denied"
        | "org_login_required"
        | "team_access_not_granted"
        | "two_factor_setup_required"
        | "accesslimited" => blocked(
            Reason::Auth,
            detail,
            "the workspace does not let this app in: ask a Slack administrator to approve it",
        ),
        "not_in_channel" => {
            blocked(Reason::Client, detail, "the app is not in the channel: write `/invite @your-app` there")
        }
        "channel_not_found" => blocked(
            Reason::Client,
            detail,
            "there is no such channel, or it is private and the app is not in it: put its ID (C…, at the end of the channel's details) into `channel`, and write `/invite @your-app` there",
        ),
        "is_archived" => blocked(
            Reason::Client,
            detail,
            "the channel is archived: bring it back in Slack, or put another one into `channel`",
        ),
        _ if code.starts_with("restricted_action") => blocked(
            Reason::Auth,
            detail,
            "the workspace restricts who may post in this channel: ask a Slack administrator, or put another one into `channel`",
        ),
        // `msg_too_long`, `invalid_blocks`, … and whatever Slack comes to say of a message.
        _ => bad_form(detail),
    }
}

/// The answer's members up to the message it repeats, which may be longer than what is read of an answer.
fn read(answer: &Answer) -> Value {
    serde_json::from_slice(&answer.body)
        .ok()
        .or_else(|| {
            let text = String::from_utf8_lossy(&answer.body);
            let (before, _) = text.split_once(r#","message":"#)?;
            serde_json::from_str(&format!("{before}}}")).ok()
        })
        .unwrap_or_default()
}

fn blocked(reason: Reason, detail: String, advice: &str) -> Judgement {
    Judgement::not_delivered(Verdict::Blocked, reason, detail).advise(advice)
}

fn bad_form(detail: String) -> Judgement {
    Judgement {
        bad_form: true,
        ..Judgement::not_delivered(Verdict::Refused, Reason::Form, detail)
            .advise("Slack refused this message: mend the `message` or `body` in routes.yaml, then replay it")
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn answer(status: u16, body: &str) -> Answer {
        Answer { status, retry_after: Some(Duration::from_secs(30)), body: body.to_owned().into() }
    }

    #[test]
    fn the_web_api_speaks_in_codes() {
        use {Reason as R, Verdict as V};
        for (status, code, verdict, reason, waits, bad_form, advice) in [
            (200, "channel_not_found", V::Blocked, R::Client, false, false, "put its ID"),
            (200, "not_in_channel", V::Blocked, R::Client, false, false, "/invite"),
            (200, "is_archived", V::Blocked, R::Client, false, false, "archived"),
            (200, "invalid_auth", V::Blocked, R::Auth, false, false, "xoxb-"),
            (200, "not_authed", V::Blocked, R::Auth, false, false, "xoxb-"),
            (200, "token_revoked", V::Blocked, R::Auth, false, false, "revoked"),
            (200, "token_expired", V::Blocked, R::Auth, false, false, "expired"),
            (200, "account_inactive", V::Blocked, R::Auth, false, false, "install it again"),
            (200, "no_permission", V::Blocked, R::Auth, false, false, "chat:write"),
            (200, "missing_scope", V::Blocked, R::Auth, false, false, "chat:write"),
            (200, "restricted_action_read_only_channel", V::Blocked, R::Auth, false, false, "administrator"),
            (200, "org_login_required", V::Blocked, R::Auth, false, false, "administrator"),
            (200, "msg_too_long", V::Refused, R::Form, false, true, "mend"),
            (200, "invalid_blocks", V::Refused, R::Form, false, true, "mend"),
            (200, "cannot_reply_to_message", V::Refused, R::Form, false, true, "mend"),
            (200, "never_heard_of", V::Refused, R::Form, false, true, "mend"),
            (429, "ratelimited", V::Later, R::RateLimited, true, false, ""),
            (200, "ratelimited", V::Later, R::RateLimited, true, false, ""),
            (200, "internal_error", V::Later, R::Server, true, false, ""),
            (200, "fatal_error", V::Later, R::Server, true, false, ""),
            (503, "service_unavailable", V::Later, R::Server, true, false, ""),
        ] {
            let judged = of_web_api(&answer(status, &format!(r#"{{"ok":false,"error":"{code}"}}"#)));
            assert_eq!((judged.verdict, judged.reason, judged.bad_form), (verdict, Some(reason), bad_form), "{code}");
            assert_eq!(judged.lane_waits.is_some(), waits, "{code}");
            assert!(judged.advice.unwrap_or_default().contains(advice), "{code}");
            assert!(judged.detail.contains(code), "{}", judged.detail);
        }
        assert_eq!(of_web_api(&answer(200, r#"{"ok":false,"error":"invalid_auth"}"#)).detail, "200 invalid_auth");
    }

    #[test]
    fn what_was_taken_has_a_reference_however_long_the_answer() {
        let whole = r#"{"ok":true,"channel":"C0123","ts":"1764686764.000100","message":{"text":"a \"message\": {"}}"#;
        for body in [whole, &whole[..70], &whole[..whole.len() - 1]] {
            let judged = of_web_api(&answer(200, body));
            assert_eq!((judged.verdict, judged.detail.as_str()), (Verdict::Delivered, "200 ok"), "{body}");
            assert_eq!(judged.reference.as_deref(), Some("1764686764.000100"), "{body}");
        }
        for body in ["", "<html>", "{}", "null", r#"{"ok":false}"#, r#"{"ok":"#] {
            assert_eq!(
                of_web_api(&answer(200, body)).verdict,
                Verdict::Later,
                "{body}: nothing says that it was taken"
            );
        }
    }
}
