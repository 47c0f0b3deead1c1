//! Where the store lives on disk: its directory, its file modes, and the lock that keeps a second relay out.

use std::fs::{self, DirBuilder, File, OpenOptions, TryLockError};
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _, OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use crate::store::StoreError;

const OWNER_ONLY: u32 = 0o600;

/// A store's file, held exclusively until dropped (or until the process dies, however it dies).
#[derive(Debug)]
pub struct Place {
    /// The database file, links resolved, so that one file has one lock whatever it is called.
    pub path: PathBuf,
    log: PathBuf,
    /// Device and inode of the file and its log while they are open: what `SQLite` writes to, wherever the names point.
    open: Option<[(u64, u64); 2]>,
    /// A relay has run on this file before.
    known: bool,
    /// An advisory lock on a sibling: `SQLite`'s own exclusive mode would shut out our readers too. The file stays when the
    /// lock goes, as removing it would let two relays lock two different files of the same name.
    _lock: File,
}

impl Place {
    /// Makes the directory if there is none (mode 0700) and takes the lock.
    ///
    /// # Errors
    /// [`StoreError::InUse`] with the holder's process, [`StoreError::Unwritable`].
    pub fn take(path: &Path) -> Result<Place, StoreError> {
        let unwritable = |e: io::Error| StoreError::Unwritable(format!("{}: {e}", path.display()));
        let path = resolve(path).map_err(unwritable)?;
        let (lock_path, log) = (sibling(&path, ".lock"), sibling(&path, "-wal"));
        let known = lock_path.exists();
        let mut lock = private().read(true).open(&lock_path).map_err(unwritable)?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Err(in_use(&path, &mut lock)),
            Err(TryLockError::Error(e)) => return Err(unwritable(e)),
        }
        lock.set_len(0).and_then(|()| writeln!(lock, "{}", std::process::id())).map_err(unwritable)?;
        Ok(Place { path, log, open: None, known, _lock: lock })
    }

    /// Refuses a file that a relay has open: what is read of it while it is written may be half of something. Leaves no trace, as
    /// what is to be read may lie where nothing can be written.
    ///
    /// # Errors
    /// [`StoreError::InUse`] with the relay's process.
    pub fn refuse_in_use(path: &Path) -> Result<(), StoreError> {
        let path = fs::canonicalize(path).unwrap_or_else(|_| path.to_owned());
        // No lock, or one that cannot be asked for: nobody is known to have it.
        let Ok(mut lock) = File::open(sibling(&path, ".lock")) else { return Ok(()) };
        match lock.try_lock_shared() {
            Err(TryLockError::WouldBlock) => Err(in_use(&path, &mut lock)),
            Ok(()) | Err(TryLockError::Error(_)) => Ok(()),
        }
    }

    /// The file and its log are open now: they are what [`lost`](Place::lost) looks for.
    ///
    /// # Errors
    /// One of them is not there.
    pub fn opened(&mut self) -> io::Result<()> {
        self.open = Some([identity(&self.path)?, identity(&self.log)?]);
        Ok(())
    }

    /// Whether what is open is not what the next start would find: deleted, moved away, or replaced. Whatever is written then is
    /// lost with the process. Says what is amiss.
    pub fn lost(&self) -> Option<String> {
        let open = self.open?;
        [&self.path, &self.log].into_iter().zip(open).find_map(|(path, open)| match identity(path) {
            Ok(found) if found == open => None,
            Ok(_) => Some(format!("another file has taken the place of {}: put the relay's own back", path.display())),
            Err(error) => Some(format!("{} is gone ({error}): put it back", path.display())),
        })
    }

    /// Refuses to begin a new store where an old one was lost and may be brought back.
    ///
    /// # Errors
    /// [`StoreError::Unreadable`].
    pub fn refuse_remains(&self) -> Result<(), StoreError> {
        let shown = self.path.display();
        if fs::metadata(&self.log).is_ok_and(|log| log.len() > 0) {
            return Err(StoreError::Unreadable(format!(
                "{shown} is missing or empty, but its log {} is there, and may hold what was never delivered; nothing was changed. \
                 To do: put the file back beside its log, or move the log away to begin with an empty store",
                self.log.display()
            )));
        }
        if self.known && self.path.exists() {
            return Err(StoreError::Unreadable(format!(
                "{shown} is empty, though a relay has run on it; nothing was changed. To do: copy a backup back, or remove it to begin \
                 with an empty store"
            )));
        }
        Ok(())
    }

    /// Puts a complete new file in place: `fill` makes it beside, so that a kill leaves either no store or a whole one.
    ///
    /// # Errors
    /// What `fill` says; I/O.
    pub fn create(&self, fill: impl FnOnce(&Path) -> Result<(), StoreError>) -> Result<(), StoreError> {
        let unwritable = |e: io::Error| StoreError::Unwritable(format!("{}: {e}", self.path.display()));
        let draft = sibling(&self.path, ".new");
        for stale in [draft.clone(), sibling(&draft, "-wal"), sibling(&draft, "-shm"), sibling(&draft, "-journal")] {
            match fs::remove_file(&stale) {
                Err(e) if e.kind() != io::ErrorKind::NotFound => return Err(unwritable(e)),
                _ => {}
            }
        }
        private().open(&draft).map_err(unwritable)?;
        fill(&draft)?;
        File::open(&draft).and_then(|f| f.sync_all()).map_err(unwritable)?;
        fs::rename(&draft, &self.path).map_err(unwritable)?;
        let directory = self.path.parent().expect("a resolved file path has a directory");
        File::open(directory).and_then(|d| d.sync_all()).map_err(unwritable)
    }

    /// Whether there is no store yet (an empty file is none).
    ///
    /// # Errors
    /// I/O.
    pub fn is_empty(&self) -> Result<bool, StoreError> {
        match fs::metadata(&self.path) {
            Ok(found) => Ok(found.len() == 0),
            Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(true),
            Err(e) => Err(StoreError::Unreadable(format!("{}: {e}", self.path.display()))),
        }
    }

    /// Takes the file's modes back to the owner alone; `SQLite` gives its side files the mode of the main one.
    ///
    /// # Errors
    /// I/O.
    pub fn close_to_others(&self) -> Result<(), StoreError> {
        for path in [self.path.clone(), sibling(&self.path, "-wal"), sibling(&self.path, "-shm")] {
            match fs::metadata(&path) {
                Ok(found) if found.permissions().mode() & 0o777 != OWNER_ONLY => {
                    fs::set_permissions(&path, fs::Permissions::from_mode(OWNER_ONLY))
                        .map_err(|e| StoreError::Unwritable(format!("{}: {e}", path.display())))?;
                }
                _ => {}
            }
        }
        Ok(())
    }
}

