//! The bridges in operation: pausing, health, budgets, and that a platform that hangs delays no other. One instance that
//! knows all eight platforms of the sandbox.

use std::time::{Duration, Instant};

use super::on_both_databases;
use crate::clock::Clock;
use crate::config::Config;
use crate::console::{Answer, Command, Refused, execute};
use crate::domain::id::PatronId;
use crate::domain::identity::{ExternalId, Platform};
use crate::domain::money::{Amount, Currency};
use crate::federation::{Node, library};
use crate::flows::register::{self, Registration};
use crate::jobs::health::{self, Report, State};
use crate::jobs::{self, LookUpError, read_due};
use crate::sandbox::fault::{Fault, Kind};
use crate::sandbox::model::Token;
use crate::sandbox::{self, Sandbox};
use crate::storage::connections::{self, Connection, NewClaimCheck};
use crate::tests::node::TestNode;

const GITHUB: Platform = Platform::GitHub;
const APPNET: Platform = Platform::AppNet;
/// Long enough to see that others go on, shorter than anybody waits for an answer.
const HANGS: Duration = Duration::from_secs(5);

/// Configuration of an instance beside a sandbox, with all eight platforms.
pub fn flags(sandbox: &Sandbox, directory: &std::path::Path) -> Vec<(String, String)> {
    let at = |platform: Platform| sandbox.base_url(platform);
    let mut flags = vec![
        ("server.domain", "localhost:21998".to_owned()),
        ("server.data_dir", directory.display().to_string()),
        ("database.pool_size", "4".to_owned()),
        ("federation.allow_private_addresses", "127.0.0.0/8".to_owned()),
        ("jobs.poll_interval_milliseconds", "20".to_owned()),
        ("bridge.instagram.api", "legacy".to_owned()),
        ("bridge.soundcloud.token_url", format!("{}/oauth/token", at(Platform::SoundCloud))),
        ("bridge.appnet.base_url", format!("{}/stream/0", at(APPNET))),
        ("bridge.flickr.api_key", "sandbox-client".to_owned()),
        ("bridge.flickr.api_secret", "sandbox-secret".to_owned()),
        ("bridge.500px.consumer_key", "sandbox-client".to_owned()),
        ("bridge.500px.consumer_secret", "sandbox-secret".to_owned()),
        ("bridge.github.token", "token-of-the-instance".to_owned()),
    ];
    for (section, platform) in [
        ("bridge.twitter.base_url", Platform::Twitter),
        ("bridge.instagram.base_url", Platform::Instagram),
        ("bridge.vimeo.base_url", Platform::Vimeo),
        ("bridge.soundcloud.base_url", Platform::SoundCloud),
        ("bridge.github.base_url", GITHUB),
        ("bridge.flickr.base_url", Platform::Flickr),
        ("bridge.500px.base_url", Platform::FiveHundredPx),
    ] {
        flags.push((section, at(platform)));
    }
    for section in ["twitter", "instagram", "vimeo", "soundcloud"] {
        let key = |name: &str| format!("bridge.{section}.{name}");
        flags.push((key("client_id").leak(), "sandbox-client".to_owned()));
        flags.push((key("client_secret").leak(), "sandbox-secret".to_owned()));
    }
    flags.into_iter().map(|(key, value)| (key.to_owned(), value)).collect()
}

pub struct Stage {
    pub node: Node,
    pub sandbox: Sandbox,
    flags: Vec<(String, String)>,
    _directory: tempfile::TempDir,
}

impl Stage {
    pub async fn new() -> Stage {
        Stage::with(&[]).await
    }

    pub async fn with(more: &[(&str, &str)]) -> Stage {
        let directory = tempfile::tempdir().unwrap();
        let sandbox = sandbox::start("127.0.0.1:0".parse().unwrap()).await.unwrap();
        sandbox.sow(Clock::System.now());
        let instance = sandbox.world().user(GITHUB, "ana").unwrap().id.clone();
        sandbox.world().tokens.insert((GITHUB, "token-of-the-instance".to_owned()), Token::of(&instance));
        let mut flags = flags(&sandbox, directory.path());
        for (key, value) in more {
            // An empty value takes the key away.
            flags.retain(|(known, _)| known != key);
            flags.extend(Some(((*key).to_owned(), (*value).to_owned())).filter(|(_, value)| !value.is_empty()));
        }
        let config = Config::load(None, std::iter::empty(), &flags).unwrap().config;
        Stage { node: Node::start(config).await.unwrap(), sandbox, flags, _directory: directory }
    }

