//! Trying a bridge out: one real round trip with the keys that are configured, and in plain words what came of it.
//!
//! Owns the advice for each class of error. Stores nothing but how the bridge fares.

use super::health;
use super::{JobError, credentials};
use crate::bridges::{self, Access, LikesQuery, LikesReply, Profile, Quota, Who, meter};
use crate::domain::identity::{ExternalId, Platform};
use crate::domain::time::Timestamp;
use crate::federation::Node;
use crate::flows::watch_bridge;
use crate::storage::bridge_health;
use crate::storage::grants::Purpose;

/// What went well.
#[derive(Clone, Debug)]
pub struct Trial {
    pub profile: Profile,
    /// Likes on the first page; `None` where the platform shows them to nobody that we can ask as.
    pub likes: Option<usize>,
    pub quota: Quota,
    /// Requests that it took.
    pub requests: u64,
    /// How far the platform's clock is ahead of ours, in seconds.
    pub clock_ahead_seconds: Option<i64>,
}

/// Why a trial failed, and what to do.
#[derive(Debug, thiserror::Error)]
pub enum TrialError {
    #[error("the bridge to {0} is switched off: set bridge.{0}.enabled")]
    SwitchedOff(Platform),
    #[error("the bridge to {0} is paused: `fedflattr bridge resume {0}`")]
    Paused(Platform),
    #[error("{0} has no API that this instance is set up for: people bring files (docs/bridges/{0}.md)")]
    NoApi(Platform),
    #[error("nobody is known whose profile could be asked for: name somebody with --handle")]
    NobodyToAskFor,
    #[error("{what}: {error} ({}){}", .error.class(), hint(.error, *.platform, *.is_named))]
    Platform { platform: Platform, what: &'static str, error: bridges::Error, is_named: bool },
    #[error("{0}")]
    Job(#[from] JobError),
}

/// Asks the platform for a profile, and for the first page of its likes where those can be asked for.
///
/// - `handle`: whose; without one, of the account that was read last here, in its own name where it has signed in.
pub async fn try_out(node: &Node, platform: Platform, handle: Option<String>) -> Result<Trial, TrialError> {
    let bridge = node.bridges.get(platform).cloned().ok_or(TrialError::SwitchedOff(platform))?;
    let meter = node.bridges.meter(platform).cloned();
    if meter.as_ref().is_some_and(|meter| meter.is_paused()) {
        return Err(TrialError::Paused(platform));
    }
    let live = bridge.live().ok_or(TrialError::NoApi(platform))?;
    let able = bridge.capabilities();
    let is_named = handle.is_some();
    let (who, access) = match handle {
        Some(handle) => (Who::Handle(handle), Access::Instance),
        None => known(node, platform).await?,
    };
    let is_shared = access == Access::Instance;
    if let Some(meter) = &meter {
        // Whoever tries a bridge out may just have paid.
        meter.forget_bills();
    }
    let about = About { node, platform, is_shared, is_named };
    let (profile, sent) = meter::counted(live.profile(&who, &access)).await;
    let profile = match profile {
        Ok(profile) => profile,
        Err(error) => return Err(about.failed("no profile", error, sent).await),
    };
    let mut requests = sent;
    let listed_as = match is_shared {
        false if able.lists_own_likes => Some(Who::TokenOwner),
        _ if able.lists_likes_of_others => Some(Who::Id(profile.id.clone())),
        _ => None,
    };
    let mut quota = Quota::default();
    let mut likes = None;
    if let Some(who) = listed_as {
        let (listed, sent) = meter::counted(live.likes(&LikesQuery::first(who, access))).await;
        requests += sent;
        match listed {
            Ok(LikesReply::Page(page)) => (likes, quota) = (Some(page.items.len()), page.quota),
            Ok(LikesReply::NotModified { quota: told }) => quota = told,
            Err(error) => return Err(about.failed("the profile came, its likes not", error, sent).await),
        }
    }
    let now = node.now();
    let exchange = health::exchange(node, platform, now, (Ok(()), requests), is_shared, quota);
    node.write(move |tx| watch_bridge::note(tx, platform, &exchange)).await.map_err(JobError::from)?;
    let clock = meter.as_ref().and_then(|meter| meter.clock());
    Ok(Trial {
        profile,
        likes,
        quota,
        requests,
        clock_ahead_seconds: clock.map(|clock: Timestamp| clock.seconds() - now.seconds()),
    })
}

/// Somebody to ask for: the account that was read last.
async fn known(node: &Node, platform: Platform) -> Result<(Who, Access), TrialError> {
    let connection = node.db.read(move |tx| bridge_health::newest_read(tx, platform)).await.map_err(JobError::from)?;
    let connection = connection.ok_or(TrialError::NobodyToAskFor)?;
    let account = ExternalId::new(platform, &connection.account).map_err(|_| TrialError::NobodyToAskFor)?;
    let bridge = node.bridges.get(platform).cloned().ok_or(TrialError::SwitchedOff(platform))?;
    let (own, sent) = meter::counted(credentials::of(node, &*bridge, &account, Purpose::Likes)).await;
    let about = About { node, platform, is_shared: false, is_named: false };
    match own? {
        Ok(Some(credential)) => Ok((Who::TokenOwner, Access::User(credential))),
        Ok(None) => Ok((Who::Id(account), Access::Instance)),
        Err(error) => Err(about.failed("the account's sign-in cannot be renewed", error, sent).await),
    }
}

/// What is tried out.
struct About<'a> {
    node: &'a Node,
    platform: Platform,
    is_shared: bool,
    /// Whether the operator has named somebody to ask for.
    is_named: bool,
}

impl About<'_> {
    async fn failed(&self, what: &'static str, error: bridges::Error, sent: u64) -> TrialError {
        let About { node, platform, is_shared, is_named } = *self;
        let outcome = (Err(error.clone()), sent);
        let exchange = health::exchange(node, platform, node.now(), outcome, is_shared, Quota::default());
        match node.write(move |tx| watch_bridge::note(tx, platform, &exchange)).await {
            Ok(()) => TrialError::Platform { platform, what, error, is_named },
            Err(error) => TrialError::Job(error.into()),
        }
    }
}

