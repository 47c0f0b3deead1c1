//! The files of tests/broken, each with the whole report a person reads beside it.

use std::fs;
use std::path::{Path, PathBuf};

use super::print::Checked;
use super::{Variables, examine};
use crate::config::Secrets;
use crate::yaml::{Lines, report_without_source};

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/broken")
}

/// Every broken file by its name without `.yaml`.
fn broken_files() -> Vec<(String, Vec<u8>)> {
    let files = fs::read_dir(folder()).unwrap().map(|entry| entry.unwrap().path());
    let mut files: Vec<_> = files
        .filter(|path| path.extension().is_some_and(|extension| extension == "yaml"))
        .map(|path| (path.file_stem().unwrap().to_string_lossy().into_owned(), fs::read(path).unwrap()))
        .collect();
    files.sort();
    files
}

/// What a person gets to read who has one secret set, and one that is no good.
fn check(bytes: Vec<u8>) -> Checked<'static> {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("secrets");
    fs::write(&path, "SLACK_WEBHOOK_URL=https://hooks.slack.com/services/T0/B0/key\nSIGNATURE={{ raw }}\n").unwrap();
    examine("routes.yaml", bytes, &Variables::Known(&Secrets { path: Some(path) }), false, true)
}

#[test]
fn every_broken_file_has_its_report() {
    let files = broken_files();
    assert!(files.len() >= 60, "{} files", files.len());
    let mut settings = insta::Settings::clone_current();
    settings.set_snapshot_path(folder());
    settings.set_prepend_module_to_snapshot(false);
    settings.set_omit_expression(true);
    settings.bind(|| {
        for (name, bytes) in files {
            insta::assert_snapshot!(name, check(bytes).human(false));
        }
    });
}

/// Whatever is wrong: a place in the file with a caret under it, what is wrong in words of its own, and the cure.
#[test]
fn every_report_names_place_fault_and_cure() {
    for (name, bytes) in broken_files() {
        let checked = check(bytes);
        assert!(!checked.is_ok(), "{name} is not broken");
        let text = &checked.text;
        let lines = Lines::of(text);
        for problem in checked.problems.iter() {
            let place = lines.place(text, problem.span);
            let line = text.split('\n').nth(place.line - 1).expect("the line is in the file");
            let width = line.trim_end_matches('\r').chars().count();
            // An empty line, or the end of one, where something is missing.
            assert!(place.column <= width.max(1) + 1, "{name}: {problem:?} at {place:?}");
            let help = problem.help.as_deref().unwrap_or_default();
            assert!(!help.trim().is_empty(), "{name}: no cure: {problem:?}");
            assert!(problem.message.split_whitespace().count() > 2, "{name}: says too little: {problem:?}");
            assert!(!problem.message.to_lowercase().contains("invalid"), "{name}: only \"invalid\": {problem:?}");
        }
        let report = checked.human(false);
        let count = checked.problems.len();
        assert!(
            report.matches('^').count() >= count && report.matches("= help: ").count() >= count,
            "{name}: {report}"
        );
        assert_eq!(report_without_source("f", text, &checked.problems).lines().count(), count, "{name}");
    }
}
