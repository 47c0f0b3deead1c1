//! What each receiver is told, as its reader sees it.

use crate::cli::look::{Look, Paint};
use crate::cli::output::{many_lines, one_line};
use crate::cli::times::stamp;
use crate::delivery::{BodyView, RequestView};
use crate::server::types::{Explained, Ruling, Told};

/// All messages; the exact requests are in the JSON.
pub fn text(explained: &Explained, look: Look) -> String {
    let messages = explained.messages.iter().map(|told| message(told, explained, look));
    messages.collect::<Vec<_>>().join("\n\n")
}

fn message(told: &Told, explained: &Explained, look: Look) -> String {
    let why = match (told.route.is_empty(), told.delivery) {
        (false, _) => format!("by route {:?}", one_line(&told.route)),
        (true, Some(_)) => "without a route".to_owned(),
        (true, None) => "which gets it by no route".to_owned(),
    };
    let when = match told.delivery {
        Some(id) => format!("{id}, as the running routes.yaml says it for {}", stamp(told.at)),
        None if explained.file.standing == Ruling::Named => "as it would be sent".to_owned(),
        None => "as it would be sent now".to_owned(),
    };
    let heading = look.paint(Paint::Strong, &format!("To {} ({}), {why}:", told.receiver, told.kind));
    let mut lines = vec![heading, look.paint(Paint::Quiet, &format!("  {when}"))];
    match (&told.message, &told.unsendable) {
        (Some(message), _) => {
            lines.push(String::new());
            match (&message.text, &message.request) {
                (Some(text), _) => lines.push(indented(text)),
                (None, Some(request)) => lines.push(sent(request)),
                (None, None) => {}
            }
            if !message.notes.is_empty() {
                lines.push(String::new());
            }
            let mark = look.paint(Paint::Bad, "!");
            lines.extend(message.notes.iter().map(|note| look.fold(&format!("  {mark} "), 4, &one_line(note), 4)));
        }
        (None, why) => {
            let why = why.as_deref().map(one_line).unwrap_or_default();
            let mark = look.paint(Paint::Bad, "!");
            lines.push(look.fold(&format!("  {mark} "), 4, &format!("nothing is sent: {why}"), 4));
        }
    }
    lines.join("\n")
}

/// For a machine: method, place and body.
fn sent(request: &RequestView) -> String {
    let start = format!("{} {}", request.method, request.url);
    let body = match &request.body {
        None => "(no body)".to_owned(),
        Some(BodyView::Json(json)) => serde_json::to_string_pretty(json).unwrap_or_else(|_| json.to_string()),
        Some(BodyView::Text(text)) => text.clone(),
        Some(BodyView::Base64(text)) => format!("(not text; base64) {text}"),
    };
    indented(&format!("{start}\n{body}"))
}

fn indented(text: &str) -> String {
    many_lines(text.trim_end())
        .lines()
        .map(|line| format!("  {line}").trim_end().to_owned())
        .collect::<Vec<_>>()
        .join("\n")
}
