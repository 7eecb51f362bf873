//! Reading profiles for their owners' word: when an owner asks, and every week while somebody gives for the account.
//!
//! Owns that an account for which nobody gives is not asked about, that a platform which bills each item is asked only
//! before a month is divided, and that a platform which limits us is left alone. The close of a month waits for none of
//! it: what is learnt later gives back what was set aside. Accounts that are claimed are read each day anyway, and every
//! reading of a profile, for whatever reason, is heard.

use std::time::Duration;

use futures_util::future::join_all;

use super::claims::in_storage;
use super::{JobError, LookUpError, ask, reading_of};
use crate::bridges::{self, Access, Profile, Who};
use crate::domain::consent::Source;
use crate::domain::identity::{ExternalId, Platform};
use crate::domain::time::{Month, Timestamp};
use crate::federation::Node;
use crate::flows::consent::{self as flow, ConsentError, LOOK_AGE, Wish};
use crate::flows::flattr;
use crate::storage::consent::{self, OptOut};
use crate::storage::identities::Identity;
use crate::storage::{self, Tx};

/// Profiles of one platform that one round reads.
const ROUND_MAX: i64 = 5;
/// The shortest time for which a platform that fails or limits us is left alone.
const PAUSE_MIN: Duration = Duration::from_secs(600);
/// How long after a failure that does not pass by itself.
const RETRY: Duration = Duration::from_secs(6 * 3_600);

/// Gives the account of a profile the address by which its owner can opt out, and obeys what the profile says already.
/// Nothing else is stored of an account that was not known.
pub async fn begin_opt_out(node: &Node, platform: Platform, who: &Who, token: String) -> Result<OptOut, LookUpError> {
    let seen_at = node.now();
    let profile = ask(node, platform, who, &Access::Instance).await?;
    let reading = reading_of(&profile, seen_at);
    let (instance, now) = (node.instance.clone(), node.now());
    node.write(move |tx| {
        let opt_out = flow::begin(tx, &profile.id, &profile.handle, &token, now)?;
        flow::judge(tx, &instance, &opt_out.token, &reading, now)?;
        Ok::<_, ConsentError>(opt_out)
    })
    .await
    .map_err(|error| LookUpError::Job(error.into()))
}

/// Reads the profile of an account whose owner wants to opt out, or in again. Says who refuses now.
pub async fn check_opt_out(node: &Node, token: &str) -> Result<Vec<Source>, LookUpError> {
    let owned = token.to_owned();
    let found = node.db.read(move |tx| consent::opt_out_by_token(tx, &owned)).await.map_err(in_storage)?;
    let opt_out = found.ok_or_else(|| LookUpError::Job(ConsentError::NoSuchOptOut.into()))?;
    let id = opt_out.external_id().map_err(in_storage)?;
    let seen_at = node.now();
    let profile = ask_by_id(node, &id).await?;
    let reading = reading_of(&profile, seen_at);
    let (instance, token, now) = (node.instance.clone(), token.to_owned(), node.now());
    node.write(move |tx| flow::judge(tx, &instance, &token, &reading, now))
        .await
        .map_err(|error| LookUpError::Job(error.into()))
}

/// Obeys an owner who has signed in at the platform. What the platform granted for it is not kept.
///
/// - `profile`: of the account behind the sign-in, read at `seen_at`.
pub async fn opt_out_signed_in(
    node: &Node,
    wish: Wish,
    profile: &Profile,
    token: String,
    seen_at: Timestamp,
) -> Result<(OptOut, Vec<Source>), JobError> {
    let reading = reading_of(profile, seen_at);
    let (instance, now) = (node.instance.clone(), node.now());
    Ok(node.write(move |tx| flow::signed_in(tx, &instance, wish, &token, &reading, now)).await?)
}

/// The profile of exactly this account.
async fn ask_by_id(node: &Node, id: &ExternalId) -> Result<Profile, LookUpError> {
    let profile = ask(node, id.platform(), &Who::Id(id.clone()), &Access::Instance).await?;
    if profile.id != *id {
        let message = "the platform shows another account under this id".to_owned();
        return Err(bridges::Error::NotFound { message }.into());
    }
    Ok(profile)
}

/// Profiles to be read, by platform; none of a platform that is left alone for now.
pub(super) fn due_by_platform(tx: &mut Tx, now: Timestamp) -> Result<Vec<(String, i64)>, storage::Error> {
    let mut due = Vec::new();
    for (slug, count) in consent::due_looks_by_platform(tx, now)? {
        let platform = slug.parse().map_err(|_| storage::Error::Corrupt { what: "platform", value: slug.clone() })?;
        if !consent::is_limited(tx, platform, now)? {
            due.push((slug, count));
        }
    }
    Ok(due)
}

/// Reads what is due, all platforms side by side and a few profiles of each. Says whether there was anything.
pub async fn read_consents(node: &Node, now: Timestamp) -> Result<bool, JobError> {
    let rounds = Platform::ALL.map(|platform| read_platform(node, platform, now));
    let mut is_busy = false;
    for outcome in join_all(rounds).await {
        is_busy |= outcome?;
    }
    Ok(is_busy)
}

