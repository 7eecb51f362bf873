//! Flattrs, and the likes of others that reach us.
//!
//! Owns the unique key under which a like counts once: (patron, object, month). The home is this instance.

use diesel::dsl::{count, count_star, exists, sql};
use diesel::prelude::*;
use diesel::sql_types::Bool;

use super::months::Outcome;
use super::schema::{claims, flattrs, identities, objects, patrons, received_likes, shares, undone_likes};
use super::{Error, Result, Tx};
use crate::domain::flattr::{Source, Standing};
use crate::domain::id::{FlattrId, IdentityId, ObjectId, PatronId};
use crate::domain::time::{Month, Timestamp};
use crate::storage::identities::Object;

#[derive(Debug, Clone, Queryable)]
pub struct Flattr {
    #[diesel(deserialize_as = i64)]
    pub id: FlattrId,
    #[diesel(deserialize_as = i64)]
    pub patron_id: PatronId,
    #[diesel(deserialize_as = i64)]
    pub object_id: ObjectId,
    pub month: String,
    pub standing: String,
    pub source: String,
    pub received_at: i64,
    pub liked_at: Option<i64>,
    pub like_uri: Option<String>,
    pub owner_id: Option<i64>,
}

impl Flattr {
    /// Whose the post was when it was liked, or when that first became known: who is paid.
    pub fn owner(&self) -> Option<IdentityId> {
        self.owner_id.map(IdentityId)
    }

    pub fn standing(&self) -> Result<Standing> {
        Standing::parse(&self.standing).ok_or_else(|| Error::corrupt("standing", &self.standing))
    }

    pub fn month(&self) -> Result<Month> {
        self.month.parse().map_err(|_| Error::corrupt("month", &self.month))
    }
}

/// A flattr to be recorded.
pub struct NewFlattr<'a> {
    pub patron: PatronId,
    pub object: ObjectId,
    /// As far as it is known now.
    pub owner: Option<IdentityId>,
    pub month: Month,
    pub standing: Standing,
    pub source: Source,
    pub received_at: Timestamp,
    pub liked_at: Option<Timestamp>,
    pub like_uri: Option<&'a str>,
}

/// Records a flattr. `None` when one with this key exists already.
pub fn make_flattr(tx: &mut Tx, flattr: &NewFlattr) -> Result<Option<FlattrId>> {
    let id: Option<i64> = both!(tx, |db| diesel::insert_into(flattrs::table)
        .values((
            flattrs::patron_id.eq(flattr.patron.0),
            flattrs::object_id.eq(flattr.object.0),
            flattrs::month.eq(flattr.month.to_string()),
            flattrs::standing.eq(flattr.standing.as_str()),
            flattrs::source.eq(flattr.source.as_str()),
            flattrs::received_at.eq(flattr.received_at.micros()),
            flattrs::liked_at.eq(flattr.liked_at.map(Timestamp::micros)),
            flattrs::like_uri.eq(flattr.like_uri),
            flattrs::owner_id.eq(flattr.owner.map(i64::from)),
        ))
        .on_conflict((flattrs::patron_id, flattrs::object_id, flattrs::month))
        .do_nothing()
        .returning(flattrs::id)
        .get_result(db)
        .optional())?;
    Ok(id.map(FlattrId))
}

pub fn flattr(tx: &mut Tx, id: FlattrId) -> Result<Option<Flattr>> {
    Ok(both!(tx, |db| flattrs::table.find(id.0).first(db).optional())?)
}

pub fn flattr_by_key(tx: &mut Tx, patron: PatronId, object: ObjectId, month: Month) -> Result<Option<Flattr>> {
    Ok(both!(tx, |db| flattrs::table
        .filter(flattrs::patron_id.eq(patron.0))
        .filter(flattrs::object_id.eq(object.0))
        .filter(flattrs::month.eq(month.to_string()))
        .first(db)
        .optional())?)
}

/// The newest flattr of a patron for an object, in whatever month.
pub fn latest_flattr(tx: &mut Tx, patron: PatronId, object: ObjectId) -> Result<Option<Flattr>> {
    Ok(both!(tx, |db| flattrs::table
        .filter(flattrs::patron_id.eq(patron.0))
        .filter(flattrs::object_id.eq(object.0))
        .order(flattrs::month.desc())
        .first(db)
        .optional())?)
}

pub fn flattr_by_like_uri(tx: &mut Tx, patron: PatronId, like_uri: &str) -> Result<Option<Flattr>> {
    Ok(both!(tx, |db| flattrs::table
        .filter(flattrs::patron_id.eq(patron.0))
        .filter(flattrs::like_uri.eq(like_uri))
        .first(db)
        .optional())?)
}

