//! What profiles said of the claims on them, when each is read again, and the proofs of patrons' own accounts.
//!
//! Owns no decision: what a look at a profile means is for [`crate::flows::claim`] and [`crate::flows::prove_account`].

use diesel::dsl::{count_star, exists};
use diesel::prelude::*;
use diesel::select;

use super::connections::{ClaimCheck, Connection};
use super::identities::{Claim, Identity};
use super::schema::{
    claim_checks, claim_looks, claims, connection_hidden, connection_likes, connection_passes, connection_proofs,
    connections, identities, shares, statement_lines,
};
use super::{Result, Tx};
use crate::domain::id::{IdentityId, PatronId};
use crate::domain::identity::{ExternalId, Platform};
use crate::domain::time::Timestamp;
use crate::storage::months::Outcome;

/// Every claim on an identity, in the order in which they became known.
pub fn of_identity(tx: &mut Tx, identity: IdentityId) -> Result<Vec<Claim>> {
    Ok(both!(tx, |db| claims::table.filter(claims::identity_id.eq(identity.0)).order(claims::id).load(db))?)
}

/// Moves a claim to another state. The time of its last verification stays.
pub fn set_state(tx: &mut Tx, claim: i64, state: &str, now: Timestamp) -> Result<()> {
    both!(tx, |db| diesel::update(claims::table.find(claim))
        .set((claims::state.eq(state), claims::changed_at.eq(now.micros())))
        .execute(db))?;
    if state == "verified" {
        both!(tx, |db| diesel::update(claims::table.find(claim))
            .set(claims::verified_at.eq(now.micros()))
            .execute(db))?;
    }
    Ok(())
}

/// Notes the newest sign-in of a claimant, or that it was taken back.
///
/// - `since`: when the claim was proved the first time.
pub fn set_signed_in(tx: &mut Tx, claim: i64, at: Option<Timestamp>, since: Option<Timestamp>) -> Result<()> {
    both!(tx, |db| diesel::update(claims::table.find(claim))
        .set((
            claims::signed_in_at.eq(at.map(Timestamp::micros)),
            claims::proved_since.eq(since.map(Timestamp::micros)),
        ))
        .execute(db))?;
    Ok(())
}

/// Notes what proves a claim now: `backlink` or `sign_in`.
pub fn set_method(tx: &mut Tx, claim: i64, method: &str) -> Result<()> {
    both!(tx, |db| diesel::update(claims::table.find(claim)).set(claims::method.eq(method)).execute(db))?;
    Ok(())
}

/// Notes when a claim was proved, unless it was before.
pub fn set_proved_since(tx: &mut Tx, claim: i64, at: Timestamp) -> Result<()> {
    both!(tx, |db| diesel::update(claims::table.find(claim))
        .filter(claims::proved_since.is_null())
        .set(claims::proved_since.eq(at.micros()))
        .execute(db))?;
    Ok(())
}

pub fn set_confirmed(tx: &mut Tx, claim: i64, now: Timestamp) -> Result<()> {
    both!(tx, |db| diesel::update(claims::table.find(claim)).set(claims::confirmed_at.eq(now.micros())).execute(db))?;
    Ok(())
}

/// Identities of which a claim is contested or has lost its proof, with those claims, the newest trouble first.
pub fn troubled(tx: &mut Tx) -> Result<Vec<(Claim, Identity)>> {
    Ok(both!(tx, |db| claims::table
        .inner_join(identities::table)
        .filter(claims::state.eq_any(["disputed", "lost"]))
        .order((claims::changed_at.desc(), claims::identity_id, claims::id))
        .limit(200)
        .load(db))?)
}

/// Claims of ours that stand, in their order, from the one after `after` on.
pub fn standing_after(tx: &mut Tx, after: i64, limit: i64) -> Result<Vec<Claim>> {
    Ok(both!(tx, |db| claims::table
        .filter(claims::creator_id.is_not_null())
        .filter(claims::state.eq_any(["verified", "disputed"]))
        .filter(claims::id.gt(after))
        .order(claims::id)
        .limit(limit)
        .load(db))?)
}

/// What peers announced for an identity.
pub fn announced(tx: &mut Tx, identity: &ExternalId) -> Result<Vec<ClaimCheck>> {
    Ok(both!(tx, |db| claim_checks::table
        .filter(claim_checks::identity.eq(identity.to_string()))
        .order(claim_checks::id)
        .load(db))?)
}

/// Whether anything may have been paid for a claim: as shares of our own patrons, or in a statement.
pub fn has_earned(tx: &mut Tx, claim: &Claim, identity: &ExternalId) -> Result<bool> {
    let outcomes = [Outcome::Paid.as_str(), Outcome::Released.as_str()];
    let here = claim.verified_at.is_some()
        && both!(tx, |db| select(exists(
            shares::table.filter(shares::identity_id.eq(claim.identity_id.0)).filter(shares::outcome.eq_any(outcomes))
        ))
        .get_result::<bool>(db))?;
    Ok(here
        || both!(tx, |db| select(exists(
            statement_lines::table
                .filter(statement_lines::creator_uri.eq(&claim.creator_uri))
                .filter(statement_lines::identity.eq(identity.to_string()))
        ))
        .get_result::<bool>(db))?)
}