/// Who has it says so in the lock.
fn in_use(path: &Path, lock: &mut File) -> StoreError {
    let mut pid = String::new();
    // Only for the message: whoever holds it may not have written it yet.
    let _ = lock.read_to_string(&mut pid);
    let pid = if pid.trim().is_empty() { "unknown".to_owned() } else { pid.trim().to_owned() };
    StoreError::InUse { path: path.display().to_string(), pid }
}

fn identity(path: &Path) -> io::Result<(u64, u64)> {
    fs::metadata(path).map(|found| (found.dev(), found.ino()))
}

/// `path` with `suffix` at its end.
pub fn sibling(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    PathBuf::from(name)
}

fn private() -> OpenOptions {
    let mut options = OpenOptions::new();
    options.write(true).create(true).truncate(false).mode(OWNER_ONLY);
    options
}

fn resolve(path: &Path) -> io::Result<PathBuf> {
    let directory = match path.parent() {
        Some(p) if !p.as_os_str().is_empty() => p,
        _ => Path::new("."),
    };
    DirBuilder::new().recursive(true).mode(0o700).create(directory)?;
    let name = path.file_name().ok_or_else(|| io::Error::new(io::ErrorKind::InvalidInput, "not a file name"))?;
    match fs::canonicalize(path) {
        Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(fs::canonicalize(directory)?.join(name)),
        found => found,
    }
}
