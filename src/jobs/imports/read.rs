//! The reading half of an import: one thread that reads the file and hands batches of likes over a short queue.
//!
//! Owns that a file of any size is read in constant memory, and that a post known by address only is asked for, never
//! guessed.

use std::fs::File;
use std::io::BufReader;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};

use tokio::sync::mpsc;

use super::super::bridges::seen_post;
use super::ImportFailure;
use crate::bridges::archive::{Archive, Limits};
use crate::bridges::{self, Access, Bridge, ExportFile, LikeItem, pasted};
use crate::domain::time::Timestamp;
use crate::federation::Node;
use crate::flows::import::{Owner, Part};
use crate::flows::notice::SeenPost;

/// Likes of one transaction, and batches that may wait for it.
pub const BATCH: usize = 5_000;
pub const QUEUE: usize = 2;
/// Posts of one batch for which a platform is asked: what was answered is saved then.
const ASKED_MAX: usize = 50;
/// Questions in a row that may fail, until the platform is left alone.
const FAILURES_MAX: u32 = 3;

/// What the reading thread hands over, in the order of the file, so that a place in it is a number of items.
#[derive(Default)]
pub struct Batch {
    items: Vec<Read>,
    asked: usize,
}

enum Read {
    Like(Box<SeenPost>, Option<Timestamp>),
    /// Known by address only.
    Asked(Box<LikeItem>),
    Unreadable,
}

impl Batch {
    fn push(&mut self, item: Read) {
        self.asked += usize::from(matches!(item, Read::Asked(_)));
        self.items.push(item);
    }

    fn is_full(&self) -> bool {
        self.items.len() >= BATCH || self.asked >= ASKED_MAX
    }
}

/// A file to be read.
#[derive(Clone)]
pub struct Source {
    pub path: PathBuf,
    /// As the person's computer calls it: tells what a bare file is.
    pub name: String,
    pub is_list: bool,
}

impl Source {
    fn open(&self) -> Result<Archive<BufReader<File>>, ImportFailure> {
        let file = File::open(&self.path).map_err(|error| unreadable(&self.path, &error))?;
        // Pasted text is nothing but a list, whatever it begins with.
        Ok(match self.is_list {
            true => Archive::bare(BufReader::new(file), &self.name, Limits::default()),
            false => Archive::open(BufReader::new(file), &self.name, Limits::default())?,
        })
    }

    fn with_export<T>(
        &self,
        bridge: &dyn Bridge,
        work: impl FnOnce(&dyn ExportFile) -> Result<T, ImportFailure>,
    ) -> Result<T, ImportFailure> {
        if self.is_list {
            return work(&pasted::List(bridge));
        }
        work(bridge.export().ok_or(ImportFailure::NoExport(bridge.platform()))?)
    }

    /// Whether it is a whole archive, and whether it is a further file out of one.
    pub fn kind(&self, bridge: &dyn Bridge) -> Result<(bool, bool), ImportFailure> {
        self.with_export(bridge, |export| {
            let is_archive = self.open()?.is_zip();
            Ok((is_archive, !is_archive && export.is_further(&self.name)))
        })
    }

    /// Whose file it is.
    ///
    /// - errors: what can be seen without reading the likes: no archive, no likes in it, a form that cannot be read.
    pub fn look(&self, bridge: &dyn Bridge) -> Result<Owner, ImportFailure> {
        self.with_export(bridge, |export| {
            let mut archive = self.open()?;
            archive.check(export)?;
            let owner = archive.owner(export)?;
            Ok(Owner { id: owner.id, handle: owner.handle })
        })
    }

