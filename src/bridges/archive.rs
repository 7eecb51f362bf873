//! The export file that a person uploads: a ZIP archive, or one bare file out of it.
//!
//! Owns the bounds, since the file comes from a stranger: how many members, how large each may say it is and may turn out
//! to be, and how much a few bytes may grow into. Nothing is unpacked to disk and no member is held in memory whole. A
//! name that would lead out of a directory is refused although no path is ever used, as the mark of a hostile file.

use std::cmp::Ordering;
use std::io::{self, Read, Seek, SeekFrom};
use std::ops::ControlFlow;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering as Memory};

use zip::ZipArchive;
use zip::result::ZipError;

use super::error::Error;
use super::value::LikeItem;
use super::{ExportFile, ExportOwner, Member};

/// What an archive may cost us.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    pub members_max: usize,
    /// Of the directory of the archive, which has to be read whole.
    pub directory_bytes_max: u64,
    /// Of all members together that are read, unpacked.
    pub total_bytes_max: u64,
    /// Unpacked bytes for each packed one, beyond the first [`Limits::ratio_free_bytes`].
    pub ratio_max: u64,
    pub ratio_free_bytes: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Limits {
            members_max: 200_000,
            directory_bytes_max: 64 << 20,
            total_bytes_max: 20 << 30,
            ratio_max: 200,
            ratio_free_bytes: 10 << 20,
        }
    }
}

/// An export file that was opened.
pub struct Archive<R> {
    source: Source<R>,
    limits: Limits,
    /// Unpacked bytes that may still be read.
    left: u64,
}

enum Source<R> {
    Zip(Box<ZipArchive<Budgeted<R>>>),
    Bare { name: String, input: R },
}

/// A reader that stops after so many bytes, for the directory of an archive.
struct Budgeted<R> {
    input: R,
    left: Arc<AtomicU64>,
}

impl<R: Read> Read for Budgeted<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.input.read(buffer)?;
        let left = self.left.load(Memory::Relaxed);
        let after = left.checked_sub(count as u64).ok_or_else(|| io::Error::other("the directory is too large"))?;
        self.left.store(after, Memory::Relaxed);
        Ok(count)
    }
}

impl<R: Seek> Seek for Budgeted<R> {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        self.input.seek(to)
    }
}

impl<R: Read + Seek> Archive<R> {
    /// Opens a file: an archive if it begins like one, else a bare file of that name.
    ///
    /// - `name`: as the person's computer calls it; only its last part counts.
    /// - errors: what is no archive inside, or breaks a bound.
    pub fn open(mut input: R, name: &str, limits: Limits) -> Result<Archive<R>, Error> {
        let mut magic = Vec::new();
        input.rewind().map_err(unreadable)?;
        input.by_ref().take(4).read_to_end(&mut magic).map_err(unreadable)?;
        input.rewind().map_err(unreadable)?;
        let left = limits.total_bytes_max;
        if !matches!(magic.as_slice(), b"PK\x03\x04" | b"PK\x05\x06") {
            let name = name.rsplit(['/', '\\']).next().unwrap_or(name).to_owned();
            return Ok(Archive { source: Source::Bare { name, input }, limits, left });
        }
        let budget = Arc::new(AtomicU64::new(limits.directory_bytes_max));
        let zip = ZipArchive::new(Budgeted { input, left: Arc::clone(&budget) }).map_err(refused)?;
        if zip.len() > limits.members_max {
            return Err(Error::malformed(format!("the archive has more than {} members", limits.members_max)));
        }
        for name in zip.file_names() {
            let name = name.map_err(refused)?;
            if !is_plain(&name) {
                return Err(Error::malformed(format!("the archive has a member of the name `{name}`")));
            }
        }
        // From here on each member has bounds of its own.
        budget.store(u64::MAX, Memory::Relaxed);
        Ok(Archive { source: Source::Zip(Box::new(zip)), limits, left })
    }

    /// A file that is no archive, whatever it begins with.
    pub fn bare(input: R, name: &str, limits: Limits) -> Archive<R> {
        Archive { source: Source::Bare { name: name.to_owned(), input }, limits, left: limits.total_bytes_max }
    }

    /// Whether it is an archive, not a bare file.
    pub fn is_zip(&self) -> bool {
        matches!(self.source, Source::Zip(_))
    }

    /// Whether there are likes to be read, without reading them.
    ///
    /// - errors: [`Error::Unsupported`] with advice when they are there in a form that cannot be read.
    pub fn check(&self, export: &dyn ExportFile) -> Result<(), Error> {
        if self.members(export, Member::Likes)?.is_empty() { Err(self.advice(export)?) } else { Ok(()) }
    }

