//! What `SQLite`'s errors mean for a store.

use std::path::Path;

use rusqlite::ffi;
use rusqlite::{Error, ErrorCode};

use crate::store::StoreError;

/// Whether the disk (or the file) is to blame, and not what was asked: then nothing can be written for now.
pub fn is_of_the_disk(error: &Error) -> bool {
    !matches!(
        error.sqlite_error_code(),
        None | Some(
            ErrorCode::ConstraintViolation
                | ErrorCode::TypeMismatch
                | ErrorCode::TooBig
                | ErrorCode::ParameterOutOfRange
                | ErrorCode::ApiMisuse
                | ErrorCode::Unknown
        )
    )
}

/// Whether a row holds what cannot be a value of its column: its own fault, and there next time, unlike a file that cannot be read.
pub fn is_of_the_row(error: &Error) -> bool {
    error.sqlite_error_code().is_none() && !matches!(error, Error::QueryReturnedNoRows)
}

/// For people.
pub fn unwritable(error: &Error) -> StoreError {
    StoreError::Unwritable(match error.sqlite_error_code() {
        Some(ErrorCode::DiskFull) => "the disk is full".to_owned(),
        _ => error.to_string(),
    })
}

/// For people.
pub fn unreadable(error: &Error) -> StoreError {
    StoreError::Unreadable(error.to_string())
}

/// What to do about a damaged file.
pub fn cure(path: &Path) -> String {
    let shown = path.display();
    format!(
        "copy a backup back and remove the -wal and -shm beside it, or save what can be read: jobrelay repair --store sqlite:{shown} \
         --into sqlite:{shown}.repaired"
    )
}

/// For people: the file cannot be used as it is.
pub fn damaged(path: &Path, what: &str) -> StoreError {
    StoreError::Unreadable(format!(
        "{} is damaged ({what}); nothing was changed. To do: {}",
        path.display(),
        cure(path)
    ))
}

/// What was asked broke: an error like those of `SQLite`, not of the disk.
pub fn broken() -> Error {
    Error::SqliteFailure(ffi::Error::new(ffi::SQLITE_ERROR), Some("internal error, please report it".to_owned()))
}

/// The file is not where the next start would look for it: an error like those of `SQLite`, of the disk.
pub fn lost(what: String) -> Error {
    Error::SqliteFailure(ffi::Error::new(ffi::SQLITE_CANTOPEN), Some(what))
}
