//! When it happens: the loops that drive an instance.
//!
//! Owns that every piece of work is found in the database, so that a restart continues where the process ended: inbox rows,
//! outbox events, deliveries, the calendar, channels, rails, bridges and imports. One round does what is due and says whether it
//! did anything; bridges look after their rounds themselves, one for each platform.

mod bridges;
mod calendar;
pub(crate) mod channels;
pub mod imports;
mod rails;

use std::time::Duration;

use crate::federation::library::Federation;
use crate::federation::{Node, delivery, inbox, outbox};
use crate::storage;

pub use bridges::{
    Checked, LookUpError, SignedIn, Turn, TurnEnd, ask_due, begin_opt_out, check_account, check_before_payout,
    check_claim, check_identity, check_opt_out, check_sources, claim_signed_in, credentials, end_sign_in, find, health,
    is_known_by_name, look_for_authors, look_up, note_post, notes, opt_out_signed_in, read_consents, read_due,
    read_feeds, read_likes, read_now, resolve_known, signed_in_as, try_out,
};
pub use imports::{ImportFailure, import};

/// A failure of one kind of work; the others go on, and it is tried again in the next round.
#[derive(Debug, thiserror::Error)]
pub enum JobError {
    #[error("{0}")]
    Storage(#[from] storage::Error),
    #[error("{0}")]
    Expand(#[from] outbox::ExpandError),
    #[error("{0}")]
    Close(#[from] crate::flows::close_month::CloseError),
    #[error("{0}")]
    Claim(#[from] crate::flows::claim::ClaimError),
    #[error("{0}")]
    Consent(#[from] crate::flows::consent::ConsentError),
    #[error("{0}")]
    ProveAccount(#[from] crate::flows::prove_account::ProveError),
    #[error("{0}")]
    Connect(#[from] crate::flows::connect::ConnectError),
    #[error("{0}")]
    Feed(#[from] crate::flows::feed::FeedError),
    #[error("{0}")]
    Fund(#[from] crate::flows::fund::FundError),
    #[error("{0}")]
    PayOut(#[from] crate::flows::pay_out::PayOutError),
}

storage::flow_error!(JobError);

/// What is still to do at this moment; all zero when the instance is at rest.
#[derive(Clone, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Backlog {
    pub inbox: i64,
    pub events: i64,
    pub deliveries: i64,
    /// The calendar has a step that is due.
    pub calendar: bool,
    /// Accounts and claims that are due to be looked at on platforms.
    pub platforms: i64,
    /// Files and lists that are waiting or being read.
    pub imports: i64,
    /// Channels whose copy at the peer is due to be read.
    pub channels: i64,
    /// Payments to bring out, and rails to read.
    pub rails: i64,
}

impl Backlog {
    pub fn is_empty(&self) -> bool {
        *self == Backlog::default()
    }
}

/// Runs until the process ends. Each kind of work has a loop of its own, so that none waits for another.
pub async fn run(federation: Federation) {
    tokio::join!(
        every(&federation, "inbox", |federation| async move { Ok(inbox::process_due(&federation).await? > 0) }),
        every(&federation, "outbox", |federation| async move { Ok(outbox::expand(&federation).await? > 0) }),
        every(&federation, "delivery", |federation| async move { Ok(delivery::deliver_due(&federation).await? > 0) }),
        every(&federation, "calendar", |federation| async move { calendar::step(&federation).await }),
        every(&federation, "channels", |federation| async move { channels::step(&federation).await }),
        every(&federation, "rails", |federation| async move { rails::step(&federation).await }),
        every(&federation, "imports", |federation| async move { imports::step(&federation).await }),
        bridges::run(&federation),
    );
}

/// Repeats one kind of work: at once while there is some, else when the bell rings or the interval is over.
async fn every<F, W>(federation: &Federation, name: &'static str, work: F)
where
    F: Fn(Federation) -> W,
    W: Future<Output = Result<bool, JobError>>,
{
    let node: &Node = federation;
    let interval = Duration::from_millis(node.config.jobs.poll_interval_milliseconds);
    loop {
        // The bell is heard from before the work begins, so that nothing queued meanwhile is missed.
        let bell = node.wake.notified();
        match work(federation.clone()).await {
            Ok(true) => continue,
            Ok(false) => {}
            Err(error) => {
                let reason = crate::fault::explain(&error);
                tracing::error!(job = name, "{name} failed: {reason}");
                tokio::time::sleep(interval).await;
            }
        }
        tokio::select! {
            () = bell => {}
            () = tokio::time::sleep(interval) => {}
        }
    }
}

/// Counts what is due.
pub async fn backlog(node: &Node) -> Result<Backlog, JobError> {
    let now = node.now();
    let mut backlog = node
        .db
        .read(move |tx| {
            Ok::<_, storage::Error>(Backlog {
                inbox: storage::inbox::count_due(tx, now)?,
                events: i64::try_from(storage::outbox::open_events(tx, 1_000)?.len()).unwrap_or(i64::MAX),
                deliveries: storage::outbox::count_due(tx, now)?,
                calendar: false,
                platforms: 0,
                imports: 0,
                channels: 0,
                rails: 0,
            })
        })
        .await?;
    backlog.calendar = calendar::is_due(node).await?;
    backlog.platforms = bridges::count_due(node).await?;
    backlog.imports = imports::count_due(node).await?;
    backlog.channels = channels::count_due(node).await?;
    backlog.rails = rails::count_due(node).await?;
    Ok(backlog)
}
