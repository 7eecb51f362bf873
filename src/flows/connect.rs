//! Connecting: a patron's account on a platform becomes a source of likes.
//!
//! Owns two rules. What was liked before the account was connected pays nothing: by the platform's date where it gives
//! one, else by standing in the first whole listing. And a like is taken back only when its absence has no other
//! explanation: the rule of [`crate::bridges::listing::unlikes`], kept here over passes that may take days, since each
//! page is applied in a transaction together with where to go on.
//!
//! What is read is the business of `jobs::bridges`; this flow is given pages.

use std::collections::{HashMap, HashSet};
use std::time::Duration;

use crate::domain::flattr::{Source, Standing};
use crate::domain::id::ObjectId;
use crate::domain::identity::Platform;
use crate::domain::time::{Month, Timestamp};
use crate::flows::flattr::{self, FlattrError, PatronLike, Recorded};
use crate::flows::like_source::{self, Counts};
use crate::flows::notice::{self, SeenPost};
use crate::flows::{Instance, proxied, withdraw};
use crate::storage::connections::{self, Connection, ConnectionLike, ListedLike, Pass};
use crate::storage::{self, Tx, flow_error, identities};

/// The whole listing is read at least this often.
const FULL_EVERY: Duration = Duration::from_secs(24 * 3_600);
/// How far the platform's clock may be from ours where its dates say how far down a pass has to go.
const CLOCKS_APART_MAX: Duration = Duration::from_secs(60);

#[derive(Debug, thiserror::Error)]
pub enum ConnectError {
    #[error("the connection {0} does not exist")]
    NoSuchConnection(i64),
    #[error("no pass over the likes of connection {0} is under way")]
    NoPass(i64),
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

/// Why a listing is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PassKind {
    /// For new likes: down to what is known.
    Newest,
    /// For unlikes too: to the end.
    Full,
    /// Once more to the end, because the pass before missed something.
    Confirm,
}

impl PassKind {
    const fn as_str(self) -> &'static str {
        match self {
            PassKind::Newest => "newest",
            PassKind::Full => "full",
            PassKind::Confirm => "confirm",
        }
    }

    /// Of a pass that is under way.
    pub fn of(pass: &Pass) -> Result<PassKind, storage::Error> {
        [PassKind::Newest, PassKind::Full, PassKind::Confirm]
            .into_iter()
            .find(|kind| kind.as_str() == pass.kind)
            .ok_or_else(|| storage::Error::Corrupt { what: "pass kind", value: pass.kind.clone() })
    }
}

/// How a platform is read, as far as it decides how often all of it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Habit {
    /// The newest like comes first, so a pass may stop where an earlier one has been.
    pub is_newest_first: bool,
    /// Each item costs money: the whole listing is read only before a month is divided.
    pub is_metered: bool,
}

/// Which pass is to be made now.
///
/// The whole listing is read the first time, once a day, and once between the cut-off and the freeze of a month: until
/// the freeze an unlike still counts.
pub fn due_pass(connection: &Connection, habit: Habit, now: Timestamp) -> PassKind {
    let (Some(full_at), Some(_), Some(_)) = (connection.full_at, connection.caught_up_at, connection.baseline_at)
    else {
        return PassKind::Full;
    };
    let full_at = Timestamp::from_micros(full_at);
    let closing = Month::containing(now).previous();
    let is_closing = closing.cut_off() <= now && now < closing.freeze();
    let is_stale = !habit.is_metered && full_at.plus(FULL_EVERY) <= now;
    if !habit.is_newest_first || is_stale || (is_closing && full_at < closing.cut_off()) {
        PassKind::Full
    } else {
        PassKind::Newest
    }
}

/// One page of a listing.
#[derive(Clone, Debug)]
pub struct Page {
    /// Items of the listing, with the time of the like where the platform gives one.
    pub likes: Vec<(SeenPost, Option<Timestamp>)>,
    /// Items that were there and could not be understood.
    pub unreadable: u32,
    /// Where to go on; `None` at the end of the listing.
    pub next: Option<String>,
    /// Of the first page.
    pub etag: Option<String>,
    pub seen_at: Timestamp,
}

/// What pages changed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Changed {
    pub flattrs: usize,
    pub taken_back: usize,
    pub baseline: usize,
}

impl Changed {
    pub fn add(&mut self, more: Changed) {
        self.flattrs += more.flattrs;
        self.taken_back += more.taken_back;
        self.baseline += more.baseline;
    }
}

/// Whether there is more to read.
#[derive(Clone, Debug)]
pub enum After {
    /// The next page of this pass.
    Page(Pass),
    /// Enough for now. Some items could not be understood when the number is not zero.
    Done { unreadable: i64 },
}

