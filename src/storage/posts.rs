//! What is known of posts and profiles beside their names and addresses.
//!
//! Owns that the full form of a post is one value, read and written whole. Whether it may be kept is decided in
//! [`crate::flows::feed`]. Posts that are to be asked for by their id wait here too.

use diesel::dsl::count_star;
use diesel::prelude::*;
use serde::{Deserialize, Serialize};

use super::identities::Object;
use super::months::Outcome;
use super::schema::{
    flattrs, objects, post_check_turns, post_checks, post_details, profile_details, resolved_posts, shares,
};
use super::{Error, Result, Tx, storable};
use crate::domain::flattr::Standing;
use crate::domain::id::{IdentityId, ObjectId};
use crate::domain::identity::Platform;
use crate::domain::time::{Month, Timestamp};

/// A picture, film or sound, where the platform keeps it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Medium {
    /// `image`, `video`, `audio` or `link`.
    pub kind: String,
    pub url: String,
    pub media_type: Option<String>,
    pub alt: Option<String>,
    pub width: Option<u32>,
    pub height: Option<u32>,
    pub poster: Option<String>,
}

/// All that a platform says of a post, of an account that is claimed.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct FullForm {
    /// As the platform gives it: not yet safe to be shown.
    pub description: Option<String>,
    pub licence: Option<String>,
    pub tags: Vec<String>,
    pub media: Vec<Medium>,
    pub is_sensitive: bool,
    pub duration_seconds: Option<u64>,
    pub alias_url: Option<String>,
    /// The object id, on the same platform, of what it answers.
    pub in_reply_to: Option<String>,
}

#[derive(Clone, Debug, Queryable)]
pub struct PostDetails {
    #[diesel(deserialize_as = i64)]
    pub object_id: ObjectId,
    /// As [`crate::bridges::PostKind`] says it.
    pub kind: String,
    pub thumbnail_url: Option<String>,
    pub full_form: Option<String>,
    pub digest: String,
    /// When followers were first told of it.
    pub said_at: Option<i64>,
    pub edited_at: Option<i64>,
    pub deleted_at: Option<i64>,
    pub deletions: i64,
    pub seen_in_pass: i64,
}

impl PostDetails {
    pub fn full(&self) -> Result<Option<FullForm>> {
        let text = self.full_form.as_deref();
        text.map(|text| serde_json::from_str(text).map_err(|_| Error::corrupt("post", self.object_id))).transpose()
    }
}

pub fn details(tx: &mut Tx, object: ObjectId) -> Result<Option<PostDetails>> {
    Ok(both!(tx, |db| post_details::table.find(object.0).first(db).optional())?)
}

/// What is to be known of a post.
pub struct NewDetails<'a> {
    pub object: ObjectId,
    pub kind: &'a str,
    pub thumbnail_url: Option<&'a str>,
    pub full: Option<&'a FullForm>,
    pub digest: &'a str,
    pub seen_in_pass: i64,
}

/// Stores what is known of a post now. When it was said, edited and deleted stays.
pub fn save_details(tx: &mut Tx, new: &NewDetails) -> Result<()> {
    let full = new.full.map(|full| serde_json::to_string(full).expect("plain fields are JSON"));
    let values = (
        post_details::kind.eq(new.kind),
        post_details::thumbnail_url.eq(new.thumbnail_url),
        post_details::full_form.eq(full),
        post_details::digest.eq(new.digest),
        post_details::seen_in_pass.eq(new.seen_in_pass),
    );
    both!(tx, |db| diesel::insert_into(post_details::table)
        .values((post_details::object_id.eq(new.object.0), post_details::deletions.eq(0), values.clone()))
        .on_conflict(post_details::object_id)
        .do_update()
        .set(values)
        .execute(db))?;
    Ok(())
}

pub fn set_said(tx: &mut Tx, object: ObjectId, now: Timestamp) -> Result<()> {
    both!(tx, |db| diesel::update(post_details::table.find(object.0))
        .set(post_details::said_at.eq(now.micros()))
        .execute(db))?;
    Ok(())
}

pub fn set_edited(tx: &mut Tx, object: ObjectId, now: Timestamp) -> Result<()> {
    both!(tx, |db| diesel::update(post_details::table.find(object.0))
        .set(post_details::edited_at.eq(now.micros()))
        .execute(db))?;
    Ok(())
}

/// Notes that a post is gone, and forgets what it said.
pub fn set_deleted(tx: &mut Tx, object: ObjectId, now: Timestamp) -> Result<()> {
    both!(tx, |db| diesel::update(objects::table.find(object.0)).set(objects::is_deleted.eq(true)).execute(db))?;
    let nothing: Option<String> = None;
    both!(tx, |db| diesel::insert_into(post_details::table)
        .values((
            post_details::object_id.eq(object.0),
            post_details::kind.eq("text"),
            post_details::digest.eq(""),
            post_details::deleted_at.eq(now.micros()),
            post_details::deletions.eq(1),
            post_details::seen_in_pass.eq(0),
        ))
        .on_conflict(post_details::object_id)
        .do_update()
        .set((
            post_details::deleted_at.eq(now.micros()),
            post_details::deletions.eq(post_details::deletions + 1),
            post_details::thumbnail_url.eq(nothing.clone()),
            post_details::full_form.eq(nothing),
            post_details::digest.eq(""),
        ))
        .execute(db))?;
    Ok(())
}

