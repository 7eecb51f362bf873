//! The files of an SQLite database, before SQLite opens them: which one it is, who has it, and whether it is whole.
//!
//! Owns that a database has one name and one lock however its path is written, that its owner alone can read it, and
//! that nothing is begun anew or changed where a backup should be restored. And that no file is touched beside SQLite
//! while this process has it open ([`Opened`]). Must not know what is in the database.

use std::collections::{BTreeMap, HashSet};
use std::ffi::OsString;
use std::fs::{DirBuilder, File, OpenOptions};
use std::io::{BufReader, ErrorKind, Read};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use diesel::connection::SimpleConnection;
use diesel::sql_types::BigInt;
use diesel::{Connection, QueryableByName, RunQueryDsl, SqliteConnection};

use super::super::{Error, Result};

/// How long a reader waits for a file to hold still while another process copies its log into it.
const LOOKS_MAX: u32 = 20;
const LOOK_INTERVAL: Duration = Duration::from_millis(50);

/// How many stores of this process have each database open.
static OPEN: Mutex<BTreeMap<PathBuf, usize>> = Mutex::new(BTreeMap::new());

fn open_files() -> MutexGuard<'static, BTreeMap<PathBuf, usize>> {
    OPEN.lock().unwrap_or_else(PoisonError::into_inner)
}

/// That this process has a database open, as long as it lives.
///
/// Whoever closes any descriptor of a file takes from the process all locks that it has on the file, SQLite's own too
/// (POSIX, `fcntl`). Then the next program that reads the database takes itself for its last user, and removes the log
/// into which this process goes on committing. So only the first store of a process looks at the file itself.
pub struct Opened(PathBuf);

impl Drop for Opened {
    fn drop(&mut self) {
        let mut files = open_files();
        if let Some(count) = files.get_mut(&self.0) {
            *count -= 1;
            if *count == 0 {
                files.remove(&self.0);
            }
        }
    }
}

/// Judges a database before SQLite opens it.
///
/// - `path`: from [`locate`].
/// - returns: what to keep until the last connection is closed, and a writer's lock.
pub fn open(path: &Path, is_writer: bool) -> Result<(Opened, Option<File>)> {
    let mut files = open_files();
    let is_first = !files.contains_key(path);
    let lock = match (is_writer, is_first) {
        (true, _) => Some(claim(path, is_first)?),
        (false, true) => inspect(path).map(|()| None)?,
        (false, false) => None,
    };
    *files.entry(path.to_owned()).or_default() += 1;
    Ok((Opened(path.to_owned()), lock))
}

/// Brings what a crash left in the log into the file, and judges once more what then stands there: through SQLite, for
/// the file is open.
pub fn settle(path: &Path, connection: &mut SqliteConnection) -> Result<()> {
    #[derive(QueryableByName)]
    struct Copied {
        #[diesel(sql_type = BigInt)]
        log: i64,
        #[diesel(sql_type = BigInt)]
        checkpointed: i64,
    }
    #[derive(QueryableByName)]
    struct Size {
        #[diesel(sql_type = BigInt)]
        bytes: i64,
    }
    let copied: Copied = diesel::sql_query("PRAGMA wal_checkpoint(PASSIVE)").get_result(connection)?;
    let size = "SELECT page_count * page_size AS bytes FROM pragma_page_count(), pragma_page_size()";
    let size: Size = diesel::sql_query(size).get_result(connection)?;
    let found = std::fs::metadata(path).map_err(|source| Error::File { path: path.to_owned(), source })?.len();
    let expected = u64::try_from(size.bytes).unwrap_or_default();
    // Somebody who reads an older state holds the copying up; what is not copied yet the log still has.
    if copied.log == copied.checkpointed && found < expected {
        return Err(Error::Truncated { path: path.to_owned(), expected, found });
    }
    Ok(())
}

