//! Where `${NAME}` is looked up: in `--secrets`, then in the environment.

use std::collections::BTreeMap;
use std::fs;
use std::io::{Error, ErrorKind, Result};
use std::path::{Path, PathBuf};

/// Where secrets are looked up.
#[derive(Debug, Default, Clone)]
pub struct Secrets {
    /// `--secrets`: a directory with one file per name, or a file of NAME=value lines.
    pub path: Option<PathBuf>,
}

impl Secrets {
    /// Reads `--secrets` now. Order of look-up: these, then the environment.
    ///
    /// Of a directory (as container platforms mount them) every file is read but hidden ones; a newline at the end is not part of the
    /// value. In a file, empty lines and lines that begin with `#` are skipped, and quotes around a whole value are taken off.
    ///
    /// # Errors
    /// When the path cannot be read, is not text, or has a line that is not NAME=value. The message names path and line, no value.
    pub fn read(&self) -> Result<BTreeMap<String, String>> {
        let Some(path) = &self.path else { return Ok(BTreeMap::new()) };
        let metadata = fs::metadata(path).map_err(|error| located(path, &error))?;
        if metadata.is_dir() { read_directory(path) } else { read_lines(path) }
    }
}

fn located(path: &Path, error: &Error) -> Error {
    Error::new(error.kind(), format!("{}: {error}", path.display()))
}

fn read_text(path: &Path) -> Result<String> {
    fs::read_to_string(path).map_err(|error| located(path, &error))
}

fn read_directory(path: &Path) -> Result<BTreeMap<String, String>> {
    let mut secrets = BTreeMap::new();
    for entry in fs::read_dir(path).map_err(|error| located(path, &error))? {
        let entry = entry.map_err(|error| located(path, &error))?;
        let Ok(name) = entry.file_name().into_string() else { continue };
        // Mounted secrets are links into hidden directories, which are no secrets themselves.
        let file = entry.path();
        if name.starts_with('.') || !fs::metadata(&file).map_err(|error| located(&file, &error))?.is_file() {
            continue;
        }
        let text = read_text(&file)?;
        let value = text.strip_suffix('\n').map_or(text.as_str(), |text| text.strip_suffix('\r').unwrap_or(text));
        secrets.insert(name, value.to_owned());
    }
    Ok(secrets)
}

fn read_lines(path: &Path) -> Result<BTreeMap<String, String>> {
    let text = read_text(path)?;
    let mut secrets = BTreeMap::new();
    for (number, line) in text.lines().enumerate() {
        let line = line.trim();
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        let Some((name, value)) = line.strip_prefix("export ").unwrap_or(line).split_once('=') else {
            let message = format!("{}, line {}: expected NAME=value", path.display(), number + 1);
            return Err(Error::new(ErrorKind::InvalidData, message));
        };
        let value = value.trim();
        let unquoted = ['"', '\''].iter().find_map(|quote| value.strip_prefix(*quote)?.strip_suffix(*quote));
        secrets.insert(name.trim().to_owned(), unquoted.unwrap_or(value).to_owned());
    }
    Ok(secrets)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(path: &Path) -> Result<BTreeMap<String, String>> {
        Secrets { path: Some(path.to_owned()) }.read()
    }

    fn map(entries: &[(&str, &str)]) -> BTreeMap<String, String> {
        entries.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
    }

    #[test]
    fn without_a_path_there_are_none() {
        assert_eq!(Secrets::default().read().unwrap(), BTreeMap::new());
    }

    #[test]
    fn a_directory_holds_one_file_per_name() {
        let dir = tempfile::tempdir().unwrap();
        for (name, value) in [("A", "one\n"), ("B", "two\r\n"), ("C", " three \n\n"), (".hidden", "x")] {
            fs::write(dir.path().join(name), value).unwrap();
        }
        fs::create_dir(dir.path().join("sub")).unwrap();
        assert_eq!(read(dir.path()).unwrap(), map(&[("A", "one"), ("B", "two"), ("C", " three \n")]));
    }

    #[test]
    fn a_file_holds_lines() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("secrets.env");
        fs::write(&file, "# note\n\nA=one\nexport B = \"two = 2\"\r\nC='it'\nD=\nE=\"\n").unwrap();
        let expected = map(&[("A", "one"), ("B", "two = 2"), ("C", "it"), ("D", ""), ("E", "\"")]);
        assert_eq!(read(&file).unwrap(), expected);
    }

    #[test]
    fn errors_name_the_place_and_no_value() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("secrets.env");
        fs::write(&file, "A=1\nhunter2\n").unwrap();
        let error = read(&file).unwrap_err().to_string();
        assert!(error.ends_with("secrets.env, line 2: expected NAME=value"), "{error}");
        let error = read(&dir.path().join("none")).unwrap_err().to_string();
        assert!(error.contains("none: "), "{error}");
        fs::write(dir.path().join("BAD"), [0xff, 0xfe]).unwrap();
        let error = read(dir.path()).unwrap_err().to_string();
        assert!(error.contains("BAD: "), "{error}");
    }
}
