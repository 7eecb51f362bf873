//! Flattring: a like by a patron, from whatever source, becomes a flattr of a month; or is taken back, or struck out.
//!
//! Owns that all sources meet here: a Like activity, a platform's favourite and the button on our page are the same value
//! and count once. The payee is the owner that this instance knows of the object when it is liked, or else learns of first,
//! never what a peer says; whoever owns the object later is paid for later likes.

use crate::domain::flattr::{self, Circumstances, Event, Source, Standing, first_standing};
use crate::domain::id::{FlattrId, IdentityId, ObjectId, PatronId};
use crate::domain::identity::Platform;
use crate::domain::time::{Month, Timestamp};
use crate::storage::likes::{self, NewFlattr};
use crate::storage::people::Patron;
use crate::storage::posts::{self, Reason};
use crate::storage::{self, Tx, consent, flow_error, identities, months, outbox, people};

#[derive(Debug, thiserror::Error)]
pub enum FlattrError {
    #[error("there is no patron with the id {0}")]
    NoSuchPatron(PatronId),
    #[error("there is no object with the id {0}")]
    NoSuchObject(ObjectId),
    #[error("there is no flattr of this patron for this object in an open month")]
    NoSuchFlattr,
    #[error("could not read or write flattrs")]
    Storage(#[from] storage::Error),
}

flow_error!(FlattrError);

/// A like by a patron, whatever its source.
#[derive(Clone, Debug)]
pub struct PatronLike {
    pub patron: PatronId,
    pub object: ObjectId,
    pub source: Source,
    /// When this instance saw it; its inbox time for an activity.
    pub received_at: Timestamp,
    /// When the platform or the activity says it happened.
    pub liked_at: Option<Timestamp>,
    /// The id of the Like activity, for one that came as an activity.
    pub like_uri: Option<String>,
}

/// What became of a like.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Recorded {
    /// A flattr that was not there before, in this month.
    New { month: Month, standing: Standing },
    /// The flattr was there; this is how it stands now.
    Known { month: Month, standing: Standing },
    /// The like was taken back before it came.
    UndoneBefore,
}

/// Whether a month is divided, or about to be: no like may enter it any more.
pub fn is_frozen(tx: &mut Tx, month: Month) -> Result<bool, storage::Error> {
    let stage = months::month(tx, month)?.map(|row| row.stage);
    Ok(stage.is_some_and(is_past_cut_off))
}

/// As [`is_frozen`], and the answer holds until this transaction ends; for whoever is about to write a like.
pub(super) fn is_kept_frozen(tx: &mut Tx, month: Month) -> Result<bool, storage::Error> {
    Ok(months::hold_stage(tx, month)?.is_some_and(is_past_cut_off))
}

fn is_past_cut_off(stage: String) -> bool {
    !matches!(stage.as_str(), "cutting" | "cut_off")
}

/// The oldest month that still takes likes and unlikes.
pub fn open_since(tx: &mut Tx, now: Timestamp) -> Result<Month, storage::Error> {
    let current = Month::containing(now);
    let old = current.previous();
    Ok(if is_frozen(tx, old)? || now >= old.freeze() { current } else { old })
}

/// Records a like as a flattr. A repeat changes nothing.
pub fn record(tx: &mut Tx, like: &PatronLike) -> Result<Recorded, FlattrError> {
    record_as(tx, like, Event::Liked)
}

/// Records a like of a source that asks first: it waits for the patron's yes ([`super::suggest`]).
pub fn suggest(tx: &mut Tx, like: &PatronLike) -> Result<Recorded, FlattrError> {
    record_as(tx, like, Event::Suggested)
}

