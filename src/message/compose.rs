//! Layers → one message: the route's, the receiver's, `messages.default`, the built-in, merged field by field.

use std::time::Duration;

use minijinja::Value;

use super::builtin::{builtin, headline};
use super::cut::is_directional;
use super::engine::Mode;
use super::scope::Root;
use super::{Definition, Engine, Footer, Level, Markdown, Message, RenderError, Scope, Template, link, one_line};
use crate::event::duration::readable;
use crate::event::{DeliveryId, Outcome};
use crate::yaml::Span;

/// What a message must say beyond its definition.
#[derive(Debug, Clone, Default)]
pub struct Circumstances {
    /// Set when the attempt is more than 5 minutes after `received_at`.
    pub late: Option<Late>,
    /// Of a recovery: the failure's delivery it closes.
    pub closes: Option<DeliveryId>,
    /// `--public-url`, without a trailing slash.
    pub public_url: Option<String>,
}

/// How late a message is, and what has happened since.
#[derive(Debug, Clone, PartialEq)]
pub struct Late {
    /// From reception to this attempt.
    pub by: Duration,
    /// The next run of the same key, if one was seen.
    pub since: Option<Since>,
}

/// What the next run of the same key has come to.
#[derive(Debug, Clone, PartialEq)]
pub enum Since {
    /// It is over.
    Ended(Outcome),
    /// Its state: `RUNNING`, …
    Going(String),
}

/// A composed message.
#[derive(Debug, Clone, PartialEq)]
pub struct Composed {
    /// What to send.
    pub message: Message,
    /// Set when a template failed: then `message` is the built-in one and says so.
    pub failed: Option<String>,
}

/// Merges `layers` (first wins) over the built-in message. Never fails: people's alerts are never swallowed.
#[must_use]
pub fn compose(engine: &Engine, layers: &[&Definition], scope: &Scope, circumstances: &Circumstances) -> Composed {
    let mut message = builtin(scope);
    let mut own_title = false;
    let failed = match written(engine, layers, scope) {
        Ok(written) => {
            own_title = written.title.is_some();
            written.lay_over(&mut message);
            None
        }
        Err(why) => {
            message
                .notices
                .push(format!("This is the built-in message, because the one in routes.yaml failed: {why}."));
            // Whom to wake is no matter of the words that failed.
            message.mention = mentions(engine, layers, &Root::of_message(scope)).unwrap_or_default();
            Some(why)
        }
    };
    if circumstances.closes.is_some() {
        message.title = if own_title { format!("Recovered: {}", message.title) } else { headline(&scope.event, true) };
    }
    if scope.event.test {
        message.title = format!("[Test] {}", message.title);
        message.notices.insert(0, "Test: this was sent by hand; no job stands behind it.".to_owned());
    }
    if let Some(late) = &circumstances.late {
        message.notices.insert(0, late.sentence());
    }
    if layers.iter().find_map(|layer| layer.footer).unwrap_or(true) {
        message.footer = Some(footer(scope, circumstances));
    }
    for (_, value) in &mut message.fields {
        value.retain(|c| !is_directional(c));
    }
    Composed { message, failed }
}

/// The parts that routes.yaml gives, rendered.
#[derive(Debug, Default)]
struct Written {
    title: Option<String>,
    text: Option<Markdown>,
    level: Option<Level>,
    link: Option<String>,
    fields: Vec<(String, String)>,
    mention: Vec<String>,
}

/// # Errors
/// Which part failed, and why.
fn written(engine: &Engine, layers: &[&Definition], scope: &Scope) -> Result<Written, String> {
    let mut written = Written::default();
    if layers.is_empty() {
        return Ok(written);
    }
    let root = Root::of_message(scope);
    for piece in pieces(layers) {
        written.add(piece, engine, &root)?;
    }
    Ok(written)
}

/// One template of a message, and the part it is for.
#[derive(Debug, Clone, Copy)]
pub struct Piece<'a> {
    part: Part<'a>,
    template: &'a Template,
}

#[derive(Debug, Clone, Copy)]
enum Part<'a> {
    Title,
    Text,
    Level,
    Link,
    Field(&'a str),
    Mention,
}

/// The templates that a message of these layers is made of.
pub fn pieces<'a>(layers: &[&'a Definition]) -> Vec<Piece<'a>> {
    let first = |get: fn(&Definition) -> Option<&Template>| layers.iter().find_map(|layer| get(layer));
    let single = [
        (Part::Title, first(|layer| layer.title.as_ref())),
        (Part::Text, first(|layer| layer.text.as_ref())),
        (Part::Level, first(|layer| layer.level.as_ref())),
        (Part::Link, first(|layer| layer.link.as_ref())),
    ];
    let mut pieces: Vec<Piece<'a>> =
        single.into_iter().filter_map(|(part, template)| Some(Piece { part, template: template? })).collect();
    let mut known: Vec<&str> = Vec::new();
    for (name, template) in layers.iter().flat_map(|layer| &layer.fields) {
        if !known.contains(&name.as_str()) {
            known.push(name);
            pieces.push(Piece { part: Part::Field(name), template });
        }
    }
    pieces.extend(mention_templates(layers).iter().map(|template| Piece { part: Part::Mention, template }));
    pieces
}

