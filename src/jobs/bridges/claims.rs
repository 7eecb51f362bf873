//! Checking proofs: claims when the claimant asks, when a peer announces one, every day, and before money leaves; and
//! patrons' own accounts when they ask.
//!
//! Owns that only the platform's own profile, read by the stable id, decides, and that a platform that does not answer
//! decides nothing. A profile that its platform shows to nobody but the account itself is read in the name of the account,
//! if it allowed that when it signed in for a claim.

use std::time::Duration;

use super::{JobError, LookUpError, credentials, look_up, look_up_as};
use crate::bridges::{self, Access, Profile, Who, proves};
use crate::domain::identity::ExternalId;
use crate::domain::settlement::host_of;
use crate::domain::time::Timestamp;
use crate::federation::Node;
use crate::flows::claim::{self, ClaimError, Look, Released, Seen};
use crate::flows::prove_account::{self, ProveError, Standing};
use crate::storage::connections::{self, ClaimCheck};
use crate::storage::grants::Purpose;
use crate::storage::identities::Identity;
use crate::storage::{self, claims, identities, people, settlement};

/// How long after a failure a profile is asked for again: soon enough for a claim.
pub(super) const RETRY: Duration = Duration::from_secs(3_600);

/// How often it is asked for so soon; from then on once a day.
pub(super) const HOURLY_MAX: i64 = 48;
pub(super) const RETRY_LATE: Duration = Duration::from_secs(24 * 3_600);

/// A look that is newer need not be repeated for a payout.
const FRESH: Duration = Duration::from_secs(600);

/// What a check of a claim of ours found.
#[derive(Clone, Debug)]
pub enum Checked {
    Verified(Released),
    /// Several claimants have proofs. Nobody is paid until one is left.
    Disputed {
        proofs: Vec<String>,
    },
}

/// Looks for the backlink of a claim of ours on the profile, by the account's stable id, and judges all claims on it.
pub async fn check_claim(node: &Node, token: &str) -> Result<Checked, LookUpError> {
    let owned = token.to_owned();
    let found = node
        .db
        .read(move |tx| match identities::claim_by_token(tx, &owned)? {
            None => Ok(None),
            Some(claim) => identities::identity(tx, claim.identity_id),
        })
        .await
        .map_err(in_storage)?;
    let identity = found.ok_or_else(|| LookUpError::Job(ClaimError::NoSuchClaim.into()))?;
    let id = identity.external_id().map_err(in_storage)?;
    let seen = check_identity(node, &id).await?;
    match seen.state(token) {
        Some("verified") => Ok(Checked::Verified(seen.released)),
        Some("disputed") => Ok(Checked::Disputed { proofs: proofs(node, &seen) }),
        _ if identity.is_refused => Err(LookUpError::Job(ClaimError::Refused(id).into())),
        _ => Err(LookUpError::NoBacklink(claim::claim_url(&node.instance, token))),
    }
}

/// The proofs that stand beside one another.
fn proofs(node: &Node, seen: &Seen) -> Vec<String> {
    seen.disputed().map(|claim| claim::proof_of(&node.instance, claim)).collect()
}

/// Reads a profile once and judges every claim on it.
///
/// - errors: the platform could not be asked, which is noted and changes no claim.
pub async fn check_identity(node: &Node, id: &ExternalId) -> Result<Seen, LookUpError> {
    let (seen_at, wanted) = (node.now(), id.clone());
    let read = read_profile(node, id).await;
    let known = node.db.read(move |tx| identities::identity_by_external_id(tx, &wanted)).await.map_err(in_storage)?;
    let Some(identity) = known else {
        return Err(read.err().unwrap_or_else(|| LookUpError::Job(ClaimError::UnknownIdentity(id.clone()).into())));
    };
    let (instance, now) = (node.instance.clone(), node.now());
    match read {
        Ok(profile) => {
            let looked = node
                .write(move |tx| {
                    let shows = |address: &str| profile.as_ref().is_some_and(|profile| proves(profile, address));
                    let look = Look { identity: identity.id, shows: &shows, is_there: profile.is_some(), seen_at };
                    claim::look(tx, &instance, &look, now)
                })
                .await;
            let seen = looked.map_err(|error| LookUpError::Job(error.into()))?;
            for claim in seen.claims.iter().filter(|claim| matches!(claim.state.as_str(), "disputed" | "lost")) {
                let (state, creator) = (&claim.state, &claim.creator_uri);
                tracing::warn!(identity = %id, state, "nobody is paid for {id}: the claim by {creator} is {state}");
            }
            Ok(seen)
        }
        Err(error) => {
            let (reason, next_at) = (error.to_string(), retry_at(&error, now));
            node.write(move |tx| claim::look_failed(tx, identity.id, &reason, next_at)).await.map_err(in_storage)?;
            Err(error)
        }
    }
}

