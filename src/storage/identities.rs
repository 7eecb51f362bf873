//! Accounts on platforms, their posts, and the claims on them.

use std::collections::HashMap;

use diesel::prelude::*;
use diesel::sql_types::{BigInt, Nullable};
use diesel::upsert::excluded;

use super::schema::{claims, identities, objects};
use super::{Error, ROWS_MAX, Result, Tx, likes};
use crate::domain::id::{ActorId, CreatorId, IdentityId, ObjectId};
use crate::domain::identity::{ExternalId, ObjectRef, Platform};
use crate::domain::time::Timestamp;

#[derive(Debug, Clone, Queryable)]
pub struct Identity {
    #[diesel(deserialize_as = i64)]
    pub id: IdentityId,
    pub platform: String,
    pub account: String,
    pub handle: String,
    pub display_name: String,
    pub profile_url: String,
    pub avatar_url: Option<String>,
    pub bio: String,
    pub actor_id: Option<i64>,
    /// Whether anything in [`super::consent`] refuses it.
    pub is_refused: bool,
    pub seen_at: i64,
}

impl Identity {
    pub fn external_id(&self) -> Result<ExternalId> {
        let corrupt = |_| Error::corrupt("identity", format!("{}:{}", self.platform, self.account));
        ExternalId::new(self.platform.parse().map_err(corrupt)?, &self.account).map_err(corrupt)
    }
}

/// What a platform says of an account.
#[derive(Debug, Clone)]
pub struct SeenIdentity {
    pub external_id: ExternalId,
    pub handle: String,
    pub display_name: String,
    pub profile_url: String,
    pub avatar_url: Option<String>,
    pub bio: String,
}

/// Stores what a platform says of an account; a rename changes the handle, never the id.
pub fn save_identity(tx: &mut Tx, seen: &SeenIdentity, now: Timestamp) -> Result<Identity> {
    let values = (
        identities::handle.eq(&seen.handle),
        identities::display_name.eq(&seen.display_name),
        identities::profile_url.eq(&seen.profile_url),
        identities::avatar_url.eq(&seen.avatar_url),
        identities::bio.eq(&seen.bio),
        identities::seen_at.eq(now.micros()),
    );
    let key = (
        identities::platform.eq(seen.external_id.platform().slug()),
        identities::account.eq(seen.external_id.account()),
        identities::is_refused.eq(false),
    );
    Ok(both!(tx, |db| diesel::insert_into(identities::table)
        .values((key, values))
        .on_conflict((identities::platform, identities::account))
        .do_update()
        .set(values)
        .get_result(db))?)
}

pub fn identity(tx: &mut Tx, id: IdentityId) -> Result<Option<Identity>> {
    Ok(both!(tx, |db| identities::table.find(id.0).first(db).optional())?)
}

pub fn identity_by_external_id(tx: &mut Tx, id: &ExternalId) -> Result<Option<Identity>> {
    Ok(both!(tx, |db| identities::table
        .filter(identities::platform.eq(id.platform().slug()))
        .filter(identities::account.eq(id.account()))
        .first(db)
        .optional())?)
}

pub fn identity_by_actor(tx: &mut Tx, actor: ActorId) -> Result<Option<Identity>> {
    Ok(both!(tx, |db| identities::table.filter(identities::actor_id.eq(actor.0)).first(db).optional())?)
}

/// The account that bears a handle, whatever its case; the one seen last, since handles are reused.
pub fn identity_by_handle(tx: &mut Tx, platform: &str, handle: &str) -> Result<Option<Identity>> {
    let lower = diesel::dsl::sql::<diesel::sql_types::Text>("LOWER(handle)");
    Ok(both!(tx, |db| identities::table
        .filter(identities::platform.eq(platform))
        .filter(lower.clone().eq(handle.to_lowercase()))
        .order(identities::seen_at.desc())
        .first(db)
        .optional())?)
}

pub fn identities(tx: &mut Tx) -> Result<Vec<Identity>> {
    Ok(both!(tx, |db| identities::table.order(identities::id).load(db))?)
}

pub fn set_identity_actor(tx: &mut Tx, id: IdentityId, actor: ActorId) -> Result<()> {
    both!(tx, |db| diesel::update(identities::table.find(id.0)).set(identities::actor_id.eq(actor.0)).execute(db))?;
    Ok(())
}