impl Piece<'_> {
    /// The template, to tell one from another.
    #[must_use]
    pub fn template(&self) -> &Template {
        self.template
    }

    /// Where it stands in the file.
    #[must_use]
    pub fn place(&self, engine: &Engine) -> Span {
        engine.place(self.template)
    }

    /// Whether it can be rendered.
    ///
    /// # Errors
    /// Which part failed, and why.
    pub fn attempt(self, engine: &Engine, scope: &Scope) -> Result<(), String> {
        Written::default().add(self, engine, &Root::of_message(scope))
    }
}

fn mention_templates<'a>(layers: &[&'a Definition]) -> &'a [Template] {
    layers.iter().find_map(|layer| layer.mention.as_ref()).map_or(&[], Vec::as_slice)
}

fn mentions(engine: &Engine, layers: &[&Definition], root: &Value) -> Result<Vec<String>, RenderError> {
    let rendered: Result<Vec<String>, _> = mention_templates(layers)
        .iter()
        .map(|template| engine.render(template, Mode::Plain, root).map(|text| one_line(&text)))
        .collect();
    Ok(rendered?.into_iter().filter(|mention| !mention.is_empty()).collect())
}

impl Written {
    /// Renders one piece into its place.
    fn add(&mut self, piece: Piece<'_>, engine: &Engine, root: &Value) -> Result<(), String> {
        let render = |part: &str, mode: Mode| match engine.render(piece.template, mode, root) {
            Ok(text) => Ok(text.into_owned()),
            Err(RenderError(why)) => Err(format!("its {part}: {why}")),
        };
        match piece.part {
            Part::Title => {
                self.title = Some(one_line(&render("title", Mode::Plain)?)).filter(|title| !title.is_empty());
            }
            Part::Text => self.text = Some(Markdown(render("text", Mode::Markdown)?)),
            Part::Level => {
                let name = render("level", Mode::Plain)?;
                let name = name.trim();
                if !name.is_empty() {
                    let known = || format!("its level: \"{name}\" is none of {}", Level::NAMES.join(", "));
                    self.level = Some(Level::from_name(name).ok_or_else(known)?);
                }
            }
            Part::Link => {
                let address = render("link", Mode::Plain)?;
                let address = address.trim();
                if !address.is_empty() {
                    let wrong = || "its link: not an http or https address".to_owned();
                    self.link = Some(link::web(address).ok_or_else(wrong)?);
                }
            }
            Part::Field(name) => {
                let value = render(&format!("field {name:?}"), Mode::Plain)?;
                self.fields.push((name.to_owned(), value.trim().to_owned()));
            }
            Part::Mention => {
                let mention = one_line(&render("mention", Mode::Plain)?);
                self.mention.extend((!mention.is_empty()).then_some(mention));
            }
        }
        Ok(())
    }

    fn lay_over(self, message: &mut Message) {
        if let Some(title) = self.title {
            message.title = title;
        }
        if let Some(text) = self.text {
            message.text = text;
        }
        message.level = self.level.unwrap_or(message.level);
        message.link = self.link;
        message.mention = self.mention;
        // Written fields come first, as written; one that comes to nothing takes a built-in one away.
        let builtin = std::mem::take(&mut message.fields);
        let kept = builtin.into_iter().filter(|(name, _)| !self.fields.iter().any(|(written, _)| written == name));
        let kept: Vec<_> = kept.collect();
        message.fields = self.fields.into_iter().chain(kept).filter(|(_, value)| !value.is_empty()).collect();
    }
}

impl Late {
    fn sentence(&self) -> String {
        let by = readable(self.by);
        let since = match &self.since {
            None => String::new(),
            Some(Since::Ended(Outcome::Succeeded)) => " The next run has since succeeded.".to_owned(),
            Some(Since::Ended(Outcome::Failed)) => " The next run has since failed, too.".to_owned(),
            Some(Since::Ended(Outcome::Stopped)) => " The next run has since been stopped.".to_owned(),
            Some(Since::Going(state)) => match state.as_str() {
                "PENDING" => " The next run is waiting to start.".to_owned(),
                "RUNNING" => " The next run is under way.".to_owned(),
                "STOPPING" => " The next run is being stopped.".to_owned(),
                other => format!(" The next run is {}.", one_line(other)),
            },
        };
        format!("This message is {by} late.{since}")
    }
}