fn record_as(tx: &mut Tx, like: &PatronLike, event: Event) -> Result<Recorded, FlattrError> {
    let patron = people::patron(tx, like.patron)?.ok_or(FlattrError::NoSuchPatron(like.patron))?;
    let object = identities::hold_object(tx, like.object)?.ok_or(FlattrError::NoSuchObject(like.object))?;
    if let Some(like_uri) = &like.like_uri {
        let actor = people::actor(tx, patron.actor_id)?.ok_or(FlattrError::NoSuchPatron(like.patron))?;
        if likes::was_undone(tx, like_uri, &actor.uri)? {
            return Ok(Recorded::UndoneBefore);
        }
    }
    let month = open_month(tx, like.received_at, like.liked_at)?;
    let standing = match first_standing(circumstances(tx, &patron, &object, object.owner())?) {
        Standing::Counting if event == Event::Suggested => Standing::Suggested,
        other => other,
    };
    let new = NewFlattr {
        patron: patron.id,
        object: object.id,
        owner: object.owner(),
        month,
        standing,
        source: like.source,
        received_at: like.received_at,
        liked_at: like.liked_at,
        like_uri: like.like_uri.as_deref(),
    };
    if let Some(id) = likes::make_flattr(tx, &new)? {
        if standing == Standing::Counting {
            outbox::push_event(tx, "like", &id.to_string(), like.received_at)?;
            ask_whose(tx, &object, like.received_at)?;
        }
        if let Some(owner) = object.owner().filter(|_| matches!(standing, Standing::Counting | Standing::Suggested)) {
            consent::want_look(tx, owner, like.received_at.minus(super::consent::LOOK_AGE), like.received_at)?;
        }
        return Ok(Recorded::New { month, standing });
    }
    let known = likes::flattr_by_key(tx, patron.id, object.id, month)?.ok_or(FlattrError::NoSuchFlattr)?;
    let before = known.standing()?;
    let standing = match known.owner() == object.owner() {
        true => standing,
        // It is the flattr of who owned the post then.
        false => first_standing(circumstances(tx, &patron, &object, known.owner())?),
    };
    let after = match standing {
        // What is gone stops nothing for good: see [`object_gone`].
        Standing::Refused if object.is_deleted => before,
        Standing::Refused => flattr::step(before, Event::Refused),
        _ => flattr::step(before, event),
    };
    if after != before {
        likes::set_standing(tx, known.id, after, like.like_uri.as_deref())?;
        tell(tx, known.id, before, after, like.received_at)?;
    }
    Ok(Recorded::Known { month, standing: after })
}

/// Lets the creator's home know of a flattr that begins or ceases to count, and asks whose its post is where that begins to
/// matter.
pub(super) fn tell(
    tx: &mut Tx,
    flattr: FlattrId,
    before: Standing,
    after: Standing,
    now: Timestamp,
) -> Result<(), storage::Error> {
    match (before == Standing::Counting, after == Standing::Counting) {
        (false, true) => {
            if let Some(known) = likes::flattr(tx, flattr)?.filter(|known| known.owner_id.is_none())
                && let Some(object) = identities::object(tx, known.object_id)?
            {
                ask_whose(tx, &object, now)?;
            }
            outbox::push_event(tx, "like", &flattr.to_string(), now)
        }
        (true, false) => outbox::push_event(tx, "undo_like", &flattr.to_string(), now),
        _ => Ok(()),
    }
}

/// A post counts whose author is not known: its platform is asked. Whose a native post is, its own server says, without
/// being listed here: see `jobs::bridges`.
fn ask_whose(tx: &mut Tx, object: &identities::Object, now: Timestamp) -> Result<(), storage::Error> {
    if object.owner_id.is_none() && object.platform != Platform::Fediverse.slug() {
        posts::queue_check(tx, object, Reason::Author, now)?;
    }
    Ok(())
}

/// The month in which a like counts that is seen then; it stays open until this transaction ends.
pub(super) fn open_month(
    tx: &mut Tx,
    received_at: Timestamp,
    liked_at: Option<Timestamp>,
) -> Result<Month, storage::Error> {
    let current = Month::containing(received_at);
    let mut frozen = Vec::new();
    for month in [current.previous(), current, current.next()] {
        if is_kept_frozen(tx, month)? {
            frozen.push(month);
        }
    }
    Ok(flattr::month_of(received_at, liked_at, |month| frozen.contains(&month)))
}

/// Own objects never count, nor those of an identity that refuses, nor what is deleted.
///
/// - `owner`: of the object, as the like has it.
pub(super) fn circumstances(
    tx: &mut Tx,
    patron: &Patron,
    object: &identities::Object,
    owner: Option<IdentityId>,
) -> Result<Circumstances, storage::Error> {
    let mut circumstances = Circumstances { is_own: false, is_refused: object.is_deleted };
    if let Some(owner) = owner {
        let identity = identities::identity(tx, owner)?;
        circumstances.is_refused |= identity.is_some_and(|identity| identity.is_refused);
        if let Some(creator) = identities::verified_claim(tx, owner)?.and_then(|claim| claim.creator()) {
            let creator = people::creator(tx, creator)?;
            circumstances.is_own = creator.is_some_and(|creator| creator.login_id == patron.login_id);
        }
    }
    Ok(circumstances)
}