/// Takes up the pass that is under way, or begins the one that is due.
pub fn begin(tx: &mut Tx, connection: i64, habit: Habit, now: Timestamp) -> Result<Pass, ConnectError> {
    let connection = load(tx, connection)?;
    match connections::pass_of(tx, connection.id)? {
        Some(pass) => Ok(pass),
        None => {
            let kind = due_pass(&connection, habit, now);
            Ok(connections::begin_pass(tx, connection.id, kind.as_str(), now)?)
        }
    }
}

/// Applies a page to the patron's flattrs and moves the pass on, in one transaction.
pub fn apply(
    tx: &mut Tx,
    instance: &Instance,
    connection: i64,
    habit: Habit,
    page: &Page,
) -> Result<(Changed, After), ConnectError> {
    let connection = load(tx, connection)?;
    let mut pass = connections::pass_of(tx, connection.id)?.ok_or(ConnectError::NoPass(connection.id))?;
    let kind = PassKind::of(&pass)?;
    let mut changed = Changed::default();
    let mut newest = connection.newest_like_at.map(Timestamp::from_micros);
    newest = newest.max(page.likes.iter().filter_map(|(_, liked_at)| *liked_at).max());
    let listed = Listed { likes: &page.likes, source: Source::Platform, seen_at: page.seen_at };
    let is_known = apply_likes(tx, instance, &connection, &mut pass, &listed, &mut changed)?;
    let is_known = is_known && !page.likes.is_empty();
    if let Some(newest) = newest {
        connections::set_newest_like(tx, connection.id, newest)?;
    }
    if pass.pages == 0 {
        // A damaged page is asked for again, changed or not.
        let etag = page.etag.as_deref().filter(|_| page.unreadable == 0);
        connections::set_etag(tx, connection.id, etag)?;
    }
    pass.pages += 1;
    pass.unreadable += i64::from(page.unreadable);
    pass.cursor.clone_from(&page.next);
    let caught_up_at = connection.caught_up_at.map(|at| Timestamp::from_micros(at).minus(CLOCKS_APART_MAX));
    let is_old = |liked_at: &Option<Timestamp>| liked_at.is_some_and(|at| caught_up_at.is_some_and(|start| at < start));
    let is_reached = habit.is_newest_first && (is_known || page.likes.iter().any(|(_, liked_at)| is_old(liked_at)));
    let after = if page.next.is_none() {
        end_of_listing(tx, &connection, &pass, kind, page.seen_at, &mut changed)?
    } else if kind == PassKind::Newest && is_reached {
        connections::set_caught_up(tx, connection.id, pass.started_at)?;
        connections::end_pass(tx, connection.id)?;
        After::Done { unreadable: pass.unreadable }
    } else {
        connections::save_pass(tx, &pass)?;
        After::Page(pass)
    };
    Ok((changed, after))
}

/// The first page is as it was: nothing is new. What lies below it was not looked at, so the etag proves no more.
pub fn not_modified(tx: &mut Tx, connection: i64) -> Result<(), ConnectError> {
    let connection = load(tx, connection)?;
    let pass = connections::pass_of(tx, connection.id)?.ok_or(ConnectError::NoPass(connection.id))?;
    connections::set_caught_up(tx, connection.id, pass.started_at)?;
    Ok(connections::end_pass(tx, connection.id)?)
}

/// Gives a pass up that cannot be continued. The etag goes with it: pages below the first were perhaps never read.
pub fn abandon(tx: &mut Tx, connection: i64) -> Result<(), storage::Error> {
    connections::set_etag(tx, connection, None)?;
    connections::end_pass(tx, connection)
}

fn load(tx: &mut Tx, connection: i64) -> Result<Connection, ConnectError> {
    connections::connection(tx, connection)?.ok_or(ConnectError::NoSuchConnection(connection))
}

