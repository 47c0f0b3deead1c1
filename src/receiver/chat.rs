//! What chat kinds share: mentions, fields and links within bounds, the plainest form, the keys inside an address, and verdicts.

use serde_json::{Value, json};
use std::time::Duration;

use super::dialect::{Dialect, PLAIN, Unit};
use super::look::sign;
use super::{Answer, Judgement, Reason, SecretUrl, Unsendable, Verdict};
pub(super) use crate::message::is_unwanted as unwanted;
use crate::message::{Message, RenderedBody};

/// More mentions than this help nobody, and would crowd out what they are made for.
const MENTIONS: usize = 20;

/// How many fields there may be, and how long.
pub(super) struct Bounds {
    pub most: usize,
    /// Of one name and one value, in the dialect's units.
    pub name: usize,
    pub value: usize,
    /// Of all of them together, as the kind measures it.
    pub whole: usize,
}

/// Each mention as the kind reads it. What it cannot mention is told in the notes and stays as literal text.
pub(super) fn mentions<'m, T>(
    message: &'m Message,
    read: fn(&str) -> Result<T, String>,
    notes: &mut Vec<String>,
) -> Vec<Result<T, &'m str>> {
    if message.mention.len() > MENTIONS {
        notes.push(format!("{} mentions left out: {MENTIONS} are made", message.mention.len() - MENTIONS));
    }
    let read = |text: &'m String| {
        read(text).map_err(|why| {
            notes.push(why);
            text.as_str()
        })
    };
    message.mention.iter().take(MENTIONS).map(read).collect()
}

/// Mentions in the service's form, in a line.
pub(super) fn mention_line<T>(mentions: &[Result<T, &str>], dialect: &Dialect, write: impl Fn(&T) -> String) -> String {
    let words = mentions.iter().map(|mention| match mention {
        Ok(mention) => write(mention),
        Err(text) => dialect.fit(text, 64).0,
    });
    words.collect::<Vec<_>>().join(" ")
}

/// The note of a cut.
pub(super) fn cut_to(what: &str, max: usize, unit: Unit) -> String {
    let unit = match unit {
        Unit::Utf16 => "characters",
        Unit::Bytes => "bytes",
    };
    format!("{what} cut to {max} {unit}")
}

/// A sign for the level, and the title; literal.
pub(super) fn headline(message: &Message) -> String {
    format!("{} {}", sign(message.level), message.title)
}

/// [`headline`] in at most `max` units.
pub(super) fn headline_within(message: &Message, dialect: &Dialect, max: usize, notes: &mut Vec<String>) -> String {
    let (headline, was_cut) = dialect.fit(&headline(message), max);
    if was_cut {
        notes.push(cut_to("title", max, dialect.unit));
    }
    headline
}

/// What was said beforehand (a test mark, lateness), in at most `max` units. Empty if there is nothing.
pub(super) fn notices(message: &Message, dialect: &Dialect, max: usize, notes: &mut Vec<String>) -> String {
    let (notices, was_cut) = dialect.fit(&message.notices.join("\n"), max);
    if was_cut {
        notes.push(cut_to("notices", max, dialect.unit));
    }
    notices
}

/// The text in at most `max` units.
pub(super) fn text(message: &Message, dialect: &Dialect, max: usize, notes: &mut Vec<String>) -> String {
    let (text, was_cut) = dialect.text_within(&message.text, max);
    if was_cut {
        notes.push(cut_to("text", max, dialect.unit));
    }
    text
}

/// Name and value of as many fields as fit, each in its dialect; neither is ever empty. `size` measures one.
pub(super) fn fields(
    message: &Message,
    (names, values): (&Dialect, &Dialect),
    bounds: &Bounds,
    size: impl Fn(&str, &str) -> usize,
    notes: &mut Vec<String>,
) -> Vec<(String, String)> {
    let mut shown = Vec::new();
    let mut used = 0;
    for (name, value) in message.fields.iter().take(bounds.most) {
        let (short_name, name_cut) = names.fit(name, bounds.name);
        let (short_value, value_cut) = values.fit(value, bounds.value);
        let (short_name, short_value) = (or_dash(short_name), or_dash(short_value));
        used += size(&short_name, &short_value);
        if used > bounds.whole {
            break;
        }
        if name_cut || value_cut {
            notes.push(cut_to(&format!("field {name:?}"), bounds.value, values.unit));
        }
        shown.push((short_name, short_value));
    }
    if shown.len() < message.fields.len() {
        notes.push(format!("{} fields left out: no room for them", message.fields.len() - shown.len()));
    }
    shown
}

