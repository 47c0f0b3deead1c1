//! routes.yaml and secrets on disk: what they say now, and whether they have changed and come to rest.
//!
//! Polling a few files' metadata costs next to nothing and works where notifications do not: network mounts, symlinks swapped
//! by a Kubernetes config map, editors that save by renaming, files that vanish and return.

use std::collections::BTreeMap;
use std::fs;
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use jiff::Timestamp;

use crate::config::{self, Config, Secrets};
use crate::delivery::check_addresses;
use crate::receiver::Tls;
use crate::server::types::Refusal;
use crate::yaml::{self, Lines, Place, Problems, Severity};

/// Where the configuration comes from.
#[derive(Debug, Clone)]
pub(super) struct Source {
    pub routes: PathBuf,
    pub secrets: Secrets,
    /// `--deny-private`: receivers at private addresses are refused too.
    pub deny_private: bool,
}

/// What is on disk, ready to run.
#[derive(Debug)]
pub(super) struct Loaded {
    pub config: Arc<Config>,
    /// A line each.
    warnings: String,
}

impl Loaded {
    /// Says what may not be as meant.
    pub fn log_warnings(&self) {
        if !self.warnings.is_empty() {
            tracing::warn!("{}", self.warnings);
        }
    }
}

/// Why what is on disk cannot be used.
#[derive(Debug)]
pub(super) struct Refused {
    /// Errors: what is only a warning refuses nothing.
    pub problems: usize,
    /// One line that quotes nothing of the file: `unknown-key at 4:25, and 2 more`.
    pub summary: String,
    /// All of it, with places and cures. Goes into logs and answers, and to receivers.
    pub report: String,
    /// The same with source lines, which may hold secrets: for the terminal of the file's owner, and nowhere else.
    shown: Option<String>,
    /// It is no fault of the file: another try may do better though nothing has changed.
    pub may_pass: bool,
}

impl Refused {
    /// By one fault that has no place in the file.
    pub fn because(summary: &str, why: &str) -> Refused {
        let report = format!("error: {why}");
        Refused { problems: 1, summary: summary.to_owned(), report, shown: None, may_pass: true }
    }

    /// For whoever has started the relay, and for nobody else.
    pub fn for_owner(&self) -> &str {
        self.shown.as_deref().unwrap_or(&self.report)
    }

    /// As it is shown from then on.
    pub fn since(self, since: Timestamp, file: String) -> Refusal {
        let Refused { problems, summary, report, .. } = self;
        Refusal { since, file, problems, summary, report }
    }
}

/// What was seen on disk: enough to notice any change.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Seen(BTreeMap<PathBuf, Option<Mark>>);

/// Device, inode, length, modification and status change times.
type Mark = (u64, u64, u64, (i64, i64), (i64, i64));

impl Source {
    /// How the file is called in logs and answers.
    pub fn name(&self) -> String {
        self.routes.display().to_string()
    }

    /// Reads the files as they are now. `terminal`: its owner looks at one, and may see a refusal with source lines.
    pub fn load(&self, terminal: bool) -> Result<Loaded, Refused> {
        let file = self.name();
        let bytes = config::read_file(&self.routes).map_err(|error| {
            let why = format!(
                "{file} cannot be read: {error}\nhelp: `jobrelay init` writes a commented sample; --routes names another file"
            );
            Refused::because("it cannot be read", &why)
        })?;
        let mut problems = Problems::default();
        let text = yaml::decode(bytes, &mut problems);
        let (config, found) = config::load(&text, &self.secrets);
        problems.extend(found);
        if let Some(config) = &config {
            check_addresses(config, &text, self.deny_private, &mut problems);
        }
        let plain = |problems| yaml::report_without_source(&file, &text, &config::discreet(problems));
        if let Some(config) = config.filter(|_| !problems.has_errors()) {
            Ok(Loaded { config: Arc::new(with_certificates(config)), warnings: plain(problems) })
        } else {
            let errors = problems.iter().filter(|problem| problem.severity == Severity::Error).count();
            let shown = terminal.then(|| yaml::report(&file, &text, &problems, true));
            let summary = summary(&text, &problems);
            Err(Refused { problems: errors, summary, report: plain(problems), shown, may_pass: false })
        }
    }

