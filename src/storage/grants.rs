//! Sign-ins at platforms, and what they allow us to read: sealed texts that only the vault opens.
//!
//! Owns that a sign-in that has begun is used once, and that a renewed credential takes the place of the one it was made
//! from and of no other.

use diesel::prelude::*;

use super::schema::{grants, owner_sign_ins, sign_ins};
use super::{Result, Tx};
use crate::domain::id::LoginId;
use crate::domain::identity::ExternalId;
use crate::domain::time::Timestamp;

/// A sign-in that has begun.
#[derive(Debug, Clone, PartialEq, Eq, Queryable, Insertable)]
#[diesel(table_name = sign_ins)]
pub struct Pending {
    /// What the return is recognised by.
    pub key: String,
    pub login_id: i64,
    pub platform: String,
    /// `connect` or `claim`; `confirm` for a claim whose sign-in is over and which the person has yet to confirm.
    pub purpose: String,
    /// Sealed.
    pub kept: String,
    pub begun_at: i64,
}

impl Pending {
    pub fn login(&self) -> LoginId {
        LoginId(self.login_id)
    }
}

/// Keeps a sign-in, and forgets those that began before `oldest` and never came back.
pub fn save_pending(tx: &mut Tx, pending: &Pending, oldest: Timestamp) -> Result<()> {
    both!(tx, |db| diesel::delete(sign_ins::table.filter(sign_ins::begun_at.lt(oldest.micros()))).execute(db))?;
    both!(tx, |db| diesel::insert_into(sign_ins::table).values(pending).execute(db))?;
    Ok(())
}

/// The sign-in of a key, which stays.
pub fn pending(tx: &mut Tx, key: &str, oldest: Timestamp) -> Result<Option<Pending>> {
    let found: Option<Pending> = both!(tx, |db| sign_ins::table.find(key).first(db).optional())?;
    Ok(found.filter(|pending| pending.begun_at >= oldest.micros()))
}

/// Takes the sign-in of a key out, so that it ends once. `None` when it is unknown or began before `oldest`.
pub fn take_pending(tx: &mut Tx, key: &str, oldest: Timestamp) -> Result<Option<Pending>> {
    let found: Option<Pending> = both!(tx, |db| sign_ins::table.find(key).first(db).optional())?;
    let deleted = both!(tx, |db| diesel::delete(sign_ins::table.find(key)).execute(db))?;
    Ok(found.filter(|pending| deleted == 1 && pending.begun_at >= oldest.micros()))
}

/// A sign-in that an owner without an account here has begun, to opt out or in again. It grants nothing that is kept.
#[derive(Debug, Clone, PartialEq, Eq, Queryable, Insertable)]
#[diesel(table_name = owner_sign_ins)]
pub struct OwnerPending {
    pub key: String,
    /// By which the browser that began it is known again.
    pub browser: String,
    pub platform: String,
    /// `opt_out` or `opt_in`.
    pub purpose: String,
    /// Sealed.
    pub kept: String,
    pub begun_at: i64,
}

/// As [`save_pending`].
pub fn save_owner_pending(tx: &mut Tx, pending: &OwnerPending, oldest: Timestamp) -> Result<()> {
    both!(tx, |db| diesel::delete(owner_sign_ins::table.filter(owner_sign_ins::begun_at.lt(oldest.micros())))
        .execute(db))?;
    both!(tx, |db| diesel::insert_into(owner_sign_ins::table).values(pending).execute(db))?;
    Ok(())
}

/// As [`take_pending`].
pub fn take_owner_pending(tx: &mut Tx, key: &str, oldest: Timestamp) -> Result<Option<OwnerPending>> {
    let found: Option<OwnerPending> = both!(tx, |db| owner_sign_ins::table.find(key).first(db).optional())?;
    let deleted = both!(tx, |db| diesel::delete(owner_sign_ins::table.find(key)).execute(db))?;
    Ok(found.filter(|pending| deleted == 1 && pending.begun_at >= oldest.micros()))
}

/// What an account has granted.
#[derive(Debug, Clone, PartialEq, Eq, Queryable)]
pub struct Grant {
    pub id: i64,
    pub platform: String,
    pub account: String,
    /// Sealed.
    pub sealed: String,
    pub expires_at: Option<i64>,
    pub scopes: String,
    /// `good`, or `ended`: expired for good or taken back at the platform.
    pub state: String,
    pub updated_at: i64,
    pub is_for_likes: bool,
    pub is_for_claim: bool,
}

