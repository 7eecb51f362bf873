//! Feeding: an account's recent posts, read page by page, become objects here and news for its followers.
//!
//! Owns what is sent. The first reading is a baseline: only what was published after the account was first followed or
//! claimed is new. A post that reads otherwise than before is an edit. One that a listing should show and does not is asked
//! for by its id before it is believed to be gone. And it owns what is kept: the full form of a post only while its author
//! has claimed the account; of others no more than the address of a thumbnail.
//!
//! What is read is the business of `jobs::bridges`; this flow is given pages.

use std::time::Duration;

use serde_json::json;

use crate::domain::id::{ActorId, IdentityId, ObjectId};
use crate::domain::proof;
use crate::domain::time::{Month, Timestamp};
use crate::flows::notice::{self, SeenPost, tell_followers};
use crate::flows::{Instance, withdraw};
use crate::storage::feeds::{self, Feed, NOTHING_READ};
use crate::storage::identities::{self, Identity, Object};
use crate::storage::posts::{self, FullForm, NewDetails, Reason};
use crate::storage::{self, Tx, flow_error, inbox};

/// The whole listing of a claimed account is read at least this often.
const FULL_EVERY: Duration = Duration::from_secs(7 * 24 * 3_600);
/// Pages of a pass for new posts, and of one over the whole listing.
const NEWEST_PAGES_MAX: i64 = 3;
const FULL_PAGES_MAX: i64 = 500;
/// Posts that one pass finds missing; the next finds the others.
const MISSING_MAX: i64 = 100;