    /// What can be told without reading: `load` need not be called while it stays the same.
    pub fn look(&self) -> Seen {
        let mut marks = BTreeMap::new();
        marks.insert(self.routes.clone(), mark(&self.routes));
        if let Some(path) = &self.secrets.path {
            marks.insert(path.clone(), mark(path));
            for entry in fs::read_dir(path).into_iter().flatten().flatten() {
                marks.insert(entry.path(), mark(&entry.path()));
            }
        }
        Seen(marks)
    }
}

/// Certificates and keys renewed in place are a change of the receiver that names them.
pub(super) fn with_certificates(mut config: Config) -> Config {
    for receiver in config.receivers.values_mut().filter_map(Arc::get_mut) {
        let Some(tls) = &receiver.common.tls else { continue };
        let mut hasher = DefaultHasher::new();
        receiver.fingerprint.hash(&mut hasher);
        for path in tls.files() {
            // One that cannot be read is told of by who needs it.
            fs::read(path).ok().hash(&mut hasher);
        }
        receiver.fingerprint = hasher.finish();
    }
    config
}

/// The files that receivers name, as they are now.
pub(super) fn certificates(config: &Config) -> Seen {
    let tls = config.receivers.values().filter_map(|receiver| receiver.common.tls.as_ref());
    Seen(tls.flat_map(Tls::files).map(|path| (path.into(), mark(Path::new(path)))).collect())
}

fn mark(path: &Path) -> Option<Mark> {
    let m = fs::metadata(path).ok()?;
    Some((m.dev(), m.ino(), m.len(), (m.mtime(), m.mtime_nsec()), (m.ctime(), m.ctime_nsec())))
}

/// The first error by its sort and place; anyone may read it.
fn summary(text: &str, problems: &Problems) -> String {
    let mut errors = problems.iter().filter(|problem| problem.severity == Severity::Error);
    let Some(first) = errors.next() else { return "it cannot be used".to_owned() };
    let Place { line, column, .. } = Lines::of(text).place(text, first.span);
    let rest = errors.count();
    let more = if rest == 0 { String::new() } else { format!(", and {rest} more") };
    format!("{} at {line}:{column}{more}", first.code.name())
}

/// Tells from one look to the next when files have changed and come to rest. A file that is still being written looks different at
/// each look, and half of it may well be a routes.yaml that can be used.
#[derive(Debug)]
pub(super) struct Watch {
    read: Seen,
    last: Seen,
}

impl Watch {
    /// `seen` was taken before the files were read: a write that came meanwhile is seen at the next look.
    pub fn new(seen: Seen) -> Watch {
        Watch { read: seen.clone(), last: seen }
    }

    /// Whether to read the files now: they are not as they were when last read, and the same at two looks.
    pub fn look(&mut self, seen: Seen) -> bool {
        let rests = seen == self.last;
        self.last = seen;
        if rests && self.last != self.read {
            self.read = self.last.clone();
            return true;
        }
        false
    }

    /// Whether the files are, at the last look, as they were when they were read.
    pub fn is_read(&self) -> bool {
        self.last == self.read
    }

