//! Reading what patrons brought into their likes: export files, and lists of addresses.
//!
//! Owns the life of an import. It is looked at when it comes, so that what cannot be read is refused at once; then it is a
//! row, worked by a job, batch by batch, each in one transaction with what it counts. Interrupted, it goes on behind the
//! last batch; what was read stays when the rest breaks off. The file goes when the import ends.

mod read;
mod store;

use std::collections::HashSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use tokio::sync::mpsc;

use self::read::{QUEUE, Resolver, Source, Stopped};
use super::JobError;
use super::bridges::{Place, end_of_limit, is_known_by_name};
use crate::bridges::{self, Bridge, pasted};
use crate::domain::id::PatronId;
use crate::domain::identity::Platform;
use crate::domain::time::Timestamp;
use crate::federation::Node;
use crate::flows::import::{self, Brought, ImportError};
use crate::storage;
use crate::storage::imports::{self, Counted, Import};
use crate::vault::random_bytes;

pub use self::store::{Incoming, Stored};

/// Why a file was not imported, or not to its end.
#[derive(Debug, thiserror::Error)]
pub enum ImportFailure {
    #[error("the bridge to {0} is switched off")]
    SwitchedOff(Platform),
    #[error("no layout of an export file of {0} is known")]
    NoExport(Platform),
    #[error("cannot read {}: {reason}", .path.display())]
    File { path: PathBuf, reason: String },
    /// No cause of its own: its words are said here already.
    #[error("{}", .0.message())]
    Content(bridges::Error),
    #[error("{0}")]
    Import(#[from] ImportError),
    #[error("{0}")]
    Job(#[from] JobError),
}

impl From<bridges::Error> for ImportFailure {
    fn from(error: bridges::Error) -> ImportFailure {
        ImportFailure::Content(error)
    }
}

impl ImportFailure {
    /// Whether it is ours, and the same file may be read later as it is.
    fn is_of_storage(&self) -> bool {
        matches!(self, ImportFailure::Import(ImportError::Storage(_)) | ImportFailure::Job(_))
    }

    /// What the person can act on. A path of ours says nothing to them.
    fn told(&self) -> String {
        match self {
            ImportFailure::File { .. } => "the file could not be read here: give it again".to_owned(),
            other => other.to_string(),
        }
    }
}

/// How often in a row a platform may fail to answer before its answers are done without.
const ATTEMPTS_MAX: i64 = 10;

/// How far an import was read.
enum Worked {
    ToTheEnd(Counted),
    /// The platform that knows the rest does not answer now.
    Stopped {
        counted: Counted,
        by: Stopped,
    },
}

/// The name under which the next brought file is kept.
pub fn new_name() -> String {
    hex::encode(random_bytes::<16>())
}

/// Takes a file that a patron uploaded: it is looked at, and waits to be read.
///
/// - `file_name`: as the person's computer calls it.
/// - `account`: the handle or number of the account that the patron chose.
/// - `is_complete`: the patron's word that with it, everything liked until now was brought.
pub async fn take_file(
    node: &Node,
    patron: PatronId,
    platform: Platform,
    account: Option<String>,
    file_name: &str,
    is_complete: bool,
    stored: Stored,
) -> Result<Import, ImportFailure> {
    let source = Source { path: stored.path().to_owned(), name: file_name.to_owned(), is_list: false };
    let stored_as = Some(stored.name().to_owned());
    let more = Told { account, is_complete, stored_as, refused: None };
    let import = accept(node, patron, platform, &source, stored.len(), more).await?;
    stored.keep();
    Ok(import)
}

/// Takes a list of addresses that a patron pasted, as [`take_file`] takes a file.
///
/// - `account`: whose likes they are.
/// - returns: the import. Lines that name nothing which can be liked are kept in it, to be shown.
/// - errors: also when no line names anything.
pub async fn take_list(
    node: &Node,
    patron: PatronId,
    platform: Platform,
    account: String,
    is_complete: bool,
    text: &str,
) -> Result<Import, ImportFailure> {
    let bridge = bridge_of(node, platform)?;
    let (mut refused, mut count) = (String::new(), 0_u64);
    for line in text.lines() {
        match pasted::line(&*bridge, line) {
            None => {}
            Some(Ok(_)) => count += 1,
            Some(Err(_)) => refused.extend([line.trim(), "\n"]),
        }
    }
    if count == 0 {
        return Err(bridges::Error::malformed("no line names a post").into());
    }
    let unkept = |error: std::io::Error| {
        let reason = error.to_string();
        tracing::error!("a list could not be kept: {reason}");
        ImportFailure::File { path: PathBuf::from("imports"), reason }
    };
    let mut incoming = Incoming::begin(node, new_name()).await.map_err(unkept)?;
    incoming.write(text.as_bytes()).await.map_err(unkept)?;
    let stored = incoming.end().await.map_err(unkept)?;
    let source = Source { path: stored.path().to_owned(), name: "list.txt".to_owned(), is_list: true };
    let refused = Some(refused).filter(|lines| !lines.is_empty());
    let stored_as = Some(stored.name().to_owned());
    let more = Told { account: Some(account), is_complete, stored_as, refused };
    let import = accept(node, patron, platform, &source, stored.len(), more).await?;
    stored.keep();
    Ok(import)
}

/// Imports a file that the operator names, at once.
///
/// - `is_complete`: the operator's word that with it, everything liked until now was brought.
/// - `progress`: told after each batch.
pub async fn import(
    node: &Node,
    patron: PatronId,
    platform: Platform,
    account: Option<String>,
    is_complete: bool,
    path: &Path,
    progress: impl FnMut(&Counted),
) -> Result<Counted, ImportFailure> {
    let name = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    let source = Source { path: path.to_owned(), name, is_list: false };
    let len = std::fs::metadata(path).map_or(0, |metadata| metadata.len());
    let more = Told { account, is_complete, stored_as: None, refused: None };
    let import = accept(node, patron, platform, &source, len, more).await?;
    // Whoever waits at a prompt is told at the end what the platform did not answer.
    let worked = work(node, &import, &source, false, progress).await;
    if let Err(failure) = &worked {
        let (reason, now) = (failure.told(), node.now());
        node.write(move |tx| import::fail(tx, &import, &reason, now)).await.map_err(JobError::from)?;
    }
    match worked? {
        Worked::ToTheEnd(counted) | Worked::Stopped { counted, .. } => Ok(counted),
    }
}

/// What is known of a brought file beside what it is.
struct Told {
    account: Option<String>,
    is_complete: bool,
    stored_as: Option<String>,
    refused: Option<String>,
}

async fn accept(
    node: &Node,
    patron: PatronId,
    platform: Platform,
    source: &Source,
    len: u64,
    told: Told,
) -> Result<Import, ImportFailure> {
    let Told { account, is_complete, stored_as, refused } = told;
    let bridge = bridge_of(node, platform)?;
    let may_name = is_known_by_name(&*bridge);
    let looked = source.clone();
    let owner = tokio::task::spawn_blocking(move || looked.look(&*bridge)).await;
    let owner = owner.map_err(|error| broken(source, &error))??;
    let brought = Brought {
        patron,
        platform,
        owner,
        account,
        may_name,
        is_list: source.is_list,
        file_name: source.name.clone(),
        file_size: i64::try_from(len).unwrap_or(i64::MAX),
        stored_as,
        refused,
        is_complete,
    };
    let (token, now) = (hex::encode(random_bytes::<16>()), node.now());
    Ok(node.write(move |tx| import::begin(tx, &brought, &token, now)).await?)
}

fn bridge_of(node: &Node, platform: Platform) -> Result<Arc<dyn Bridge>, ImportFailure> {
    node.bridges.get(platform).cloned().ok_or(ImportFailure::SwitchedOff(platform))
}

/// Reads a file from where it was left, to its end.
///
/// - `is_patient`: stops where the platform does not answer, to go on there later.
async fn work(
    node: &Node,
    import: &Import,
    source: &Source,
    is_patient: bool,
    mut progress: impl FnMut(&Counted),
) -> Result<Worked, ImportFailure> {
    let platform: Platform =
        import.platform.parse().map_err(|_| ImportError::Storage(storage::Error::corrupt("platform", import.id)))?;
    let bridge = bridge_of(node, platform)?;
    let (opened, asked) = (source.clone(), Arc::clone(&bridge));
    let kind = tokio::task::spawn_blocking(move || opened.kind(&*asked)).await;
    let (is_archive, is_further) = kind.map_err(|error| broken(source, &error))??;
    let (batches, mut incoming) = mpsc::channel(QUEUE);
    let (reader, owned, skipped, of) = (Arc::clone(&bridge), source.clone(), import.position(), node.clone());
    let reading = tokio::task::spawn_blocking(move || owned.read(&of, &*reader, skipped, &batches));
    let (mut counted, mut resolver) = (counted(import), Resolver::new(is_patient));
    while let Some(batch) = incoming.recv().await {
        let (mut part, stopped) = resolver.resolve(node, &*bridge, batch).await;
        part.is_of_before = is_further;
        let (instance, row, now) = (node.instance.clone(), import.clone(), node.now());
        counted.likes += part.likes.len() as u64 + part.unresolved;
        counted.unreadable += part.unreadable;
        counted.unresolved += part.unresolved;
        counted.unanswered += part.unanswered;
        let changed = node.write(move |tx| import::apply(tx, &instance, &row, &part, now)).await?;
        counted.flattrs += changed.flattrs as u64;
        counted.baseline += changed.baseline as u64;
        progress(&counted);
        if let Some(by) = stopped {
            return Ok(Worked::Stopped { counted, by });
        }
    }
    reading.await.map_err(|error| broken(source, &error))??;
    let (row, now) = (import.clone(), node.now());
    node.write(move |tx| import::end(tx, &row, is_archive, now)).await?;
    Ok(Worked::ToTheEnd(counted))
}

fn counted(import: &Import) -> Counted {
    let count = |number: i64| u64::try_from(number).expect("counts are not negative");
    Counted {
        likes: count(import.likes),
        flattrs: count(import.flattrs),
        baseline: count(import.baseline),
        unreadable: count(import.unreadable),
        unresolved: count(import.unresolved),
        unanswered: count(import.unanswered),
    }
}

fn broken(source: &Source, error: &tokio::task::JoinError) -> ImportFailure {
    ImportFailure::File { path: source.path.clone(), reason: error.to_string() }
}

/// Reads the import that has waited longest. Says whether there was one.
pub async fn step(node: &Node) -> Result<bool, JobError> {
    step_at(node, node.now()).await
}

/// As [`step`], at a given time.
pub async fn step_at(node: &Node, now: Timestamp) -> Result<bool, JobError> {
    if !node.db.read(move |tx| imports::is_any_waiting(tx, now)).await? {
        return Ok(false);
    }
    let Some(import) = node.db.write(move |tx| imports::take_waiting(tx, now)).await? else { return Ok(false) };
    let id = import.id;
    let name = import.stored_as.clone().ok_or_else(|| storage::Error::corrupt("import", id))?;
    let path = store::directory(node).join(&name);
    let source = Source { path: path.clone(), name: import.file_name.clone(), is_list: import.kind == "list" };
    let is_patient = import.attempts < ATTEMPTS_MAX;
    match work(node, &import, &source, is_patient, |_| {}).await {
        Ok(Worked::Stopped { counted, by }) => {
            let is_further = counted.likes + counted.unreadable > import.position();
            let attempts = if is_further { 1 } else { import.attempts + 1 };
            let platform = import.platform.parse();
            let platform = platform.map_err(|_| storage::Error::corrupt("platform", &import.platform))?;
            let place = Place::of(&node.instance.host, platform, id);
            let until = end_of_limit(by.until, place, attempts, now);
            tracing::info!(import = id, "import {id} waits until {until}: {}", by.reason);
            node.write(move |tx| imports::put_off(tx, id, attempts, until, &by.reason)).await?;
            return Ok(true);
        }
        Ok(Worked::ToTheEnd(counted)) => {
            let platform = &import.platform;
            tracing::info!(import = id, platform, "import {id} from {platform} is done: {} likes", counted.likes);
        }
        Err(failure) if failure.is_of_storage() => {
            node.write(move |tx| imports::set_waiting(tx, id)).await?;
            return Err(match failure {
                ImportFailure::Import(ImportError::Storage(error)) => error.into(),
                ImportFailure::Job(error) => error,
                other => unreachable!("{other} is not of the storage"),
            });
        }
        Err(failure) => {
            tracing::info!(import = id, "import {id} failed: {failure}");
            let (reason, now) = (failure.told(), node.now());
            node.write(move |tx| import::fail(tx, &import, &reason, now)).await?;
        }
    }
    store::discard(&path);
    Ok(true)
}

/// Takes up what the end of the last process has interrupted. Only before anything is imported in this one.
///
/// - effects: what people uploaded waits again; what an operator's command read has failed; files that belong to no
///   import are removed.
pub async fn recover(node: &Node) -> Result<(), JobError> {
    give_up_commands(node).await?;
    let needed = node
        .write(|tx| {
            for import in imports::running(tx)? {
                imports::set_waiting(tx, import.id)?;
            }
            imports::stored_names(tx)
        })
        .await?;
    let (directory, needed) = (store::directory(node), needed.into_iter().collect::<HashSet<String>>());
    match tokio::task::spawn_blocking(move || store::remove_all_but(&directory, &needed)).await {
        Ok(Ok(0)) => {}
        Ok(Ok(count)) => tracing::info!("{count} uploads that had broken off were removed"),
        Ok(Err(error)) => tracing::error!("the directory of imports could not be tidied: {error}"),
        Err(error) => tracing::error!("the directory of imports could not be tidied: {error}"),
    }
    Ok(())
}

/// Ends imports of commands whose process is gone. Only where no other process carries commands out.
pub async fn give_up_commands(node: &Node) -> Result<(), JobError> {
    let now = node.now();
    let ended = node.write(move |tx| {
        let interrupted = imports::running(tx)?.into_iter().filter(|import| import.stored_as.is_none());
        for import in interrupted {
            import::fail(tx, &import, "interrupted: give the command again", now)?;
        }
        Ok::<_, storage::Error>(())
    });
    Ok(ended.await?)
}

/// Imports that are waiting or being read.
pub(super) async fn count_due(node: &Node) -> Result<i64, JobError> {
    Ok(node.db.read(imports::count_under_way).await?)
}
