//! Likes as a listing or a file shows them: which are new, which are of before, and which are known.
//!
//! Owns three rules. What was liked before the account was connected pays nothing: by the platform's date where it gives
//! one, else by standing in the first whole listing. A like counts once: one that vanishes and comes back is the same,
//! unless a later date says that it was given anew. And a file, which may be old, brings nothing back.

use std::collections::{HashMap, HashSet};

use crate::domain::flattr::{Source, Standing};
use crate::domain::id::ObjectId;
use crate::domain::identity::{ObjectRef, Platform};
use crate::domain::time::Timestamp;
use crate::flows::connect::{Changed, ConnectError};
use crate::flows::flattr::{self, PatronLike, Recorded};
use crate::flows::like_source::{self, Counts};
use crate::flows::notice::{self, SeenPost};
use crate::flows::{Instance, proxied, withdraw};
use crate::storage::connections::{self, Connection, ConnectionLike, ListedLike, Pass};
use crate::storage::{Tx, identities, likes};

/// Likes as a listing or a file shows them, in its order, with the time of each like where there is one.
pub(super) struct Listed<'a> {
    pub likes: &'a [(SeenPost, Option<Timestamp>)],
    pub source: Source,
    pub seen_at: Timestamp,
    /// What has no date here is older than what was read before.
    pub is_of_before: bool,
}

/// Notes likes of posts that not everybody may see. They stand; of those that are not known nothing is stored but, until
/// the first whole listing, that they were there.
pub(super) fn apply_hidden(
    tx: &mut Tx,
    connection: &Connection,
    pass: &mut Pass,
    hidden: &[ObjectRef],
) -> Result<(), ConnectError> {
    if hidden.is_empty() {
        return Ok(());
    }
    let mut objects = Vec::new();
    for object in hidden {
        objects.extend(identities::object_by_ref(tx, object)?.map(|known| known.id));
    }
    let mut known = connections::likes_of(tx, connection.id, &objects)?;
    known.retain(|like| !like.is_gone);
    let (again, new): (Vec<_>, Vec<_>) = known.into_iter().partition(|like| like.seen_in_pass == pass.number);
    pass.repeats += i64::try_from(again.len()).expect("a page is short");
    connections::set_seen(tx, &new.iter().map(|like| like.id).collect::<Vec<i64>>(), pass.number)?;
    if connection.baseline_at.is_none() {
        connections::save_hidden(tx, connection.id, hidden)?;
    }
    Ok(())
}

/// Applies likes. Says whether all were known and are unchanged.
///
/// The likes of one page or file are written together, as long as no post comes twice: what the second of two means
/// depends on what the first has left.
pub(super) fn apply(
    tx: &mut Tx,
    instance: &Instance,
    connection: &Connection,
    pass: &mut Pass,
    listed: &Listed,
    changed: &mut Changed,
) -> Result<bool, ConnectError> {
    let mut is_known = true;
    let mut rest = listed.likes;
    while !rest.is_empty() {
        let mut seen = HashSet::with_capacity(rest.len());
        let count = rest.iter().take_while(|(post, _)| seen.insert(&post.object)).count();
        let (distinct, after) = rest.split_at(count);
        let listed = Listed { likes: distinct, ..*listed };
        is_known &= apply_distinct(tx, instance, connection, pass, &listed, changed)?;
        rest = after;
    }
    Ok(is_known)
}

/// Applies likes of different posts.
fn apply_distinct(
    tx: &mut Tx,
    instance: &Instance,
    connection: &Connection,
    pass: &mut Pass,
    listed: &Listed,
    changed: &mut Changed,
) -> Result<bool, ConnectError> {
    let posts: Vec<&SeenPost> = listed.likes.iter().map(|(post, _)| post).collect();
    let objects = notice::posts(tx, instance, &posts, listed.seen_at)?;
    if listed.source == Source::Platform {
        // What the platform lists is not gone, or not any more. Another's proxy of it says nothing.
        let is_itself = |post: &SeenPost| proxied(post.object.object()).is_none();
        let shown = listed.likes.iter().zip(&objects).filter(|((post, _), _)| is_itself(post));
        let shown: Vec<ObjectId> = shown.map(|(_, object)| *object).collect();
        for object in identities::deleted_among(tx, &shown)? {
            withdraw::restore(tx, object, listed.seen_at)?;
        }
    }
    let known = connections::likes_of(tx, connection.id, &objects)?;
    let known: HashMap<ObjectId, ConnectionLike> = known.into_iter().map(|like| (like.object_id, like)).collect();
    // Posts that not everybody could see when the account was first read.
    let hidden = connections::hidden_of(tx, connection.id)?;
    let (mut seen, mut rows, mut new, mut again) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    for ((post, liked_at), object) in listed.likes.iter().zip(objects) {
        let is_baseline = match judge(connection, pass, known.get(&object), listed, *liked_at) {
            Judged::Unchanged { like, is_seen } => {
                seen.extend((!is_seen).then_some(like));
                continue;
            }
            Judged::Passed => continue,
            Judged::Dated { is_baseline } => is_baseline,
            Judged::Returned { is_baseline } => {
                again.extend((!is_baseline).then_some((object, *liked_at)));
                is_baseline
            }
            Judged::Counts if liked_at.is_some() || !hidden.contains(post.object.object()) => {
                new.push((object, *liked_at));
                false
            }
            Judged::Baseline | Judged::Counts => {
                changed.baseline += 1;
                true
            }
        };
        rows.push(ListedLike {
            connection_id: connection.id,
            object_id: object.0,
            liked_at: liked_at.map(Timestamp::micros),
            is_baseline,
            is_gone: false,
            seen_in_pass: pass.number,
        });
    }
    connections::set_seen(tx, &seen, pass.number)?;
    connections::save_likes(tx, &rows)?;
    for (object, liked_at) in new {
        count(tx, connection, object, liked_at, listed, changed)?;
    }
    for (object, liked_at) in again {
        count_again(tx, connection, object, liked_at, listed, changed)?;
    }
    Ok(rows.is_empty())
}