pub fn set_standing(tx: &mut Tx, id: FlattrId, standing: Standing, like_uri: Option<&str>) -> Result<()> {
    both!(tx, |db| diesel::update(flattrs::table.find(id.0)).set(flattrs::standing.eq(standing.as_str())).execute(db))?;
    if let Some(like_uri) = like_uri {
        both!(tx, |db| diesel::update(flattrs::table.find(id.0)).set(flattrs::like_uri.eq(like_uri)).execute(db))?;
    }
    Ok(())
}

/// Whose a post is has become known: it is paid for the likes that had no owner. Those that have one keep it.
pub fn set_owner(tx: &mut Tx, object: ObjectId, owner: IdentityId) -> Result<()> {
    both!(tx, |db| diesel::update(flattrs::table)
        .filter(flattrs::object_id.eq(object.0))
        .filter(flattrs::owner_id.is_null())
        .set(flattrs::owner_id.eq(owner.0))
        .execute(db))?;
    Ok(())
}

/// The flattrs of a patron that stand as counting, with their owners.
pub fn counting_with_owners(tx: &mut Tx, patron: PatronId, month: Month) -> Result<Vec<(FlattrId, Option<i64>)>> {
    let rows: Vec<(i64, Option<i64>)> = both!(tx, |db| flattrs::table
        .filter(flattrs::patron_id.eq(patron.0))
        .filter(flattrs::month.eq(month.to_string()))
        .filter(flattrs::standing.eq(Standing::Counting.as_str()))
        .order(flattrs::id)
        .select((flattrs::id, flattrs::owner_id))
        .load(db))?;
    Ok(rows.into_iter().map(|(id, owner)| (FlattrId(id), owner)).collect())
}

/// Notes under which id a flattr was made known.
pub fn set_like_uri(tx: &mut Tx, id: FlattrId, like_uri: &str) -> Result<()> {
    both!(tx, |db| diesel::update(flattrs::table.find(id.0)).set(flattrs::like_uri.eq(like_uri)).execute(db))?;
    Ok(())
}

/// A patron's flattrs of a month with their objects, newest first.
pub fn flattrs_of_month(tx: &mut Tx, patron: PatronId, month: Month) -> Result<Vec<(Flattr, Object)>> {
    Ok(both!(tx, |db| flattrs::table
        .inner_join(objects::table)
        .filter(flattrs::patron_id.eq(patron.0))
        .filter(flattrs::month.eq(month.to_string()))
        .order(flattrs::id.desc())
        .load(db))?)
}

/// All flattrs for an object in a month and after.
pub fn flattrs_for(tx: &mut Tx, object: ObjectId, since: Month) -> Result<Vec<Flattr>> {
    Ok(both!(tx, |db| flattrs::table
        .filter(flattrs::object_id.eq(object.0))
        .filter(flattrs::month.ge(since.to_string()))
        .order(flattrs::id)
        .load(db))?)
}

/// The object of a flattr has another name: it is for this one and its owner. There must be none for it in its month.
pub fn move_to_object(
    tx: &mut Tx,
    id: FlattrId,
    (object, owner): (ObjectId, Option<IdentityId>),
    standing: Standing,
) -> Result<()> {
    let values = (
        flattrs::object_id.eq(object.0),
        flattrs::owner_id.eq(owner.map(i64::from)),
        flattrs::standing.eq(standing.as_str()),
    );
    both!(tx, |db| diesel::update(flattrs::table.find(id.0)).set(values).execute(db))?;
    Ok(())
}

/// What may come to count, or counts, for an identity in a month and after: counting and suggested.
pub fn wanted_since(tx: &mut Tx, owner: IdentityId, since: Month) -> Result<Vec<(FlattrId, Standing)>> {
    let standings = [Standing::Counting.as_str(), Standing::Suggested.as_str()];
    let rows: Vec<(i64, String)> = both!(tx, |db| flattrs::table
        .filter(flattrs::owner_id.eq(owner.0))
        .filter(flattrs::month.ge(since.to_string()).or(flattrs::standing.eq(Standing::Suggested.as_str())))
        .filter(flattrs::standing.eq_any(standings))
        .order(flattrs::id)
        .select((flattrs::id, flattrs::standing))
        .load(db))?;
    rows.into_iter()
        .map(|(id, text)| {
            let standing = Standing::parse(&text).ok_or_else(|| Error::corrupt("standing", &text))?;
            Ok((FlattrId(id), standing))
        })
        .collect()
}

/// What waits for a patron's yes, the newest first. The literal is that of the partial index.
pub fn suggested(tx: &mut Tx, patron: PatronId, limit: i64) -> Result<Vec<(Flattr, Object)>> {
    let waits = sql::<Bool>("standing = 'suggested'");
    Ok(both!(tx, |db| flattrs::table
        .inner_join(objects::table)
        .filter(flattrs::patron_id.eq(patron.0))
        .filter(waits.clone())
        .order(flattrs::id.desc())
        .limit(limit)
        .load(db))?)
}

