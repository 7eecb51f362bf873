//! Who refuses to be bridged, when profiles were read for it, and accounts whose owners may opt out.
//!
//! Owns that `identities.is_refused` is true exactly while a row of `refusals` names the identity. What follows from a
//! refusal is for [`crate::flows::consent`].

use diesel::dsl::{count_star, exists};
use diesel::prelude::*;
use diesel::select;

use super::identities::Identity;
use super::schema::{consent_looks, flattrs, identities, opt_outs, refusals, shares};
use super::{Error, Result, Tx};
use crate::domain::consent::Source;
use crate::domain::flattr::Standing;
use crate::domain::id::IdentityId;
use crate::domain::identity::{ExternalId, Platform};
use crate::domain::time::{Month, Timestamp};
use crate::storage::months::Outcome;

/// Writes a refusal down. Says whether this source had not refused before.
pub fn add_refusal(tx: &mut Tx, identity: IdentityId, source: Source, now: Timestamp) -> Result<bool> {
    let added = both!(tx, |db| diesel::insert_into(refusals::table)
        .values((
            refusals::identity_id.eq(identity.0),
            refusals::source.eq(source.as_str()),
            refusals::since.eq(now.micros()),
        ))
        .on_conflict_do_nothing()
        .execute(db))?;
    set_refused(tx, identity, true)?;
    Ok(added == 1)
}

/// Ends the refusal of one source. Says whether there was one.
pub fn remove_refusal(tx: &mut Tx, identity: IdentityId, source: Source) -> Result<bool> {
    let removed = both!(tx, |db| diesel::delete(refusals::table.find((identity.0, source.as_str()))).execute(db))?;
    if removed == 1 && refusals_of(tx, identity)?.is_empty() {
        set_refused(tx, identity, false)?;
    }
    Ok(removed == 1)
}

fn set_refused(tx: &mut Tx, id: IdentityId, is_refused: bool) -> Result<()> {
    both!(tx, |db| diesel::update(identities::table.find(id.0))
        .set(identities::is_refused.eq(is_refused))
        .execute(db))?;
    Ok(())
}

/// Who refuses, and since when.
pub fn refusals_of(tx: &mut Tx, identity: IdentityId) -> Result<Vec<(Source, Timestamp)>> {
    let rows: Vec<(String, i64)> = both!(tx, |db| refusals::table
        .filter(refusals::identity_id.eq(identity.0))
        .order(refusals::source)
        .select((refusals::source, refusals::since))
        .load(db))?;
    rows.into_iter()
        .map(|(source, since)| {
            let source = Source::parse(&source).ok_or_else(|| Error::corrupt("source of a refusal", &source))?;
            Ok((source, Timestamp::from_micros(since)))
        })
        .collect()
}

/// When a profile was read for its owner's word.
#[derive(Debug, Clone, Queryable)]
pub struct ConsentLook {
    #[diesel(deserialize_as = i64)]
    pub identity_id: IdentityId,
    /// The newest reading: before it was asked for.
    pub looked_at: Option<i64>,
    pub next_at: i64,
    /// The whole platform is left alone until then.
    pub is_limited: bool,
    pub last_error: Option<String>,
}

pub fn look_of(tx: &mut Tx, identity: IdentityId) -> Result<Option<ConsentLook>> {
    Ok(both!(tx, |db| consent_looks::table.find(identity.0).first(db).optional())?)
}

/// A profile was read.
pub fn save_look(tx: &mut Tx, identity: IdentityId, looked_at: Timestamp, next_at: Timestamp) -> Result<()> {
    let none: Option<String> = None;
    let values = (
        consent_looks::looked_at.eq(Some(looked_at.micros())),
        consent_looks::next_at.eq(next_at.micros()),
        consent_looks::is_limited.eq(false),
        consent_looks::last_error.eq(none),
    );
    both!(tx, |db| diesel::insert_into(consent_looks::table)
        .values((consent_looks::identity_id.eq(identity.0), values.clone()))
        .on_conflict(consent_looks::identity_id)
        .do_update()
        .set(values)
        .execute(db))?;
    Ok(())
}

/// A profile was not read, for a reason or because nobody needs to know.
pub fn put_off(
    tx: &mut Tx,
    identity: IdentityId,
    next_at: Timestamp,
    is_limited: bool,
    error: Option<&str>,
) -> Result<()> {
    both!(tx, |db| diesel::update(consent_looks::table.find(identity.0))
        .set((
            consent_looks::next_at.eq(next_at.micros()),
            consent_looks::is_limited.eq(is_limited),
            consent_looks::last_error.eq(error),
        ))
        .execute(db))?;
    Ok(())
}