/// What an item of a listing means for the patron.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Judged {
    /// It is known and stands as it was. This pass may have seen it before.
    Unchanged { like: i64, is_seen: bool },
    /// It is known and stands, and its date was not known.
    Dated { is_baseline: bool },
    /// It was gone and is there again: the same like, as far as anybody can tell.
    Returned { is_baseline: bool },
    /// A file shows it, which tells nothing of what is known: it stands, or was taken back since.
    Passed,
    /// It is new to us and from before the account was connected: it pays nothing.
    Baseline,
    /// It is new.
    Counts,
}

/// Judges one item by what is known of it, and notes in the pass what it says about the listing itself.
fn judge(
    connection: &Connection,
    pass: &mut Pass,
    known: Option<&ConnectionLike>,
    listed: &Listed,
    liked_at: Option<Timestamp>,
) -> Judged {
    if let Some(known) = known {
        let is_seen = known.seen_in_pass == pass.number;
        if is_seen {
            pass.repeats += 1;
        }
        // Unliked and liked again: another like, at a later time. An unknown time is no other time.
        let is_later = matches!((known.liked_at, liked_at), (Some(then), Some(at)) if at.micros() > then);
        let is_baseline = known.is_baseline;
        match (is_later, known.is_gone, listed.source) {
            (false, false, _) if known.liked_at.is_none() && liked_at.is_some() => {
                return Judged::Dated { is_baseline };
            }
            // A file is no look at the list: it neither keeps a like there nor brings one back.
            (false, _, Source::Export) => return Judged::Passed,
            (false, false, _) => return Judged::Unchanged { like: known.id, is_seen },
            _ => {}
        }
        if known.seen_in_pass == pass.number - 1 {
            pass.is_moved = true;
        }
        if !is_later {
            return Judged::Returned { is_baseline };
        }
    }
    let is_baseline = match (liked_at, connection.connected_at.or(connection.baseline_at)) {
        // The platform's own date decides, whenever the item is first seen.
        (Some(at), Some(connected)) => at.micros() <= connected,
        // Until the first whole listing everything belongs to the baseline.
        _ => connection.baseline_at.is_none() || listed.is_of_before,
    };
    if is_baseline { Judged::Baseline } else { Judged::Counts }
}

/// A like that is new becomes a flattr, unless the account has another home beside this one.
fn count(
    tx: &mut Tx,
    connection: &Connection,
    object: ObjectId,
    liked_at: Option<Timestamp>,
    listed: &Listed,
    changed: &mut Changed,
) -> Result<(), ConnectError> {
    if connection.platform == Platform::Fediverse.slug()
        && like_source::counts(tx, &connection.account)? == Counts::Nowhere
    {
        return Ok(());
    }
    let like = PatronLike {
        patron: connection.patron_id,
        object,
        source: listed.source,
        received_at: listed.seen_at,
        liked_at,
        like_uri: None,
    };
    let recorded = if connection.asks_first { flattr::suggest(tx, &like)? } else { flattr::record(tx, &like)? };
    if matches!(recorded, Recorded::New { standing, .. } if standing != Standing::Suggested) {
        changed.flattrs += 1;
    }
    Ok(())
}

/// A like that was gone is there again. What it made counts again while its month is open, and no other month is opened
/// for it. Only an undated one whose flattr was taken back before it was paid may be a like of now, as far as anybody can
/// tell: it is paid once, if ever.
fn count_again(
    tx: &mut Tx,
    connection: &Connection,
    object: ObjectId,
    liked_at: Option<Timestamp>,
    listed: &Listed,
    changed: &mut Changed,
) -> Result<(), ConnectError> {
    let Some(newest) = likes::latest_flattr(tx, connection.patron_id, object)? else { return Ok(()) };
    let is_taken_back = newest.standing()? == Standing::TakenBack;
    if !is_taken_back {
        return Ok(());
    }
    if liked_at.is_some() && flattr::open_month(tx, listed.seen_at, liked_at)? != newest.month()? {
        return Ok(());
    }
    count(tx, connection, object, liked_at, listed, changed)
}