/// The one name of a database file.
///
/// - `path`: as the operator wrote it; the file may not exist yet, the directory must.
/// - errors: a link that leads nowhere is refused like any other file that cannot be opened.
pub fn locate(path: &Path) -> Result<PathBuf> {
    let failed = |source| Error::File { path: path.to_owned(), source };
    match std::fs::canonicalize(path) {
        Err(error) if error.kind() == ErrorKind::NotFound && std::fs::symlink_metadata(path).is_err() => {
            let name = path.file_name().ok_or_else(|| failed(ErrorKind::InvalidInput.into()))?;
            let directory = path.parent().filter(|directory| !directory.as_os_str().is_empty());
            let directory = std::fs::canonicalize(directory.unwrap_or(Path::new("."))).map_err(failed)?;
            Ok(directory.join(name))
        }
        found => found.map_err(failed),
    }
}

/// Makes the directory of a database. Keys and money: nobody else on the machine may look into it.
pub fn make_directory_of(path: &Path) -> Result<()> {
    let Some(directory) = path.parent().filter(|directory| !directory.as_os_str().is_empty()) else { return Ok(()) };
    let failed = |source| Error::File { path: directory.to_owned(), source };
    DirBuilder::new().recursive(true).mode(0o700).create(directory).map_err(failed)
}

/// Takes a database for a writer; on the very first start, makes it.
///
/// - `is_first`: nothing in this process has it open.
/// - returns: the lock that keeps every other process away; the kernel frees it when this one ends, however it ends.
/// - errors: in use, empty, truncated, with a second name, or missing although it was there before. Nothing is changed.
fn claim(path: &Path, is_first: bool) -> Result<File> {
    let is_there = check_file(path)?;
    let log = beside(path, "-wal");
    if !is_there && log.exists() {
        return Err(Error::Missing { path: path.to_owned(), trace: log });
    }
    let lock_path = beside(path, ".lock");
    let (lock, is_new) = lock(path, &lock_path)?;
    // Looked at again: before the lock was ours, another process may have made it.
    if !check_file(path)? {
        if !is_new {
            return Err(Error::Missing { path: path.to_owned(), trace: lock_path });
        }
        if let Err(error) = make(path) {
            // Otherwise the next start would believe that there was a database.
            std::fs::remove_file(&lock_path).map_err(|source| Error::File { path: lock_path, source })?;
            return Err(error);
        }
    }
    if is_first {
        check_whole(path, 1)?;
    }
    Ok(lock)
}

/// Judges a database for a reader, beside which a writer of another process may be at work.
fn inspect(path: &Path) -> Result<()> {
    if !check_file(path)? {
        return Err(Error::File { path: path.to_owned(), source: ErrorKind::NotFound.into() });
    }
    check_whole(path, LOOKS_MAX)
}

/// The address at which SQLite opens an existing file, and never makes one.
///
/// Source: SQLite, "Uniform Resource Identifiers".
pub fn uri(path: &Path) -> String {
    let mut uri = String::from("file:");
    for byte in path.as_os_str().as_bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' | b'/' => uri.push(char::from(*byte)),
            _ => uri.push_str(&format!("%{byte:02X}")),
        }
    }
    uri.push_str("?mode=rw");
    uri
}

fn beside(path: &Path, suffix: &str) -> PathBuf {
    let mut name = OsString::from(path);
    name.push(suffix);
    PathBuf::from(name)
}

/// Whether the file exists; refuses one in which there can be no books, or which has a second lock under another name.
fn check_file(path: &Path) -> Result<bool> {
    let metadata = match std::fs::metadata(path) {
        Ok(metadata) => metadata,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(false),
        Err(source) => return Err(Error::File { path: path.to_owned(), source }),
    };
    if metadata.len() == 0 {
        return Err(Error::Empty(path.to_owned()));
    }
    if metadata.is_file() && metadata.nlink() > 1 {
        return Err(Error::HardLinked(path.to_owned()));
    }
    Ok(true)
}

