//! A message as an HTML mail: tables and inline styles, which Outlook and Gmail understand; nothing from elsewhere. Colours are such
//! that readers which turn them round for the dark leave it legible; those that ask get colours made for it.

use super::{FOOTER, LINK, NOTICES, TEXT};
use crate::message::{Footer, Level, Message, cut, one_line};
use crate::receiver::chat::{self, Bounds};
use crate::receiver::dialect::{Dialect, HTML, Unit, html};
use crate::receiver::look::{hex, sign};

pub(super) const FIELDS: Bounds = Bounds { most: 50, name: 256, value: 4000, whole: 40_000 };

/// What a row of the fields' table costs beside what it says.
const ROW: usize = 400;
/// What an inbox shows behind the subject, in characters.
const PREVIEW: usize = 150;

const FONT: &str = "font-family:-apple-system,'Segoe UI',Roboto,Helvetica,Arial,sans-serif";

/// Values that carry line ends keep them.
const RICH: Dialect = Dialect {
    escape: |c, out| match c {
        '\n' => out.push_str("<br>"),
        c => in_code(c, out),
    },
    bold: ("<strong>", "</strong>"),
    italic: ("<em>", "</em>"),
    code: (
        "<code class=\"j-code\" style=\"font-family:Consolas,Menlo,monospace;font-size:14px;background:#eef0f3\">",
        "</code>",
    ),
    fence: (
        "<pre class=\"j-code\" style=\"margin:0;padding:12px;background:#eef0f3;font-family:Consolas,Menlo,monospace;font-size:13px;line-height:19px;white-space:pre-wrap;word-break:break-word\">",
        "</pre>",
    ),
    escape_code: in_code,
    link: |url, label| format!("<a class=\"j-link\" href=\"{}\" style=\"color:#1f5fcc\">{label}</a>", html(url)),
    item: |depth, number| {
        let indent = "&nbsp;".repeat(4 * depth.min(8));
        number.map_or_else(|| format!("{indent}&bull;&nbsp;"), |number| format!("{indent}{number}.&nbsp;"))
    },
    unit: Unit::Bytes,
    ..HTML
};

fn in_code(c: char, out: &mut String) {
    if !chat::unwanted(c) {
        (HTML.escape)(c, out);
    }
}

/// The room a field takes in the table.
pub(super) fn field_size(name: &str, value: &str) -> usize {
    name.len() + value.len() + ROW
}

/// The whole page. `subject` is the title within its bounds.
pub(super) fn page(subject: &str, message: &Message, notes: &mut Vec<String>) -> String {
    let mut rows = vec![heading(subject, message.level)];
    let notices = chat::notices(message, &RICH, NOTICES, notes);
    if !notices.is_empty() {
        rows.push(row(
            "0 28px 16px",
            &format!("<table role=\"presentation\" width=\"100%\" cellpadding=\"0\" cellspacing=\"0\" border=\"0\"><tr><td class=\"j-note\" bgcolor=\"#fff4d6\" style=\"padding:10px 14px;background:#fff4d6;color:#4d3b00;{FONT};font-size:14px;line-height:20px\">{notices}</td></tr></table>"),
        ));
    }
    let text = chat::text(message, &RICH, TEXT, notes);
    if !text.is_empty() {
        rows.push(row("0 28px 20px", &format!("<div class=\"j-text\" style=\"color:#22262b;{FONT};font-size:16px;line-height:24px;word-break:break-word\">{text}</div>")));
    }
    rows.extend(fields(message, notes));
    if let Some(link) = chat::link(message, LINK, notes) {
        rows.push(row("4px 28px 24px", &button(link)));
    }
    let footer = message.footer.as_ref().map(footer).unwrap_or_default();
    let preview = html(&cut(&one_line(&message.text.plain()), PREVIEW).0);
    let colour = hex(message.level);
    format!(
        "<!DOCTYPE html>\n\
        <html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
        <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
        <meta name=\"color-scheme\" content=\"light dark\">\n\
        <meta name=\"supported-color-schemes\" content=\"light dark\">\n\
        <title>{title}</title>\n<style>\n{STYLE}</style>\n</head>\n\
        <body class=\"j-page\" style=\"margin:0;padding:0;background:#f2f4f7\">\n\
        <div style=\"display:none;max-height:0;overflow:hidden;mso-hide:all\">{preview}</div>\n\
        <table role=\"presentation\" class=\"j-page\" width=\"100%\" cellpadding=\"0\" cellspacing=\"0\" border=\"0\" bgcolor=\"#f2f4f7\" style=\"background:#f2f4f7\"><tr><td class=\"j-around\" align=\"center\" style=\"padding:24px 12px\">\n\
        <!--[if mso]><table role=\"presentation\" width=\"600\" cellpadding=\"0\" cellspacing=\"0\" border=\"0\"><tr><td><![endif]-->\n\
        <table role=\"presentation\" class=\"j-card\" width=\"100%\" cellpadding=\"0\" cellspacing=\"0\" border=\"0\" bgcolor=\"#ffffff\" style=\"max-width:600px;background:#ffffff;text-align:left\">\n\
        <tr><td bgcolor=\"{colour}\" height=\"6\" style=\"height:6px;background:{colour};font-size:0;line-height:0\">&nbsp;</td></tr>\n\
        {rows}\n</table>\n{footer}\
        <!--[if mso]></td></tr></table><![endif]-->\n\
        </td></tr></table>\n</body>\n</html>\n",
        title = html(subject),
        rows = rows.join("\n"),
    )
}