pub fn count_suggested(tx: &mut Tx, patron: PatronId) -> Result<i64> {
    let waits = sql::<Bool>("standing = 'suggested'");
    Ok(both!(tx, |db| flattrs::table
        .filter(flattrs::patron_id.eq(patron.0))
        .filter(waits.clone())
        .count()
        .get_result(db))?)
}

/// A suggestion that is answered after its month counts in the month of the answer.
pub fn move_to_month(tx: &mut Tx, id: FlattrId, month: Month, received_at: Timestamp) -> Result<()> {
    both!(tx, |db| diesel::update(flattrs::table.find(id.0))
        .set((flattrs::month.eq(month.to_string()), flattrs::received_at.eq(received_at.micros())))
        .execute(db))?;
    Ok(())
}

/// The counting flattrs for an identity in a month and after.
pub fn counting_since(tx: &mut Tx, owner: IdentityId, since: Month) -> Result<Vec<i64>> {
    Ok(both!(tx, |db| flattrs::table
        .filter(flattrs::owner_id.eq(owner.0))
        .filter(flattrs::month.ge(since.to_string()))
        .filter(flattrs::standing.eq(Standing::Counting.as_str()))
        .order(flattrs::id)
        .select(flattrs::id)
        .load(db))?)
}

/// How many flattrs count for an object, over all months.
pub fn count_for_object(tx: &mut Tx, object: ObjectId) -> Result<i64> {
    let own: i64 = both!(tx, |db| flattrs::table
        .filter(flattrs::object_id.eq(object.0))
        .filter(flattrs::standing.eq(Standing::Counting.as_str()))
        .select(count_star())
        .first(db))?;
    let received: i64 = both!(tx, |db| received_likes::table
        .filter(received_likes::object_id.eq(object.0))
        .filter(received_likes::is_taken_back.eq(false))
        .select(count_star())
        .first(db))?;
    Ok(own + received)
}

/// How many flattrs count for an identity, over all months.
pub fn count_for_owner(tx: &mut Tx, owner: IdentityId) -> Result<i64> {
    let own: i64 = both!(tx, |db| flattrs::table
        .filter(flattrs::owner_id.eq(owner.0))
        .filter(flattrs::standing.eq(Standing::Counting.as_str()))
        .select(count_star())
        .first(db))?;
    let received: i64 = both!(tx, |db| received_likes::table
        .inner_join(objects::table)
        .filter(objects::owner_id.eq(owner.0))
        .filter(received_likes::is_taken_back.eq(false))
        .select(count_star())
        .first(db))?;
    Ok(own + received)
}

/// Who waits for an identity to be claimed: how many people, with how many flattrs, whether divided already or not.
pub fn waiting_for_owner(tx: &mut Tx, owner: IdentityId) -> Result<(i64, i64)> {
    Ok(both!(tx, |db| flattrs::table
        .left_join(shares::table)
        .filter(flattrs::owner_id.eq(owner.0))
        .filter(flattrs::standing.eq(Standing::Counting.as_str()))
        .filter(shares::outcome.nullable().is_null().or(shares::outcome.nullable().eq(Outcome::Held.as_str())))
        .select((count(flattrs::patron_id).aggregate_distinct(), count_star()))
        .first(db))?)
}

/// How many flattrs wait for posts on a platform whose authors are not known, whether divided already or not.
pub fn waiting_without_owner(tx: &mut Tx, platform: &str) -> Result<i64> {
    Ok(both!(tx, |db| flattrs::table
        .inner_join(objects::table)
        .left_join(shares::table)
        .filter(objects::platform.eq(platform))
        .filter(objects::owner_id.is_null())
        .filter(objects::is_deleted.eq(false))
        .filter(flattrs::standing.eq(Standing::Counting.as_str()))
        .filter(shares::outcome.nullable().is_null().or(shares::outcome.nullable().eq(Outcome::Held.as_str())))
        .count()
        .get_result(db))?)
}

/// How many flattrs of a month have each standing.
pub fn count_by_standing(tx: &mut Tx, month: Month) -> Result<Vec<(String, i64)>> {
    Ok(both!(tx, |db| flattrs::table
        .filter(flattrs::month.eq(month.to_string()))
        .group_by(flattrs::standing)
        .select((flattrs::standing, count_star()))
        .order(flattrs::standing)
        .load(db))?)
}

/// A like by an actor that is not a patron here.
pub struct ReceivedLike<'a> {
    pub actor_uri: &'a str,
    pub object: ObjectId,
    /// Empty for a named like.
    pub pseudonym: &'a str,
    pub like_uri: &'a str,
    /// The settlement peer that proved it; `None` for a like without a funded home.
    pub home_uri: Option<&'a str>,
    pub month: Month,
    pub received_at: Timestamp,
}