/// Takes the lock that keeps a second process away from the file; says whether it was never taken before.
fn lock(path: &Path, lock_path: &Path) -> Result<(File, bool)> {
    let failed = |source| Error::File { path: lock_path.to_owned(), source };
    let mut options = OpenOptions::new();
    options.write(true).mode(0o600);
    let (file, is_first) = match options.clone().create_new(true).open(lock_path) {
        Ok(file) => (file, true),
        Err(error) if error.kind() == ErrorKind::AlreadyExists => (options.open(lock_path).map_err(failed)?, false),
        Err(source) => return Err(failed(source)),
    };
    match file.try_lock() {
        Ok(()) => Ok((file, is_first)),
        Err(std::fs::TryLockError::WouldBlock) => Err(Error::InUse(path.to_owned())),
        Err(std::fs::TryLockError::Error(source)) => Err(failed(source)),
    }
}

/// Makes a database without tables that only its owner reads; SQLite gives its log the same mode.
///
/// It gets its name when its first page is written: a crash leaves no empty file, which would be refused ever after.
fn make(path: &Path) -> Result<()> {
    let new = beside(path, ".new");
    let failed = |source| Error::File { path: new.clone(), source };
    for left_over in ["", "-journal", "-wal", "-shm"] {
        match std::fs::remove_file(beside(&new, left_over)) {
            Err(error) if error.kind() != ErrorKind::NotFound => return Err(failed(error)),
            _ => {}
        }
    }
    OpenOptions::new().write(true).create_new(true).mode(0o600).open(&new).map_err(failed)?;
    let mut connection = SqliteConnection::establish(&uri(&new)).map_err(|error| Error::Connect(error.to_string()))?;
    connection.batch_execute("PRAGMA journal_mode = WAL;")?;
    drop(connection);
    std::fs::rename(&new, path).map_err(failed)?;
    let directory = path.parent().unwrap_or(Path::new("/"));
    File::open(directory).and_then(|directory| directory.sync_all()).map_err(failed)
}

/// What a look at a file shows: equal looks mean that nobody is changing it.
#[derive(PartialEq, Eq)]
struct Look {
    page_size: u64,
    /// What its own header says, in pages.
    expected: u64,
    found_bytes: u64,
    /// Size of the log in bytes, and its header, which changes when the log is begun anew.
    log_bytes: u64,
    log_header: Vec<u8>,
}

/// Refuses a file that has lost pages, before SQLite reads half a ledger from it.
///
/// A crash while the log is copied into the file leaves a header that is ahead of the file. That is whole as long as
/// the log still has every page that the file lacks, and SQLite brings it in order when it opens both.
fn check_whole(path: &Path, looks_max: u32) -> Result<()> {
    let mut before = None;
    for look_number in 1..=looks_max {
        let look = look_at(path)?;
        if look.found_bytes >= look.expected * look.page_size || log_has_the_rest(path, &look)? {
            return Ok(());
        }
        if look_number == looks_max || before.as_ref() == Some(&look) {
            let expected = look.expected * look.page_size;
            return Err(Error::Truncated { path: path.to_owned(), expected, found: look.found_bytes });
        }
        before = Some(look);
        std::thread::sleep(LOOK_INTERVAL);
    }
    Ok(())
}

/// Source: SQLite file format, section 1.3: page size at byte 16, size in pages at 28, valid when the change counter at
/// 24 equals the number at 92.
fn look_at(path: &Path) -> Result<Look> {
    let failed = |source| Error::File { path: path.to_owned(), source };
    let mut file = File::open(path).map_err(failed)?;
    let found_bytes = file.metadata().map_err(failed)?.len();
    let mut header = [0_u8; 100];
    if file.read_exact(&mut header).is_err() || !header.starts_with(b"SQLite format 3\0") {
        return Err(Error::NotADatabase(path.to_owned()));
    }
    let page_size = match u16::from_be_bytes([header[16], header[17]]) {
        1 => 65_536,
        size => u64::from(size),
    };
    let is_valid = word(&header, 24) == word(&header, 92);
    let expected = if is_valid { u64::from(word(&header, 28)) } else { 0 };
    let (log_bytes, log_header) = match File::open(beside(path, "-wal")) {
        Ok(log) => {
            let mut header = Vec::new();
            let length = log.metadata().map_err(failed)?.len();
            log.take(32).read_to_end(&mut header).map_err(failed)?;
            (length, header)
        }
        Err(error) if error.kind() == ErrorKind::NotFound => (0, Vec::new()),
        Err(source) => return Err(failed(source)),
    };
    Ok(Look { page_size, expected, found_bytes, log_bytes, log_header })
}