/// All pages were read: what may be concluded?
///
/// One page is one moment, so a single page without a damaged item is proof. Over several pages an item can slip through
/// when one above it is taken back meanwhile. Either that one had been read before: then the confirming pass lists it
/// no more, or with another time. Or it came while the pass ran: then it had pushed the list down, and a page began with
/// a repeat. So when nothing was repeated, and the confirming pass lists everything again, the first pass missed
/// nothing, and what both do not list is taken back.
fn end_of_listing(
    tx: &mut Tx,
    connection: &Connection,
    pass: &Pass,
    kind: PassKind,
    seen_at: Timestamp,
    changed: &mut Changed,
) -> Result<After, ConnectError> {
    if connection.baseline_at.is_none() {
        // An item that could not be read is in no baseline, and a dated one is judged by its date anyway.
        connections::set_baseline(tx, connection.id, seen_at)?;
    }
    if kind != PassKind::Confirm {
        connections::set_caught_up(tx, connection.id, pass.started_at)?;
    }
    let mut is_concluded = true;
    if pass.unreadable == 0 {
        match kind {
            PassKind::Newest | PassKind::Full => {
                let missing = connections::likes_not_seen_since(tx, connection.id, pass.number)?;
                if pass.pages <= 1 || missing.is_empty() {
                    take_back(tx, connection, missing, seen_at, changed)?;
                } else if pass.repeats == 0 {
                    let confirm = connections::begin_pass(tx, connection.id, PassKind::Confirm.as_str(), seen_at)?;
                    return Ok(After::Page(confirm));
                } else {
                    is_concluded = false;
                }
            }
            PassKind::Confirm => {
                let first = pass.number - 1;
                is_concluded = !pass.is_moved && connections::count_last_seen_in(tx, connection.id, first)? == 0;
                if is_concluded {
                    let missing = connections::likes_not_seen_since(tx, connection.id, first)?;
                    take_back(tx, connection, missing, seen_at, changed)?;
                }
            }
        }
    }
    // What could not be concluded is tried again at the next poll; what could not be read will not be better by then.
    if is_concluded {
        connections::set_full(tx, connection.id, pass.started_at)?;
    }
    connections::end_pass(tx, connection.id)?;
    Ok(After::Done { unreadable: pass.unreadable })
}

fn take_back(
    tx: &mut Tx,
    connection: &Connection,
    gone: Vec<ConnectionLike>,
    seen_at: Timestamp,
    changed: &mut Changed,
) -> Result<(), ConnectError> {
    for like in gone {
        connections::set_gone(tx, like.id)?;
        let object: ObjectId = like.object_id;
        if !like.is_baseline && flattr::take_back(tx, connection.patron_id, object, seen_at)?.is_some() {
            changed.taken_back += 1;
        }
    }
    Ok(())
}

/// Likes as a listing or a file shows them, in its order, with the time of each like where there is one.
pub(super) struct Listed<'a> {
    pub likes: &'a [(SeenPost, Option<Timestamp>)],
    pub source: Source,
    pub seen_at: Timestamp,
}

/// Applies likes. Says whether all were known and are unchanged.
///
/// The likes of one page or file are written together, as long as no post comes twice: what the second of two means
/// depends on what the first has left.
pub(super) fn apply_likes(
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
    let (mut seen, mut rows, mut new) = (Vec::new(), Vec::new(), Vec::new());
    for ((_, liked_at), object) in listed.likes.iter().zip(objects) {
        let is_baseline = match judge(connection, pass, known.get(&object), *liked_at) {
            Judged::Unchanged { like, is_seen } => {
                seen.extend((!is_seen).then_some(like));
                continue;
            }
            Judged::Baseline => true,
            Judged::Counts => false,
        };
        rows.push(ListedLike {
            connection_id: connection.id,
            object_id: object.0,
            liked_at: liked_at.map(Timestamp::micros),
            is_baseline,
            is_gone: false,
            seen_in_pass: pass.number,
        });
        if is_baseline {
            changed.baseline += 1;
        } else {
            new.push((object, *liked_at));
        }
    }
    connections::set_seen(tx, &seen, pass.number)?;
    connections::save_likes(tx, &rows)?;
    for (object, liked_at) in new {
        count(tx, connection, object, liked_at, listed, changed)?;
    }
    Ok(rows.is_empty())
}

/// What an item of a listing means for the patron.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Judged {
    /// It is known and stands as it was. This pass may have seen it before.
    Unchanged { like: i64, is_seen: bool },
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
    liked_at: Option<Timestamp>,
) -> Judged {
    if let Some(known) = known {
        let is_seen = known.seen_in_pass == pass.number;
        if is_seen {
            pass.repeats += 1;
        }
        // Unliked and liked again: another like, at another time where the platform says so.
        let is_other_time = liked_at.is_some() && known.liked_at != liked_at.map(Timestamp::micros);
        if !known.is_gone && !is_other_time {
            return Judged::Unchanged { like: known.id, is_seen };
        }
        if known.seen_in_pass == pass.number - 1 {
            pass.is_moved = true;
        }
    }
    let is_baseline = match (liked_at, connection.connected_at.or(connection.baseline_at)) {
        // The platform's own date decides, whenever the item is first seen.
        (Some(at), Some(connected)) => at.micros() <= connected,
        // Until the first whole listing everything belongs to the baseline.
        _ => connection.baseline_at.is_none(),
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