/// Reads a few profiles of one platform. Says whether any was due.
pub(super) async fn read_platform(node: &Node, platform: Platform, now: Timestamp) -> Result<bool, JobError> {
    if node.bridges.get(platform).is_none_or(|bridge| bridge.live().is_none()) {
        // Nobody can be asked there.
        return Ok(node.write(move |tx| consent::put_off_platform(tx, platform, now, now.plus(LOOK_AGE))).await? > 0);
    }
    if super::health::is_limited(node, platform) {
        return Ok(false);
    }
    let due = node
        .db
        .read(move |tx| match consent::is_limited(tx, platform, now)? {
            true => Ok::<_, storage::Error>(Vec::new()),
            false => consent::due_looks(tx, platform, now, ROUND_MAX),
        })
        .await?;
    for identity in &due {
        if super::health::is_limited(node, platform) || !look(node, identity, now).await? {
            break;
        }
    }
    Ok(!due.is_empty())
}

/// Reads one profile, if its word matters now. Says whether the platform may be asked for more.
async fn look(node: &Node, identity: &Identity, now: Timestamp) -> Result<bool, JobError> {
    let id = identity.external_id()?;
    let row = identity.id;
    let (since, matters) = node
        .db
        .read(move |tx| {
            let since = flattr::open_since(tx, now)?;
            Ok::<_, storage::Error>((since, consent::matters(tx, row, since)?))
        })
        .await?;
    let is_metered = node.bridges.get(id.platform()).is_some_and(|bridge| bridge.capabilities().is_metered);
    let next_at = match matters {
        false => Some(now.plus(LOOK_AGE)),
        true if is_metered => before_freeze(since, now),
        true => None,
    };
    if let Some(next_at) = next_at {
        node.write(move |tx| consent::put_off(tx, row, next_at, false, None)).await?;
        return Ok(true);
    }
    let seen_at = node.now();
    let asked = ask_by_id(node, &id).await;
    let now = node.now();
    let error = match asked {
        Ok(profile) => {
            let reading = reading_of(&profile, seen_at);
            let instance = node.instance.clone();
            let heard = node.write(move |tx| flow::hear(tx, &instance, &reading, now)).await?;
            if heard.is_refused && !identity.is_refused {
                tracing::info!(identity = %id, "the profile of {id} refuses to be bridged: nothing counts for it");
            }
            return Ok(true);
        }
        Err(LookUpError::Job(error)) => return Err(error),
        Err(error) => error,
    };
    let (next_at, is_limited) = after(&error, now);
    let reason = error.to_string();
    tracing::warn!(identity = %id, "could not read the profile of {id} for its owner's word: {reason}");
    node.write(move |tx| consent::put_off(tx, row, next_at, is_limited, Some(&reason))).await?;
    Ok(!is_limited)
}

/// When to ask again after a failure, and whether the whole platform is left alone until then.
fn after(error: &LookUpError, now: Timestamp) -> (Timestamp, bool) {
    use bridges::Error;
    match error {
        // Whoever has deleted an account has not changed what it said last.
        LookUpError::Platform(Error::NotFound { .. } | Error::Gone { .. }) => (now.plus(LOOK_AGE), false),
        LookUpError::Platform(Error::Malformed { .. }) => (now.plus(RETRY), false),
        LookUpError::Platform(Error::RateLimited { until: Some(until), .. }) => {
            ((*until).max(now.plus(PAUSE_MIN)), true)
        }
        LookUpError::Platform(error) if error.is_worth_retrying() => (now.plus(PAUSE_MIN), true),
        _ => (now.plus(RETRY), true),
    }
}

/// When a platform that bills is asked: once the oldest open month is cut off. `None` when that is now.
fn before_freeze(since: Month, now: Timestamp) -> Option<Timestamp> {
    (now < since.cut_off()).then(|| since.cut_off())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_platform_that_bills_is_asked_only_between_a_cut_off_and_its_freeze() {
        let at = |text: &str| text.parse::<Timestamp>().unwrap();
        let june: Month = "2013-06".parse().unwrap();
        assert_eq!(before_freeze(june, at("2013-06-20T00:00:00Z")), Some(at("2013-07-01T00:00:00Z")));
        assert_eq!(before_freeze(june, at("2013-06-30T23:59:59Z")), Some(at("2013-07-01T00:00:00Z")));
        // In the grace time June is still the oldest open month.
        assert_eq!(before_freeze(june, at("2013-07-02T00:00:00Z")), None);
        assert_eq!(before_freeze(june.next(), at("2013-07-04T00:00:00Z")), Some(at("2013-08-01T00:00:00Z")));
    }

    #[test]
    fn what_one_account_lacks_stops_no_other_and_what_the_platform_lacks_stops_all() {
        let now: Timestamp = "2013-06-20T00:00:00Z".parse().unwrap();
        let limit = |until| bridges::Error::RateLimited { until, message: String::new() };
        let after = |error: bridges::Error| after(&LookUpError::Platform(error), now);
        assert_eq!(after(bridges::Error::NotFound { message: String::new() }), (now.plus(LOOK_AGE), false));
        assert_eq!(after(bridges::Error::malformed("{")), (now.plus(RETRY), false));
        assert_eq!(after(bridges::Error::transient("down")), (now.plus(PAUSE_MIN), true));
        assert_eq!(after(bridges::Error::unsupported("no key")), (now.plus(RETRY), true));
        assert_eq!(after(limit(Some(now.plus(RETRY)))), (now.plus(RETRY), true));
        // A time that is over already is no leave to go on at once.
        assert_eq!(after(limit(Some(now.minus(RETRY)))), (now.plus(PAUSE_MIN), true));
    }
}