/// The profile of exactly this account. `None` when the platform says that there is none: it then shows nothing.
pub(super) async fn read_profile(node: &Node, id: &ExternalId) -> Result<Option<Profile>, LookUpError> {
    let mut read = look_up(node, id.platform(), &Who::Id(id.clone())).await;
    if read.as_ref().is_err_and(is_for_the_account_alone) {
        read = read_as_itself(node, id).await?.unwrap_or(read);
    }
    match read {
        Ok((profile, _)) => Ok(Some(profile).filter(|profile| profile.id == *id)),
        Err(LookUpError::Platform(bridges::Error::NotFound { .. } | bridges::Error::Gone { .. })) => Ok(None),
        Err(error) => Err(error),
    }
}

/// Whether a platform may answer this question in the name of the account, although it does not in ours.
pub(super) fn is_for_the_account_alone(error: &LookUpError) -> bool {
    use bridges::Error::{Forbidden, PaymentRequired, Unauthorized, Unsupported};
    let LookUpError::Platform(error) = error else { return false };
    matches!(error, Unauthorized { .. } | Forbidden { .. } | Unsupported { .. } | PaymentRequired { .. })
}

type Read = Result<(Profile, Identity), LookUpError>;

/// Reads a profile by what the account granted when it signed in for a claim. `None` without such a grant.
async fn read_as_itself(node: &Node, id: &ExternalId) -> Result<Option<Read>, LookUpError> {
    let Some(bridge) = node.bridges.get(id.platform()).cloned() else { return Ok(None) };
    let mut credential = credentials::of(node, &*bridge, id, Purpose::Claim).await?;
    for is_last in [false, true] {
        let own = match credential {
            Ok(Some(own)) => own,
            Ok(None) => return Ok(None),
            Err(error) => return Ok(Some(Err(error.into()))),
        };
        match look_up_as(node, id.platform(), &Who::Id(id.clone()), &Access::User(own.clone())).await {
            // Expired before its time, or taken back at the platform: the renewal tells which.
            Err(LookUpError::Platform(bridges::Error::Unauthorized { .. })) if !is_last => {
                credential = credentials::renew(node, &*bridge, id, Purpose::Claim, &own).await?;
            }
            read => return Ok(Some(read)),
        }
    }
    Ok(None)
}

fn retry_at(error: &LookUpError, now: Timestamp) -> Timestamp {
    match error {
        LookUpError::Platform(bridges::Error::RateLimited { until: Some(until), .. }) => (*until).max(now.plus(RETRY)),
        _ => now.plus(RETRY),
    }
}

pub(super) fn in_storage(error: storage::Error) -> LookUpError {
    LookUpError::Job(error.into())
}

/// Whether waiting helps: what is ours to repair ends the round, what is the platform's does not.
fn only_platform(error: LookUpError) -> Result<String, JobError> {
    match error {
        LookUpError::Job(JobError::Claim(error)) if !matches!(error, ClaimError::Storage(_)) => Ok(error.to_string()),
        LookUpError::Job(error) => Err(error),
        other => Ok(other.to_string()),
    }
}