#[derive(Debug, Clone, Queryable)]
pub struct Object {
    #[diesel(deserialize_as = i64)]
    pub id: ObjectId,
    pub platform: String,
    pub object: String,
    pub owner_id: Option<i64>,
    pub title: String,
    pub url: String,
    pub published_at: Option<i64>,
    pub is_deleted: bool,
    pub seen_at: i64,
}

impl Object {
    pub fn object_ref(&self) -> Result<ObjectRef> {
        let corrupt = |_| Error::corrupt("object", format!("{}:{}", self.platform, self.object));
        ObjectRef::new(self.platform.parse().map_err(corrupt)?, &self.object).map_err(corrupt)
    }

    pub fn owner(&self) -> Option<IdentityId> {
        self.owner_id.map(IdentityId)
    }
}

/// What a platform says of a post.
#[derive(Debug, Clone)]
pub struct SeenObject {
    pub object: ObjectRef,
    pub owner: Option<IdentityId>,
    pub title: String,
    pub url: String,
    pub published_at: Option<Timestamp>,
}

diesel::define_sql_function! {
    #[sql_name = "COALESCE"]
    fn first_of(first: Nullable<BigInt>, second: Nullable<BigInt>) -> Nullable<BigInt>;
}

#[derive(Insertable)]
#[diesel(table_name = objects, treat_none_as_default_value = false)]
struct ObjectRow<'a> {
    platform: &'a str,
    object: &'a str,
    owner_id: Option<i64>,
    title: &'a str,
    url: &'a str,
    published_at: Option<i64>,
    is_deleted: bool,
    seen_at: i64,
}

impl ObjectRow<'_> {
    fn of(seen: &SeenObject, now: Timestamp) -> ObjectRow<'_> {
        ObjectRow {
            platform: seen.object.platform().slug(),
            object: seen.object.object(),
            owner_id: seen.owner.map(i64::from),
            title: &seen.title,
            url: &seen.url,
            published_at: seen.published_at.map(Timestamp::micros),
            is_deleted: false,
            seen_at: now.micros(),
        }
    }
}

/// Stores what is said of a post without its owner, and says whether it is new. An owner that is known stays; so does
/// that it is gone, which an old file does not disprove.
pub fn save_object(tx: &mut Tx, seen: &SeenObject, now: Timestamp) -> Result<(Object, bool)> {
    let is_new = object_by_ref(tx, &seen.object)?.is_none();
    let saved = save_objects(tx, std::slice::from_ref(seen), now)?;
    let stored = object(tx, saved[0])?.ok_or_else(|| Error::corrupt("object", saved[0]))?;
    Ok((stored, is_new))
}

/// Stores what platforms say of many posts, as [`save_object`] does, in few statements.
///
/// - `seen`: no post may stand there twice, and none names an owner: that is for [`save_known_object`].
/// - returns: the id of each, in the same order.
pub fn save_objects(tx: &mut Tx, seen: &[SeenObject], now: Timestamp) -> Result<Vec<ObjectId>> {
    assert!(seen.iter().all(|seen| seen.owner.is_none()), "an owner is also for the flattrs that have none");
    let mut ids = Vec::with_capacity(seen.len());
    for part in seen.chunks(ROWS_MAX) {
        let rows: Vec<ObjectRow> = part.iter().map(|seen| ObjectRow::of(seen, now)).collect();
        let saved: Vec<(i64, String, String)> = both!(tx, |db| diesel::insert_into(objects::table)
            .values(&rows)
            .on_conflict((objects::platform, objects::object))
            .do_update()
            .set((
                objects::title.eq(excluded(objects::title)),
                objects::url.eq(excluded(objects::url)),
                objects::published_at.eq(first_of(excluded(objects::published_at), objects::published_at)),
                objects::seen_at.eq(excluded(objects::seen_at)),
            ))
            .returning((objects::id, objects::platform, objects::object))
            .get_results(db))?;
        // No database promises an order for what it returns.
        let by_name: HashMap<(&str, &str), i64> =
            saved.iter().map(|(id, platform, object)| ((platform.as_str(), object.as_str()), *id)).collect();
        for row in &rows {
            let id = by_name.get(&(row.platform, row.object));
            ids.push(ObjectId(*id.ok_or_else(|| Error::corrupt("object", row.object))?));
        }
    }
    Ok(ids)
}