/// What an operator can do about an error, as the rest of a sentence.
///
/// - `is_named`: whether somebody was named with `--handle`.
fn hint(error: &bridges::Error, platform: Platform, is_named: bool) -> String {
    use bridges::Error::*;
    match error {
        Unauthorized { expired, .. } => {
            let ended = if *expired { "the token has ended, or there is none: " } else { "" };
            format!(
                "\n{ended}look at the keys of [bridge.{platform}] in the configuration; docs/bridges/{platform}.md says which"
            )
        }
        Forbidden { .. } => {
            format!("\nthe keys are known and not allowed to do this: look at their permissions at {platform}")
        }
        NotFound { .. } | Gone { .. } => "\nthe platform answers and knows nobody of this name: try another".to_owned(),
        RateLimited { until: Some(until), .. } => format!("\nit works again at {}", until.floor_to_second()),
        RateLimited { until: None, .. } => "\ntry again in a while; a key of your own may allow more".to_owned(),
        PaymentRequired { .. } => {
            format!("\nthe credits or the plan of the keys are used up: see docs/bridges/{platform}.md")
        }
        Transient { .. } => {
            format!("\nthe platform, or the way there, is down: try again, and look at bridge.{platform}.base_url")
        }
        Malformed { .. } => {
            format!(
                "\nsomething else answers at bridge.{platform}.base_url, or {platform} has changed: save the reply and \
                     try `fedflattr bridge decode`"
            )
        }
        Unsupported { .. } if is_named => format!(
            "\nleave --handle out: then the account that was read last is asked for, in its own name; or set the keys that \
             docs/bridges/{platform}.md names"
        ),
        Unsupported { .. } => {
            format!("\nname somebody with --handle, or set the keys that docs/bridges/{platform}.md names")
        }
    }
}