/// Checks a claim that a peer announced. Only the platform's own profile decides.
pub(super) async fn check_peer_claim(node: &Node, check: ClaimCheck) -> Result<(), JobError> {
    let corrupt = || storage::Error::Corrupt { what: "claim check", value: check.identity.clone() };
    let id: ExternalId = check.identity.parse().map_err(|_| corrupt())?;
    let key = format!("{} {}", check.home_uri, check.token);
    let now = node.now();
    let (state, reason, next_at) = match check_identity(node, &id).await {
        Ok(seen) => match seen.state(&key) {
            Some("verified") => ("verified", None, now),
            // Still proved, as is the other claim: see `claim disputes`.
            Some("disputed") => {
                let shown = proofs(node, &seen).join(" and ");
                ("verified", Some(format!("disputed: {shown}")), now)
            }
            _ if check.signed_in_at.is_some() && !is_trusted(node, &check, &id).await? => {
                let (host, platform) = (host_of(&check.home_uri), id.platform());
                let reason = format!(
                    "proved by signing in at {platform}; without effect, as the word of {host} is not taken for it \
                     (fedflattr peer trust {host} --claims {platform})"
                );
                ("untrusted", Some(reason), now)
            }
            _ => ("failed", Some(format!("the profile does not show the claim of {}", check.creator_uri)), now),
        },
        Err(error) => {
            let next_at = retry_at(&error, now);
            // A platform that does not answer decides nothing, however long: it is asked less often.
            let is_platforms = !matches!(error, LookUpError::Job(_));
            let reason = only_platform(error)?;
            match check.attempts {
                ..HOURLY_MAX => ("waiting", Some(reason), next_at),
                _ if is_platforms => ("waiting", Some(reason), next_at.max(now.plus(RETRY_LATE))),
                _ => ("failed", Some(reason), now),
            }
        }
    };
    tracing::info!(identity = %check.identity, state, "the claim on {} by {}: {state}", check.identity, check.home_uri);
    let id = check.id;
    node.write(move |tx| connections::end_claim_check(tx, id, state, reason.as_deref(), next_at)).await?;
    Ok(())
}

/// Whether our operator takes the word of a claim's home for sign-ins at the platform of the account.
async fn is_trusted(node: &Node, check: &ClaimCheck, id: &ExternalId) -> Result<bool, JobError> {
    let home = check.home_uri.clone();
    let peer = node.db.read(move |tx| settlement::peer_by_uri(tx, &home)).await?;
    Ok(peer.is_some_and(|peer| peer.is_trusted_on(id.platform().slug())))
}

/// Looks again at a profile on which a claim rests.
pub(super) async fn look_again(node: &Node, identity: &Identity) -> Result<(), JobError> {
    let id = identity.external_id()?;
    if let Err(error) = check_identity(node, &id).await {
        let reason = only_platform(error)?;
        tracing::warn!(identity = %id, "could not look again at the profile of {id}: {reason}");
    }
    Ok(())
}

/// Looks at the accounts of a creator who asks to be paid. A platform that does not answer is no obstacle here: whether
/// the last look is new enough is decided by the payout.
pub async fn check_before_payout(node: &Node, creator: &str) -> Result<(), JobError> {
    let (creator, now) = (creator.to_owned(), node.now().micros());
    let newest = node.now().minus(FRESH).micros();
    let due = node
        .db
        .read(move |tx| {
            let mut due = Vec::new();
            let Some(creator) = people::creator_by_name(tx, &creator)? else { return Ok(due) };
            for claim in identities::claims_of_creator(tx, creator.id)? {
                let Some(look) = claims::look_at(tx, claim.identity_id)? else { continue };
                let is_fresh = look.looked_at.is_some_and(|at| at > newest);
                // A platform that has just failed, or limits us, is not asked for every press of a button.
                let must_wait = look.last_error.is_some() && look.next_at.is_some_and(|at| at > now);
                if !is_fresh && !must_wait && (claim.may_be_theirs() || claim.verified_at.is_some()) {
                    due.extend(identities::identity(tx, claim.identity_id)?);
                }
            }
            due.dedup_by_key(|identity| identity.id);
            Ok::<_, storage::Error>(due)
        })
        .await?;
    for identity in due {
        look_again(node, &identity).await?;
    }
    Ok(())
}

/// Looks for a patron's own address on the profile of the account that is to be connected.
pub async fn check_account(node: &Node, token: &str) -> Result<Standing, LookUpError> {
    let owned = token.to_owned();
    let proof = node.db.read(move |tx| claims::proof_by_token(tx, &owned)).await.map_err(in_storage)?;
    let proof = proof.ok_or_else(|| LookUpError::Job(ProveError::NoSuchProof.into()))?;
    let id = prove_account::account_of(&proof).map_err(in_storage)?;
    let profile = read_profile(node, &id).await?;
    let (instance, token, now) = (node.instance.clone(), token.to_owned(), node.now());
    node.write(move |tx| {
        let shows = |address: &str| profile.as_ref().is_some_and(|profile| proves(profile, address));
        prove_account::look(tx, &instance, &token, &shows, now)
    })
    .await
    .map_err(|error| LookUpError::Job(error.into()))
}