/// Which of these posts are gone, as far as we know.
pub fn deleted_among(tx: &mut Tx, objects: &[ObjectId]) -> Result<Vec<ObjectId>> {
    let mut gone = Vec::new();
    for part in objects.chunks(ROWS_MAX) {
        let ids: Vec<i64> = part.iter().map(|id| id.0).collect();
        let rows: Vec<i64> = both!(tx, |db| objects::table
            .filter(objects::id.eq_any(&ids))
            .filter(objects::is_deleted.eq(true))
            .select(objects::id)
            .load(db))?;
        gone.extend(rows.into_iter().map(ObjectId));
    }
    Ok(gone)
}

/// Stores what a platform says of a post that was looked for in this transaction. Where it names another owner than was
/// known, new likes are for that one; where none was known, those that wait are too.
pub fn save_known_object(tx: &mut Tx, seen: &SeenObject, known: Option<&Object>, now: Timestamp) -> Result<Object> {
    let owner = seen.owner.map(i64::from).or_else(|| known.and_then(|object| object.owner_id));
    let published_at = seen.published_at.map(Timestamp::micros);
    let values = (
        objects::owner_id.eq(owner),
        objects::title.eq(&seen.title),
        objects::url.eq(&seen.url),
        objects::published_at.eq(published_at.or_else(|| known.and_then(|object| object.published_at))),
        objects::seen_at.eq(now.micros()),
    );
    let key = (
        objects::platform.eq(seen.object.platform().slug()),
        objects::object.eq(seen.object.object()),
        objects::is_deleted.eq(false),
    );
    let saved: Object = both!(tx, |db| diesel::insert_into(objects::table)
        .values((key, values))
        .on_conflict((objects::platform, objects::object))
        .do_update()
        .set(values)
        .get_result(db))?;
    if let Some(owner) = saved.owner().filter(|_| known.is_none_or(|known| known.owner_id.is_none())) {
        likes::set_owner(tx, saved.id, owner)?;
    }
    Ok(saved)
}

pub fn object(tx: &mut Tx, id: ObjectId) -> Result<Option<Object>> {
    Ok(both!(tx, |db| objects::table.find(id.0).first(db).optional())?)
}

/// As [`object`], and its owner stays until this transaction ends: whoever records a like meanwhile and whoever learns of
/// the owner come one after the other.
pub fn hold_object(tx: &mut Tx, id: ObjectId) -> Result<Option<Object>> {
    let query = objects::table.find(id.0);
    Ok(match tx {
        // There is one writer.
        Tx::Sqlite(db) => query.first(*db).optional()?,
        Tx::Postgres(db) => query.for_share().first(*db).optional()?,
    })
}

pub fn object_by_ref(tx: &mut Tx, object: &ObjectRef) -> Result<Option<Object>> {
    Ok(both!(tx, |db| objects::table
        .filter(objects::platform.eq(object.platform().slug()))
        .filter(objects::object.eq(object.object()))
        .first(db)
        .optional())?)
}

/// Posts that were last seen at an address, whatever its case and its last slash; the one that is written so first.
pub fn objects_by_url(tx: &mut Tx, platform: Platform, url: &str) -> Result<Vec<Object>> {
    const FOUND_MAX: i64 = 10;
    let lower = diesel::dsl::sql::<diesel::sql_types::Text>("LOWER(url)");
    let plain = url.trim_end_matches('/').to_lowercase();
    let written = [format!("{plain}/"), plain];
    let mut found: Vec<Object> = both!(tx, |db| objects::table
        .filter(lower.clone().eq_any(&written))
        .filter(objects::platform.eq(platform.slug()))
        .order(objects::id.desc())
        .limit(FOUND_MAX)
        .load(db))?;
    found.sort_by_key(|object| object.url != url);
    Ok(found)
}

/// The newest posts of an identity.
pub fn objects_of(tx: &mut Tx, owner: IdentityId, limit: i64) -> Result<Vec<Object>> {
    Ok(both!(tx, |db| objects::table
        .filter(objects::owner_id.eq(owner.0))
        .filter(objects::is_deleted.eq(false))
        .order(objects::id.desc())
        .limit(limit)
        .load(db))?)
}

