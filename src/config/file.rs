//! The file's bytes, and no more of them than a routes.yaml may have: it may be the wrong file, or one without an end.

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

use crate::yaml::MAX_BYTES;

/// The bytes of a routes.yaml; of one that is too large, its beginning, which is too large as well.
///
/// # Errors
/// It cannot be read.
pub fn read_file(path: &Path) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    File::open(path)?.take(MAX_BYTES as u64 + 8).read_to_end(&mut bytes)?;
    if bytes.len() > MAX_BYTES {
        // A letter must not be cut in two: that would be another problem.
        while bytes.last().is_some_and(|byte| byte & 0xc0 == 0x80) {
            bytes.pop();
        }
        if bytes.last().is_some_and(|byte| *byte >= 0xc0) {
            bytes.pop();
        }
    }
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::load_without_secrets;
    use crate::yaml::{Code, Problems, decode};

    #[test]
    fn of_a_file_that_is_too_large_only_its_beginning_is_read() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("routes.yaml");
        for text in ["ä".repeat(MAX_BYTES), "x".to_owned() + &"€".repeat(MAX_BYTES), "x".repeat(MAX_BYTES + 1)] {
            std::fs::write(&path, &text).unwrap();
            let bytes = read_file(&path).unwrap();
            assert!((MAX_BYTES + 1..=MAX_BYTES + 8).contains(&bytes.len()), "{}", bytes.len());
            let mut problems = Problems::default();
            let text = decode(bytes, &mut problems);
            problems.extend(load_without_secrets(&text).1);
            assert_eq!(problems.iter().map(|problem| problem.code).collect::<Vec<_>>(), [Code::TooLarge]);
        }
        let endless = read_file(Path::new("/dev/zero")).unwrap();
        assert_eq!(endless.len(), MAX_BYTES + 8);
        std::fs::write(&path, "ä").unwrap();
        assert_eq!(read_file(&path).unwrap(), "ä".as_bytes());
    }
}