    /// Whose file it is, from every member that tells.
    ///
    /// - errors: when two members name different accounts.
    pub fn owner(&mut self, export: &dyn ExportFile) -> Result<ExportOwner, Error> {
        let mut found = ExportOwner::default();
        for path in self.members(export, Member::Owner)? {
            let owner = self.read(&path, |input| export.owner(&path, input))?;
            if found.id.is_some() && owner.id.is_some() && found.id != owner.id {
                return Err(Error::malformed("the archive names two owners"));
            }
            found.id = found.id.or(owner.id);
            found.handle = found.handle.or(owner.handle);
        }
        Ok(found)
    }

    /// Hands out the likes, file after file in the order of their numbers.
    ///
    /// - `take`: breaks to stop early.
    /// - errors: [`Error::Unsupported`] with advice when the likes are there in a form that cannot be read;
    ///   [`Error::Malformed`] when there are none, or a file breaks off.
    pub fn likes(
        &mut self,
        export: &dyn ExportFile,
        take: &mut dyn FnMut(Result<LikeItem, Error>) -> ControlFlow<()>,
    ) -> Result<(), Error> {
        self.check(export)?;
        let paths = self.members(export, Member::Likes)?;
        let mut is_stopped = false;
        for path in paths {
            let mut watched = |item| {
                let flow = take(item);
                is_stopped |= flow.is_break();
                flow
            };
            self.read(&path, |input| export.likes(&path, input, &mut watched))?;
            if is_stopped {
                break;
            }
        }
        Ok(())
    }

    /// Why there is nothing to read.
    fn advice(&self, export: &dyn ExportFile) -> Result<Error, Error> {
        for name in self.names()? {
            if let Some(Member::Unreadable(advice)) = export.member(&name) {
                return Ok(Error::unsupported(advice));
            }
        }
        Ok(Error::malformed("the file holds no list of likes"))
    }

    fn names(&self) -> Result<Vec<String>, Error> {
        match &self.source {
            Source::Bare { name, .. } => Ok(vec![name.clone()]),
            Source::Zip(zip) => {
                zip.file_names().map(|name| name.map(|name| name.into_owned()).map_err(refused)).collect()
            }
        }
    }

    fn members(&self, export: &dyn ExportFile, kind: Member) -> Result<Vec<String>, Error> {
        let mut names = self.names()?;
        names.retain(|name| !name.ends_with('/') && export.member(name) == Some(kind));
        names.sort_by(|a, b| natural(a, b));
        Ok(names)
    }

    fn read<T>(&mut self, path: &str, work: impl FnOnce(&mut dyn Read) -> Result<T, Error>) -> Result<T, Error> {
        let Limits { ratio_max, ratio_free_bytes, .. } = self.limits;
        match &mut self.source {
            Source::Bare { input, .. } => {
                input.rewind().map_err(unreadable)?;
                bounded(input, self.left, &mut self.left, work)
            }
            Source::Zip(zip) => {
                let member = zip.by_name(path).map_err(refused)?;
                if member.encrypted() {
                    return Err(Error::unsupported("the archive is locked with a password"));
                }
                if member.is_symlink() {
                    return Err(Error::malformed(format!("`{path}` is no file")));
                }
                if member.size() > self.left {
                    return Err(Error::malformed(format!("`{path}` is too large")));
                }
                let grown = member.compressed_size().saturating_mul(ratio_max).max(ratio_free_bytes);
                bounded(member, grown.min(self.left), &mut self.left, work)
            }
        }
    }
}

/// Reads at most `limit` bytes, and takes what was read from `left`.
fn bounded<T>(
    input: impl Read,
    limit: u64,
    left: &mut u64,
    work: impl FnOnce(&mut dyn Read) -> Result<T, Error>,
) -> Result<T, Error> {
    let mut limited = Limited { input, left: limit, is_exceeded: false };
    let outcome = work(&mut limited);
    *left -= limit - limited.left;
    if limited.is_exceeded {
        return Err(Error::malformed("the file unpacks to far more than it should"));
    }
    outcome
}

struct Limited<R> {
    input: R,
    left: u64,
    is_exceeded: bool,
}

impl<R: Read> Read for Limited<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.input.read(buffer)?;
        match self.left.checked_sub(count as u64) {
            Some(left) => {
                self.left = left;
                Ok(count)
            }
            None => {
                self.is_exceeded = true;
                Err(io::Error::other("too many bytes"))
            }
        }
    }
}

