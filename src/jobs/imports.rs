//! Reading an export file into a patron's likes.
//!
//! Owns that a file of any size is read in constant memory: one thread reads it, batches of likes go through a short queue
//! into one transaction each. What was read stays when the rest breaks off; the same file again goes on from there.

use std::fs::File;
use std::io::BufReader;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use tokio::sync::mpsc;

use super::JobError;
use super::bridges::seen_post;
use crate::bridges::archive::{Archive, Limits};
use crate::bridges::{self, Access, Bridge, LikeItem};
use crate::domain::id::PatronId;
use crate::domain::identity::Platform;
use crate::federation::Node;
use crate::flows::connect::Changed;
use crate::flows::import::{self, ImportError, Owner};
use crate::vault::random_bytes;

/// Likes of one transaction, and batches that may wait for it.
const BATCH: usize = 2_000;
const QUEUE: usize = 2;

/// What an import did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Imported {
    pub likes: u64,
    pub unreadable: u64,
    /// Named by an address only, and the platform could not be asked which posts they are.
    pub unresolved: u64,
    pub changed: Changed,
}

/// Why a file was not imported, or not to its end.
#[derive(Debug, thiserror::Error)]
pub enum ImportFailure {
    #[error("the bridge to {0} is switched off")]
    SwitchedOff(Platform),
    #[error("no layout of an export file of {0} is known")]
    NoExport(Platform),
    #[error("cannot read {}: {reason}", .path.display())]
    File { path: PathBuf, reason: String },
    #[error("{0}")]
    Content(#[from] bridges::Error),
    #[error("{0}")]
    Import(#[from] ImportError),
    #[error("{0}")]
    Job(#[from] JobError),
}

/// Imports a file into a patron's likes.
///
/// - `path`: a ZIP archive or a bare file out of it; its name tells which.
/// - `progress`: told after each batch.
pub async fn import(
    node: &Node,
    patron: PatronId,
    platform: Platform,
    path: &Path,
    mut progress: impl FnMut(&Imported),
) -> Result<Imported, ImportFailure> {
    let bridge = node.bridges.get(platform).cloned().ok_or(ImportFailure::SwitchedOff(platform))?;
    if bridge.export().is_none() {
        return Err(ImportFailure::NoExport(platform));
    }
    let (batches, mut incoming) = mpsc::channel(QUEUE);
    let (reader, owned) = (Arc::clone(&bridge), path.to_owned());
    let reading = tokio::task::spawn_blocking(move || read(&*reader, &owned, &batches));
    let mut connection = None;
    let mut imported = Imported::default();
    while let Some(part) = incoming.recv().await {
        let now = node.now();
        match part {
            Part::Owner(owner) => {
                let token = hex::encode(random_bytes::<16>());
                let begun = node.write(move |tx| import::begin(tx, patron, platform, &owner, &token, now)).await?;
                connection = Some(begun.id);
            }
            Part::Likes { items, unreadable } => {
                let id = connection.expect("the owner comes first");
                imported.likes += items.len() as u64;
                imported.unreadable += unreadable;
                let (items, unresolved) = resolved(&*bridge, items).await;
                imported.unresolved += unresolved;
                let likes: Vec<_> = items.iter().map(|item| (seen_post(node, &item.post), item.liked_at)).collect();
                let instance = node.instance.clone();
                let changed = node.write(move |tx| import::apply(tx, &instance, id, &likes, now)).await?;
                imported.changed.add(changed);
                progress(&imported);
            }
        }
    }
    let read =
        reading.await.map_err(|error| ImportFailure::File { path: path.to_owned(), reason: error.to_string() })?;
    read?;
    if let Some(id) = connection {
        let now = node.now();
        node.write(move |tx| import::end(tx, id, now)).await?;
    }
    Ok(imported)
}

/// Asks the platform which posts are meant where the file names them by address. What it does not answer is left out and
/// counted: a flattr under a name that moves would be paid to whoever bears it next.
async fn resolved(bridge: &dyn Bridge, items: Vec<LikeItem>) -> (Vec<LikeItem>, u64) {
    let mut known = Vec::with_capacity(items.len());
    let mut unresolved = 0;
    for item in items {
        if !bridge.needs_resolving(&item.post.id) {
            known.push(item);
            continue;
        }
        let asked = match bridge.live() {
            Some(live) => live.post(&item.post.id, Some(&item.post.url), &Access::Instance).await,
            None => Err(bridges::Error::unsupported("this platform cannot be asked")),
        };
        match asked {
            Ok(post) => known.push(LikeItem { post, liked_at: item.liked_at }),
            Err(_) => unresolved += 1,
        }
    }
    (known, unresolved)
}

/// What the reading thread hands over, the owner first.
enum Part {
    Owner(Owner),
    Likes { items: Vec<LikeItem>, unreadable: u64 },
}

fn read(bridge: &dyn Bridge, path: &Path, batches: &mpsc::Sender<Part>) -> Result<(), ImportFailure> {
    let export = bridge.export().expect("asked before");
    let file =
        File::open(path).map_err(|error| ImportFailure::File { path: path.to_owned(), reason: error.to_string() })?;
    let name = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    let mut archive = Archive::open(BufReader::new(file), &name, Limits::default())?;
    let owner = archive.owner(export)?;
    // A receiver that is gone has failed, and says why itself.
    if batches.blocking_send(Part::Owner(Owner { id: owner.id, handle: owner.handle })).is_err() {
        return Ok(());
    }
    let (mut items, mut unreadable) = (Vec::with_capacity(BATCH), 0);
    archive.likes(export, &mut |item| {
        match item {
            Ok(item) => items.push(item),
            Err(_) => unreadable += 1,
        }
        if items.len() < BATCH {
            return ControlFlow::Continue(());
        }
        let full = Part::Likes { items: std::mem::take(&mut items), unreadable: std::mem::take(&mut unreadable) };
        if batches.blocking_send(full).is_ok() { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
    })?;
    // The rest; a receiver that is gone has failed, as above.
    drop(batches.blocking_send(Part::Likes { items, unreadable }));
    Ok(())
}