/// For readers that tell whether it is dark, and for narrow ones.
const STYLE: &str = "\
:root{color-scheme:light dark;supported-color-schemes:light dark}
@media (max-width:480px){.j-around{padding:0!important}.j-in{padding-left:18px!important;padding-right:18px!important}}
@media (prefers-color-scheme:dark){
.j-page{background:#121417!important}
.j-card{background:#1e2126!important}
.j-title,.j-text,.j-value{color:#eceef1!important}
.j-quiet,.j-name{color:#a5adb8!important}
.j-link{color:#8ab4ff!important}
.j-code{background:#2b3037!important}
.j-note{background:#443a17!important;color:#f7e8b5!important}
.j-line{border-color:#343a42!important}
}
";

fn row(padding: &str, content: &str) -> String {
    format!("<tr><td class=\"j-in\" style=\"padding:{padding}\">{content}</td></tr>")
}

fn heading(subject: &str, level: Level) -> String {
    let word = match level {
        Level::Info => "Info",
        Level::Success => "Success",
        Level::Warning => "Warning",
        Level::Error => "Error",
        Level::Critical => "Critical",
    };
    row(
        "22px 28px 14px",
        &format!(
            "<div class=\"j-quiet\" style=\"color:#5b6470;{FONT};font-size:13px;line-height:20px\">{} {word}</div>\
            <h1 class=\"j-title\" style=\"margin:4px 0 0;color:#14171a;{FONT};font-size:21px;line-height:28px;font-weight:600;word-break:break-word\">{}</h1>",
            sign(level),
            RICH.escaped(subject),
        ),
    )
}

fn fields(message: &Message, notes: &mut Vec<String>) -> Option<String> {
    let fields = chat::fields(message, (&RICH, &RICH), &FIELDS, field_size, notes);
    let line = |(name, value): &(String, String)| {
        format!(
            "<tr><td class=\"j-name j-line\" width=\"30%\" valign=\"top\" style=\"padding:8px 12px 8px 0;border-top:1px solid #e3e6ea;color:#5b6470;{FONT};font-size:14px;line-height:20px\">{name}</td>\
            <td class=\"j-value j-line\" valign=\"top\" style=\"padding:8px 0;border-top:1px solid #e3e6ea;color:#22262b;{FONT};font-size:14px;line-height:20px;word-break:break-word\">{value}</td></tr>"
        )
    };
    let lines: Vec<String> = fields.iter().map(line).collect();
    (!lines.is_empty()).then(|| {
        row(
            "0 28px 20px",
            &format!(
                "<table width=\"100%\" cellpadding=\"0\" cellspacing=\"0\" border=\"0\">{}</table>",
                lines.join("\n")
            ),
        )
    })
}

/// A link as a button. Outlook pads cells, not links; and an address is to be seen before it is opened.
fn button(link: &str) -> String {
    let link = html(link);
    format!(
        "<table role=\"presentation\" cellpadding=\"0\" cellspacing=\"0\" border=\"0\"><tr><td bgcolor=\"#2563c9\" style=\"padding:11px 26px;background:#2563c9;border-radius:6px\"><a href=\"{link}\" style=\"color:#ffffff;{FONT};font-size:15px;line-height:20px;font-weight:600;text-decoration:none\">Open</a></td></tr></table>\
        <div style=\"padding-top:8px;{FONT};font-size:12px;line-height:18px;word-break:break-all\"><a class=\"j-quiet\" href=\"{link}\" style=\"color:#5b6470;text-decoration:none\">{link}</a></div>"
    )
}

/// Why it came, below the card.
fn footer(footer: &Footer) -> String {
    let details = footer.link.as_deref().filter(|link| link.len() <= FOOTER);
    let details = details.map(|link| {
        format!(" &middot; <a class=\"j-quiet\" href=\"{}\" style=\"color:#5b6470\">details</a>", html(link))
    });
    format!(
        "<table role=\"presentation\" width=\"100%\" cellpadding=\"0\" cellspacing=\"0\" border=\"0\" style=\"max-width:600px;text-align:left\">{}</table>\n",
        row(
            "14px 28px 20px",
            &format!(
                "<div class=\"j-quiet\" style=\"color:#5b6470;{FONT};font-size:12px;line-height:18px\">{}{}</div>",
                RICH.fit(&footer.text, FOOTER).0,
                details.unwrap_or_default(),
            ),
        ),
    )
}