    /// Hands the likes over, without the first `skipped` items, which were saved before.
    pub fn read(
        &self,
        node: &Node,
        bridge: &dyn Bridge,
        skipped: u64,
        batches: &mpsc::Sender<Batch>,
    ) -> Result<(), ImportFailure> {
        self.with_export(bridge, |export| {
            let (mut skipped, mut batch) = (skipped, Batch::default());
            let read = self.open()?.likes(export, &mut |item| {
                if skipped > 0 {
                    skipped -= 1;
                    return ControlFlow::Continue(());
                }
                match item {
                    Ok(item) if is_by_address(bridge, &item) => batch.push(Read::Asked(Box::new(item))),
                    Ok(item) => batch.push(Read::Like(Box::new(seen_post(node, &item.post)), item.liked_at)),
                    Err(_) => batch.push(Read::Unreadable),
                }
                if !batch.is_full() {
                    return ControlFlow::Continue(());
                }
                // A receiver that is gone has failed, and says why itself.
                let sent = batches.blocking_send(std::mem::take(&mut batch));
                if sent.is_ok() { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
            });
            // What came before the file broke off counts; a receiver that is gone has failed, as above.
            drop(batches.blocking_send(batch));
            Ok(read?)
        })
    }
}

fn unreadable(path: &Path, error: &std::io::Error) -> ImportFailure {
    ImportFailure::File { path: path.to_owned(), reason: error.to_string() }
}

fn is_by_address(bridge: &dyn Bridge, item: &LikeItem) -> bool {
    bridge.needs_resolving(&item.post.id) || pasted::needs_resolving(&item.post.id)
}

/// Asks the platform which posts are meant. What it does not answer is left out and counted: a flattr under a name that
/// moves would be paid to whoever bears it next.
pub struct Resolver {
    failures: u32,
    /// Whoever can wait is told when the platform wants to be left alone, instead of losing what it was to be asked for.
    is_patient: bool,
}

/// Why a batch was not resolved to its end.
pub struct Stopped {
    pub until: Option<Timestamp>,
    pub reason: String,
}

impl Resolver {
    pub fn new(is_patient: bool) -> Resolver {
        Resolver { failures: 0, is_patient }
    }

    /// - returns: the part of the file up to the first item of which the platform does not speak today.
    pub async fn resolve(&mut self, node: &Node, bridge: &dyn Bridge, batch: Batch) -> (Part, Option<Stopped>) {
        let mut part = Part::default();
        for item in batch.items {
            let item = match item {
                Read::Like(post, liked_at) => {
                    part.likes.push((*post, liked_at));
                    continue;
                }
                Read::Unreadable => {
                    part.unreadable += 1;
                    continue;
                }
                Read::Asked(item) => item,
            };
            match self.ask(bridge, &item).await {
                Ok(post) => part.likes.push((seen_post(node, &post), item.liked_at)),
                Err(error) if self.is_patient && error.is_worth_retrying() => {
                    let until = match &error {
                        bridges::Error::RateLimited { until, .. } => *until,
                        _ => None,
                    };
                    return (part, Some(Stopped { until, reason: error.message().to_owned() }));
                }
                Err(error) => {
                    let is_answer = matches!(error, bridges::Error::NotFound { .. } | bridges::Error::Gone { .. });
                    part.unresolved += 1;
                    part.unanswered += u64::from(!is_answer);
                }
            }
        }
        (part, None)
    }

    async fn ask(&mut self, bridge: &dyn Bridge, item: &LikeItem) -> Result<bridges::Post, bridges::Error> {
        let live = bridge.live().ok_or_else(|| bridges::Error::unsupported("this platform cannot be asked"))?;
        if self.failures >= FAILURES_MAX {
            return Err(bridges::Error::unsupported("it did not answer before"));
        }
        let asked = match bridge.parse_reference(&item.post.url) {
            Ok(reference) if !bridge.needs_resolving(&item.post.id) => {
                live.resolve(&reference, &Access::Instance).await
            }
            _ => live.post(&item.post.id, Some(&item.post.url), &Access::Instance).await,
        };
        match &asked {
            Ok(_) | Err(bridges::Error::NotFound { .. } | bridges::Error::Gone { .. }) => self.failures = 0,
            // Whoever says stop is not asked again.
            Err(bridges::Error::RateLimited { .. }) => self.failures = FAILURES_MAX,
            Err(_) => self.failures += 1,
        }
        asked
    }
}
