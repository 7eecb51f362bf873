//! Connecting: a patron's account on a platform becomes a source of likes.
//!
//! Owns the baseline rule: what was liked before the first complete look pays nothing. A like is an item of a listing that
//! was not there before; an unlike is an item that is certainly gone. Reading the listing is the bridge's business.

use crate::domain::flattr::Source;
use crate::domain::id::ObjectId;
use crate::domain::time::Timestamp;
use crate::flows::Instance;
use crate::flows::flattr::{self, FlattrError, PatronLike};
use crate::flows::notice::{self, SeenPost};
use crate::storage::connections::{self, Connection, Poll};
use crate::storage::{self, Tx, flow_error};

#[derive(Debug, thiserror::Error)]
pub enum ConnectError {
    #[error("the connection {0} does not exist")]
    NoSuchConnection(i64),
    #[error("{0}")]
    Flattr(FlattrError),
    #[error("could not read or write the connection")]
    Storage(#[from] storage::Error),
}

flow_error!(ConnectError);

impl From<FlattrError> for ConnectError {
    fn from(error: FlattrError) -> Self {
        match error {
            FlattrError::Storage(error) => ConnectError::Storage(error),
            other => ConnectError::Flattr(other),
        }
    }
}

/// What a look at a platform showed.
#[derive(Clone, Debug)]
pub struct Look {
    /// Items of the listing, with the time of the like where the platform gives one.
    pub likes: Vec<(SeenPost, Option<Timestamp>)>,
    /// Posts that were liked and certainly are not any more.
    pub unliked: Vec<ObjectId>,
    /// Whether the whole listing was read without an error: only then the first look is a baseline.
    pub is_complete: bool,
    pub etag: Option<String>,
    pub seen_at: Timestamp,
    pub next_poll_at: Timestamp,
    pub error: Option<String>,
}

/// What a look changed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Changed {
    pub flattrs: usize,
    pub taken_back: usize,
    pub baseline: usize,
}

/// Applies a look to the patron's flattrs.
pub fn apply(tx: &mut Tx, instance: &Instance, connection: i64, look: &Look) -> Result<Changed, ConnectError> {
    let connection = connections::connection(tx, connection)?.ok_or(ConnectError::NoSuchConnection(connection))?;
    let mut changed = Changed::default();
    let mut newest = connection.newest_like_at.map(Timestamp::from_micros);
    for (post, liked_at) in &look.likes {
        newest = newest.max(*liked_at);
        apply_like(tx, instance, &connection, post, *liked_at, look.seen_at, &mut changed)?;
    }
    for object in &look.unliked {
        if let Some(like) = connections::like_of(tx, connection.id, *object)?.filter(|like| !like.is_gone) {
            connections::set_gone(tx, like.id)?;
            if !like.is_baseline && flattr::take_back(tx, connection.patron_id, *object, look.seen_at)?.is_some() {
                changed.taken_back += 1;
            }
        }
    }
    if connection.baseline_at.is_none() && look.is_complete {
        connections::set_baseline(tx, connection.id, look.seen_at)?;
    }
    let poll = Poll {
        next_poll_at: look.next_poll_at,
        error: look.error.as_deref(),
        succeeded_at: look.error.is_none().then_some(look.seen_at),
        newest_like_at: newest,
        etag: look.etag.as_deref(),
    };
    connections::save_poll(tx, connection.id, &poll)?;
    Ok(changed)
}

fn apply_like(
    tx: &mut Tx,
    instance: &Instance,
    connection: &Connection,
    post: &SeenPost,
    liked_at: Option<Timestamp>,
    seen_at: Timestamp,
    changed: &mut Changed,
) -> Result<(), ConnectError> {
    let object = notice::post(tx, instance, post, seen_at)?;
    let known = connections::like_of(tx, connection.id, object.id)?;
    let is_new_like = match &known {
        None => true,
        // Unliked and liked again: another like, at another time where the platform says so.
        Some(known) => known.is_gone || (liked_at.is_some() && known.liked_at != liked_at.map(Timestamp::micros)),
    };
    if !is_new_like {
        return Ok(());
    }
    // Until the first complete look everything belongs to the baseline; later, what is dated before it.
    let is_baseline = match connection.baseline_at {
        None => true,
        // A like that an incomplete listing hid then is dated before the baseline, and pays nothing either.
        Some(baseline) => known.is_none() && liked_at.is_some_and(|at| at.micros() < baseline),
    };
    connections::save_like(tx, connection.id, object.id, liked_at, is_baseline)?;
    if is_baseline {
        changed.baseline += 1;
        return Ok(());
    }
    let like = PatronLike {
        patron: connection.patron_id,
        object: object.id,
        source: Source::Platform,
        received_at: seen_at,
        liked_at,
        like_uri: None,
    };
    if matches!(flattr::record(tx, &like)?, flattr::Recorded::New { .. }) {
        changed.flattrs += 1;
    }
    Ok(())
}