    /// They changed while they were read: what was read is not to be trusted.
    pub fn disturbed(&mut self, seen: Seen) {
        self.last = seen;
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    const GOOD: &str = "receivers: { log: { kind: console } }\nroutes: [{ name: all, to: log }]\n";

    struct Files {
        dir: tempfile::TempDir,
        source: Source,
        watch: Watch,
    }

    impl Files {
        fn new() -> Files {
            let dir = tempfile::tempdir().unwrap();
            fs::write(dir.path().join("routes.yaml"), GOOD).unwrap();
            fs::create_dir(dir.path().join("secrets")).unwrap();
            fs::write(dir.path().join("secrets/A"), "one").unwrap();
            let secrets = Secrets { path: Some(dir.path().join("secrets")) };
            let source = Source { routes: dir.path().join("routes.yaml"), secrets, deny_private: false };
            let watch = Watch::new(source.look());
            Files { dir, source, watch }
        }

        fn path(&self, name: &str) -> PathBuf {
            self.dir.path().join(name)
        }

        /// In place, as `>` does.
        fn write(&self, name: &str, text: &str) {
            fs::write(self.path(name), text).unwrap();
        }

        fn look(&mut self) -> bool {
            self.watch.look(self.source.look())
        }

        /// Seen at the first look, read at the second, and not again.
        #[track_caller]
        fn read_once(&mut self) {
            assert_eq!([self.look(), self.look(), self.look()], [false, true, false]);
        }
    }

    #[test]
    fn every_way_to_save_is_seen_once_it_rests() {
        let mut files = Files::new();
        assert!(!files.look() && !files.look(), "nothing has changed");
        files.write("routes.yaml", "in place\n");
        files.read_once();
        files.write("new", "renamed\n");
        fs::rename(files.path("new"), files.path("routes.yaml")).unwrap();
        files.read_once();
        fs::remove_file(files.path("routes.yaml")).unwrap();
        files.read_once();
        files.write("routes.yaml", "back\n");
        files.read_once();
        files.write("secrets/A", "two");
        files.read_once();
        files.write("secrets/B", "new");
        files.read_once();
    }

    #[test]
    fn a_mounted_config_map_is_followed_through_its_links() {
        let mut files = Files::new();
        for (version, text) in [("..1", "one\n"), ("..2", "two\n")] {
            fs::create_dir(files.path(version)).unwrap();
            files.write(&format!("{version}/routes.yaml"), text);
        }
        symlink("..1", files.path("..data")).unwrap();
        fs::remove_file(files.path("routes.yaml")).unwrap();
        symlink("..data/routes.yaml", files.path("routes.yaml")).unwrap();
        files.read_once();
        symlink("..2", files.path("..data_tmp")).unwrap();
        fs::rename(files.path("..data_tmp"), files.path("..data")).unwrap();
        files.read_once();
    }

    #[test]
    fn a_file_is_left_alone_while_it_grows() {
        let mut files = Files::new();
        let mut written = String::new();
        for line in ["receivers:\n", "  log: { kind: console }\n", "routes:\n", "  - { name: all, to: log }\n"] {
            written.push_str(line);
            files.write("routes.yaml", &written);
            assert!(!files.look() && !files.watch.is_read(), "{written}");
        }
        assert!(files.look() && files.watch.is_read());
        files.write("routes.yaml", "more\n");
        files.watch.disturbed(files.source.look());
        assert!(files.look(), "what came while it was read is read too");
    }

    #[test]
    fn a_refusal_names_sort_and_place_and_quotes_nothing() {
        let files = Files::new();
        files.write("routes.yaml", &format!("{GOOD}nonsense: my-secret\nmore: my-secret\n"));
        let refused = files.source.load(false).unwrap_err();
        assert_eq!((refused.problems, refused.summary.as_str()), (2, "unknown-key at 3:1, and 1 more"));
        assert!(refused.report.contains("routes.yaml:3:1: error[unknown-key]"), "{}", refused.report);
        assert!(!refused.report.contains("my-secret"), "{}", refused.report);
        let refused = files.source.load(true).unwrap_err();
        assert!(refused.for_owner().contains("nonsense: my-secret"), "{}", refused.for_owner());
        let told = refused.since(Timestamp::UNIX_EPOCH, "routes.yaml".to_owned()).report;
        assert!(!told.contains("my-secret") && !told.contains('\u{1b}'), "{told}");
        fs::remove_file(files.path("routes.yaml")).unwrap();
        let refused = files.source.load(false).unwrap_err();
        assert_eq!((refused.problems, refused.summary.as_str()), (1, "it cannot be read"));
    }
}