#[derive(Debug, Clone, Queryable)]
pub struct Claim {
    pub id: i64,
    #[diesel(deserialize_as = i64)]
    pub identity_id: IdentityId,
    pub creator_id: Option<i64>,
    pub home_uri: String,
    pub creator_uri: String,
    pub method: String,
    pub token: String,
    pub state: String,
    pub created_at: i64,
    /// When it was verified the last time, whatever it is now.
    pub verified_at: Option<i64>,
    /// When it came into its state.
    pub changed_at: i64,
    /// When the operator vouched for what was earned, although the profile does not.
    pub confirmed_at: Option<i64>,
    /// The newest sign-in of the claimant at the platform.
    pub signed_in_at: Option<i64>,
    /// When it was proved the first time, by whichever way.
    pub proved_since: Option<i64>,
}

impl Claim {
    /// Whether the account is, or may still be, the claimant's: a proof that is disputed or gone is not disproved.
    pub fn may_be_theirs(&self) -> bool {
        matches!(self.state.as_str(), "verified" | "disputed" | "lost")
    }

    /// Whether it is proved, or may be yet: nobody has taken it over.
    pub fn is_open(&self) -> bool {
        self.state == "pending" || self.may_be_theirs()
    }

    /// The creator with an account here; `None` when the creator's home is a peer.
    pub fn creator(&self) -> Option<CreatorId> {
        self.creator_id.map(CreatorId)
    }
}

/// A claim to be recorded.
pub struct NewClaim<'a> {
    pub identity: IdentityId,
    pub creator: Option<CreatorId>,
    pub home_uri: &'a str,
    pub creator_uri: &'a str,
    pub method: &'a str,
    pub token: &'a str,
}

pub fn make_claim(tx: &mut Tx, claim: &NewClaim, now: Timestamp) -> Result<Claim> {
    Ok(both!(tx, |db| diesel::insert_into(claims::table)
        .values((
            claims::identity_id.eq(claim.identity.0),
            claims::creator_id.eq(claim.creator.map(i64::from)),
            claims::home_uri.eq(claim.home_uri),
            claims::creator_uri.eq(claim.creator_uri),
            claims::method.eq(claim.method),
            claims::token.eq(claim.token),
            claims::state.eq("pending"),
            claims::created_at.eq(now.micros()),
            claims::changed_at.eq(now.micros()),
        ))
        .get_result(db))?)
}

pub fn claim(tx: &mut Tx, id: i64) -> Result<Option<Claim>> {
    Ok(both!(tx, |db| claims::table.find(id).first(db).optional())?)
}

pub fn claim_by_token(tx: &mut Tx, token: &str) -> Result<Option<Claim>> {
    Ok(both!(tx, |db| claims::table.filter(claims::token.eq(token)).first(db).optional())?)
}

/// The verified claim of an identity: its one beneficiary.
pub fn verified_claim(tx: &mut Tx, identity: IdentityId) -> Result<Option<Claim>> {
    Ok(both!(tx, |db| claims::table
        .filter(claims::identity_id.eq(identity.0))
        .filter(claims::state.eq("verified"))
        .first(db)
        .optional())?)
}

pub fn claims_of_creator(tx: &mut Tx, creator: CreatorId) -> Result<Vec<Claim>> {
    Ok(both!(tx, |db| claims::table.filter(claims::creator_id.eq(creator.0)).order(claims::id).load(db))?)
}

/// The creator of this instance whom an identity last belonged to, whoever has it now.
pub fn last_own_claim(tx: &mut Tx, identity: IdentityId) -> Result<Option<Claim>> {
    Ok(both!(tx, |db| claims::table
        .filter(claims::identity_id.eq(identity.0))
        .filter(claims::creator_id.is_not_null())
        .filter(claims::verified_at.is_not_null())
        .order((claims::verified_at.desc(), claims::id.desc()))
        .first(db)
        .optional())?)
}

/// How many accounts are claimed by creators of this instance.
pub fn count_claimed_here(tx: &mut Tx) -> Result<i64> {
    Ok(both!(tx, |db| claims::table
        .filter(claims::state.eq("verified"))
        .filter(claims::creator_id.is_not_null())
        .count()
        .get_result(db))?)
}
