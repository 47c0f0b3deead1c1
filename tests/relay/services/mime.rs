//! A mail as its reader gets it, read strictly: RFC 5322, MIME (RFC 2045 to 2047).

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::check::that;
use super::mail::{headers, mailbox, page_is_safe};

/// One mail, decoded.
#[derive(Debug, Clone)]
pub struct Mail {
    /// Of the envelope.
    pub from: String,
    pub to: Vec<String>,
    /// Unfolded, in the order they came.
    pub headers: Vec<(String, String)>,
    pub text: String,
    /// Absent in the plainest form.
    pub html: Option<String>,
}

impl Mail {
    /// What is wrong with it otherwise.
    pub fn read(from: String, to: Vec<String>, lines: &[String]) -> Result<Mail, String> {
        let (headers, body) = part(lines)?;
        let kind = header(&headers, "Content-Type")?.to_owned();
        let (text, html) = match kind.strip_prefix("multipart/alternative;") {
            Some(_) => {
                let boundary = kind.split_once("boundary=\"").and_then(|(_, rest)| rest.split_once('"'));
                let boundary = boundary.ok_or_else(|| format!("no boundary in {kind}"))?.0;
                let [text, html] = &parts(body, boundary)?[..] else { return Err("not two parts".to_owned()) };
                (decoded(text, "text/plain")?, Some(decoded(html, "text/html")?))
            }
            None => (decoded(lines, "text/plain")?, None),
        };
        let mail = Mail { from, to, headers, text, html };
        mail.check().map(|()| mail)
    }

    pub fn header(&self, name: &str) -> &str {
        header(&self.headers, name).unwrap_or_default()
    }

    pub fn subject(&self) -> String {
        words(self.header("Subject")).expect("checked as it came")
    }

    /// What every mail of the relay has.
    fn check(&self) -> Result<(), String> {
        for name in ["From", "To", "Date", "Message-ID", "MIME-Version", "Subject", "Content-Type"] {
            let count = self.headers.iter().filter(|(found, _)| found.eq_ignore_ascii_case(name)).count();
            that(count == 1, || format!("{name} is there {count} times"))?;
        }
        for (name, value) in &self.headers {
            that(!value.trim().is_empty(), || format!("{name} is empty"))?;
            words(value)?;
        }
        that(self.header("MIME-Version") == "1.0", || "no MIME 1.0".to_owned())?;
        jiff::fmt::rfc2822::parse(self.header("Date")).map_err(|e| format!("no date: {e}"))?;
        let id = self.header("Message-ID").strip_prefix("<dlv_").and_then(|id| id.strip_suffix(">"));
        that(id.is_some_and(|id| id.contains('@')), || format!("no ID: {}", self.header("Message-ID")))?;
        ["From", "To", "Cc", "Reply-To"].iter().try_for_each(|name| {
            self.header(name).split(", ").filter(|people| !people.is_empty()).try_for_each(mailbox)
        })?;
        let known = ["Auto-Submitted", "Importance", "References", "In-Reply-To"];
        let own = self.headers.iter().filter(|(name, _)| known.contains(&name.as_str()));
        headers(own.map(|(name, value)| (name.as_str(), value.as_str())))?;
        let subject = self.subject();
        that(!subject.is_empty() && !subject.contains(char::is_control), || format!("the subject {subject:?}"))?;
        that(!self.text.trim().is_empty() && !self.text.contains("<html"), || "no plain text".to_owned())?;
        self.html.as_deref().map_or(Ok(()), page_is_safe)
    }
}

type Headers = Vec<(String, String)>;

fn header<'a>(headers: &'a Headers, name: &str) -> Result<&'a str, String> {
    let found = headers.iter().find(|(found, _)| found.eq_ignore_ascii_case(name));
    found.map(|(_, value)| value.as_str()).ok_or_else(|| format!("no {name}"))
}

