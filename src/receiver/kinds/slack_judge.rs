//! What Slack's answers mean: codes as plain text from a webhook, JSON with `ok` and `error` from the Web API.

use serde_json::Value;

use crate::receiver::{Answer, Judgement, Reason, chat};

/// Of an incoming webhook.
pub(super) fn of_webhook(answer: &Answer) -> Judgement {
    let code = std::str::from_utf8(&answer.body).unwrap_or_default().trim();
    let blocked = |reason, advice| chat::blocked(answer, reason, advice);
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
        _ => chat::by_status(answer, "Slack"),
    }
}

/// Of `chat.postMessage`: the status says nothing, `ok` and `error` say all. The reference is the message's `ts`.
pub(super) fn of_web_api(answer: &Answer) -> Judgement {
    if !(200..=299).contains(&answer.status) {
        return chat::by_status(answer, "Slack");
    }
    let said = read(answer);
    if said["ok"] == true {
        let reference = said["ts"].as_str().map(str::to_owned);
        return Judgement { detail: format!("{} ok", answer.status), reference, ..Judgement::delivered(answer) };
    }
    let Some(code) = said["error"].as_str().filter(|_| said["ok"] == false) else {
        return chat::later(answer, Reason::Server)
            .advise("this is not how Slack answers: check `endpoint`, or the proxy between");
    };
    // Of the whole answer, which repeats the message, the code alone is shown.
    let answer = &Answer { body: code.to_owned().into(), ..answer.clone() };
    let later = |reason| chat::later(answer, reason);
    let blocked = |reason, advice| chat::blocked(answer, reason, advice);
    match code {
        "ratelimited" | "rate_limited" | "message_limit_exceeded" => later(Reason::RateLimited),
        "internal_error"
        | "fatal_error"
        | "service_unavailable"
        | "request_timeout"
        | "team_added_to_org"
        | "external_channel_migrating" => later(Reason::Server),
        "missing_scope" | "no_permission" | "not_allowed_token_type" => blocked(
            Reason::Auth,
            "the token may not post: give the app the scope chat:write (OAuth & Permissions), install it again, and put its bot token into `token`",
        ),
        "invalid_auth" | "not_authed" => blocked(
            Reason::Auth,
            "Slack does not know the token: put the app's Bot User OAuth Token (xoxb-…, under OAuth & Permissions) into `token`",
        ),
        "token_revoked" | "token_expired" => blocked(
            Reason::Auth,
            "the token was revoked or has expired: install the app in the workspace again and put its new bot token into `token`",
        ),
        "account_inactive" => blocked(
            Reason::Auth,
            "the app was removed from the workspace, or whoever the token belongs to: install it again and put its bot token into `token`",
        ),
        "access_denied"
        | "ekm_access_denied"
        | "org_login_required"
        | "team_access_not_granted"
        | "two_factor_setup_required"
        | "accesslimited" => {
            blocked(Reason::Auth, "the workspace does not let this app in: ask a Slack administrator to approve it")
        }
        "not_in_channel" => blocked(Reason::Client, "the app is not in the channel: write `/invite @your-app` there"),
        "channel_not_found" => blocked(
            Reason::Client,
            "there is no such channel, or it is private and the app is not in it: put its ID (C…, at the end of the channel's details) into `channel`, and write `/invite @your-app` there",
        ),
        "is_archived" => blocked(
            Reason::Client,
            "the channel is archived: bring it back in Slack, or put another one into `channel`",
        ),
        _ if code.starts_with("restricted_action") => blocked(
            Reason::Auth,
            "the workspace restricts who may post in this channel: ask a Slack administrator, or put another one into `channel`",
        ),
        // `msg_too_long`, `invalid_blocks`, … and whatever Slack comes to say of a message.
        _ => chat::form_refused(answer, "Slack"),
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::receiver::Verdict;

    #[test]
    fn a_code_stands_for_the_whole_answer_and_has_a_cure() {
        let body = r#"{"ok":false,"error":"not_in_channel","warning":"missing_charset"}"#;
        let judged = of_web_api(&Answer { status: 200, body: body.into(), ..Answer::default() });
        assert_eq!(judged.detail, "200 not_in_channel");
        assert!(judged.advice.is_some_and(|advice| advice.contains("/invite")));
    }

    #[test]
    fn what_was_taken_has_a_reference_however_long_the_answer() {
        let whole = r#"{"ok":true,"channel":"C0123","ts":"1764686764.000100","message":{"text":"a \"message\": {"}}"#;
        for body in [whole, &whole[..70], &whole[..whole.len() - 1]] {
            let judged = of_web_api(&Answer { status: 200, body: body.to_owned().into(), ..Answer::default() });
            assert_eq!((judged.verdict, judged.detail.as_str()), (Verdict::Delivered, "200 ok"), "{body}");
            assert_eq!(judged.reference.as_deref(), Some("1764686764.000100"), "{body}");
        }
    }
}
