//! What the fakes of email gateways ask alike.

use std::collections::BTreeMap;

use serde_json::Value;

use super::check::{text, that};

/// The three parts of a mail at these JSON pointers; the HTML is absent in the plainest form.
pub fn parts(form: &Value, subject: &str, plain: &str, html: &str) -> Result<(), String> {
    let of_subject = text(form, subject, 998)?;
    that(!of_subject.chars().any(char::is_control), || "a subject of several lines".to_owned())?;
    let of_plain = text(form, plain, 100_000)?;
    that(!of_plain.contains("<html"), || "HTML in the plain part".to_owned())?;
    let Some(page) = form.pointer(html).filter(|page| !page.is_null()) else { return Ok(()) };
    page_is_safe(page.as_str().ok_or("the HTML is no text")?)
}

/// HTML that a mail reader shows whole, and that holds nothing but what the relay wrote.
pub fn page_is_safe(page: &str) -> Result<(), String> {
    that(page.len() <= 102 * 1024, || format!("{} bytes: Gmail clips it", page.len()))?;
    that(page.starts_with("<!DOCTYPE html>") && page.ends_with("</html>\n"), || "no whole page".to_owned())?;
    let mut open: BTreeMap<&str, i64> = BTreeMap::new();
    for tag in page.split('<').skip(1) {
        let (closes, tag) = tag.strip_prefix('/').map_or((false, tag), |tag| (true, tag));
        let name = tag.split(|c: char| !c.is_ascii_alphanumeric()).next().unwrap_or_default();
        let known = [
            "", "html", "head", "meta", "title", "style", "body", "div", "table", "tr", "td", "h1", "a", "br",
            "strong", "em", "code", "pre",
        ];
        that(known.contains(&name), || format!("the element {name:?}"))?;
        *open.entry(name).or_default() += if closes { -1 } else { 1 };
    }
    for (name, left) in open {
        let single = ["", "br", "meta"].contains(&name);
        that(single || left == 0, || format!("{name} is open {left} times at the end"))?;
    }
    for address in page.split("href=\"").skip(1) {
        that(address.starts_with("http") || address.starts_with("mailto:"), || format!("a link to {address:.40}"))?;
    }
    Ok(())
}

/// `local@domain`, alone or behind a name.
pub fn mailbox(text: &str) -> Result<(), String> {
    let email = text.strip_suffix('>').and_then(|text| text.rsplit_once('<')).map_or(text, |(_, email)| email);
    let fits = email.split_once('@').is_some_and(|(local, domain)| !local.is_empty() && domain.contains('.'));
    that(fits && !email.contains([' ', ',']), || format!("{text:?} is no address"))
}

/// Headers as name and value: ASCII, and those that keep a job's mails together.
pub fn headers<'a>(headers: impl Iterator<Item = (&'a str, &'a str)>) -> Result<(), String> {
    let headers: BTreeMap<&str, &str> = headers.collect();
    for (name, value) in &headers {
        let known = ["Auto-Submitted", "Importance", "References", "In-Reply-To"].contains(name);
        that(known && value.bytes().all(|b| (b' '..=b'~').contains(&b)), || format!("the header {name}: {value:?}"))?;
    }
    that(headers.get("Auto-Submitted") == Some(&"auto-generated"), || "not marked as automatic".to_owned())?;
    let thread = headers.get("References").ok_or("no thread")?;
    that(thread.starts_with("<job-") && thread.ends_with("@jobrelay>"), || format!("thread {thread}"))?;
    that(headers.get("In-Reply-To") == Some(thread), || "two threads".to_owned())
}