/// Headers, unfolded, and what follows the empty line.
fn part(lines: &[String]) -> Result<(Headers, &[String]), String> {
    let end = lines.iter().position(String::is_empty).ok_or("no end of the headers")?;
    let mut headers = Headers::new();
    for line in &lines[..end] {
        if line.starts_with([' ', '\t']) {
            let (_, value) = headers.last_mut().ok_or("a folded line at the beginning")?;
            that(!line.trim().is_empty(), || "a folded line of spaces".to_owned())?;
            value.push_str(line);
            continue;
        }
        let (name, value) = line.split_once(':').ok_or_else(|| format!("no header: {line}"))?;
        that(!name.is_empty() && name.bytes().all(|b| b.is_ascii_graphic()), || format!("the name {name:?}"))?;
        headers.push((name.to_owned(), value.trim_start().to_owned()));
    }
    Ok((headers, &lines[end + 1..]))
}

fn parts<'a>(lines: &'a [String], boundary: &str) -> Result<Vec<&'a [String]>, String> {
    let (between, last) = (format!("--{boundary}"), format!("--{boundary}--"));
    let marks: Vec<usize> = (0..lines.len()).filter(|at| lines[*at] == between || lines[*at] == last).collect();
    let end = marks.last().ok_or("no parts")?;
    that(lines[*end] == last && lines[end + 1..].iter().all(String::is_empty), || "no end of the parts".to_owned())?;
    // The line end before a boundary belongs to it.
    Ok(marks.windows(2).map(|pair| &lines[pair[0] + 1..pair[1]]).collect())
}

/// A part's text in UTF-8.
fn decoded(lines: &[String], kind: &str) -> Result<String, String> {
    let (headers, body) = part(lines)?;
    let found = header(&headers, "Content-Type")?.to_ascii_lowercase();
    that(found == format!("{kind}; charset=utf-8"), || format!("{found} instead of {kind}"))?;
    let bytes = match header(&headers, "Content-Transfer-Encoding")? {
        "7bit" => body.join("\n").into_bytes(),
        "base64" => STANDARD.decode(body.concat()).map_err(|e| format!("base64: {e}"))?,
        "quoted-printable" => quoted_printable(body)?,
        other => return Err(format!("the encoding {other:?}")),
    };
    String::from_utf8(bytes).map_err(|e| format!("no UTF-8: {e}"))
}

fn quoted_printable(lines: &[String]) -> Result<Vec<u8>, String> {
    let mut out = Vec::new();
    for (at, line) in lines.iter().enumerate() {
        that(line.len() <= 76, || format!("{} bytes in a quoted line", line.len()))?;
        that(!line.ends_with([' ', '\t']), || "a space at the end of a quoted line".to_owned())?;
        let (line, goes_on) = line.strip_suffix('=').map_or((line.as_str(), false), |line| (line, true));
        out.extend(unquoted(line)?);
        if !goes_on && at + 1 < lines.len() {
            out.push(b'\n');
        }
    }
    Ok(out)
}

/// `=C3=BC` and the like as bytes.
fn unquoted(text: &str) -> Result<Vec<u8>, String> {
    let mut pieces = text.split('=');
    let mut out = pieces.next().unwrap_or_default().as_bytes().to_vec();
    for piece in pieces {
        let code = piece.get(..2).and_then(|code| u8::from_str_radix(code, 16).ok());
        out.push(code.ok_or_else(|| format!("no byte: ={piece:.4}"))?);
        out.extend(&piece.as_bytes()[2..]);
    }
    Ok(out)
}

/// A header's value with its encoded words decoded; the space between two of them means nothing.
fn words(value: &str) -> Result<String, String> {
    let mut out = String::new();
    let mut was_encoded = false;
    for word in value.split_ascii_whitespace() {
        let encoded = word.strip_prefix("=?").and_then(|word| word.strip_suffix("?="));
        let gap = if out.is_empty() || (was_encoded && encoded.is_some()) { "" } else { " " };
        out.push_str(gap);
        was_encoded = encoded.is_some();
        let Some(encoded) = encoded else {
            out.push_str(word);
            continue;
        };
        that(word.len() <= 75, || format!("an encoded word of {} bytes", word.len()))?;
        let bytes = match encoded.to_ascii_lowercase().get(..8) {
            Some("utf-8?b?") => STANDARD.decode(&encoded[8..]).map_err(|e| format!("{word}: {e}"))?,
            Some("utf-8?q?") => unquoted(&encoded[8..].replace('_', " "))?,
            _ => return Err(format!("the word {word}")),
        };
        out.push_str(&String::from_utf8(bytes).map_err(|e| format!("{word}: {e}"))?);
    }
    Ok(out)
}