/// Somebody gives for this account: its profile is read soon, unless it was read since `read_since` or could not be read.
pub fn want_look(tx: &mut Tx, identity: IdentityId, read_since: Timestamp, now: Timestamp) -> Result<()> {
    let none: Option<i64> = None;
    let inserted = both!(tx, |db| diesel::insert_into(consent_looks::table)
        .values((
            consent_looks::identity_id.eq(identity.0),
            consent_looks::looked_at.eq(none),
            consent_looks::next_at.eq(now.micros()),
            consent_looks::is_limited.eq(false),
        ))
        .on_conflict_do_nothing()
        .execute(db))?;
    if inserted == 0 {
        both!(tx, |db| diesel::update(consent_looks::table.find(identity.0))
            .filter(consent_looks::next_at.gt(now.micros()))
            .filter(consent_looks::last_error.is_null())
            .filter(consent_looks::looked_at.is_null().or(consent_looks::looked_at.lt(Some(read_since.micros()))))
            .set(consent_looks::next_at.eq(now.micros()))
            .execute(db))?;
    }
    Ok(())
}

/// Puts off what is due on a platform that cannot be asked.
pub fn put_off_platform(tx: &mut Tx, platform: Platform, now: Timestamp, next_at: Timestamp) -> Result<usize> {
    Ok(both!(tx, |db| diesel::update(consent_looks::table)
        .filter(consent_looks::next_at.le(now.micros()))
        .filter(
            consent_looks::identity_id
                .eq_any(identities::table.filter(identities::platform.eq(platform.slug())).select(identities::id)),
        )
        .set(consent_looks::next_at.eq(next_at.micros()))
        .execute(db))?)
}

/// Platforms on which profiles are to be read for their owners' word, with how many.
pub fn due_looks_by_platform(tx: &mut Tx, now: Timestamp) -> Result<Vec<(String, i64)>> {
    Ok(both!(tx, |db| consent_looks::table
        .inner_join(identities::table)
        .filter(consent_looks::next_at.le(now.micros()))
        .group_by(identities::platform)
        .select((identities::platform, count_star()))
        .load(db))?)
}

/// Whether a platform is left alone for now.
pub fn is_limited(tx: &mut Tx, platform: Platform, now: Timestamp) -> Result<bool> {
    Ok(both!(tx, |db| select(exists(
        consent_looks::table
            .inner_join(identities::table)
            .filter(consent_looks::next_at.gt(now.micros()))
            .filter(consent_looks::is_limited.eq(true))
            .filter(identities::platform.eq(platform.slug()))
    ))
    .get_result(db))?)
}

/// Accounts of a platform whose profiles are to be read for their owners' word, the longest due first.
pub fn due_looks(tx: &mut Tx, platform: Platform, now: Timestamp, limit: i64) -> Result<Vec<Identity>> {
    Ok(both!(tx, |db| consent_looks::table
        .inner_join(identities::table)
        .filter(consent_looks::next_at.le(now.micros()))
        .filter(identities::platform.eq(platform.slug()))
        .order((consent_looks::next_at, consent_looks::identity_id))
        .limit(limit)
        .select(identities::all_columns)
        .load(db))?)
}

/// Whether a profile's word matters: somebody gives for the account or has given, or the profile refused before.
///
/// - `since`: the oldest month that is open.
pub fn matters(tx: &mut Tx, identity: IdentityId, since: Month) -> Result<bool> {
    let standings = [Standing::Counting.as_str(), Standing::Suggested.as_str()];
    let is_given = both!(tx, |db| select(exists(
        flattrs::table
            .filter(flattrs::owner_id.eq(identity.0))
            .filter(flattrs::month.ge(since.to_string()))
            .filter(flattrs::standing.eq_any(standings))
    ))
    .get_result::<bool>(db))?;
    let is_held = is_given
        || both!(tx, |db| select(exists(
            shares::table.filter(shares::identity_id.eq(identity.0)).filter(shares::outcome.eq(Outcome::Held.as_str()))
        ))
        .get_result::<bool>(db))?;
    Ok(is_held || refusals_of(tx, identity)?.iter().any(|(source, _)| *source == Source::Profile))
}

/// An account whose owner may want to opt out, or in again.
#[derive(Debug, Clone, Queryable)]
pub struct OptOut {
    pub id: i64,
    pub platform: String,
    pub account: String,
    pub handle: String,
    pub token: String,
    pub created_at: i64,
}

impl OptOut {
    pub fn external_id(&self) -> Result<ExternalId> {
        let text = format!("{}:{}", self.platform, self.account);
        text.parse().map_err(|_| Error::corrupt("account", &text))
    }
}

/// Gives an account its token; one that has a token keeps it.
pub fn make_opt_out(tx: &mut Tx, account: &ExternalId, handle: &str, token: &str, now: Timestamp) -> Result<OptOut> {
    Ok(both!(tx, |db| diesel::insert_into(opt_outs::table)
        .values((
            opt_outs::platform.eq(account.platform().slug()),
            opt_outs::account.eq(account.account()),
            opt_outs::handle.eq(handle),
            opt_outs::token.eq(token),
            opt_outs::created_at.eq(now.micros()),
        ))
        .on_conflict((opt_outs::platform, opt_outs::account))
        .do_update()
        .set(opt_outs::handle.eq(handle))
        .get_result(db))?)
}

pub fn opt_out_by_token(tx: &mut Tx, token: &str) -> Result<Option<OptOut>> {
    Ok(both!(tx, |db| opt_outs::table.filter(opt_outs::token.eq(token)).first(db).optional())?)
}