/// Takes a like back. Until the freeze this removes the flattr, whenever it was written; afterwards it has no effect.
pub fn take_back(
    tx: &mut Tx,
    patron: PatronId,
    object: ObjectId,
    now: Timestamp,
) -> Result<Option<Standing>, FlattrError> {
    change(tx, patron, object, Event::Unliked, now)
}

/// Strikes a flattr out for the month; no repeat of the like brings it back.
pub fn strike_out(tx: &mut Tx, patron: PatronId, object: ObjectId, now: Timestamp) -> Result<Standing, FlattrError> {
    change(tx, patron, object, Event::StruckOut, now)?.ok_or(FlattrError::NoSuchFlattr)
}

/// A post is gone: what is not divided yet does not count. What is, is settled.
pub fn object_gone(tx: &mut Tx, object: ObjectId, now: Timestamp) -> Result<usize, storage::Error> {
    let since = open_since(tx, now)?;
    let counting = posts::flattrs_of(tx, object, Standing::Counting, since)?;
    let mut changed = 0;
    for known in counting {
        changed += usize::from(move_open(tx, &known, Event::Gone, now)?);
    }
    Ok(changed)
}

/// A post that was gone is there: what stopped counting with it counts, where nothing else stands against it.
pub fn object_back(tx: &mut Tx, object: &identities::Object, now: Timestamp) -> Result<usize, storage::Error> {
    let since = open_since(tx, now)?;
    let gone = posts::flattrs_of(tx, object.id, Standing::Gone, since)?;
    let mut changed = 0;
    for known in gone {
        let Some(patron) = people::patron(tx, known.patron_id)? else { continue };
        if first_standing(circumstances(tx, &patron, object, known.owner())?) == Standing::Counting {
            changed += usize::from(move_open(tx, &known, Event::Back, now)?);
        }
    }
    Ok(changed)
}

/// Whose a post is has become known after it was liked: whether they want that is asked soon, and where they are known to
/// refuse it counts no more.
pub(super) fn owner_known(
    tx: &mut Tx,
    object: ObjectId,
    owner: IdentityId,
    now: Timestamp,
) -> Result<(), storage::Error> {
    consent::want_look(tx, owner, now.minus(super::consent::LOOK_AGE), now)?;
    if !identities::identity(tx, owner)?.is_some_and(|identity| identity.is_refused) {
        return Ok(());
    }
    let since = open_since(tx, now)?;
    for standing in [Standing::Counting, Standing::Suggested] {
        for known in posts::flattrs_of(tx, object, standing, since)? {
            move_open(tx, &known, Event::Refused, now)?;
        }
    }
    Ok(())
}

/// Lets something happen to a flattr whose month is open. Says whether that changed it.
fn move_open(tx: &mut Tx, known: &likes::Flattr, event: Event, now: Timestamp) -> Result<bool, storage::Error> {
    let before = known.standing()?;
    let after = flattr::step(before, event);
    if after == before || is_kept_frozen(tx, known.month()?)? {
        return Ok(false);
    }
    likes::set_standing(tx, known.id, after, None)?;
    tell(tx, known.id, before, after, now)?;
    Ok(true)
}

fn change(
    tx: &mut Tx,
    patron: PatronId,
    object: ObjectId,
    event: Event,
    now: Timestamp,
) -> Result<Option<Standing>, FlattrError> {
    let Some(known) = likes::latest_flattr(tx, patron, object)? else { return Ok(None) };
    let (month, before) = (known.month()?, known.standing()?);
    // A suggestion never counted: it may go, also after the freeze of the month in which it was read.
    if before != Standing::Suggested && (is_kept_frozen(tx, month)? || month < open_since(tx, now)?) {
        return Ok(None);
    }
    let after = flattr::step(before, event);
    if after != before {
        likes::set_standing(tx, known.id, after, None)?;
        tell(tx, known.id, before, after, now)?;
    }
    Ok(Some(after))
}
