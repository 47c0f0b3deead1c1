//! The pages of a file that `SQLite` may not open any more: what is in the file, and over it what is in its log. Format: "Database
//! File Format" and "WAL-mode File Format" of `SQLite`'s documentation.

use std::collections::HashMap;
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt as _;
use std::path::Path;

use crate::store::sqlite::place::sibling;

/// Bytes of a page. Every store has been made with it.
pub const SIZE: usize = 4096;
const FRAME: usize = 24 + SIZE;
const WAL_HEADER: usize = 32;
/// Entries of a pointer map's page, and the page itself.
const STRETCH: u32 = 4096 / 5 + 1;
/// The page that holds the byte `SQLite` locks by.
const LOCK_PAGE: u32 = 0x4000_0000 / 4096 + 1;

/// What the pointer map says of a page.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Use {
    Root,
    /// Below this page of the same tree.
    Below(u32),
    /// Free, an overflow page, or not known.
    Other,
}

/// A file with its log.
pub struct Pages {
    file: File,
    /// Whole pages in the file.
    in_file: u32,
    log: Option<File>,
    /// The newest committed version of each page in the log: where it begins.
    newest: HashMap<u32, u64>,
    /// Frames behind the last one that is sound.
    pub log_lost: u64,
}

impl Pages {
    /// Opens both for reading.
    pub fn open(path: &Path) -> io::Result<Pages> {
        let file = File::open(path)?;
        let in_file = u32::try_from(file.metadata()?.len() / SIZE as u64).unwrap_or(u32::MAX);
        let log = match File::open(sibling(path, "-wal")) {
            Err(e) if e.kind() == io::ErrorKind::NotFound => None,
            log => Some(log?),
        };
        let mut pages = Pages { file, in_file, log, newest: HashMap::new(), log_lost: 0 };
        pages.read_log();
        Ok(pages)
    }

    /// Frames up to the last sound commit. The sums run on from frame to frame.
    fn read_log(&mut self) {
        let Some(log) = &self.log else { return };
        let frames = log.metadata().map_or(0, |m| m.len()).saturating_sub(WAL_HEADER as u64) / FRAME as u64;
        let mut header = [0; WAL_HEADER];
        let read = log.read_exact_at(&mut header, 0).is_ok();
        let big = match word(&header, 0) {
            0x377f_0682 => false,
            0x377f_0683 => true,
            _ => {
                self.log_lost = frames;
                return;
            }
        };
        let mut sum = checksum((0, 0), &header[..24], big);
        if !read || word(&header, 8) as usize != SIZE || sum != (word(&header, 24), word(&header, 28)) {
            self.log_lost = frames;
            return;
        }
        let mut since_commit = Vec::new();
        let mut frame = [0; FRAME];
        for number in 0..frames {
            let at = WAL_HEADER as u64 + number * FRAME as u64;
            let read = log.read_exact_at(&mut frame, at).is_ok();
            if !read || frame[8..16] != header[16..24] {
                // Of an earlier round of the log, or not written: the log ends here.
                break;
            }
            sum = checksum(checksum(sum, &frame[..8], big), &frame[24..], big);
            if sum != (word(&frame, 16), word(&frame, 20)) {
                self.log_lost = frames - number;
                break;
            }
            since_commit.push((word(&frame, 0), at + 24));
            if word(&frame, 4) > 0 {
                self.newest.extend(since_commit.drain(..));
            }
        }
    }

    /// How many pages there may be.
    pub fn count(&self) -> u32 {
        self.newest.keys().copied().max().unwrap_or(0).max(self.in_file)
    }

    /// A page, from 1; `None` if it is not there.
    pub fn page(&self, number: u32) -> Option<Vec<u8>> {
        let mut page = vec![0; SIZE];
        let read = match (self.newest.get(&number), &self.log) {
            (Some(&at), Some(log)) => log.read_exact_at(&mut page, at),
            _ if number == 0 || number > self.in_file => return None,
            _ => self.file.read_exact_at(&mut page, u64::from(number - 1) * SIZE as u64),
        };
        read.ok().map(|()| page)
    }

    /// What the pointer map says. A store has one, as it gives room back step by step.
    pub fn use_of(&self, number: u32) -> Use {
        if number < 3 || number == LOCK_PAGE {
            return if number == 1 { Use::Root } else { Use::Other };
        }
        let mut map = (number - 2) / STRETCH * STRETCH + 2;
        if map == LOCK_PAGE {
            map += 1;
        }
        if number <= map {
            return Use::Other;
        }
        let Some(page) = self.page(map) else { return Use::Other };
        let at = 5 * (number - map - 1) as usize;
        if at + 5 > SIZE {
            return Use::Other;
        }
        match (page[at], word(&page, at + 1)) {
            (1, 0) => Use::Root,
            (5, parent) if parent > 0 && parent <= self.count() => Use::Below(parent),
            _ => Use::Other,
        }
    }
}

/// Four bytes, big-endian.
pub fn word(bytes: &[u8], at: usize) -> u32 {
    bytes.get(at..at + 4).map_or(0, |b| u32::from_be_bytes([b[0], b[1], b[2], b[3]]))
}

fn checksum(seed: (u32, u32), bytes: &[u8], big: bool) -> (u32, u32) {
    let word = |b: &[u8]| {
        let b = [b[0], b[1], b[2], b[3]];
        if big { u32::from_be_bytes(b) } else { u32::from_le_bytes(b) }
    };
    bytes.chunks_exact(8).fold(seed, |(mut one, mut two), pair| {
        one = one.wrapping_add(word(&pair[..4])).wrapping_add(two);
        two = two.wrapping_add(word(&pair[4..])).wrapping_add(one);
        (one, two)
    })
}
