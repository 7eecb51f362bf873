//! Limits and health by the production loop: what one kind of work is told, all of them obey; and what never went out says
//! nothing of a platform.

use std::time::{Duration, Instant};

use super::operation::Stage;
use crate::bridges::{Access, Credential, Error, Secret, Who};
use crate::console::Command;
use crate::domain::identity::Platform;
use crate::federation::library;
use crate::jobs::health::State;
use crate::jobs::{self, LookUpError};
use crate::sandbox::fault::Kind;
use crate::storage::bridge_health;
use crate::storage::connections::{self, NewClaimCheck};

const GITHUB: Platform = Platform::GitHub;
const VIMEO: Platform = Platform::Vimeo;
const FLICKR: Platform = Platform::Flickr;
const TWITTER: Platform = Platform::Twitter;
const APPNET: Platform = Platform::AppNet;
const LIMIT: Kind = Kind::RateLimited { retry_after: 3_000 };

fn handle(name: &str) -> Who {
    Who::Handle(name.to_owned())
}

fn class(looked: Result<impl Sized, LookUpError>) -> &'static str {
    match looked {
        Ok(_) => "none",
        Err(LookUpError::Platform(error)) => error.class(),
        Err(other) => panic!("not of the platform: {other}"),
    }
}

impl Stage {
    async fn look_up(&self, platform: Platform, name: &str) -> &'static str {
        class(jobs::look_up(&self.node, platform, &handle(name)).await)
    }

    /// Claims that peers announced, on accounts of a platform.
    async fn queue_claim_checks(&self, platform: Platform, names: &[&str]) {
        let check = |name: &&str| NewClaimCheck {
            identity: self.account(platform, name),
            home: "https://beta.example/instance".to_owned(),
            creator: format!("https://beta.example/creators/{name}"),
            token: format!("{name}-token"),
            signed_in_at: None,
            proved_since: None,
        };
        let (checks, now) = (names.iter().map(check).collect::<Vec<_>>(), self.node.now());
        let queue = move |tx: &mut crate::storage::Tx| {
            checks.iter().try_for_each(|check| connections::queue_claim_check(tx, check, now))
        };
        self.node.write(queue).await.unwrap();
    }

    /// Lets the loops run for a while.
    async fn run_jobs(&self, length: Duration) {
        let federation = library::federation(&self.node).await.unwrap();
        let jobs = tokio::spawn(jobs::run(federation));
        tokio::time::sleep(length).await;
        jobs.abort();
    }

    /// Questions about accounts and posts, without those for a token.
    fn questions(&self, platform: Platform) -> usize {
        let world = self.sandbox.world();
        let asked = world.requests.iter().filter(|it| it.platform == platform.slug() && it.method == "GET");
        asked.count()
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_limit_that_one_kind_of_work_meets_holds_for_all_of_them_also_after_a_restart() {
    let stage = Stage::new().await;
    let patron = stage.patron("nils").await;
    stage.connect(patron, VIMEO, "nils").await;
    stage.queue_claim_checks(VIMEO, &["mira", "nils", "ana"]).await;
    assert_eq!(stage.look_up(VIMEO, "mira").await, "none");
    let asked = stage.questions(VIMEO) + 1;
    stage.fault(VIMEO, LIMIT, 100);
    assert_eq!(stage.look_up(VIMEO, "mira").await, "rate_limited");
    assert_eq!(stage.questions(VIMEO), asked);
    // Look-ups, claims, likes: each is answered here.
    assert_eq!(stage.look_up(VIMEO, "nils").await, "rate_limited");
    assert_eq!(jobs::backlog(&stage.node).await.unwrap().platforms, 0, "it waits for nothing but the end of the limit");
    stage.run_jobs(Duration::from_millis(500)).await;
    assert_eq!(stage.questions(VIMEO), asked);
    let checks = stage.node.db.read(connections::claim_checks).await.unwrap();
    assert!(checks.iter().all(|check| check.attempts == 0), "no claim is worn out by it");
    let report = stage.report(VIMEO).await;
    assert_eq!(report.state, State::Waiting);
    assert!(report.next_poll() >= report.waits_until && report.waits_until.is_some());
    let stage = stage.restarted().await;
    stage.run_jobs(Duration::from_millis(500)).await;
    assert_eq!((stage.questions(VIMEO), stage.report(VIMEO).await.state), (asked, State::Waiting));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_claim_that_meets_a_limit_ends_its_round() {
    let stage = Stage::new().await;
    assert_eq!(stage.look_up(VIMEO, "mira").await, "none");
    let asked = stage.questions(VIMEO);
    stage.queue_claim_checks(VIMEO, &["mira", "nils", "ana"]).await;
    stage.fault(VIMEO, LIMIT, 100);
    let began = Instant::now();
    let federation = library::federation(&stage.node).await.unwrap();
    let jobs = tokio::spawn(jobs::run(federation));
    while stage.questions(VIMEO) == asked {
        assert!(began.elapsed() < Duration::from_secs(20), "no claim is looked at");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    tokio::time::sleep(Duration::from_millis(500)).await;
    jobs.abort();
    assert_eq!(stage.questions(VIMEO), asked + 1);
    let checks = stage.node.db.read(connections::claim_checks).await.unwrap();
    assert_eq!(checks.iter().map(|check| check.attempts).sum::<i64>(), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_allowance_is_shared_as_the_platform_counts_it() {
    let stage = Stage::new().await;
    let signed = Access::User(Credential::Signed { token: Secret::new("t"), secret: Secret::new("s") });
    let bearer = |token: &str| Access::User(Credential::Bearer(Secret::new(token)));
    let ask = async |platform: Platform, access: &Access| {
        let bridge = stage.node.bridges.get(platform).unwrap();
        bridge.live().unwrap().profile(&handle("mira"), access).await.err().map(|error: Error| error.class())
    };
    // Flickr counts by the key of the app, in whose name ever it asks.
    stage.fault(FLICKR, LIMIT, 1);
    assert_eq!(ask(FLICKR, &signed).await, Some("rate_limited"));
    assert_eq!(ask(FLICKR, &Access::Instance).await, Some("rate_limited"));
    assert_eq!(stage.asked(FLICKR), 1);
    // GitHub counts by token.
    stage.fault(GITHUB, LIMIT, 1);
    assert_eq!(ask(GITHUB, &bearer("hers")).await, Some("rate_limited"));
    assert_eq!(ask(GITHUB, &bearer("hers")).await, Some("rate_limited"));
    assert_eq!(stage.asked(GITHUB), 1);
    assert_eq!(ask(GITHUB, &Access::Instance).await, None);
    assert_eq!(stage.report(GITHUB).await.waits_until, None, "her allowance is nobody else's");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_refused_before_it_is_asked_says_nothing_of_the_platform() {
    let stage = Stage::new().await;
    stage.fault(VIMEO, Kind::Http502, 100);
    assert_eq!(stage.look_up(VIMEO, "mira").await, "transient");
    assert_eq!(stage.report(VIMEO).await.state, State::Failing);
    let before = (stage.questions(VIMEO), stage.report(VIMEO).await.health);
    assert_ne!(stage.look_up(VIMEO, "no.such.name").await, "none");
    assert_eq!((stage.questions(VIMEO), stage.report(VIMEO).await.health), before);
    // Nobody is asked at Twitter without a token; and that is no failure of a Twitter that works.
    stage.fault(TWITTER, Kind::Http502, 100);
    for name in ["dan", "a.name.that.is.much.too.long.for.twitter"] {
        assert_ne!(stage.look_up(TWITTER, name).await, "none");
    }
    assert_eq!((stage.asked(TWITTER), stage.report(TWITTER).await.state), (0, State::Untried));
    let nobody = Command::BridgeTest { platform: "github".to_owned(), handle: Some(String::new()) };
    assert!(stage.command(nobody).await.is_err());
    let report = stage.report(GITHUB).await;
    assert_eq!((stage.asked(GITHUB), report.health.last_error, report.state), (0, None, State::Untried));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_bridge_that_never_worked_is_not_called_ok() {
    let keys = ["twitter", "vimeo", "soundcloud", "instagram"]
        .map(|name| [format!("bridge.{name}.client_id"), format!("bridge.{name}.client_secret")]);
    let none: Vec<(&str, &str)> = keys.iter().flatten().map(|key| (key.as_str(), "")).collect();
    let stage = Stage::with(&none).await;
    for (platform, state) in [
        (TWITTER, State::NoKeys),
        (VIMEO, State::NoKeys),
        (Platform::SoundCloud, State::NoKeys),
        (Platform::Instagram, State::NoKeys),
        (GITHUB, State::Untried),
    ] {
        assert_eq!(stage.report(platform).await.state, state, "{platform}");
    }
    let listed = stage.command(Command::BridgeList).await.unwrap();
    assert!(listed.text.contains("not tried yet") && listed.text.contains("no keys"), "{}", listed.text);
    // A connection that can be read by nobody, and no other.
    let stage = Stage::new().await;
    let patron = stage.patron("nils").await;
    stage.connect(patron, TWITTER, "nils").await;
    assert!(stage.read().await);
    let report = stage.report(TWITTER).await;
    assert_eq!((report.state, report.health.failures, report.connections.failing), (State::Failing, 0, 1));
    let status = stage.command(Command::BridgeStatus { platform: "twitter".to_owned() }).await.unwrap();
    assert!(status.text.contains("failing for every connection"), "{}", status.text);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_budget_that_is_used_up_is_shown_with_its_end_and_an_old_allowance_is_not() {
    let stage = Stage::with(&[("bridge.appnet.requests_per_hour_max", "1")]).await;
    let patron = stage.patron("nils").await;
    stage.connect(patron, APPNET, "nils").await;
    assert!(stage.read().await);
    stage.make_due().await;
    let report = stage.report(APPNET).await;
    let (now, until) = (stage.node.now(), report.waits_until.unwrap());
    assert_eq!((report.state, report.next_poll()), (State::Waiting, Some(until)));
    assert!(until > now && until <= now.plus(Duration::from_secs(3_600)));
    let listed = stage.command(Command::BridgeList).await.unwrap();
    let told = format!("waits until {}", until.floor_to_second());
    assert!(listed.text.contains(&told), "{}", listed.text);
    assert_eq!(listed.data["bridges"][4]["connections"]["next_poll"], until.floor_to_second().to_string());
    assert!(report.quota.is_some());
    let old = now.minus(Duration::from_secs(1)).micros();
    let aged = stage.node.write(move |tx| {
        let mut health = bridge_health::of(tx, APPNET)?;
        health.quota_resets_at = Some(old);
        bridge_health::save(tx, &health)
    });
    aged.await.unwrap();
    assert_eq!(stage.report(APPNET).await.quota, None, "that window is over");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_platform_that_wants_money_stops_reading_until_it_is_tried_again() {
    let stage = Stage::new().await;
    for name in ["nils", "mira", "ana"] {
        let patron = stage.patron(name).await;
        stage.connect(patron, APPNET, name).await;
    }
    stage.fault(APPNET, Kind::PaymentRequired, 100);
    // Those that were under way together may all be told.
    assert!(stage.read().await);
    let asked = stage.asked(APPNET);
    stage.make_due().await;
    assert!(!stage.read().await, "nobody else is read either");
    assert_eq!(stage.look_up(APPNET, "mira").await, "payment_required");
    assert_eq!(stage.asked(APPNET), asked);
    let report = stage.report(APPNET).await;
    assert_eq!((report.state, report.health.last_error_class.as_deref()), (State::Failing, Some("payment_required")));
    assert!(report.waits_until.is_some());
    // The operator has paid, and tries it out.
    stage.sandbox.world().faults = Default::default();
    assert!(stage.try_out(APPNET, "mira").await.is_ok());
    assert_eq!(stage.report(APPNET).await.waits_until, None);
    stage.make_due().await;
    assert!(stage.read().await);
    assert_eq!(stage.report(APPNET).await.state, State::Ok);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_connections_of_one_platform_are_read_at_a_word() {
    let stage = Stage::new().await;
    let patron = stage.patron("nils").await;
    stage.connect(patron, GITHUB, "nils").await;
    stage.connect(patron, APPNET, "nils").await;
    assert!(stage.read().await);
    assert!(!stage.read().await);
    let sync = || Command::BridgeSync { platform: Some("github".to_owned()), handle: None };
    let answer = stage.command(sync()).await.unwrap();
    assert_eq!(answer.text, "1 connection of github is read now");
    let asked = (stage.asked(GITHUB), stage.asked(APPNET));
    assert!(stage.read().await);
    assert!(stage.asked(GITHUB) > asked.0);
    assert_eq!(stage.asked(APPNET), asked.1);
    stage.pause(GITHUB, true).await;
    assert!(stage.command(sync()).await.unwrap_err().0.contains("bridge resume github"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn advice_does_not_name_what_was_done_already() {
    let stage = Stage::new().await;
    let refused = stage.try_out(Platform::Instagram, "nils").await.unwrap_err().0;
    assert!(refused.contains("(unsupported)") && refused.contains("leave --handle out"), "{refused}");
}