/// Services refuse an empty name or value; one may become empty when what cannot be shown is taken out.
fn or_dash(text: String) -> String {
    if text.trim().is_empty() { "–".to_owned() } else { text }
}

/// The message's link, if it is no longer than `max`: a cut one would lead elsewhere.
pub(super) fn link<'m>(message: &'m Message, max: usize, notes: &mut Vec<String>) -> Option<&'m str> {
    let link = message.link.as_deref()?;
    if link.len() > max {
        notes.push(format!("link left out: longer than {max} characters"));
        return None;
    }
    Some(link)
}

/// The quiet last line in markup, in at most about `max` units: `route "nightly" · details`.
pub(super) fn footer(message: &Message, dialect: &Dialect, max: usize) -> Option<String> {
    let footer = message.footer.as_ref()?;
    let text = dialect.fit(&footer.text, max / 2).0;
    Some(match &footer.link {
        Some(link) if link.len() <= max / 2 => format!("{text} · {}", (dialect.link)(link, "details")),
        _ => text,
    })
}

/// `message.text` in a body: with the mentions and notices, which a body would otherwise lose.
pub(super) fn body_text(message: &Message, dialect: &Dialect, mentions: String) -> String {
    let mut parts = vec![mentions];
    parts.extend(message.notices.iter().map(|notice| dialect.escaped(notice)));
    parts.push(dialect.text(&message.text));
    parts.retain(|part| !part.is_empty());
    parts.join(dialect.line)
}

/// Whether a receiver's own `body` is an object with all that the service cannot do without.
///
/// # Errors
/// A sentence that names what is missing.
pub(super) fn has_members(body: &RenderedBody, service: &str, members: &[&str]) -> Result<(), String> {
    let RenderedBody::Json(Value::Object(body)) = body else {
        return Err(format!("{service} takes an object, with at least {}", listed(members)));
    };
    let missing: Vec<&str> = members.iter().copied().filter(|member| !body.contains_key(*member)).collect();
    if missing.is_empty() { Ok(()) } else { Err(format!("{service} refuses a message without {}", listed(&missing))) }
}

fn listed(names: &[&str]) -> String {
    names.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(" and ")
}

/// The whole message in literal lines of at most `max` units: `mentions`, which are in the service's form, first, the link last.
pub(super) fn plain_lines(
    message: &Message,
    dialect: &Dialect,
    mentions: &str,
    max: usize,
    notes: &mut Vec<String>,
) -> String {
    let mut parts = vec![headline(message)];
    parts.extend(message.notices.iter().cloned());
    parts.push(message.text.plain());
    parts.extend(message.fields.iter().map(|(name, value)| format!("{name}: {value}")));
    parts.extend(message.footer.as_ref().map(|footer| footer.text.clone()));
    parts.retain(|part| !part.trim().is_empty());
    let mut lines: Vec<String> =
        Some(mentions.to_owned()).filter(|mentions| !mentions.is_empty()).into_iter().collect();
    let link = link(message, max / 4, notes).map(|link| format!("{}{link}", dialect.line)).unwrap_or_default();
    let taken = dialect.unit.of(mentions) + dialect.unit.of(dialect.line) + dialect.unit.of(&link);
    let (text, was_cut) = dialect.fit(&parts.join("\n"), max.saturating_sub(taken));
    if was_cut {
        notes.push(cut_to("text", max, dialect.unit));
    }
    lines.push(text);
    lines.join(dialect.line) + &link
}

/// Writes an `@` that pages nobody; one inside an address is none that could.
pub(super) fn at(out: &mut String) {
    let inside = out.ends_with(char::is_alphanumeric);
    out.push('@');
    if !inside {
        out.push('\u{200B}');
    }
}

/// What is shown without any markup, where an `@` would page all the same.
pub(super) const UNPAGED: Dialect = Dialect {
    escape: |c, out| match c {
        c if unwanted(c) => {}
        '@' => at(out),
        c => out.push(c),
    },
    ..PLAIN
};

/// Those that are not empty, with a blank line between them.
pub(super) fn paragraphs<const N: usize>(parts: [String; N]) -> String {
    parts.into_iter().filter(|part| !part.is_empty()).collect::<Vec<_>>().join("\n\n")
}