/// Whether every page that the file lacks stands in the committed part of its log.
///
/// Only the frames that SQLite itself would recover count: with the salts of the header and an unbroken checksum, up to
/// the last commit. The commit that the file's header is of must be among them, or the end of the log is lost as well.
///
/// Source: SQLite file format, section 4: the log's header (magic, version, page size, sequence, two salts, two sums)
/// and its frames (page, size of the database after a commit or 0, two salts, two sums, the page).
fn log_has_the_rest(path: &Path, look: &Look) -> Result<bool> {
    let header = look.log_header.as_slice();
    let is_log =
        header.len() == 32 && word(header, 0) & !1 == 0x377f_0682 && u64::from(word(header, 8)) == look.page_size;
    if !is_log {
        return Ok(false);
    }
    let is_big_endian = word(header, 0) & 1 == 1;
    let mut sum = checksum(is_big_endian, (0, 0), &header[..24]);
    if sum != (word(header, 24), word(header, 28)) {
        return Ok(false);
    }
    let log_path = beside(path, "-wal");
    let failed = |source| Error::File { path: log_path.clone(), source };
    let mut log = BufReader::new(File::open(&log_path).map_err(failed)?);
    log.read_exact(&mut [0_u8; 32]).map_err(failed)?;
    let page_size = usize::try_from(look.page_size).expect("a page has at most 65,536 bytes");
    let (mut frame, mut pages) = (vec![0_u8; 24 + page_size], Vec::new());
    // Of each commit, the frames up to it and the pages that the database then has.
    let mut commits: Vec<(usize, u64)> = Vec::new();
    while log.read_exact(&mut frame).is_ok() {
        sum = checksum(is_big_endian, sum, &frame[..8]);
        sum = checksum(is_big_endian, sum, &frame[24..]);
        if frame[8..16] != header[16..24] || sum != (word(&frame, 16), word(&frame, 20)) {
            break;
        }
        pages.push(u64::from(word(&frame, 0)));
        if word(&frame, 4) != 0 {
            commits.push((pages.len(), u64::from(word(&frame, 4))));
        }
    }
    let Some(&(count, pages_after)) = commits.last() else { return Ok(false) };
    if commits.iter().all(|(_, pages)| *pages != look.expected) {
        return Ok(false);
    }
    let in_log: HashSet<u64> = pages.into_iter().take(count).collect();
    let whole_pages = look.found_bytes / look.page_size;
    Ok((whole_pages + 1..=pages_after).all(|page| in_log.contains(&page)))
}

/// The running checksum of the log: two sums over pairs of 32-bit words, in the byte order that its magic names.
fn checksum(is_big_endian: bool, start: (u32, u32), bytes: &[u8]) -> (u32, u32) {
    let read = |four: &[u8]| {
        let four = four.try_into().expect("four bytes");
        if is_big_endian { u32::from_be_bytes(four) } else { u32::from_le_bytes(four) }
    };
    bytes.chunks_exact(8).fold(start, |(first, second), pair| {
        let first = first.wrapping_add(read(&pair[..4])).wrapping_add(second);
        (first, second.wrapping_add(read(&pair[4..])).wrapping_add(first))
    })
}

fn word(bytes: &[u8], at: usize) -> u32 {
    u32::from_be_bytes(bytes[at..at + 4].try_into().expect("four bytes"))
}