    /// Ends the instance and starts it again.
    pub async fn restarted(self) -> Stage {
        let Stage { node, sandbox, flags, _directory } = self;
        drop(node);
        let config = Config::load(None, std::iter::empty(), &flags).unwrap().config;
        Stage { node: Node::start(config).await.unwrap(), sandbox, flags, _directory }
    }

    pub async fn patron(&self, name: &str) -> PatronId {
        let (instance, name, now) = (self.node.instance.clone(), name.to_owned(), self.node.now());
        self.node
            .write(move |tx| {
                let budget = Amount::from_units(10_000_000, Currency::EUR);
                let registration = Registration { name: name.clone(), budget, is_public: true, is_operator: false };
                register::register(tx, &instance, &registration, now)
            })
            .await
            .unwrap()
    }

    pub fn account(&self, platform: Platform, handle: &str) -> ExternalId {
        ExternalId::new(platform, &self.sandbox.world().user(platform, handle).unwrap().id).unwrap()
    }

    pub async fn connect(&self, patron: PatronId, platform: Platform, handle: &str) {
        let (account, handle, now) = (self.account(platform, handle), handle.to_owned(), self.node.now());
        let connected = self.node.write(move |tx| connections::connect(tx, patron, &account, &handle, now)).await;
        connected.unwrap().expect("nobody else has connected it");
    }

    pub async fn connection(&self, platform: Platform) -> Connection {
        let all = self.node.db.read(connections::connections).await.unwrap();
        all.into_iter().find(|row| row.platform == platform.slug()).unwrap()
    }

    pub fn like(&self, platform: Platform, user: &str, place: usize) {
        let world = &mut *self.sandbox.world();
        let post = world.posts.iter().filter(|post| post.platform == platform).nth(place).unwrap().id.clone();
        let now = self.node.now();
        world.like(platform, user, &post, now).unwrap();
    }

    pub fn fault(&self, platform: Platform, kind: Kind, count: u32) {
        let (platform, path_glob) = (platform.slug().into(), "*".into());
        let fault = Fault { platform, path_glob, kind, count: Some(count), probability: None, seed: 0 };
        self.sandbox.world().faults.add(fault);
    }

    pub fn asked(&self, platform: Platform) -> usize {
        self.sandbox.world().requests.iter().filter(|request| request.platform == platform.slug()).count()
    }

    pub async fn command(&self, command: Command) -> Result<Answer, Refused> {
        let federation = library::federation(&self.node).await.unwrap();
        execute(&federation, command).await
    }

    pub async fn pause(&self, platform: Platform, is_paused: bool) -> Answer {
        self.command(Command::BridgePause { platform: platform.slug().to_owned(), is_paused }).await.unwrap()
    }

    pub async fn try_out(&self, platform: Platform, handle: &str) -> Result<Answer, Refused> {
        let handle = Some(handle.to_owned()).filter(|handle| !handle.is_empty());
        self.command(Command::BridgeTest { platform: platform.slug().to_owned(), handle }).await
    }

    pub async fn report(&self, platform: Platform) -> Report {
        let reports = health::reports(&self.node).await.unwrap();
        reports.into_iter().find(|report| report.platform == platform).unwrap()
    }

    pub async fn make_due(&self) {
        let now = self.node.now();
        self.node.write(move |tx| connections::poll_now(tx, now)).await.unwrap();
    }