/// A relative name that stays below where it is.
fn is_plain(name: &str) -> bool {
    let is_drive = name.as_bytes().get(1) == Some(&b':');
    !name.is_empty()
        && !name.starts_with('/')
        && !is_drive
        && !name.contains(['\\', '\0'])
        && name.split('/').all(|part| part != "..")
}

/// `like.js` before `like-part1.js`, and `part2` before `part10`.
fn natural(a: &str, b: &str) -> Ordering {
    let stem = |name: &str| name.rsplit_once('.').map_or(name.len(), |(stem, _)| stem.len());
    let (mut x, mut y) = (&a[..stem(a)], &b[..stem(b)]);
    loop {
        match (x.chars().next(), y.chars().next()) {
            (None, None) => return a.cmp(b),
            (None, _) => return Ordering::Less,
            (_, None) => return Ordering::Greater,
            (Some(c), Some(d)) if c.is_ascii_digit() && d.is_ascii_digit() => {
                let digits = |text: &str| text.bytes().take_while(u8::is_ascii_digit).count();
                let (m, n) = (&x[..digits(x)], &y[..digits(y)]);
                let (p, q) = (m.trim_start_matches('0'), n.trim_start_matches('0'));
                match p.len().cmp(&q.len()).then_with(|| p.cmp(q)) {
                    Ordering::Equal => (x, y) = (&x[m.len()..], &y[n.len()..]),
                    unequal => return unequal,
                }
            }
            (Some(c), Some(d)) if c == d => (x, y) = (&x[c.len_utf8()..], &y[c.len_utf8()..]),
            (Some(c), Some(d)) => return c.cmp(&d),
        }
    }
}

fn unreadable(error: io::Error) -> Error {
    Error::malformed(format!("the file could not be read: {error}"))
}

fn refused(error: ZipError) -> Error {
    match error {
        ZipError::UnsupportedArchive(what) if what == ZipError::PASSWORD_REQUIRED => {
            Error::unsupported("the archive is locked with a password")
        }
        ZipError::UnsupportedArchive(_) | ZipError::CompressionMethodNotSupported(_) => {
            Error::unsupported(error.to_string())
        }
        _ => Error::malformed(format!("the archive is damaged: {error}")),
    }
}

#[cfg(test)]
mod tests {
    use std::io::{Cursor, Write};

    use zip::write::SimpleFileOptions;
    use zip::{CompressionMethod, ZipWriter};

    use super::*;
    use crate::bridges::stream;
    use crate::bridges::value::{Post, PostKind};
    use crate::bridges::wire::Text;
    use crate::domain::identity::{ExternalId, ObjectRef, Platform};

    /// `likes*.json` holds numbers, `owner*.json` a number.
    struct Numbers;

    impl ExportFile for Numbers {
        fn member(&self, path: &str) -> Option<Member> {
            let name = path.rsplit('/').next().unwrap_or(path);
            match name.rsplit_once('.')? {
                (name, "json") if name.starts_with("likes") => Some(Member::Likes),
                (name, "json") if name.starts_with("owner") => Some(Member::Owner),
                (_, "html") => Some(Member::Unreadable("HTML export: ask for JSON")),
                _ => None,
            }
        }

        fn owner(&self, _: &str, input: &mut dyn Read) -> Result<ExportOwner, Error> {
            let Text(id) = stream::whole(input, 100)?;
            Ok(ExportOwner { id: Some(ExternalId::new(Platform::Twitter, &id)?), handle: None })
        }

        fn likes(
            &self,
            _: &str,
            input: &mut dyn Read,
            take: &mut dyn FnMut(Result<LikeItem, Error>) -> ControlFlow<()>,
        ) -> Result<(), Error> {
            stream::each(input, &[], &mut |item: Result<Text, Error>| {
                take(item.map(|Text(id)| {
                    let id = ObjectRef::new(Platform::Twitter, &id).expect("a number is an id");
                    LikeItem { post: Post::new(id, PostKind::Text, "", ""), liked_at: None }
                }))
            })
            .map(|_| ())
        }
    }

    fn zipped(members: &[(&str, &[u8])]) -> Cursor<Vec<u8>> {
        let mut writer = ZipWriter::new(Cursor::new(Vec::new()));
        let options = SimpleFileOptions::default().compression_method(CompressionMethod::Deflated);
        for (name, bytes) in members {
            writer.start_file(*name, options).unwrap();
            writer.write_all(bytes).unwrap();
        }
        writer.finish().unwrap()
    }