impl Grant {
    /// Whether the person has granted it for this.
    pub fn is_for(&self, purpose: Purpose) -> bool {
        match purpose {
            Purpose::Likes => self.is_for_likes,
            Purpose::Claim => self.is_for_claim,
        }
    }
}

/// What a grant may be used for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Purpose {
    /// To read what the person likes.
    Likes,
    /// To look again at a profile that its platform shows to nobody else, because a claim rests on it.
    Claim,
}

/// A grant to be kept.
pub struct NewGrant<'a> {
    pub account: &'a ExternalId,
    pub sealed: &'a str,
    pub expires_at: Option<Timestamp>,
    pub scopes: &'a str,
    pub purpose: Purpose,
}

/// Keeps a grant in place of an earlier one of the same account. What that one was for, this one is for too.
pub fn save_grant(tx: &mut Tx, grant: &NewGrant, now: Timestamp) -> Result<()> {
    let values = (
        grants::sealed.eq(grant.sealed),
        grants::expires_at.eq(grant.expires_at.map(Timestamp::micros)),
        grants::scopes.eq(grant.scopes),
        grants::state.eq("good"),
        grants::updated_at.eq(now.micros()),
    );
    let known = grant_of(tx, grant.account)?;
    let is_for = |purpose| grant.purpose == purpose || known.as_ref().is_some_and(|known| known.is_for(purpose));
    let uses = (grants::is_for_likes.eq(is_for(Purpose::Likes)), grants::is_for_claim.eq(is_for(Purpose::Claim)));
    both!(tx, |db| diesel::insert_into(grants::table)
        .values((
            grants::platform.eq(grant.account.platform().slug()),
            grants::account.eq(grant.account.account()),
            values,
            uses,
        ))
        .on_conflict((grants::platform, grants::account))
        .do_update()
        .set((values, uses))
        .execute(db))?;
    Ok(())
}

pub fn grant_of(tx: &mut Tx, account: &ExternalId) -> Result<Option<Grant>> {
    Ok(both!(tx, |db| grants::table
        .filter(grants::platform.eq(account.platform().slug()))
        .filter(grants::account.eq(account.account()))
        .first(db)
        .optional())?)
}

/// Puts a renewed credential in the place of the one it was made from. `false` when that is not there any more: somebody
/// else has renewed it, or the person has signed in again.
pub fn renew(tx: &mut Tx, old: &Grant, sealed: &str, expires_at: Option<Timestamp>, now: Timestamp) -> Result<bool> {
    let changed = both!(tx, |db| diesel::update(grants::table.find(old.id))
        .filter(grants::sealed.eq(&old.sealed))
        .set((
            grants::sealed.eq(sealed),
            grants::expires_at.eq(expires_at.map(Timestamp::micros)),
            grants::state.eq("good"),
            grants::updated_at.eq(now.micros()),
        ))
        .execute(db))?;
    Ok(changed == 1)
}

/// Notes that a credential opens nothing any more, unless it was replaced meanwhile.
pub fn end(tx: &mut Tx, old: &Grant, now: Timestamp) -> Result<()> {
    both!(tx, |db| diesel::update(grants::table.find(old.id))
        .filter(grants::sealed.eq(&old.sealed))
        .set((grants::state.eq("ended"), grants::updated_at.eq(now.micros())))
        .execute(db))?;
    Ok(())
}

/// A grant is not needed for this any more; one that is needed for nothing is forgotten.
pub fn release(tx: &mut Tx, account: &ExternalId, purpose: Purpose) -> Result<()> {
    let Some(grant) = grant_of(tx, account)? else { return Ok(()) };
    let is_for = |other| other != purpose && grant.is_for(other);
    let (likes, claim) = (is_for(Purpose::Likes), is_for(Purpose::Claim));
    if likes || claim {
        both!(tx, |db| diesel::update(grants::table.find(grant.id))
            .set((grants::is_for_likes.eq(likes), grants::is_for_claim.eq(claim)))
            .execute(db))?;
    } else {
        both!(tx, |db| diesel::delete(grants::table.find(grant.id)).execute(db))?;
    }
    Ok(())
}
