//! Claims by signing in: from the profile that the platform shows to the token's owner, to a claim that is judged.
//!
//! Owns how long a credential that was given for a claim is kept: not at all where the platform shows the profile to
//! us as well, and for as long as the claim needs it where it shows it to the account alone.

use serde::{Deserialize, Serialize};

use super::claims::{check_identity, is_for_the_account_alone};
use super::credentials::{self, Carried};
use super::{JobError, LookUpError, look_up, note_profile};
use crate::bridges::{Grant, Profile, Who};
use crate::domain::id::LoginId;
use crate::domain::identity::ExternalId;
use crate::domain::time::Timestamp;
use crate::federation::Node;
use crate::flows::claim::{self, ClaimError, Seen};
use crate::storage::grants::Purpose;

/// A person who has come back from a platform and has not said yet that they claim the account. Kept sealed.
#[derive(Serialize, Deserialize)]
pub struct SignedIn {
    account: String,
    /// When the platform said so.
    at: i64,
    /// Only where the profile cannot be read again without it.
    grant: Option<Carried>,
}

impl SignedIn {
    pub fn account(&self) -> Option<ExternalId> {
        self.account.parse().ok()
    }
}

/// Notes whose account it is that somebody signed in as.
///
/// - `profile`: of the token's owner.
/// - effects: the account is known; nothing is claimed, and the grant is dropped where it is not needed.
pub async fn signed_in_as(node: &Node, profile: &Profile, grant: &Grant) -> Result<SignedIn, JobError> {
    let now = node.now();
    note_profile(node, profile, now).await?;
    let read = look_up(node, profile.id.platform(), &Who::Id(profile.id.clone())).await;
    let is_needed = read.as_ref().is_err_and(is_for_the_account_alone);
    let grant = is_needed.then(|| Carried::of(grant, now));
    Ok(SignedIn { account: profile.id.to_string(), at: now.micros(), grant })
}

/// Claims the account for whoever signed in, and looks at its profile.
///
/// - `token`: random, chosen by the caller.
/// - returns: the token of the claim, and how all claims on the account stand; an error there means that the platform did
///   not answer: the sign-in is noted, and the profile is looked at again by itself.
pub async fn claim_signed_in(
    node: &Node,
    login: LoginId,
    signed_in: SignedIn,
    token: &str,
) -> Result<(String, Result<Seen, LookUpError>), JobError> {
    let account = signed_in.account().ok_or(ClaimError::NoSuchClaim)?;
    let (instance, now, at) = (node.instance.clone(), node.now(), Timestamp::from_micros(signed_in.at));
    let (id, token) = (account.clone(), token.to_owned());
    let claim = node.write(move |tx| claim::sign_in(tx, &instance, login, &id, &token, at, now)).await?;
    if let Some(grant) = signed_in.grant {
        credentials::keep_carried(node, &account, grant, Purpose::Claim).await?;
    }
    Ok((claim.token, check_identity(node, &account).await))
}

/// Takes a sign-in back, and looks at the profile for those who are left.
pub async fn end_sign_in(node: &Node, login: LoginId, token: &str) -> Result<Result<Seen, LookUpError>, JobError> {
    let (owned, now) = (token.to_owned(), node.now());
    let claim = node.write(move |tx| claim::withdraw(tx, login, &owned, now)).await?;
    let identity = node.db.read(move |tx| crate::storage::identities::identity(tx, claim.identity_id)).await?;
    let account = identity.ok_or(ClaimError::NoSuchClaim)?.external_id()?;
    Ok(check_identity(node, &account).await)
}