/// Notes that a post that was gone is there.
pub fn set_restored(tx: &mut Tx, object: ObjectId) -> Result<()> {
    both!(tx, |db| diesel::update(objects::table.find(object.0)).set(objects::is_deleted.eq(false)).execute(db))?;
    let never: Option<i64> = None;
    both!(tx, |db| diesel::update(post_details::table.find(object.0))
        .set(post_details::deleted_at.eq(never))
        .execute(db))?;
    Ok(())
}

/// Forgets the full forms of an account's posts: nobody has claimed it any more.
pub fn forget_full(tx: &mut Tx, owner: IdentityId) -> Result<()> {
    let theirs: Vec<i64> = both!(tx, |db| post_details::table
        .inner_join(objects::table)
        .filter(objects::owner_id.eq(owner.0))
        .filter(post_details::full_form.is_not_null())
        .select(post_details::object_id)
        .load(db))?;
    let nothing: Option<String> = None;
    for batch in theirs.chunks(500) {
        both!(tx, |db| diesel::update(post_details::table.filter(post_details::object_id.eq_any(batch)))
            .set(post_details::full_form.eq(&nothing))
            .execute(db))?;
    }
    Ok(())
}

/// Posts of an account that an earlier pass over its listing showed and pass `number` did not.
///
/// - `newer_than`: only those that were published later; `None` for all.
pub fn not_listed(
    tx: &mut Tx,
    owner: IdentityId,
    number: i64,
    newer_than: Option<i64>,
    limit: i64,
) -> Result<Vec<Object>> {
    macro_rules! missing {
        () => {
            post_details::table
                .inner_join(objects::table)
                .filter(objects::owner_id.eq(owner.0))
                .filter(objects::is_deleted.eq(false))
                .filter(post_details::seen_in_pass.gt(0))
                .filter(post_details::seen_in_pass.lt(number))
                .order(objects::id.desc())
                .limit(limit)
                .select(objects::all_columns)
        };
    }
    Ok(match newer_than {
        None => both!(tx, |db| missing!().load(db))?,
        Some(at) => both!(tx, |db| missing!().filter(objects::published_at.gt(at)).load(db))?,
    })
}

/// What an account shows beside its name: `person`, `organization` or `bot`, and its website.
#[derive(Clone, Debug, PartialEq, Eq, Queryable)]
pub struct ProfileDetails {
    #[diesel(deserialize_as = i64)]
    pub identity_id: IdentityId,
    pub kind: String,
    pub website: Option<String>,
}

pub fn profile(tx: &mut Tx, identity: IdentityId) -> Result<Option<ProfileDetails>> {
    Ok(both!(tx, |db| profile_details::table.find(identity.0).first(db).optional())?)
}

pub fn save_profile(tx: &mut Tx, profile: &ProfileDetails) -> Result<()> {
    let values = (profile_details::kind.eq(&profile.kind), profile_details::website.eq(profile.website.as_deref()));
    both!(tx, |db| diesel::insert_into(profile_details::table)
        .values((profile_details::identity_id.eq(profile.identity_id.0), values))
        .on_conflict(profile_details::identity_id)
        .do_update()
        .set(values)
        .execute(db))?;
    Ok(())
}

/// Why a post is asked for by its id.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reason {
    /// A listing that should show it does not.
    Missing,
    /// It counts, and nobody knows whose it is.
    Author,
}

impl Reason {
    pub const fn as_str(self) -> &'static str {
        match self {
            Reason::Missing => "missing",
            Reason::Author => "author",
        }
    }
}

#[derive(Clone, Debug, Queryable)]
pub struct PostCheck {
    #[diesel(deserialize_as = i64)]
    pub object_id: ObjectId,
    pub platform: String,
    pub reason: String,
    pub next_at: i64,
    pub failures: i64,
    pub last_error: Option<String>,
}

impl PostCheck {
    pub fn is_missing(&self) -> bool {
        self.reason == Reason::Missing.as_str()
    }
}

/// Asks for a post by its id, as soon as its platform's turn comes. One that waits already keeps its place.
pub fn queue_check(tx: &mut Tx, object: &Object, reason: Reason, now: Timestamp) -> Result<()> {
    both!(tx, |db| diesel::insert_into(post_checks::table)
        .values((
            post_checks::object_id.eq(object.id.0),
            post_checks::platform.eq(&object.platform),
            post_checks::reason.eq(reason.as_str()),
            post_checks::next_at.eq(now.micros()),
            post_checks::failures.eq(0),
        ))
        .on_conflict_do_nothing()
        .execute(db))?;
    Ok(())
}