fn footer(scope: &Scope, circumstances: &Circumstances) -> Footer {
    let text = match circumstances.closes {
        Some(closes) => format!("closes {closes}"),
        None if scope.route.is_empty() => "sent by hand".to_owned(),
        None => format!("route \"{}\"", one_line(&scope.route)),
    };
    let link = circumstances.public_url.as_ref().map(|url| format!("{url}/#/deliveries/{}", scope.delivery));
    Footer { text, link }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::message::testing::{failed_job, layer, scope_of, scope_with};

    fn composed(engine: &Engine, layers: &[&Definition]) -> Composed {
        compose(engine, layers, &scope_of(failed_job()), &Circumstances::default())
    }

    #[test]
    fn layers_merge_part_by_part() {
        let mut engine = Engine::default();
        let route = layer(
            &mut engine,
            "{ title: \"{{ data_product }} broke\\nat night\", fields: { Owner: ops, Tenant: '' } }",
        );
        let receiver = layer(
            &mut engine,
            "{ title: unused, level: critical, fields: { Owner: unused, Job: 'n/a' }, mention: here }",
        );
        let composed = composed(&engine, &[&route, &receiver]);
        let message = composed.message;
        assert_eq!(composed.failed, None);
        assert_eq!(message.title, "Customers broke at night");
        assert_eq!(message.level, Level::Critical);
        assert_eq!(message.mention, ["here"]);
        let names: Vec<_> = message.fields.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        let expected =
            [("Owner", "ops"), ("Job", "n/a"), ("Ran for", "1h 30m"), ("Queued", "5m"), ("Reason", "PLANNING_FAILED")];
        assert_eq!(names, expected);
        assert!(message.text.plain().starts_with("Planning failed: Bad plan."), "the built-in text stays");
    }

    #[test]
    fn definitions_are_equal_if_they_are_written_alike() {
        let (mut one, mut other) = (Engine::default(), Engine::default());
        layer(&mut other, "{ title: '{{ job }}' }");
        let written = "{ title: '{{ reason }}', fields: { A: '{{ error }}' } }";
        assert_eq!(layer(&mut one, written), layer(&mut other, written));
        assert_ne!(layer(&mut one, written), layer(&mut other, &written.replace("error", "job")));
    }

    #[test]
    fn a_failing_template_gives_the_built_in_message_and_says_so() {
        let mut engine = Engine::default();
        for (written, part) in [
            ("{ text: '{{ error | datetime }}', mention: here, title: x }", "its text: `datetime` takes"),
            ("{ level: '{{ reason }}', mention: here }", "its level: \"PLANNING_FAILED\" is none of"),
            ("{ link: 'ftp:{{ job }}', mention: here }", "its link: not an http"),
            (
                "{ title: '{% for a in range(9999) %}{% for b in range(9999) %}x{% endfor %}{% endfor %}', mention: here }",
                "its title: it ",
            ),
            ("{ fields: { A: '{{ 1 // 0 }}' }, mention: here }", "its field \"A\": "),
        ] {
            let layer = layer(&mut engine, written);
            let composed = composed(&engine, &[&layer]);
            assert!(
                composed.failed.as_ref().is_some_and(|why| why.starts_with(part)),
                "{written}: {:?}",
                composed.failed
            );
            assert_eq!(composed.message.title, "Update data product failed: Customers");
            assert_eq!(composed.message.notices.len(), 1);
            assert!(composed.message.notices[0].contains(part));
            assert_eq!(composed.message.mention, ["here"], "who is woken does not depend on the words");
        }
    }

    #[test]
    fn absent_values_are_empty() {
        let mut engine = Engine::default();
        let written = "{ title: 'x{{ source.name }}{{ raw.no.such.path }}{{ workflow | truncate(3) }}{{ time | datetime }}', link: '{{ raw.data.link }}' }";
        let layer = layer(&mut engine, written);
        let composed = composed(&engine, &[&layer]);
        assert_eq!((composed.failed, composed.message.title.as_str(), composed.message.link), (None, "x", None));
    }

    #[test]
    fn values_print_for_people_and_compute_as_numbers() {
        let mut engine = Engine::default();
        let cases = [
            ("{{ ran_for }}", "1h 30m"),
            ("{{ ran_for | default('?') }}", "1h 30m"),
            ("{{ ran_for > 3600 }} {{ ran_for < 5400 }} {{ ran_for == 5400 }}", "true false true"),
            ("{{ (ran_for / 60) | int }} {{ 90 | duration }}", "90 1m 30s"),
            ("{{ resource }} {{ resource.id }} {{ resource.kind }}", "Customers dp_1 data_product"),
            ("{{ since | datetime('%H:%M', 'Europe/Berlin') }}", "15:46"),
            ("{{ since | datetime }}", "2025-12-02 14:46 UTC"),
            ("{{ error | truncate(5) }}", "Bad …"),
            ("{{ raw.data.status.error }}", r#"{"reason":"PLANNING_FAILED","message":"Bad plan."}"#),
            ("{{ raw.data.status.error | json }}", r#"{"reason":"PLANNING_FAILED","message":"Bad plan."}"#),
            ("{{ history[0].state }} {{ history | length }}", "PENDING 2"),
            ("{{ type }} {{ outcome }} {{ state }}", "update_data_product failed DONE"),
            ("{{ route }} {{ receiver }}", "nightly data-ops"),
        ];
        for (template, expected) in cases {
            let definition =
                Definition { title: Some(engine.compile(template, Mode::Plain).unwrap()), ..Definition::default() };
            assert_eq!(composed(&engine, &[&definition]).message.title, expected, "{template}");
        }
    }

    #[test]
    fn inserted_values_are_literal_unless_safe() {
        let mut engine = Engine::default();
        let mut job = failed_job();
        job.error = Some("**x** [a](https://evil.example)".into());
        let cases = [
            ("**{{ error }}**", "**x** [a](https://evil.example)"),
            ("{% set e %}_{{ error }}_{% endset %}{{ e }}", "**x** [a](https://evil.example)"),
            ("{% set e %}{{ error }}{% endset %}{{ e | truncate(5) }}", "**x*…"),
            ("{% filter upper %}{{ error }}{% endfilter %}", "**X** [A](HTTPS://EVIL.EXAMPLE)"),
            ("{{ error | safe }}", "x a (https://evil.example/)"),
            ("{{ '**'|safe ~ error ~ '**'|safe }}", "**x** [a](https://evil.example)"),
        ];
        for (template, expected) in cases {
            let definition =
                Definition { text: Some(engine.compile(template, Mode::Markdown).unwrap()), ..Definition::default() };
            let message = compose(&engine, &[&definition], &scope_of(job.clone()), &Circumstances::default()).message;
            assert_eq!(message.text.plain(), expected, "{template}");
        }
    }

    #[test]
    fn circumstances_are_told() {
        let engine = Engine::default();
        let late = |since| Circumstances {
            late: Some(Late { by: Duration::from_secs(26 * 60), since }),
            ..Circumstances::default()
        };
        let notice = |c: &Circumstances| compose(&engine, &[], &scope_of(failed_job()), c).message.notices.join(" ");
        assert_eq!(notice(&late(None)), "This message is 26m late.");
        let succeeded = late(Some(Since::Ended(Outcome::Succeeded)));
        assert_eq!(notice(&succeeded), "This message is 26m late. The next run has since succeeded.");
        let going = late(Some(Since::Going("RUNNING".into())));
        assert_eq!(notice(&going), "This message is 26m late. The next run is under way.");

        let mut scope = scope_with(failed_job(), |event| event.test = true);
        let message = compose(&engine, &[], &scope, &Circumstances::default()).message;
        assert_eq!(message.title, "[Test] Update data product failed: Customers");
        assert!(message.notices[0].starts_with("Test: "));
        assert_eq!(message.footer, Some(Footer { text: "route \"nightly\"".into(), link: None }));

        scope = scope_with(crate::message::testing::succeeded_job(), |_| ());
        scope.route = "".into();
        let circumstances = Circumstances {
            closes: Some(DeliveryId(7)),
            public_url: Some("https://relay.example".into()),
            ..Circumstances::default()
        };
        let message = compose(&engine, &[], &scope, &circumstances).message;
        assert_eq!(message.title, "Update data product recovered: Customers");
        let footer = message.footer.unwrap();
        assert_eq!(footer.text, format!("closes {}", DeliveryId(7)));
        assert_eq!(footer.link, Some(format!("https://relay.example/#/deliveries/{}", scope.delivery)));
    }

    #[test]
    fn no_value_turns_the_text() {
        let mut engine = Engine::default();
        let layer = layer(
            &mut engine,
            "{ title: '{{ error }}', text: '**{{ error }}**', fields: { '{{ error }}': '{{ error }}' } }",
        );
        let mut job = failed_job();
        job.error = Some("\u{202e}slla\u{2069}".to_owned());
        let message = compose(&engine, &[&layer], &scope_of(job), &Circumstances::default()).message;
        assert_eq!((message.title.as_str(), message.text.plain().as_str()), ("slla", "slla"));
        assert_eq!(message.fields[0].1, "slla");
    }

    #[test]
    fn the_footer_can_be_left_away() {
        let mut engine = Engine::default();
        let layer = layer(&mut engine, "{ footer: false }");
        assert_eq!(composed(&engine, &[&layer]).message.footer, None);
    }
}
