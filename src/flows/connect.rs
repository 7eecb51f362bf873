//! Connecting: a patron's account on a platform becomes a source of likes.
//!
//! Owns the rule that a like is taken back only when its absence has no other explanation. Platforms number their pages by
//! position, so a list that changes while it is read shifts under the reader, and an item may slip through between two
//! pages: see `end_of_listing`. Who sees less of a list than the one who read it before concludes nothing from what he
//! does not see. The rule is kept over passes that may take days, since each page is applied in a transaction together
//! with where to go on. What an item that is there means is the business of `listed_likes`; what is read, of
//! `jobs::bridges`. This flow is given pages.

use std::time::Duration;

use crate::domain::flattr::Source;
use crate::domain::id::ObjectId;
use crate::domain::identity::{ObjectRef, Platform};
use crate::domain::time::{Month, Timestamp};
use crate::flows::Instance;
use crate::flows::flattr::{self, FlattrError};
use crate::flows::listed_likes::{self, Listed};
use crate::flows::notice::SeenPost;
use crate::storage::connections::{self, Connection, ConnectionLike, Pass};
use crate::storage::{self, Tx, flow_error, likes};

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
    /// Each item costs money: the whole listing is read only before a month is divided, and a pass stops at a page on
    /// which nothing is new, whether an order is promised or not.
    pub is_metered: bool,
}

impl Habit {
    const fn stops_early(self) -> bool {
        self.is_newest_first || self.is_metered
    }
}

/// As whom a listing is read: the account itself may be shown more than others are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum View {
    Public,
    Own,
}

impl View {
    pub const fn as_str(self) -> &'static str {
        match self {
            View::Public => "public",
            View::Own => "own",
        }
    }
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
    if !habit.stops_early() || is_stale || (is_closing && full_at < closing.cut_off()) {
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
    /// Likes of posts that not everybody may see.
    pub hidden: Vec<ObjectRef>,
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
///
/// - `view`: another one than before ends the pass that is under way. After a wider one, what only that has shown is
///   not missed any more.
pub fn begin(tx: &mut Tx, connection: i64, habit: Habit, view: View, now: Timestamp) -> Result<Pass, ConnectError> {
    let connection = load(tx, connection)?;
    if connection.view.as_deref() != Some(view.as_str()) {
        if connection.view.is_some() {
            abandon(tx, connection.id)?;
        }
        let is_narrower = connection.view.is_some() && view == View::Public;
        let basis_pass = if is_narrower { connection.pass_number + 1 } else { 0 };
        connections::set_view(tx, connection.id, view.as_str(), basis_pass)?;
    }
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
    listed_likes::apply_hidden(tx, &connection, &mut pass, &page.hidden)?;
    let source = Source::Platform;
    let listed = Listed { likes: &page.likes, source, seen_at: page.seen_at, is_of_before: false };
    let is_known = listed_likes::apply(tx, instance, &connection, &mut pass, &listed, &mut changed)?;
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
    // Kept where the number of pages doubles: a listing that runs in a circle comes back to one of these places.
    if pass.pages.count_ones() == 1 {
        pass.mark.clone_from(&page.next);
    }
    let caught_up_at = connection.caught_up_at.map(|at| Timestamp::from_micros(at).minus(CLOCKS_APART_MAX));
    let is_old = |liked_at: &Option<Timestamp>| liked_at.is_some_and(|at| caught_up_at.is_some_and(|start| at < start));
    let is_past = habit.is_newest_first && page.likes.iter().any(|(_, liked_at)| is_old(liked_at));
    let is_reached = is_past || (habit.stops_early() && is_known);
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
                let missing = missing(tx, connection, pass.number)?;
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
                    let missing = missing(tx, connection, first)?;
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

/// Likes that stand and that neither this pass nor a later one lists, as far as its reader would have been shown them.
fn missing(tx: &mut Tx, connection: &Connection, pass: i64) -> Result<Vec<ConnectionLike>, ConnectError> {
    let mut missing = connections::likes_not_seen_since(tx, connection.id, pass)?;
    missing.retain(|like| like.seen_in_pass >= connection.basis_pass);
    Ok(missing)
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
        let counts = !like.is_baseline || has_come_by_itself(tx, connection, object)?;
        if counts && flattr::take_back(tx, connection.patron_id, object, seen_at)?.is_some() {
            changed.taken_back += 1;
        }
    }
    Ok(())
}

/// Whether an activity of the account itself made the flattr, before its list of favourites was read: the list, which
/// decides since, calls such a like one of before.
fn has_come_by_itself(tx: &mut Tx, connection: &Connection, object: ObjectId) -> Result<bool, ConnectError> {
    if connection.platform != Platform::Fediverse.slug() {
        return Ok(false);
    }
    let newest = likes::latest_flattr(tx, connection.patron_id, object)?;
    Ok(newest.is_some_and(|flattr| flattr.source == Source::Fediverse.as_str()))
}