/// The checks of a platform that are due, when it is its turn; what is missing comes first.
pub fn due_checks(tx: &mut Tx, platform: Platform, now: Timestamp, limit: i64) -> Result<Vec<(PostCheck, Object)>> {
    let turn: Option<i64> = both!(tx, |db| post_check_turns::table
        .find(platform.slug())
        .select(post_check_turns::next_at)
        .first(db)
        .optional())?;
    if turn.is_some_and(|at| at > now.micros()) {
        return Ok(Vec::new());
    }
    Ok(both!(tx, |db| post_checks::table
        .inner_join(objects::table)
        .filter(post_checks::platform.eq(platform.slug()))
        .filter(post_checks::next_at.le(now.micros()))
        .order((post_checks::reason.desc(), post_checks::next_at, post_checks::object_id))
        .limit(limit)
        .load(db))?)
}

pub fn is_any_check_due(tx: &mut Tx, now: Timestamp) -> Result<bool> {
    let due: i64 = both!(tx, |db| post_checks::table
        .filter(post_checks::next_at.le(now.micros()))
        .select(count_star())
        .first(db))?;
    Ok(due > 0)
}

/// When a platform is asked for single posts again; never earlier than said before.
pub fn set_turn(tx: &mut Tx, platform: Platform, at: Timestamp) -> Result<()> {
    both!(tx, |db| diesel::insert_into(post_check_turns::table)
        .values((post_check_turns::platform.eq(platform.slug()), post_check_turns::next_at.eq(at.micros())))
        .on_conflict_do_nothing()
        .execute(db))?;
    both!(tx, |db| diesel::update(post_check_turns::table.find(platform.slug()))
        .filter(post_check_turns::next_at.lt(at.micros()))
        .set(post_check_turns::next_at.eq(at.micros()))
        .execute(db))?;
    Ok(())
}

pub fn end_check(tx: &mut Tx, object: ObjectId) -> Result<()> {
    both!(tx, |db| diesel::delete(post_checks::table.find(object.0)).execute(db))?;
    Ok(())
}

/// Puts a check off after a failure.
pub fn postpone_check(tx: &mut Tx, object: ObjectId, next_at: Timestamp, error: &str) -> Result<()> {
    both!(tx, |db| diesel::update(post_checks::table.find(object.0))
        .set((
            post_checks::next_at.eq(next_at.micros()),
            post_checks::failures.eq(post_checks::failures + 1),
            post_checks::last_error.eq(storable(error)),
        ))
        .execute(db))?;
    Ok(())
}

/// Notes that the author of a post has become known.
pub fn note_resolved(tx: &mut Tx, object: ObjectId) -> Result<()> {
    both!(tx, |db| diesel::insert_into(resolved_posts::table)
        .values(resolved_posts::object_id.eq(object.0))
        .on_conflict_do_nothing()
        .execute(db))?;
    Ok(())
}

/// Posts whose authors have become known, of one platform or of all.
pub fn resolved(tx: &mut Tx, platform: Option<Platform>, limit: i64) -> Result<Vec<ObjectId>> {
    macro_rules! waiting {
        () => {
            resolved_posts::table
                .inner_join(objects::table)
                .order(resolved_posts::object_id)
                .limit(limit)
                .select(resolved_posts::object_id)
        };
    }
    let rows: Vec<i64> = match platform {
        None => both!(tx, |db| waiting!().load(db))?,
        Some(platform) => both!(tx, |db| waiting!().filter(objects::platform.eq(platform.slug())).load(db))?,
    };
    Ok(rows.into_iter().map(ObjectId).collect())
}

pub fn resolved_by_platform(tx: &mut Tx) -> Result<Vec<(String, i64)>> {
    Ok(both!(tx, |db| resolved_posts::table
        .inner_join(objects::table)
        .group_by(objects::platform)
        .select((objects::platform, count_star()))
        .load(db))?)
}

pub fn end_resolved(tx: &mut Tx, object: ObjectId) -> Result<()> {
    both!(tx, |db| diesel::delete(resolved_posts::table.find(object.0)).execute(db))?;
    Ok(())
}

/// The owners of flattrs for one post whose shares still wait for the post: these were not known when they were divided.
pub fn owners_awaited(tx: &mut Tx, object: ObjectId) -> Result<Vec<IdentityId>> {
    let rows: Vec<Option<i64>> = both!(tx, |db| shares::table
        .inner_join(flattrs::table)
        .filter(flattrs::object_id.eq(object.0))
        .filter(flattrs::owner_id.is_not_null())
        .filter(shares::identity_id.is_null())
        .filter(shares::outcome.eq(Outcome::Held.as_str()))
        .order(flattrs::owner_id)
        .select(flattrs::owner_id)
        .distinct()
        .load(db))?;
    Ok(rows.into_iter().flatten().map(IdentityId).collect())
}

/// The flattrs of one post in a month and after that have a standing.
pub fn flattrs_of(
    tx: &mut Tx,
    object: ObjectId,
    standing: Standing,
    since: Month,
) -> Result<Vec<super::likes::Flattr>> {
    Ok(both!(tx, |db| flattrs::table
        .filter(flattrs::object_id.eq(object.0))
        .filter(flattrs::standing.eq(standing.as_str()))
        .filter(flattrs::month.ge(since.to_string()))
        .order(flattrs::id)
        .load(db))?)
}