/// `name` or `@name` as `@name`, where names are what Mattermost and Rocket.Chat allow in one.
pub(super) fn at_name(text: &str) -> Option<String> {
    let name = text.trim();
    let name = name.strip_prefix('@').unwrap_or(name);
    let allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_');
    ((1..=64).contains(&name.len()) && name.chars().all(allowed)).then(|| format!("@{name}"))
}

/// Fields of an attachment, as Mattermost and Rocket.Chat take them; short ones stand side by side.
pub(super) fn titled_fields(fields: Vec<(String, String)>) -> Vec<Value> {
    let field = |(title, value): (String, String)| {
        let short = value.chars().count() <= 40 && !value.contains('\n');
        json!({ "title": title, "value": value, "short": short })
    };
    fields.into_iter().map(field).collect()
}

/// The address with these plain words in its query, in place of what it may say there.
///
/// # Errors
/// Never in practice: words are added to an address that was read before.
pub(super) fn with_query(url: &SecretUrl, pairs: &[(&str, &str)]) -> Result<SecretUrl, Unsendable> {
    let mut url = url.expose().clone();
    let named = |pair: &&str| pairs.iter().any(|(name, _)| pair.split('=').next() == Some(name));
    let kept =
        url.query().into_iter().flat_map(|query| query.split('&')).filter(|pair| !pair.is_empty() && !named(pair));
    let added = pairs.iter().map(|(name, value)| format!("{name}={value}"));
    let query: Vec<String> = kept.map(str::to_owned).chain(added).collect();
    url.set_query(Some(&query.join("&")));
    SecretUrl::parse(url.as_str()).map_err(Unsendable)
}

/// What must not be shown of an address that carries a key: besides the whole, every long part of it, as written and as meant.
pub(super) fn url_secrets(url: &SecretUrl) -> Vec<String> {
    let mut secrets = url.secrets();
    let url = url.expose();
    let long = |part: &str| part.len() >= 12;
    secrets.extend(url.path_segments().into_iter().flatten().filter(|part| long(part)).map(str::to_owned));
    secrets.extend(url.query_pairs().map(|(_, value)| value.into_owned()).filter(|part| long(part)));
    let written = url.query().into_iter().flat_map(|query| query.split('&')).filter_map(|pair| pair.split_once('='));
    secrets.extend(written.map(|(_, value)| value.to_owned()).filter(|part| long(part)));
    secrets
}

/// The answer's body as JSON; null if it is none.
pub(super) fn json(answer: &Answer) -> Value {
    serde_json::from_slice(&answer.body).unwrap_or_default()
}

/// Nothing will be taken until someone does as advised.
pub(super) fn blocked(answer: &Answer, reason: Reason, advice: &str) -> Judgement {
    Judgement::not_delivered(Verdict::Blocked, reason, answer.summary()).advise(advice)
}

/// To be tried again: the whole lane waits for as long as the service says.
pub(super) fn later(answer: &Answer, reason: Reason) -> Judgement {
    Judgement { lane_waits: answer.retry_after, ..Judgement::not_delivered(Verdict::Later, reason, answer.summary()) }
}

/// Too much at once. `wait` is what the body says of how long; else the header counts.
pub(super) fn rate_limited(answer: &Answer, wait: Option<Duration>) -> Judgement {
    Judgement { lane_waits: wait.or(answer.retry_after), ..later(answer, Reason::RateLimited) }
}

/// What the status says by itself; a message that `service` refused is tried in plain form.
pub(super) fn by_status(answer: &Answer, service: &str) -> Judgement {
    let judged = Judgement::of_status(answer);
    if judged.verdict == Verdict::Refused { form_refused(answer, service) } else { judged }
}

/// Refused for its form by `service`, as far as is known: the plain one may pass.
pub(super) fn form_refused(answer: &Answer, service: &str) -> Judgement {
    bad_form(
        answer,
        &format!(
            "{service} refused this message: mend its words in routes.yaml (`message`, or `body` if there is one), then replay it"
        ),
    )
}

/// Refused for its form: the plain one may pass.
pub(super) fn bad_form(answer: &Answer, advice: &str) -> Judgement {
    Judgement {
        bad_form: true,
        ..Judgement::not_delivered(Verdict::Refused, Reason::Form, answer.summary()).advise(advice)
    }
}