    fn likes(archive: &mut Archive<Cursor<Vec<u8>>>) -> Result<Vec<String>, Error> {
        let mut found = Vec::new();
        archive.likes(&Numbers, &mut |item| {
            found.push(item.map_or_else(|_| "?".to_owned(), |item| item.post.id.object().to_owned()));
            ControlFlow::Continue(())
        })?;
        Ok(found)
    }

    fn open(members: &[(&str, &[u8])]) -> Archive<Cursor<Vec<u8>>> {
        Archive::open(zipped(members), "export.zip", Limits::default()).unwrap()
    }

    #[test]
    fn the_parts_are_read_in_the_order_of_their_numbers() {
        let mut archive = open(&[
            ("data/likes-part10.json", b"[4]"),
            ("data/likes-part2.json", b"[3, []]"),
            ("data/likes.json", b"[1]"),
            ("data/likes-part1.json", b"[2]"),
            ("data/owner.json", b"77"),
            ("data/likes/", b""),
        ]);
        assert_eq!(archive.owner(&Numbers).unwrap().id.unwrap().account(), "77");
        assert_eq!(likes(&mut archive).unwrap(), ["1", "2", "3", "?", "4"]);
    }

    #[test]
    fn a_bare_file_is_an_archive_of_one() {
        let file = Cursor::new(b"[5]".to_vec());
        let mut archive = Archive::open(file, "C:\\Users\\ana\\likes.json", Limits::default()).unwrap();
        assert_eq!(archive.owner(&Numbers).unwrap(), ExportOwner::default());
        assert_eq!(likes(&mut archive).unwrap(), ["5"]);
    }

    #[test]
    fn an_export_in_another_form_is_refused_with_advice() {
        let html = likes(&mut open(&[("likes.html", b"<html>")])).unwrap_err();
        assert_eq!(html, Error::unsupported("HTML export: ask for JSON"));
        assert_eq!(likes(&mut open(&[("photo.jpg", b"")])).unwrap_err().class(), "malformed");
    }

    #[test]
    fn two_owners_in_one_archive_are_refused() {
        let mut archive = open(&[("owner.json", b"1"), ("owner2.json", b"2")]);
        assert_eq!(archive.owner(&Numbers).unwrap_err().class(), "malformed");
    }

    #[test]
    fn names_that_lead_elsewhere_are_refused() {
        for name in ["../likes.json", "a/../../likes.json", "/etc/likes.json", "C:/likes.json", "a\\..\\likes.json"] {
            assert!(!is_plain(name), "{name}");
        }
        assert!(is_plain("data/..likes.json"));
        let refused = Archive::open(zipped(&[("../likes.json", b"[1]")]), "x.zip", Limits::default());
        assert!(refused.is_err_and(|error| error.class() == "malformed"));
    }

    #[test]
    fn what_grows_without_measure_is_refused() {
        let bomb = [b"[".to_vec(), vec![b' '; 40 << 20], b"1]".to_vec()].concat();
        let limits = Limits { ratio_free_bytes: 1 << 20, ..Limits::default() };
        let mut archive = Archive::open(zipped(&[("likes.json", &bomb)]), "x.zip", limits).unwrap();
        assert_eq!(likes(&mut archive).unwrap_err().class(), "malformed");
        let limits = Limits { total_bytes_max: 5, ..Limits::default() };
        let members: [(&str, &[u8]); 2] = [("likes1.json", b"[1]"), ("likes2.json", b"[2]")];
        let mut archive = Archive::open(zipped(&members), "x.zip", limits).unwrap();
        assert_eq!(likes(&mut archive).unwrap_err().class(), "malformed");
        let limits = Limits { members_max: 1, ..Limits::default() };
        assert!(Archive::open(zipped(&members), "x.zip", limits).is_err());
        let limits = Limits { directory_bytes_max: 60, ..Limits::default() };
        assert!(Archive::open(zipped(&members), "x.zip", limits).is_err());
    }

    #[test]
    fn a_locked_or_damaged_archive_is_refused() {
        let mut bytes = zipped(&[("likes.json", b"[1]")]).into_inner();
        let flags = |bytes: &[u8], magic: &[u8]| bytes.windows(4).position(|four| four == magic).unwrap();
        let (local, central) = (flags(&bytes, b"PK\x03\x04") + 6, flags(&bytes, b"PK\x01\x02") + 8);
        bytes[local] |= 1;
        bytes[central] |= 1;
        let mut locked = Archive::open(Cursor::new(bytes.clone()), "x.zip", Limits::default()).unwrap();
        assert_eq!(likes(&mut locked).unwrap_err().class(), "unsupported");
        bytes.truncate(bytes.len() - 30);
        assert!(Archive::open(Cursor::new(bytes), "x.zip", Limits::default()).is_err());
    }
}
