//! The words after `jobrelay`, and the command they name.

use std::ffi::OsString;
use std::process::ExitCode;

use clap::{Parser, Subcommand};

use super::{
    check, deliveries, demo, dismiss, events, explain, health, init, quarantine, replay, resume, schema, send, serve,
};

/// A webhook relay for job events.
///
/// It receives an event whenever a job changes state, decides from routes.yaml who should know, and delivers the message:
/// durably, in order, to chat, incident tools or any other HTTPS endpoint.
#[derive(Parser)]
#[command(
    name = "jobrelay",
    version,
    after_help = "Without a command, jobrelay serves: `jobrelay --listen 0.0.0.0:8080` is `jobrelay serve --listen 0.0.0.0:8080`.

First steps:
  jobrelay demo        see it work, nothing to set up
  jobrelay init        write a commented routes.yaml to edit
  jobrelay check       find every mistake in it
  jobrelay serve       run it
  jobrelay send        try it with a sample event, in another terminal
  jobrelay explain     see why an event went where it went, or would

Exit codes: 0 done, 1 failed, 2 wrong usage."
)]
pub struct Cli {
    #[command(subcommand)]
    pub command: Command,
}

/// The commands, in the order a newcomer meets them.
#[derive(Subcommand)]
pub enum Command {
    Serve(serve::ServeArgs),
    Demo(demo::DemoArgs),
    Init(init::InitArgs),
    Check(check::CheckArgs),
    Explain(explain::ExplainArgs),
    Send(send::SendArgs),
    Events(events::EventsArgs),
    Deliveries(deliveries::DeliveriesArgs),
    Quarantine(quarantine::QuarantineArgs),
    Replay(replay::ReplayArgs),
    Dismiss(dismiss::DismissArgs),
    Resume(resume::ResumeArgs),
    Schema(schema::SchemaArgs),
    Health(health::HealthArgs),
}

/// Runs the command that `args` (the program's name first) ask for.
pub fn run(args: impl IntoIterator<Item = OsString>) -> ExitCode {
    let cli = match Cli::try_parse_from(with_command(args)) {
        Ok(cli) => cli,
        Err(error) => {
            // Nothing is left to do if even this cannot be printed.
            let _ = error.print();
            return ExitCode::from(u8::try_from(error.exit_code()).unwrap_or(2));
        }
    };
    let done = match cli.command {
        Command::Serve(args) => Ok(args.run()),
        Command::Demo(args) => args.run(),
        Command::Init(args) => args.run(),
        Command::Check(args) => args.run(),
        Command::Explain(args) => args.run(),
        Command::Send(args) => args.run(),
        Command::Events(args) => args.run(),
        Command::Deliveries(args) => args.run(),
        Command::Quarantine(args) => args.run(),
        Command::Replay(args) => args.run(),
        Command::Dismiss(args) => args.run(),
        Command::Resume(args) => args.run(),
        Command::Schema(args) => args.run(),
        Command::Health(args) => args.run(),
    };
    done.unwrap_or_else(|failure| failure.report())
}