    pub async fn read(&self) -> bool {
        read_due(&self.node, self.node.now()).await.unwrap()
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_platform_that_hangs_delays_no_other() {
    let stage = Stage::new().await;
    let patron = stage.patron("nils").await;
    stage.connect(patron, GITHUB, "nils").await;
    stage.connect(patron, APPNET, "nils").await;
    let check = |platform| NewClaimCheck {
        identity: stage.account(platform, "mira"),
        home: "https://beta.example/instance".to_owned(),
        creator: "https://beta.example/creators/mira".to_owned(),
        token: format!("{platform}-token"),
        signed_in_at: None,
        proved_since: None,
    };
    // The one that hangs comes first in every queue.
    let (checks, now) = ([check(GITHUB), check(APPNET)], stage.node.now());
    let queued =
        stage.node.write(move |tx| checks.iter().try_for_each(|check| connections::queue_claim_check(tx, check, now)));
    queued.await.unwrap();
    let ms = u64::try_from(HANGS.as_millis()).unwrap();
    stage.fault(GITHUB, Kind::Slow { ms }, 100);
    let federation = library::federation(&stage.node).await.unwrap();
    let began = Instant::now();
    let jobs = tokio::spawn(jobs::run(federation));
    let mut reads = 0;
    let mut last = None;
    let mut is_checked = false;
    while reads < 3 || !is_checked {
        assert!(began.elapsed() < HANGS, "App.net was read {reads} times while GitHub hung; its claim: {is_checked}");
        let connection = stage.connection(APPNET).await;
        if connection.last_success_at != last {
            (last, reads) = (connection.last_success_at, reads + 1);
            let now = stage.node.now();
            stage.node.write(move |tx| connections::set_next_poll(tx, connection.id, now)).await.unwrap();
        }
        let checks = stage.node.db.read(connections::claim_checks).await.unwrap();
        is_checked = checks.iter().any(|check| check.identity.starts_with("appnet") && check.state != "waiting");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    assert_eq!(stage.connection(GITHUB).await.last_success_at, None, "GitHub still hangs");
    assert!(stage.asked(GITHUB) >= 2, "its likes and its claim are asked for beside each other");
    jobs.abort();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_is_asked_of_a_paused_platform_also_after_a_restart() {
    let stage = Stage::new().await;
    let patron = stage.patron("nils").await;
    stage.connect(patron, GITHUB, "nils").await;
    assert!(stage.pause(GITHUB, true).await.text.contains("nothing is read from github"));
    assert!(stage.pause(GITHUB, true).await.text.contains("already"));
    let mut stage = stage;
    for _ in 0..2 {
        assert!(!stage.read().await);
        assert_eq!(jobs::backlog(&stage.node).await.unwrap().platforms, 0, "what is paused does not wait");
        let mira = crate::bridges::Who::Handle("mira".to_owned());
        let looked = jobs::look_up(&stage.node, GITHUB, &mira).await;
        assert!(matches!(looked, Err(LookUpError::Paused(GITHUB))));
        // Whoever asks in another way is held up at the door to the network.
        let live = stage.node.bridges.get(GITHUB).unwrap();
        let asked = live.live().unwrap().profile(&mira, &crate::bridges::Access::Instance).await;
        assert_eq!(asked.unwrap_err().message(), "the operator has paused this bridge");
        assert!(stage.try_out(GITHUB, "mira").await.unwrap_err().0.contains("bridge resume github"));
        let sync = Command::BridgeSync { platform: Some("github".to_owned()), handle: Some("nils".to_owned()) };
        assert!(stage.command(sync).await.unwrap_err().0.contains("bridge resume github"));
        assert_eq!(stage.report(GITHUB).await.state, State::Paused);
        assert_eq!(stage.asked(GITHUB), 0);
        stage = stage.restarted().await;
    }
    stage.pause(GITHUB, false).await;
    assert!(stage.read().await);
    assert_eq!(stage.report(GITHUB).await.state, State::Ok);
    assert!(stage.connection(GITHUB).await.baseline_at.is_some());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn health_tells_success_error_allowance_and_what_fails() {
    let stage = Stage::new().await;
    let patron = stage.patron("nils").await;
    stage.connect(patron, GITHUB, "nils").await;
    stage.fault(GITHUB, Kind::Http502, 1);
    stage.read().await;
    let report = stage.report(GITHUB).await;
    assert_eq!((report.state, report.health.last_success_at), (State::Failing, None));
    assert_eq!(report.health.last_error_class.as_deref(), Some("transient"));
    assert_eq!((report.connections.active, report.connections.failing), (1, 1));
    stage.make_due().await;
    stage.read().await;
    let report = stage.report(GITHUB).await;
    assert_eq!((report.state, report.health.failures, report.connections.failing), (State::Ok, 0, 0));
    assert!(report.health.last_success_at > report.health.last_error_at);
    // A name and a page; the one that failed came before anything was counted.
    assert_eq!((report.health.quota_remaining, report.health.requests), (Some(4_998), 3));
    assert!(report.health.quota_resets_at.unwrap() > stage.node.now().micros());
    assert!(report.connections.next_poll_at.unwrap() > stage.node.now().micros());
    let listed = stage.command(Command::BridgeList).await.unwrap();
    assert_eq!(listed.data["bridges"][5]["platform"], "github");
    assert_eq!(listed.data["bridges"][5]["quota"]["remaining"], 4_998);
    assert_eq!(listed.data["bridges"][5]["last_error"]["class"], "transient");
    assert!(listed.text.contains("GitHub may suspend whoever asks too often"), "{}", listed.text);
    // One account that is gone is not the platform's failure.
    stage.sandbox.world().delete_user(GITHUB, "nils").unwrap();
    stage.make_due().await;
    stage.read().await;
    let report = stage.report(GITHUB).await;
    assert_eq!((report.state, report.connections.failing), (State::Ok, 1));
    assert_eq!(report.health.last_error_class.as_deref(), Some("not_found"));
    let status = stage.command(Command::BridgeStatus { platform: "github".to_owned() }).await.unwrap();
    assert!(status.text.contains("of which 0 are due and 1 failing"), "{}", status.text);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn polling_ends_where_the_budget_does_and_a_look_up_still_goes() {
    // Sixty requests an hour without a token, of which polling leaves six.
    let stage = Stage::with(&[("bridge.github.token", "")]).await;
    let patron = stage.patron("nils").await;
    stage.connect(patron, GITHUB, "nils").await;
    let mut rounds = 0;
    while stage.read().await {
        stage.make_due().await;
        rounds += 1;
        assert!(rounds < 60, "it never ends");
    }
    let used = stage.asked(GITHUB);
    assert!((52..=56).contains(&used), "{used} requests in {rounds} rounds");
    assert_eq!(jobs::backlog(&stage.node).await.unwrap().platforms, 0, "it waits for the next hour");
    let mira = crate::bridges::Who::Handle("mira".to_owned());
    assert!(jobs::look_up(&stage.node, GITHUB, &mira).await.is_ok());
    // An hour later it goes on.
    let later = stage.node.now().plus(Duration::from_secs(3_601));
    stage.sandbox.world().now = later;
    assert!(read_due(&stage.node, later).await.unwrap());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_operators_limit_holds_in_the_middle_of_a_listing() {
    let stage = Stage::with(&[("bridge.appnet.requests_per_hour_max", "2")]).await;
    let patron = stage.patron("nils").await;
    {
        let world = &mut *stage.sandbox.world();
        for number in 0..700 {
            let post = world.add_post(APPNET, "mira", &format!("n{number}")).unwrap().id.clone();
            let now = world.now;
            world.like(APPNET, "nils", &post, now).unwrap();
        }
    }
    stage.connect(patron, APPNET, "nils").await;
    let now = stage.node.now();
    assert!(read_due(&stage.node, now).await.unwrap());
    assert!(!read_due(&stage.node, now).await.unwrap());
    assert_eq!(stage.asked(APPNET), 2, "two pages of four");
    let next_hour = now.plus(Duration::from_secs(3_600));
    assert!(read_due(&stage.node, next_hour).await.unwrap());
    assert_eq!(stage.asked(APPNET), 4, "the reading went on where it stood");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_bridge_is_tried_out_and_the_reason_is_precise_when_it_fails() {
    let stage = Stage::new().await;
    stage.like(GITHUB, "nils", 0);
    let answer = stage.try_out(GITHUB, "nils").await.unwrap();
    for expected in ["github answers: nils is github:", "1 on the first page", "4997 requests left until", "clock: "] {
        assert!(answer.text.contains(expected), "{expected}\n{}", answer.text);
    }
    assert!(answer.data["clock_ahead_seconds"].as_i64().unwrap().abs() < 30);
    assert!(stage.try_out(GITHUB, "").await.unwrap_err().0.contains("--handle"));
    let keyless = stage.try_out(Platform::Twitter, "nils").await.unwrap_err().0;
    assert!(keyless.contains("(unauthorized)") && keyless.contains("docs/bridges/twitter.md"), "{keyless}");
    assert_eq!(stage.asked(Platform::Twitter), 0, "who has no token is refused here");
    let unknown = stage.try_out(GITHUB, "nobody-of-this-name").await.unwrap_err().0;
    assert!(unknown.contains("(not_found)"), "{unknown}");
    let refusals = [
        (Kind::Http503, "(transient)", "bridge.github.base_url"),
        (Kind::HtmlErrorPage, "(malformed)", "something else answers"),
        (Kind::MissingScope, "(forbidden)", "permissions"),
        (Kind::RevokedToken, "(unauthorized)", "look at the keys of [bridge.github]"),
    ];
    for (kind, class, hint) in refusals {
        stage.fault(GITHUB, kind, 1);
        let refused = stage.try_out(GITHUB, "nils").await.unwrap_err().0;
        assert!(refused.contains(class) && refused.contains(hint), "{refused}");
    }
    stage.fault(GITHUB, Kind::RateLimited { retry_after: 600 }, 1);
    let limited = stage.try_out(GITHUB, "nils").await.unwrap_err().0;
    assert!(limited.contains("(rate_limited)") && limited.contains("it works again at"), "{limited}");
    let stage = Stage::with(&[("bridge.github.enabled", "false")]).await;
    let off = stage.try_out(GITHUB, "nils").await.unwrap_err().0;
    assert!(off.contains("switched off"), "{off}");
    assert_eq!(stage.report(GITHUB).await.state, State::Off);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_account_is_read_at_once_and_says_what_changed() {
    let stage = Stage::new().await;
    let patron = stage.patron("nils").await;
    stage.like(GITHUB, "nils", 0);
    stage.connect(patron, GITHUB, "nils").await;
    let sync = |handle: &str| {
        let command = Command::BridgeSync { platform: Some("github".to_owned()), handle: Some(handle.to_owned()) };
        stage.command(command)
    };
    let answer = sync("NILS").await.unwrap();
    assert_eq!((&answer.data["flattrs"], &answer.data["baseline"]), (&0.into(), &1.into()));
    stage.like(GITHUB, "nils", 1);
    stage.sandbox.world().rename_user(GITHUB, "nils", "nils-holm").unwrap();
    let answer = sync("nils-holm").await.unwrap();
    assert!(answer.text.contains("1 new flattrs, 0 taken back"), "{}", answer.text);
    assert!(sync("mira").await.unwrap_err().0.contains("nobody here has connected mira"));
    stage.fault(GITHUB, Kind::Http502, 1);
    let refused = sync("nils").await.unwrap_err().0;
    assert!(refused.contains("failed for the moment") && refused.contains("tried again at"), "{refused}");
    let everybody = stage.command(Command::BridgeSync { platform: None, handle: None }).await.unwrap();
    assert_eq!(everybody.data["connections"], 1);
}

#[test]
fn health_and_pauses_are_kept_by_both_databases() {
    use crate::bridges::{Error, Quota};
    use crate::flows::watch_bridge::{self, Exchange};
    use crate::storage::bridge_health::{self, Count};
    on_both_databases(|on| {
        let node = TestNode::on(on);
        let ana = node.patron("ana").build();
        let at = node.now();
        let quota = Quota { remaining: Some(40), resets_at: Some(at.plus(Duration::from_secs(60))) };
        let outcome = Ok(());
        let answered =
            Exchange { at, outcome, is_shared: true, quota, requests: 2, is_asked: true, limited_until: None };
        let failed = Exchange { outcome: Err(Error::transient("502")), quota: Quota::default(), ..answered.clone() };
        let first = failed.clone();
        assert!(node.flow(move |tx, _| bridge_health::set_paused(tx, GITHUB, Some(at))));
        node.flow(move |tx, _| {
            watch_bridge::note(tx, GITHUB, &answered)?;
            watch_bridge::note(tx, GITHUB, &first)
        });
        let health = node.read(|tx| bridge_health::of(tx, GITHUB));
        assert_eq!((health.paused_at, health.failures, health.requests), (Some(at.micros()), 1, 4));
        assert_eq!((health.quota_remaining, health.last_error.as_deref()), (Some(40), Some("502")));
        let until = at.plus(Duration::from_secs(60));
        let limited = Exchange { limited_until: Some(until), ..failed.clone() };
        node.flow(move |tx, _| watch_bridge::note(tx, GITHUB, &limited));
        assert_eq!(node.read(|tx| bridge_health::of(tx, GITHUB)).limited_until, Some(until.micros()));
        assert!(!node.flow(move |tx, _| bridge_health::set_paused(tx, GITHUB, Some(at))), "it was already");
        assert!(node.flow(|tx, _| bridge_health::set_paused(tx, GITHUB, None)));
        assert!(!node.read(|tx| bridge_health::of(tx, GITHUB)).is_paused());
        assert_eq!(node.read(bridge_health::all).len(), Platform::ALL.len());

        let id = ana.id;
        let connect = |account: &'static str| {
            let account = account.parse::<ExternalId>().unwrap();
            node.flow(move |tx, _| connections::connect(tx, id, &account, "nils", at).map(|row| row.unwrap().id))
        };
        connect("github:7");
        let gone = [
            Error::NotFound { message: "404".into() },
            Error::Gone { message: "451".into() },
            Error::RateLimited { until: None, message: "429".into() },
        ];
        for (account, error) in ["appnet:1", "appnet:2", "appnet:4"].into_iter().zip(gone) {
            let (row, reason) = (connect(account), error.to_string());
            node.flow(move |tx, _| connections::postpone(tx, row, until, &reason));
        }
        let down = connect("appnet:3");
        node.flow(move |tx, _| connections::postpone(tx, down, until, &Error::transient("502").to_string()));
        let counts = node.read(bridge_health::count_connections);
        let count = Count { active: 1, failing: 0, excused: 0, next_poll_at: Some(at.micros()) };
        assert_eq!(counts.get("github"), Some(&count));
        let count = Count { active: 4, failing: 4, excused: 3, next_poll_at: Some(until.micros()) };
        assert_eq!((counts.get("appnet"), counts.len()), (Some(&count), 2));
        let is_failing = |platform| node.read(move |tx| bridge_health::is_failing_for_all(tx, platform));
        assert_eq!((is_failing(APPNET), is_failing(GITHUB), is_failing(Platform::Vimeo)), (true, false, false));
        node.flow(move |tx, _| connections::save_success(tx, down, until, until, None));
        assert!(!is_failing(APPNET));
        assert_eq!(node.read(move |tx| connections::due_by_platform(tx, at)), [("github".to_owned(), 1)]);
        let check = |platform: Platform| NewClaimCheck {
            identity: ExternalId::new(platform, "7").unwrap(),
            home: "https://beta.example/instance".to_owned(),
            creator: "https://beta.example/creators/mira".to_owned(),
            token: "t".to_owned(),
            signed_in_at: None,
            proved_since: None,
        };
        let checks = [check(GITHUB), check(APPNET), check(APPNET)];
        node.flow(move |tx, _| checks.iter().try_for_each(|check| connections::queue_claim_check(tx, check, at)));
        let due = |platform| node.read(move |tx| connections::due_claim_checks(tx, platform, at, 9)).len();
        assert_eq!((due(GITHUB), due(APPNET), due(Platform::Vimeo)), (1, 1, 0));
        assert_eq!(node.read(move |tx| connections::count_due_claim_checks(tx, at)), 2);
        assert!(node.read(move |tx| crate::storage::claims::due_looks_by_platform(tx, at)).is_empty());
    });
}
