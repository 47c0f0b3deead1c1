//! Reading what the person at the terminal hands over.

use std::io::Read;
use std::path::Path;

use super::failure::Failure;

/// A file's text, or standard input's for `-`, with what to call it.
pub fn read_input(file: &Path) -> Result<(String, String), Failure> {
    let mut text = String::new();
    let (shown, read) = if file == Path::new("-") {
        ("standard input".to_owned(), std::io::stdin().read_to_string(&mut text))
    } else {
        let read = std::fs::File::open(file).and_then(|mut file| file.read_to_string(&mut text));
        (file.display().to_string(), read)
    };
    read.map_err(|e| Failure::new(format!("cannot read {shown}: {e}")))?;
    Ok((shown, text))
}