/// Puts in `serve` where no command is named.
pub fn with_command(args: impl IntoIterator<Item = OsString>) -> Vec<OsString> {
    let mut args: Vec<OsString> = args.into_iter().collect();
    let named = args.get(1).is_some_and(|first| {
        let first = first.to_string_lossy();
        !first.starts_with('-') || matches!(&*first, "-h" | "--help" | "-V" | "--version")
    });
    if !named {
        args.insert(args.len().min(1), "serve".into());
    }
    args
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;
    use clap::error::ErrorKind;

    use super::*;

    fn parse(line: &str) -> Result<Command, clap::Error> {
        let words = std::iter::once("jobrelay").chain(line.split_whitespace()).map(OsString::from);
        Cli::try_parse_from(with_command(words)).map(|cli| cli.command)
    }

    #[test]
    fn the_definition_is_sound() {
        Cli::command().debug_assert();
    }

    #[test]
    fn no_word_means_serve() {
        for line in ["", "--deny-private", "--listen 127.0.0.1:0", "serve"] {
            assert!(matches!(parse(line), Ok(Command::Serve(_))), "{line:?}");
        }
        assert!(matches!(parse("health"), Ok(Command::Health(_))));
        assert_eq!(parse("--help").err().map(|e| e.kind()), Some(ErrorKind::DisplayHelp));
        assert_eq!(parse("-V").err().map(|e| e.kind()), Some(ErrorKind::DisplayVersion));
    }

    #[test]
    fn what_is_understood() {
        for line in [
            "demo --routes mine.yaml",
            "init other.yaml --force",
            "check other.yaml --format json",
            "send",
            "send --type load_source --source CRM --outcome succeeded",
            "send --file - --to data-ops --wait 0s --json",
            "explain",
            "explain evt_01k8zq4m7xb20 --routes new.yaml --receiver data-ops --json",
            "explain dlv_01k8zq4m7xb21 --message",
            "explain event.json --at 2026-01-31T09:00:00Z --all",
            "explain --last --receiver data-ops",
            "explain --type update_data_product --outcome failed --reason PLANNING_FAILED",
            "events --names",
            "events --since 2h --outcome failed --limit 5",
            "events show evt_01k8zq4m7xb20 --json",
            "deliveries --receiver inbox --message",
            "deliveries --message dlv_01k8zq4m7xb21",
            "deliveries dlv_01k8zq4m7xb21",
            "deliveries --state dead --since 2026-01-31T00:00:00Z",
            "replay evt_01k8zq4m7xb20 dlv_01k8zq4m7xb21",
            "replay --receiver old --to new",
            "replay --state delivered --route failed --since 2d --until 1d --dry-run",
            "replay --reason template --yes --again",
            "replay --quarantine",
            "replay --quarantine 7 8 --dry-run",
            "quarantine",
            "quarantine 7",
            "quarantine 7 --raw",
            "quarantine --limit 1000 --json",
            "events show evt_01k8zq4m7xb20 --raw",
            "deliveries --state dead --reason auth --until 2h",
            "dismiss dlv_01k8zq4m7xb21",
            "dismiss --receiver old --owed",
            "dismiss --route failed --reason auth -y",
            "dismiss --quarantine 7",
            "dismiss --quarantine --all --yes",
            "resume data-ops",
            "schema",
            "health --url http://127.0.0.1:1",
        ] {
            if let Err(e) = parse(line) {
                panic!("{line}: {e}");
            }
        }
    }

    #[test]
    fn what_is_refused_as_wrong_usage() {
        for line in [
            "frobnicate",
            "serve --listen 8080",
            "serve --store postgres://db",
            "serve --retention soon",
            "serve --public-url relay.example",
            "check --format xml",
            "send --file x.json --type load_source",
            "send --outcome perhaps",
            "explain --last evt_01k8zq4m7xb20",
            "explain --last --outcome failed",
            "explain event.json --type load_source",
            "explain --at soon",
            "events --since yesterday",
            "events --limit 0",
            "events --names --job 1",
            "events show",
            "events show dlv_01k8zq4m7xb21",
            "deliveries --state lost",
            "deliveries evt_01k8zq4m7xb20",
            "replay",
            "replay x",
            "replay dlv_01k8zq4m7xb21 --receiver a",
            "replay --reason bad-luck",
            "replay --quarantine --receiver a",
            "replay --yes",
            "quarantine --raw",
            "quarantine dlv_01k8zq4m7xb21",
            "dismiss --all",
            "dismiss --quarantine --all 7",
            "dismiss",
            "dismiss --owed",
            "dismiss dlv_01k8zq4m7xb21 --receiver a",
            "resume",
        ] {
            match parse(line) {
                Ok(_) => panic!("{line} was understood"),
                Err(e) => assert_eq!(e.exit_code(), 2, "{line}: {e}"),
            }
        }
    }
}
