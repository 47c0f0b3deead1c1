//! Any bytes as routes.yaml: used, or refused with located problems that have a cure.

use crate::config::{self, Changes, Config};
use crate::yaml::{self, Lines, Problems};

/// Reads `data` as a routes.yaml; one that can be used is the same when its recorded text is read again.
///
/// # Panics
/// When a problem has no place in the file or no cure, or a recorded file says something else.
pub fn routes(data: &[u8]) {
    let (text, config, problems) = read(data.to_vec());
    let report = yaml::report_without_source("routes.yaml", &text, &config::discreet(problems));
    assert!(report.len() < 1_000_000, "{} bytes of report", report.len());
    let Some(config) = config else { return };
    let (again, problems) = config::load_without_secrets(&config.masked);
    let again = again.unwrap_or_else(|| panic!("a recorded file is refused: {problems:?}\n{}", config.masked));
    assert_eq!(config.version, again.version);
    let changes = Changes::between(&config, &again);
    assert!(text != config.masked || changes.is_empty(), "read twice it differs: {:?}", changes.iter().next());
    let recorded = config::recorded_routes(&config.masked).expect("a recorded file has routes");
    let names = |routes: &crate::routing::Routes| routes.all().iter().map(|r| r.name.clone()).collect::<Vec<_>>();
    assert_eq!(names(&recorded), names(&config.routes));
}

/// Reads as `check` does, without the files that settings name: the text, the config where no problem is an error, the problems.
pub(crate) fn read(data: Vec<u8>) -> (String, Option<Config>, Problems) {
    let mut problems = Problems::default();
    let text = yaml::decode(data, &mut problems);
    let (config, found) = config::load_without_secrets(&text);
    problems.extend(found);
    let config = config.filter(|_| !problems.has_errors());
    assert_eq!(config.is_none(), problems.has_errors(), "{text}");
    let lines = Lines::of(&text);
    for problem in problems.iter() {
        let place = lines.place(&text, problem.span);
        let line = text.split('\n').nth(place.line - 1).unwrap_or_else(|| panic!("{problem:?} in {text}"));
        assert!(place.column <= line.chars().count() + 2, "{problem:?} at {place:?} in {text}");
        assert!(problem.help.as_ref().is_some_and(|help| !help.is_empty()), "{problem:?} in {text}");
    }
    (text, config, problems)
}