#[derive(Debug, thiserror::Error)]
pub enum FeedError {
    #[error("no pass over the posts of account {0} is under way")]
    NoPass(IdentityId),
    #[error("could not read or write posts")]
    Storage(#[from] storage::Error),
}

flow_error!(FeedError);

/// What a platform says of a post beside title and address.
#[derive(Clone, Debug)]
pub struct SeenDetails {
    pub kind: &'static str,
    pub thumbnail_url: Option<String>,
    pub full: FullForm,
}

/// One page of an account's posts. Each post is the account's own.
#[derive(Clone, Debug)]
pub struct Page {
    pub posts: Vec<(SeenPost, SeenDetails)>,
    pub unreadable: u32,
    /// Where to go on; `None` at the end of the listing.
    pub next: Option<String>,
    pub seen_at: Timestamp,
}

/// Whether there is more to read.
#[derive(Clone, Debug)]
pub enum After {
    /// The next page of this pass.
    Page(Box<Feed>),
    /// Enough for now. Some posts could not be understood when the number is not zero.
    Done { unreadable: i64 },
}

/// Somebody follows an actor of ours: its posts are read from now on.
pub fn followed(tx: &mut Tx, actor: ActorId, now: Timestamp) -> Result<(), storage::Error> {
    match identities::identity_by_actor(tx, actor)? {
        Some(identity) => feeds::begin(tx, &identity, false, now),
        None => Ok(()),
    }
}

/// The claims on an account have changed, and with them what its actor says. Of a claimed account the whole listing is
/// read: it names the author of posts that have none.
pub fn claims_changed(tx: &mut Tx, identity: &Identity, now: Timestamp) -> Result<(), storage::Error> {
    tell_followers(tx, identity.id, "update_actor", identity.id.0, now)?;
    if identities::verified_claim(tx, identity.id)?.is_some() {
        feeds::begin(tx, identity, true, now)?;
    }
    Ok(())
}

/// A post was seen for the first time, by a like. Followers wait for the author's own listing, which says more; where that
/// was never read, the like is all there is.
pub(super) fn noticed(tx: &mut Tx, object: &Object, owner: IdentityId, now: Timestamp) -> Result<(), storage::Error> {
    let Some(feed) = feeds::feed(tx, owner)? else { return Ok(()) };
    let is_new = object.published_at.is_some_and(|at| is_after(at, feed.begun_at));
    if feed.baseline_at.is_none() && is_new {
        tell_followers(tx, owner, "create", object.id.0, now)?;
    }
    Ok(())
}

/// Platforms give whole seconds, so what is of the same second may be later.
fn is_after(published_at: i64, begun_at: i64) -> bool {
    published_at >= Timestamp::from_micros(begun_at).floor_to_second().micros()
}

/// Takes up the pass that is under way, or begins the one that is due. `None` when nobody waits for these posts any more.
///
/// - `is_metered`: each item costs money.
pub fn begin(
    tx: &mut Tx,
    identity: IdentityId,
    is_metered: bool,
    now: Timestamp,
) -> Result<Option<Feed>, storage::Error> {
    let Some(feed) = feeds::feed(tx, identity)? else { return Ok(None) };
    let desk = Desk::of(tx, identity)?;
    if !desk.is_claimed {
        posts::forget_full(tx, identity)?;
    }
    if desk.is_refused || !(desk.is_claimed || desk.has_followers) {
        feeds::end(tx, identity)?;
        return Ok(None);
    }
    if feed.pass_kind.is_some() {
        return Ok(Some(feed));
    }
    let kind = if desk.is_claimed && is_full_due(&feed, is_metered, now) { "full" } else { "newest" };
    Ok(Some(feeds::begin_pass(tx, identity, kind, now)?))
}

/// Whether a claimed account's listing is to be read to its end: at first, now and then, and once between the cut-off and
/// the freeze of a month, since a post that is gone by then does not count.
fn is_full_due(feed: &Feed, is_metered: bool, now: Timestamp) -> bool {
    let Some(full_at) = feed.full_at.map(Timestamp::from_micros) else { return true };
    let closing = Month::containing(now).previous();
    let is_closing = closing.cut_off() <= now && now < closing.freeze() && full_at < closing.cut_off();
    !is_metered && (is_closing || full_at.plus(FULL_EVERY) <= now)
}

/// For whom an account's posts are read.
#[derive(Clone, Copy, Debug)]
struct Desk {
    is_claimed: bool,
    has_followers: bool,
    is_refused: bool,
}

impl Desk {
    fn of(tx: &mut Tx, identity: IdentityId) -> Result<Desk, storage::Error> {
        let row = identities::identity(tx, identity)?.ok_or_else(|| storage::Error::corrupt("identity", identity))?;
        let followers = match row.actor_id {
            Some(actor) => inbox::count_followers(tx, ActorId(actor))?,
            None => 0,
        };
        let is_claimed = !row.is_refused && identities::verified_claim(tx, identity)?.is_some();
        Ok(Desk { is_claimed, has_followers: followers > 0, is_refused: row.is_refused })
    }
}

/// Applies a page and moves the pass on, in one transaction.
pub fn apply(tx: &mut Tx, instance: &Instance, identity: IdentityId, page: &Page) -> Result<After, FeedError> {
    let feed = feeds::feed(tx, identity)?.filter(|feed| feed.pass_kind.is_some());
    let mut feed = feed.ok_or(FeedError::NoPass(identity))?;
    let desk = Desk::of(tx, identity)?;
    let mut is_known = false;
    for (seen, details) in &page.posts {
        is_known |= take(tx, instance, &feed, desk, seen, details, feed.pass_number, page.seen_at)?;
    }
    feed.read_to = read_to(feed.read_to, page);
    feed.pages += 1;
    feed.unreadable += i64::from(page.unreadable);
    feed.cursor.clone_from(&page.next);
    let is_whole = page.next.is_none();
    let is_full = feed.pass_kind.as_deref() == Some("full");
    let is_enough = match is_full {
        true => feed.pages >= FULL_PAGES_MAX,
        // Of the time before the account was followed one page is enough.
        false => is_known || feed.baseline_at.is_none() || feed.pages >= NEWEST_PAGES_MAX,
    };
    if !is_whole && !is_enough {
        feeds::save_pass(tx, &feed)?;
        return Ok(After::Page(Box::new(feed)));
    }
    if feed.unreadable == 0 {
        ask_for_missing(tx, &feed, is_whole, page.seen_at)?;
    }
    // What could not be read will not be better tomorrow.
    let full_at = if is_full || is_whole { Some(feed.pass_started_at) } else { feed.full_at };
    feeds::end_pass(tx, identity, feed.baseline_at.or(Some(page.seen_at.micros())), full_at)?;
    Ok(After::Done { unreadable: feed.unreadable })
}

/// Posts that hang below others of the account: the releases of a repository.
pub fn apply_below(
    tx: &mut Tx,
    instance: &Instance,
    identity: IdentityId,
    below: &[(SeenPost, SeenDetails)],
    seen_at: Timestamp,
) -> Result<(), storage::Error> {
    let Some(feed) = feeds::feed(tx, identity)? else { return Ok(()) };
    let desk = Desk::of(tx, identity)?;
    for (seen, details) in below {
        take(tx, instance, &feed, desk, seen, details, 0, seen_at)?;
    }
    Ok(())
}

/// Gives a pass up that cannot be continued.
pub fn abandon(tx: &mut Tx, identity: IdentityId) -> Result<(), storage::Error> {
    match feeds::feed(tx, identity)? {
        Some(feed) => feeds::end_pass(tx, identity, feed.baseline_at, feed.full_at),
        None => Ok(()),
    }
}

/// The date down to which everything is listed; `None` once the listing turns out to be in another order.
fn read_to(before: Option<i64>, page: &Page) -> Option<i64> {
    let mut oldest = before?;
    for (post, _) in &page.posts {
        let at = post.published_at?.micros();
        if at > oldest {
            return None;
        }
        oldest = at;
    }
    Some(oldest)
}

/// What the pass should have listed and did not is asked for by its id. A listing proves no deletion by itself: posts move
/// while it is read.
fn ask_for_missing(tx: &mut Tx, feed: &Feed, is_whole: bool, now: Timestamp) -> Result<(), storage::Error> {
    let newer_than = match feed.read_to {
        _ if is_whole => None,
        Some(read_to) if read_to != NOTHING_READ => Some(read_to),
        _ => return Ok(()),
    };
    for object in posts::not_listed(tx, feed.identity_id, feed.pass_number, newer_than, MISSING_MAX)? {
        posts::queue_check(tx, &object, Reason::Missing, now)?;
    }
    Ok(())
}

/// Takes one post in. Says whether an earlier pass had listed it.
#[allow(clippy::too_many_arguments, reason = "a post, where it was seen, and for whom it is read")]
fn take(
    tx: &mut Tx,
    instance: &Instance,
    feed: &Feed,
    desk: Desk,
    seen: &SeenPost,
    details: &SeenDetails,
    pass: i64,
    now: Timestamp,
) -> Result<bool, storage::Error> {
    let (object, _) = notice::listed_post(tx, instance, seen, now)?;
    if object.owner() != Some(feed.identity_id) {
        return Ok(false);
    }
    let before = posts::details(tx, object.id)?;
    let full = desk.is_claimed.then_some(&details.full);
    let digest = digest(seen, details, full);
    let new = NewDetails {
        object: object.id,
        kind: details.kind,
        thumbnail_url: details.thumbnail_url.as_deref(),
        full,
        digest: &digest,
        seen_in_pass: pass,
    };
    posts::save_details(tx, &new)?;
    if object.is_deleted {
        withdraw::restore(tx, object.id, now)?;
    }
    let said_before = before.as_ref().map(|before| before.digest.as_str()).unwrap_or_default();
    let is_decided = before.as_ref().is_some_and(|before| before.said_at.is_some());
    let is_new = match object.published_at {
        Some(at) => is_after(at, feed.begun_at),
        None => before.is_none() && feed.baseline_at.is_some(),
    };
    if is_new && !is_decided {
        posts::set_said(tx, object.id, now)?;
        tell_followers(tx, feed.identity_id, "create", object.id.0, now)?;
    } else if form_of(said_before) == form_of(&digest) && said_before != digest {
        posts::set_edited(tx, object.id, now)?;
        tell_followers(tx, feed.identity_id, "update", object.id.0, now)?;
    }
    Ok(before.is_some_and(|before| before.seen_in_pass > 0))
}

/// The form in which a post was said: that more is said after a claim is no edit.
fn form_of(digest: &str) -> &str {
    digest.split(':').next().unwrap_or_default()
}

/// What is said of a post, in short. Addresses count without their queries: platforms sign them anew for every reader.
fn digest(seen: &SeenPost, details: &SeenDetails, full: Option<&FullForm>) -> String {
    let bare = |url: &str| url.split(['?', '#']).next().unwrap_or_default().to_owned();
    let full_words = full.map(|full| {
        let mut full = full.clone();
        for medium in &mut full.media {
            medium.url = bare(&medium.url);
            medium.poster = medium.poster.as_deref().map(bare);
        }
        serde_json::to_value(full).expect("plain fields are JSON")
    });
    let said = json!({
        "title": seen.title,
        "url": seen.url,
        "published": seen.published_at.map(|at| at.to_string()),
        "thumbnail": details.thumbnail_url.as_deref().map(bare),
        "kind": full.map(|_| details.kind),
        "full": full_words,
    });
    let form = if full.is_some() { "full" } else { "minimal" };
    format!("{form}:{}", proof::digest(&said))
}

/// What asking for a post by its id has found.
#[derive(Clone, Debug)]
pub enum Found {
    There(Box<(SeenPost, SeenDetails)>),
    Gone,
}

/// Applies what asking for a post by its id has found, and ends the question.
pub fn checked(
    tx: &mut Tx,
    instance: &Instance,
    object: ObjectId,
    found: &Found,
    now: Timestamp,
) -> Result<(), storage::Error> {
    posts::end_check(tx, object)?;
    match found {
        Found::Gone => {
            withdraw::withdraw(tx, object, now)?;
        }
        Found::There(post) => {
            let (seen, details) = &**post;
            let object = notice::post(tx, instance, seen, now)?;
            let feed = match object.owner() {
                Some(owner) => feeds::feed(tx, owner)?,
                None => None,
            };
            if let Some(feed) = feed {
                // It is there and not listed, so no listing is asked for it any more.
                let desk = Desk::of(tx, feed.identity_id)?;
                take(tx, instance, &feed, desk, seen, details, 0, now)?;
            } else if object.is_deleted {
                withdraw::restore(tx, object.id, now)?;
            }
        }
    }
    Ok(())
}