/// When the profile behind an identity's claims was read, and how that ended.
#[derive(Debug, Clone, Queryable)]
pub struct ClaimLook {
    #[diesel(deserialize_as = i64)]
    pub identity_id: IdentityId,
    /// The newest reading that said anything: before it was asked for.
    pub looked_at: Option<i64>,
    pub next_at: Option<i64>,
    /// Why the platform could not be asked since.
    pub last_error: Option<String>,
}

pub fn look_at(tx: &mut Tx, identity: IdentityId) -> Result<Option<ClaimLook>> {
    Ok(both!(tx, |db| claim_looks::table.find(identity.0).first(db).optional())?)
}

/// A profile was read; `None` when it need not be read again by itself.
pub fn save_look(tx: &mut Tx, identity: IdentityId, looked_at: Timestamp, next_at: Option<Timestamp>) -> Result<()> {
    let none: Option<String> = None;
    let values = (
        claim_looks::looked_at.eq(Some(looked_at.micros())),
        claim_looks::next_at.eq(next_at.map(Timestamp::micros)),
        claim_looks::last_error.eq(none),
    );
    both!(tx, |db| diesel::insert_into(claim_looks::table)
        .values((claim_looks::identity_id.eq(identity.0), values.clone()))
        .on_conflict(claim_looks::identity_id)
        .do_update()
        .set(values)
        .execute(db))?;
    Ok(())
}

/// A profile is to be read at the next opportunity.
pub fn look_soon(tx: &mut Tx, identity: IdentityId, now: Timestamp) -> Result<()> {
    let next = claim_looks::next_at.eq(Some(now.micros()));
    both!(tx, |db| diesel::insert_into(claim_looks::table)
        .values((claim_looks::identity_id.eq(identity.0), next))
        .on_conflict(claim_looks::identity_id)
        .do_update()
        .set(next)
        .execute(db))?;
    Ok(())
}

/// A profile could not be read: what was seen the last time still counts.
pub fn save_failed_look(tx: &mut Tx, identity: IdentityId, error: &str, next_at: Timestamp) -> Result<()> {
    both!(tx, |db| diesel::update(claim_looks::table.find(identity.0))
        .set((claim_looks::last_error.eq(Some(error)), claim_looks::next_at.eq(Some(next_at.micros()))))
        .execute(db))?;
    Ok(())
}

/// Platforms on which profiles are to be read again, with how many.
pub fn due_looks_by_platform(tx: &mut Tx, now: Timestamp) -> Result<Vec<(String, i64)>> {
    Ok(both!(tx, |db| claim_looks::table
        .inner_join(identities::table)
        .filter(claim_looks::next_at.le(now.micros()))
        .group_by(identities::platform)
        .select((identities::platform, count_star()))
        .load(db))?)
}

/// Identities of one platform whose profiles are to be read again.
pub fn due_looks(tx: &mut Tx, platform: Platform, now: Timestamp, limit: i64) -> Result<Vec<Identity>> {
    Ok(both!(tx, |db| claim_looks::table
        .inner_join(identities::table)
        .filter(identities::platform.eq(platform.slug()))
        .filter(claim_looks::next_at.le(now.micros()))
        .order((claim_looks::next_at, claim_looks::identity_id))
        .limit(limit)
        .select(identities::all_columns)
        .load(db))?)
}

/// A patron's word that an account is theirs, and what became of it: `pending`, `proved`, `trusted` by the
/// operator, or only `named`.
#[derive(Debug, Clone, Queryable)]
pub struct ConnectionProof {
    pub id: i64,
    #[diesel(deserialize_as = i64)]
    pub patron_id: PatronId,
    pub platform: String,
    pub account: String,
    pub handle: String,
    pub token: String,
    pub state: String,
    pub created_at: i64,
    pub proved_at: Option<i64>,
}

/// Begins a proof; the patron's earlier one for the account, with its token, stays.
pub fn make_proof(
    tx: &mut Tx,
    patron: PatronId,
    account: &ExternalId,
    handle: &str,
    token: &str,
    now: Timestamp,
) -> Result<ConnectionProof> {
    both!(tx, |db| diesel::insert_into(connection_proofs::table)
        .values((
            connection_proofs::patron_id.eq(patron.0),
            connection_proofs::platform.eq(account.platform().slug()),
            connection_proofs::account.eq(account.account()),
            connection_proofs::handle.eq(handle),
            connection_proofs::token.eq(token),
            connection_proofs::state.eq("pending"),
            connection_proofs::created_at.eq(now.micros()),
        ))
        .on_conflict((connection_proofs::patron_id, connection_proofs::platform, connection_proofs::account))
        .do_update()
        .set(connection_proofs::handle.eq(handle))
        .execute(db))?;
    Ok(both!(tx, |db| connection_proofs::table
        .filter(connection_proofs::patron_id.eq(patron.0))
        .filter(connection_proofs::platform.eq(account.platform().slug()))
        .filter(connection_proofs::account.eq(account.account()))
        .first(db))?)
}

