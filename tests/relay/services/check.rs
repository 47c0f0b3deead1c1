//! What the fakes ask of a request, each question an error in words if the answer is no.

use serde_json::Value;

use crate::support::Request;

/// `POST` to exactly this path (and query), as JSON.
pub fn posted_json(request: &Request, target: &str) -> Result<Value, String> {
    that(request.method == "POST", || format!("method {}", request.method))?;
    that(request.target == target, || format!("{} instead of {target}", request.target))?;
    json(request)
}

/// A JSON body with its media type.
pub fn json(request: &Request) -> Result<Value, String> {
    let media = request.header("content-type");
    that(media.starts_with("application/json"), || format!("content type {media:?}"))?;
    serde_json::from_slice(&request.body).map_err(|e| format!("no JSON: {e}"))
}

/// Exactly this header.
pub fn header(request: &Request, name: &str, value: &str) -> Result<(), String> {
    that(request.header(name) == value, || format!("{name}: {:?} instead of {value:?}", request.header(name)))
}

/// No members but these.
pub fn only(object: &Value, members: &[&str]) -> Result<(), String> {
    let object = object.as_object().ok_or_else(|| format!("no object: {object}"))?;
    let unknown: Vec<_> = object.keys().filter(|key| !members.contains(&key.as_str())).collect();
    that(unknown.is_empty(), || format!("unknown members {unknown:?}"))
}

/// A text at this JSON pointer, not empty and at most `max` UTF-16 units long.
pub fn text<'a>(value: &'a Value, pointer: &str, max: usize) -> Result<&'a str, String> {
    let text = value.pointer(pointer).and_then(Value::as_str).ok_or_else(|| format!("no text at {pointer}"))?;
    that(!text.trim().is_empty(), || format!("{pointer} is empty"))?;
    let length = text.encode_utf16().count();
    that(length <= max, || format!("{pointer} is {length} long, more than {max}"))?;
    Ok(text)
}

/// A text that is one of these.
pub fn one_of<'a>(value: &'a Value, pointer: &str, known: &[&str]) -> Result<&'a str, String> {
    let found = text(value, pointer, 1000)?;
    that(known.contains(&found), || format!("{pointer} is {found:?}"))?;
    Ok(found)
}

/// A list at this JSON pointer, with at most `max` items.
pub fn list<'a>(value: &'a Value, pointer: &str, max: usize) -> Result<&'a [Value], String> {
    let list = value.pointer(pointer).and_then(Value::as_array).ok_or_else(|| format!("no list at {pointer}"))?;
    that(list.len() <= max, || format!("{pointer} has {} items, more than {max}", list.len()))?;
    Ok(list)
}

/// Anything else.
pub fn that(holds: bool, otherwise: impl FnOnce() -> String) -> Result<(), String> {
    if holds { Ok(()) } else { Err(otherwise()) }
}

/// What a reader sees of HTML of these tags, each of them closed in turn, and of no entities but those of `&<>"`.
pub fn html(text: &str, tags: &[&str]) -> Result<String, String> {
    let (mut seen, mut open, mut rest) = (String::new(), Vec::new(), text);
    while let Some(at) = rest.find(['<', '>', '&']) {
        seen.push_str(&rest[..at]);
        let end = |mark| rest[at..].find(mark).map(|end| at + end).ok_or(format!("an open {}", &rest[at..]));
        if rest[at..].starts_with('&') {
            let end = end(';')?;
            let known = [("&lt", '<'), ("&gt", '>'), ("&amp", '&'), ("&quot", '"')];
            let entity = known.iter().find(|(name, _)| *name == &rest[at..end]);
            seen.push(entity.ok_or(format!("no entity: {}", &rest[at..end]))?.1);
            rest = &rest[end + 1..];
            continue;
        }
        that(rest[at..].starts_with('<'), || format!("a bare > in {text}"))?;
        let end = end('>')?;
        let tag = &rest[at + 1..end];
        let name = tag.trim_start_matches('/').split(' ').next().unwrap_or_default();
        that(tags.contains(&name), || format!("tag {tag:?}"))?;
        match (tag.strip_prefix('/'), name) {
            (_, "br") => seen.push('\n'),
            (None, _) => open.push(name),
            (Some(_), _) => that(open.pop() == Some(name), || format!("</{name}> closes another"))?,
        }
        rest = &rest[end + 1..];
    }
    that(open.is_empty(), || format!("{open:?} stay open"))?;
    seen.push_str(rest);
    Ok(seen)
}

/// The names and values of a form-encoded body.
pub fn form(request: &Request) -> Result<std::collections::BTreeMap<String, String>, String> {
    header(request, "content-type", "application/x-www-form-urlencoded")?;
    let pairs: Vec<_> = url::form_urlencoded::parse(&request.body).into_owned().collect();
    let count = pairs.len();
    let form: std::collections::BTreeMap<_, _> = pairs.into_iter().collect();
    that(form.len() == count, || "a name comes twice".to_owned())?;
    Ok(form)
}
