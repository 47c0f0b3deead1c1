//! The pages of a file that `SQLite` may not open any more: what is in the file, and over it what is in its log. Format: "Database
//! File Format" and "WAL-mode File Format" of `SQLite`'s documentation.

use std::collections::{HashMap, HashSet};
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
    /// Free, or an overflow page.
    Other,
    /// The map is damaged here.
    Unknown,
}

/// A file with its log.
pub struct Pages {
    file: File,
    /// Whole pages in the file.
    in_file: u32,
    log: Option<File>,
    /// The newest committed version of each page in the log: where it begins.
    newest: HashMap<u32, u64>,
    /// Pages of the file, by the last commit in the log; 0 without one.
    committed: u32,
    /// Pages of the pointer map that make no sense.
    pub bad_maps: HashSet<u32>,
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
        let mut pages =
            Pages { file, in_file, log, newest: HashMap::new(), committed: 0, bad_maps: HashSet::new(), log_lost: 0 };
        pages.read_log();
        pages.check_maps();
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
                self.committed = word(&frame, 4);
            }
        }
    }

    /// How many pages the file or its log says there are; 0 if they do not.
    pub fn said(&self) -> u32 {
        if self.committed > 0 {
            return self.committed;
        }
        let header = self.page(1).filter(|page| page.starts_with(b"SQLite format 3\0") && page[24..28] == page[92..96]);
        header.map_or(0, |page| word(&page, 28))
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
        match map_of(number) {
            None => {
                if number == 1 {
                    Use::Root
                } else {
                    Use::Other
                }
            }
            Some(map) if self.bad_maps.contains(&map) => Use::Unknown,
            Some(map) => self.page(map).map_or(Use::Unknown, |page| match entry(&page, map, number) {
                (1, _) => Use::Root,
                (5, parent) => Use::Below(parent),
                _ => Use::Other,
            }),
        }
    }

    /// A map is used only if all of it makes sense.
    fn check_maps(&mut self) {
        let last = match self.said() {
            0 => self.count(),
            said => said.min(self.count()),
        };
        let mut map = 2;
        while map <= last {
            let covered = (map + 1..map + STRETCH).take_while(|number| *number <= last);
            let sound = self.page(map).is_some_and(|page| {
                covered.filter(|number| map_of(*number) == Some(map)).all(|number| match entry(&page, map, number) {
                    (1 | 2, parent) => parent == 0,
                    (3..=5, parent) => parent > 0 && parent != number,
                    _ => false,
                })
            });
            if !sound {
                self.bad_maps.insert(map);
            }
            map += STRETCH;
        }
    }
}

/// The map's page that has an entry for this one.
fn map_of(number: u32) -> Option<u32> {
    let map = number.checked_sub(2)? / STRETCH * STRETCH + 2;
    let map = if map == LOCK_PAGE { map + 1 } else { map };
    (number > map && number != LOCK_PAGE).then_some(map)
}

/// Sort and parent.
fn entry(map_page: &[u8], map: u32, number: u32) -> (u8, u32) {
    let at = 5 * (number - map - 1) as usize;
    (map_page.get(at).copied().unwrap_or(0), word(map_page, at + 1))
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
