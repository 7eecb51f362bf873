//! Consent: what a profile, its owner or the operator says about being bridged, and what follows at once.
//!
//! Owns that a refusal takes effect whole in the transaction that learns of it: nothing counts for the account any more,
//! and what waited goes back to the patrons, exactly once. When the last refusal ends nothing comes back by itself; what
//! is liked from then on counts. Who refuses is in [`crate::domain::consent`]. Source: docs/bridges/README.md, "Consent".

use std::time::Duration;

use crate::domain::consent::{Said, Source};
use crate::domain::flattr::{Event, step};
use crate::domain::id::{ActorId, IdentityId};
use crate::domain::identity::ExternalId;
use crate::domain::ledger::Refusal;
use crate::domain::settlement::host_of;
use crate::domain::time::Timestamp;
use crate::flows::{Instance, claim, flattr, notice};
use crate::storage::consent::{self, OptOut};
use crate::storage::identities::{self, Identity, SeenIdentity};
use crate::storage::ledger::{self, PostError};
use crate::storage::{self, Tx, flow_error, likes, outbox};

/// How old the newest reading of a profile may be while somebody gives for the account.
pub const LOOK_AGE: Duration = Duration::from_secs(7 * 24 * 3_600);

#[derive(Debug, thiserror::Error)]
pub enum ConsentError {
    #[error("there is no account with this token")]
    NoSuchOptOut,
    #[error("the books refused to give back what waited: {0}")]
    Books(#[from] Refusal),
    #[error("could not read or write a refusal")]
    Storage(#[from] storage::Error),
}

flow_error!(ConsentError);

impl From<PostError> for ConsentError {
    fn from(error: PostError) -> Self {
        match error {
            PostError::Refused(refusal) => ConsentError::Books(refusal),
            PostError::Storage(error) => ConsentError::Storage(error),
        }
    }
}

/// One reading of a profile by its stable id, or by a handle that led to it.
#[derive(Clone, Debug)]
pub struct Reading {
    pub seen: SeenIdentity,
    pub said: Said,
    /// Before the platform was asked.
    pub seen_at: Timestamp,
}

/// Stores what a platform says of an account, and obeys what its owner has written there about being bridged.
///
/// - effects: of an account that refuses, no more is kept than what it is called, and no actor is made for it. A reading
///   that was begun before the newest one ends and begins no refusal.
pub fn hear(tx: &mut Tx, instance: &Instance, reading: &Reading, now: Timestamp) -> Result<Identity, ConsentError> {
    if reading.said.is_no() {
        ledger::lock(tx)?;
    }
    let seen = &reading.seen;
    let known = identities::identity_by_external_id(tx, &seen.external_id)?;
    let known = match known {
        Some(known) => known,
        None => identities::save_identity(tx, &least(seen), now)?,
    };
    let newest = consent::look_of(tx, known.id)?.and_then(|look| look.looked_at);
    if newest.is_none_or(|newest| newest <= reading.seen_at.micros()) {
        // What shows only a part of the profile can say no; that there is none, it cannot.
        let is_whole = !reading.said.is_partial;
        if reading.said.is_no() {
            refuse(tx, known.id, Source::Profile, now)?;
        } else if is_whole {
            consent::remove_refusal(tx, known.id, Source::Profile)?;
        }
        if is_whole || reading.said.is_no() {
            consent::save_look(tx, known.id, reading.seen_at, reading.seen_at.plus(LOOK_AGE))?;
        }
    }
    let is_refused = !consent::refusals_of(tx, known.id)?.is_empty();
    if is_refused {
        Ok(identities::save_identity(tx, &least(seen), now)?)
    } else {
        Ok(notice::identity(tx, instance, seen, now)?)
    }
}

/// An account as little as it can be known.
fn least(seen: &SeenIdentity) -> SeenIdentity {
    SeenIdentity { display_name: seen.handle.clone(), avatar_url: None, bio: String::new(), ..seen.clone() }
}

/// An account is not bridged any more.
///
/// - returns: how many shares went back to their patrons.
/// - effects: what would have counted in the months that are open does not, and peers that knew of it are told. So are the
///   followers of its actor, which they lose.
pub fn refuse(tx: &mut Tx, identity: IdentityId, source: Source, now: Timestamp) -> Result<usize, ConsentError> {
    ledger::lock(tx)?;
    let was_refused = !consent::refusals_of(tx, identity)?.is_empty();
    consent::add_refusal(tx, identity, source, now)?;
    if !was_refused {
        withdraw_actor(tx, identity, now)?;
    }
    let returned = claim::give_back(tx, identity, now)?;
    let since = flattr::open_since(tx, now)?;
    for (id, before) in likes::wanted_since(tx, identity, since)? {
        let after = step(before, Event::Refused);
        likes::set_standing(tx, id, after, None)?;
        flattr::tell(tx, id, before, after, now)?;
    }
    Ok(returned)
}

/// What the followers of an account's actor have not heard yet they need not; instead they are told that it is gone.
fn withdraw_actor(tx: &mut Tx, identity: IdentityId, now: Timestamp) -> Result<(), storage::Error> {
    let Some(actor) = identities::identity(tx, identity)?.and_then(|identity| identity.actor_id) else { return Ok(()) };
    outbox::cancel_waiting_of(tx, ActorId(actor))?;
    notice::tell_followers(tx, identity, "delete_actor", identity.0, now)
}

/// One source refuses no more. Says whether it did before.
pub fn allow(tx: &mut Tx, identity: IdentityId, source: Source) -> Result<bool, ConsentError> {
    Ok(consent::remove_refusal(tx, identity, source)?)
}

/// The address that the owner of an account puts into the profile to opt out.
pub fn opt_out_url(instance: &Instance, token: &str) -> String {
    format!("{}/opt-out/{token}", instance.base_url)
}

/// The address that takes a proved opt-out back.
pub fn opt_in_url(instance: &Instance, token: &str) -> String {
    format!("{}/opt-in/{token}", instance.base_url)
}

/// Gives an account the address by which its owner can opt out. Nothing is proved, and nothing is known of it yet.
///
/// - `token`: 32 random hexadecimal digits; an account that has one keeps it.
pub fn begin(
    tx: &mut Tx,
    account: &ExternalId,
    handle: &str,
    token: &str,
    now: Timestamp,
) -> Result<OptOut, ConsentError> {
    Ok(consent::make_opt_out(tx, account, handle, token, now)?)
}

/// What an owner wants who has proved an account.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wish {
    Out,
    In,
}

/// Obeys an owner who has signed in at the platform: as good a proof as an address in the profile.
///
/// - `reading`: of the profile that the platform showed to whoever signed in.
/// - `token`: as of [`begin`].
/// - effects: as [`judge`]. What the profile itself says stays in force.
/// - returns: the account as one whose owner may opt out and in, and who refuses now.
pub fn signed_in(
    tx: &mut Tx,
    instance: &Instance,
    wish: Wish,
    token: &str,
    reading: &Reading,
    now: Timestamp,
) -> Result<(OptOut, Vec<Source>), ConsentError> {
    ledger::lock(tx)?;
    let account = &reading.seen.external_id;
    let opt_out = consent::make_opt_out(tx, account, &reading.seen.handle, token, now)?;
    let known = identities::identity_by_external_id(tx, account)?;
    let identity = match (known, wish) {
        (Some(known), _) => known,
        (None, Wish::Out) => identities::save_identity(tx, &least(&reading.seen), now)?,
        (None, Wish::In) => return Ok((opt_out, Vec::new())),
    };
    match wish {
        Wish::Out => {
            refuse(tx, identity.id, Source::Owner, now)?;
        }
        Wish::In => {
            consent::remove_refusal(tx, identity.id, Source::Owner)?;
        }
    }
    let identity = hear(tx, instance, reading, now)?;
    let by = consent::refusals_of(tx, identity.id)?.into_iter().map(|(source, _)| source).collect();
    Ok((opt_out, by))
}

/// Judges what an owner asks by the account's profile, read by its stable id.
///
/// - effects: as [`hear`]. Our own address to opt out is a proof besides: that refusal stays when the address goes, until
///   the address to opt in stands there without any no beside it. An account that says nothing and was not known stays
///   unknown.
/// - returns: who refuses now.
pub fn judge(
    tx: &mut Tx,
    instance: &Instance,
    token: &str,
    reading: &Reading,
    now: Timestamp,
) -> Result<Vec<Source>, ConsentError> {
    let opt_out = consent::opt_out_by_token(tx, token)?.ok_or(ConsentError::NoSuchOptOut)?;
    let account = opt_out.external_id()?;
    assert_eq!(account, reading.seen.external_id, "the profile is that of the account");
    let ours = format!("{}/{token}", host_of(&instance.base_url));
    let says_out = reading.said.opt_outs.contains(&ours);
    let says_in = reading.said.opt_ins.contains(&ours) && !reading.said.is_no();
    if identities::identity_by_external_id(tx, &account)?.is_none() && !reading.said.is_no() {
        return Ok(Vec::new());
    }
    if says_out {
        ledger::lock(tx)?;
    }
    let mut identity = hear(tx, instance, reading, now)?;
    if says_out {
        refuse(tx, identity.id, Source::Owner, now)?;
    } else if says_in && consent::remove_refusal(tx, identity.id, Source::Owner)? {
        identity = hear(tx, instance, reading, now)?;
    }
    Ok(consent::refusals_of(tx, identity.id)?.into_iter().map(|(source, _)| source).collect())
}