/// Records such a like under its set key; a repeat restores one that was taken back. Says whether anything changed.
pub fn save_received_like(tx: &mut Tx, like: &ReceivedLike) -> Result<bool> {
    let inserted = both!(tx, |db| diesel::insert_into(received_likes::table)
        .values((
            received_likes::actor_uri.eq(like.actor_uri),
            received_likes::object_id.eq(like.object.0),
            received_likes::pseudonym.eq(like.pseudonym),
            received_likes::like_uri.eq(like.like_uri),
            received_likes::home_uri.eq(like.home_uri),
            received_likes::month.eq(like.month.to_string()),
            received_likes::is_taken_back.eq(false),
            received_likes::received_at.eq(like.received_at.micros()),
        ))
        .on_conflict_do_nothing()
        .execute(db))?;
    if inserted == 1 {
        return Ok(true);
    }
    let restored = both!(tx, |db| diesel::update(received_likes::table)
        .filter(received_likes::actor_uri.eq(like.actor_uri))
        .filter(received_likes::object_id.eq(like.object.0))
        .filter(received_likes::pseudonym.eq(like.pseudonym))
        .filter(received_likes::month.eq(like.month.to_string()))
        .filter(received_likes::is_taken_back.eq(true))
        .set((received_likes::is_taken_back.eq(false), received_likes::like_uri.eq(like.like_uri)))
        .execute(db))?;
    Ok(restored == 1)
}

/// A recorded like by its id, for an Undo that names only that.
pub fn received_like(tx: &mut Tx, actor_uri: &str, like_uri: &str) -> Result<Option<(ObjectId, String)>> {
    let row: Option<(i64, String)> = both!(tx, |db| received_likes::table
        .filter(received_likes::actor_uri.eq(actor_uri))
        .filter(received_likes::like_uri.eq(like_uri))
        .select((received_likes::object_id, received_likes::pseudonym))
        .first(db)
        .optional())?;
    Ok(row.map(|(object, pseudonym)| (ObjectId(object), pseudonym)))
}

/// Takes back the likes of an actor for an object in the months that are still open. Says how many.
pub fn take_back_received(
    tx: &mut Tx,
    actor_uri: &str,
    object: ObjectId,
    pseudonym: &str,
    open_since: Month,
) -> Result<usize> {
    Ok(both!(tx, |db| diesel::update(received_likes::table)
        .filter(received_likes::actor_uri.eq(actor_uri))
        .filter(received_likes::object_id.eq(object.0))
        .filter(received_likes::pseudonym.eq(pseudonym))
        .filter(received_likes::month.ge(open_since.to_string()))
        .filter(received_likes::is_taken_back.eq(false))
        .set(received_likes::is_taken_back.eq(true))
        .execute(db))?)
}

/// Remembers an Undo whose Like has not come.
pub fn remember_undone(tx: &mut Tx, like_uri: &str, actor_uri: &str, now: Timestamp) -> Result<()> {
    both!(tx, |db| diesel::insert_into(undone_likes::table)
        .values((
            undone_likes::like_uri.eq(like_uri),
            undone_likes::actor_uri.eq(actor_uri),
            undone_likes::undone_at.eq(now.micros()),
        ))
        .on_conflict_do_nothing()
        .execute(db))?;
    Ok(())
}

/// Whether this actor took this Like back before it came.
pub fn was_undone(tx: &mut Tx, like_uri: &str, actor_uri: &str) -> Result<bool> {
    let found: i64 = both!(tx, |db| undone_likes::table
        .filter(undone_likes::like_uri.eq(like_uri))
        .filter(undone_likes::actor_uri.eq(actor_uri))
        .select(count_star())
        .first(db))?;
    Ok(found > 0)
}

/// Posts of claimed accounts that patrons flattred in their own name, the newest flattr first; a post may stand there more
/// than once.
pub fn newest_public(tx: &mut Tx, since: Month, limit: i64) -> Result<Vec<Object>> {
    Ok(both!(tx, |db| flattrs::table
        .inner_join(patrons::table)
        .inner_join(objects::table.inner_join(identities::table))
        .filter(flattrs::month.ge(since.to_string()))
        .filter(flattrs::standing.eq(Standing::Counting.as_str()))
        .filter(patrons::is_public.eq(true))
        .filter(objects::is_deleted.eq(false))
        .filter(identities::is_refused.eq(false))
        .filter(exists(
            claims::table.filter(claims::identity_id.eq(identities::id)).filter(claims::state.eq("verified")),
        ))
        .order(flattrs::id.desc())
        .limit(limit)
        .select(objects::all_columns)
        .load(db))?)
}