pub fn proof_by_token(tx: &mut Tx, token: &str) -> Result<Option<ConnectionProof>> {
    Ok(both!(tx, |db| connection_proofs::table.filter(connection_proofs::token.eq(token)).first(db).optional())?)
}

pub fn proofs_of(tx: &mut Tx, patron: PatronId) -> Result<Vec<ConnectionProof>> {
    Ok(both!(tx, |db| connection_proofs::table
        .filter(connection_proofs::patron_id.eq(patron.0))
        .order(connection_proofs::id)
        .load(db))?)
}

/// All words on one account.
pub fn proofs_for(tx: &mut Tx, account: &ExternalId) -> Result<Vec<ConnectionProof>> {
    Ok(both!(tx, |db| connection_proofs::table
        .filter(connection_proofs::platform.eq(account.platform().slug()))
        .filter(connection_proofs::account.eq(account.account()))
        .order(connection_proofs::id)
        .load(db))?)
}

/// Accounts of one platform that patrons have proved, in their order, from the one after `after` on.
pub fn proved_after(tx: &mut Tx, platform: Platform, after: i64, limit: i64) -> Result<Vec<ConnectionProof>> {
    Ok(both!(tx, |db| connection_proofs::table
        .filter(connection_proofs::platform.eq(platform.slug()))
        .filter(connection_proofs::state.eq("proved"))
        .filter(connection_proofs::id.gt(after))
        .order(connection_proofs::id)
        .limit(limit)
        .load(db))?)
}

pub fn set_proof_state(tx: &mut Tx, proof: i64, state: &str, proved_at: Option<Timestamp>) -> Result<()> {
    both!(tx, |db| diesel::update(connection_proofs::table.find(proof))
        .set((connection_proofs::state.eq(state), connection_proofs::proved_at.eq(proved_at.map(Timestamp::micros))))
        .execute(db))?;
    Ok(())
}

/// The account of a proof is known by another name, or by its number.
pub fn set_proof_account(tx: &mut Tx, proof: i64, account: &ExternalId, handle: &str) -> Result<()> {
    both!(tx, |db| diesel::update(connection_proofs::table.find(proof))
        .set((connection_proofs::account.eq(account.account()), connection_proofs::handle.eq(handle)))
        .execute(db))?;
    Ok(())
}

pub fn delete_proof(tx: &mut Tx, proof: i64) -> Result<()> {
    both!(tx, |db| diesel::delete(connection_proofs::table.find(proof)).execute(db))?;
    Ok(())
}

/// The connection of an account, whosever it is.
pub fn connection_of(tx: &mut Tx, account: &ExternalId) -> Result<Option<Connection>> {
    Ok(both!(tx, |db| connections::table
        .filter(connections::platform.eq(account.platform().slug()))
        .filter(connections::account.eq(account.account()))
        .first(db)
        .optional())?)
}

/// What was known by its name is known by its number, or by another name; what was read stays.
pub fn set_connection_account(tx: &mut Tx, id: i64, account: &ExternalId, handle: &str) -> Result<()> {
    both!(tx, |db| diesel::update(connections::table.find(id))
        .set((connections::account.eq(account.account()), connections::handle.eq(handle)))
        .execute(db))?;
    Ok(())
}

/// A connection is as one that was made now: what was liked before pays nothing.
pub fn begin_connection_anew(tx: &mut Tx, id: i64, now: Timestamp) -> Result<()> {
    let none: Option<i64> = None;
    both!(tx, |db| diesel::update(connections::table.find(id))
        .set((
            connections::baseline_at.eq(none),
            connections::connected_at.eq(Some(now.micros())),
            connections::next_poll_at.eq(now.micros()),
            connections::failures.eq(0),
        ))
        .execute(db))?;
    Ok(())
}

/// Ends a connection and forgets what was read by it. Flattrs that it made stay.
pub fn delete_connection(tx: &mut Tx, connection: i64) -> Result<()> {
    both!(tx, |db| diesel::delete(connection_likes::table.filter(connection_likes::connection_id.eq(connection)))
        .execute(db))?;
    both!(tx, |db| diesel::delete(connection_passes::table.filter(connection_passes::connection_id.eq(connection)))
        .execute(db))?;
    both!(tx, |db| diesel::delete(connection_hidden::table.filter(connection_hidden::connection_id.eq(connection)))
        .execute(db))?;
    both!(tx, |db| diesel::delete(connections::table.find(connection)).execute(db))?;
    Ok(())
}
