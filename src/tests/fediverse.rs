//! The fediverse as a platform, from a favourite to whom it pays: instances of ours beside servers of the sandbox.

use std::time::Duration;

use serde_json::json;
use url::Url;

use super::node::TestNode;
use super::on_both_databases;
use crate::bridges::Who;
use crate::bridges::fediverse::url::bind;
use crate::bridges::{Credential, Grant};
use crate::config::Config;
use crate::domain::flattr::{Source, Standing};
use crate::domain::id::{LoginId, PatronId};
use crate::domain::identity::{ExternalId, ObjectRef, Platform};
use crate::domain::ledger::Account;
use crate::domain::ledger::account::Held;
use crate::domain::money::{Amount, Currency};
use crate::domain::time::{Month, Timestamp};
use crate::federation::Node;
use crate::flows::claim;
use crate::flows::close_month::{self, Close, Progress};
use crate::flows::connect::Changed;
use crate::flows::flattr::{self, PatronLike};
use crate::flows::fund::{self, Movement};
use crate::flows::notice::{self, SeenPost};
use crate::flows::prove_account;
use crate::flows::register::{self, Registration};
use crate::jobs::{
    Checked, check_claim, credentials, look_for_authors, look_up, read_consents, read_likes, resolve_known,
};
use crate::sandbox::fault::{Fault, Faults, Kind};
use crate::sandbox::model::Token;
use crate::sandbox::{self, Sandbox};
use crate::storage::connections::{self, Connection};
use crate::storage::grants::Purpose;
use crate::storage::identities::{self, Object, SeenIdentity, SeenObject};
use crate::storage::likes::{self, Flattr};
use crate::storage::{self, Error, fediverse, ledger, outbox, people};

const FEDIVERSE: Platform = Platform::Fediverse;
/// Another instance, which nobody has told us of.
const BETA: &str = "https://beta.example";
const HOUR: Duration = Duration::from_secs(3_600);

/// An instance of which ana is a patron. Her account `nils` is at `home`; `mira` posts at `there`.
struct Stage {
    node: Node,
    home: Sandbox,
    there: Sandbox,
    patron: PatronId,
    _directory: tempfile::TempDir,
}

async fn server() -> Sandbox {
    let server = sandbox::start("127.0.0.1:0".parse().unwrap()).await.unwrap();
    {
        // The same people and posts on every server, so that the ids agree.
        let world = &mut *server.world();
        world.add_user(FEDIVERSE, "mira");
        let nils = world.add_user(FEDIVERSE, "nils").id.clone();
        world.tokens.insert((FEDIVERSE, "t-nils".into()), Token::of(&nils));
    }
    server
}

impl Stage {
    async fn new(port: u16) -> Stage {
        let directory = tempfile::tempdir().unwrap();
        let (home, there) = (server().await, server().await);
        let mira = home.world().user(FEDIVERSE, "mira").unwrap().id.clone();
        home.world().kept.insert((FEDIVERSE, format!("server:{mira}")), json!(there.base_url(FEDIVERSE)));
        let (domain, data) = (format!("localhost:{port}"), directory.path().display().to_string());
        let github = home.base_url(Platform::GitHub);
        let overrides = [
            ("bridge.github.base_url", github.as_str()),
            ("server.domain", domain.as_str()),
            ("server.data_dir", &data),
            ("database.pool_size", "2"),
            ("federation.allow_private_addresses", "127.0.0.0/8"),
        ];
        let overrides = overrides.map(|(key, value)| (key.to_owned(), value.to_owned()));
        let config = Config::load(None, std::iter::empty(), &overrides).unwrap().config;
        let node = Node::start(config).await.unwrap();
        let (instance, now) = (node.instance.clone(), home.world().now);
        let patron = node
            .write(move |tx| {
                let budget = Amount::from_units(10_000_000, Currency::EUR);
                let registration = Registration { name: "ana".into(), budget, is_public: true, is_operator: false };
                register::register(tx, &instance, &registration, now)
            })
            .await
            .unwrap();
        let stage = Stage { node, home, there, patron, _directory: directory };
        stage.connect().await;
        stage
    }

    fn now(&self) -> Timestamp {
        self.home.world().now
    }

    fn later(&self, by: Duration) {
        self.home.world().advance(by);
        self.there.world().advance(by);
    }

    async fn connect(&self) {
        let account = self.account(&self.home, "nils");
        let server = Url::parse(&self.home.base_url(FEDIVERSE)).unwrap();
        let credential = Credential::Bearer(bind(&server, "t-nils"));
        let grant = Grant { credential, refresh: None, expires_in: None, scopes: Vec::new() };
        credentials::keep(&self.node, &account, &grant, Purpose::Likes).await.unwrap();
        let (instance, patron, now) = (self.node.instance.clone(), self.patron, self.now());
        let connected = self.node.write(move |tx| {
            prove_account::signed_in(tx, &instance, (patron, &account, "nils"), "token", &|_| false, now)
        });
        assert!(matches!(connected.await, Ok(prove_account::Standing::Connected(_))));
    }

    fn account(&self, server: &Sandbox, name: &str) -> ExternalId {
        ExternalId::new(FEDIVERSE, &format!("{}/users/{name}", server.base_url(FEDIVERSE))).unwrap()
    }

    /// A post of mira's on her server, which nils's server knows of and he likes there.
    fn like(&self, title: &str, as_home_says: &str) {
        self.there.world().add_post(FEDIVERSE, "mira", title).unwrap();
        let world = &mut *self.home.world();
        let post = world.add_post(FEDIVERSE, "mira", title).unwrap();
        post.title = Some(as_home_says.to_owned());
        let id = post.id.clone();
        world.like(FEDIVERSE, "nils", &id, world.now).unwrap();
    }

    /// nils likes another instance's proxy of a post, as his server shows it.
    fn like_proxy(&self, uri: &str) {
        let world = &mut *self.home.world();
        let id = world.add_post(FEDIVERSE, "mira", uri).unwrap().id.clone();
        world.kept.insert((FEDIVERSE, format!("server:{}", world.user(FEDIVERSE, "mira").unwrap().id)), json!(BETA));
        world.kept.insert((FEDIVERSE, format!("uri:{id}")), json!(uri));
        world.like(FEDIVERSE, "nils", &id, world.now).unwrap();
    }

    async fn connection(&self) -> Connection {
        let patron = self.patron;
        let all = self.node.db.read(move |tx| connections::connections_of(tx, patron)).await.unwrap();
        all.into_iter().find(|row| row.platform == FEDIVERSE.slug()).expect("connected")
    }

    async fn read(&self) -> Changed {
        self.later(HOUR);
        read_likes(&self.node, &self.connection().await, self.now()).await.unwrap().changed
    }

    async fn flattrs(&self) -> Vec<(Flattr, Object)> {
        let (patron, month) = (self.patron, Month::containing(self.now()));
        self.node.db.read(move |tx| likes::flattrs_of_month(tx, patron, month)).await.unwrap()
    }

    fn fault(&self, server: &Sandbox, path_glob: &str, kind: Kind) {
        let (platform, path_glob) = (FEDIVERSE.slug().into(), path_glob.into());
        server.world().faults.add(Fault { platform, path_glob, kind, count: Some(1), probability: None, seed: 0 });
    }

    async fn look(&self) -> usize {
        look_for_authors(&self.node, self.now()).await.unwrap()
    }

    /// How her account is set, and what her bio says.
    fn set_mira(&self, bridgeable: bool, bio: &str) {
        let world = &mut *self.there.world();
        let mira = world.user_mut(FEDIVERSE, "mira").unwrap();
        mira.bio = Some(bio.to_owned());
        let id = mira.id.clone();
        world.kept.insert((FEDIVERSE, format!("bridgeable:{id}")), json!(bridgeable));
    }

    /// A month's flattrs, oldest first: their standings, and whose they are.
    async fn standings(&self) -> Vec<(String, Option<String>)> {
        let mut found = Vec::new();
        for (flattr, _) in self.flattrs().await.into_iter().rev() {
            let owner = match flattr.owner() {
                Some(owner) => self.node.db.read(move |tx| identities::identity(tx, owner)).await.unwrap(),
                None => None,
            };
            found.push((flattr.standing, owner.map(|owner| owner.account)));
        }
        found
    }

    async fn mira(&self) -> identities::Identity {
        let account = self.account(&self.there, "mira");
        let found = self.node.db.read(move |tx| identities::identity_by_external_id(tx, &account)).await.unwrap();
        found.expect("known")
    }

    async fn deposit(&self, euros: i64) {
        let (patron, at) = (self.patron, self.now());
        let booked = self.node.write(move |tx| {
            let movement = Movement {
                rail: "sandbox".into(),
                id: "first".into(),
                amount: Amount::from_units(euros * 1_000_000, Currency::EUR),
                reference: people::patron(tx, patron)?.expect("registered").deposit_reference,
                counterparty: "somebody".into(),
                value_at: at,
            };
            fund::book_incoming(tx, &movement, at)
        });
        booked.await.unwrap();
    }

    /// Does the steps of the calendar that are due.
    async fn close(&self) {
        loop {
            let (node, now) = (self.node.clone(), self.now());
            let step = self.node.write(move |tx| {
                let close = Close { instance: &node.instance, signer: &node.keys.document, now, secret: [7; 32] };
                close_month::step(tx, &close)
            });
            if !matches!(step.await.unwrap(), Progress::Done { .. }) {
                break;
            }
        }
    }

    async fn balance(&self, account: Account) -> i64 {
        let read = self.node.db.read(move |tx| ledger::balance(tx, &account, Currency::EUR));
        read.await.unwrap().free().units()
    }
}

#[tokio::test]
async fn a_server_that_is_down_until_the_month_is_divided_is_asked_on_and_its_author_is_paid() {
    let stage = Stage::new(22_993).await;
    stage.deposit(10).await;
    stage.like("before", "before");
    stage.read().await;
    // A whole month of an outage, the grace time included.
    let until = "2013-06-29T00:00:00Z".parse::<Timestamp>().unwrap();
    stage.later(Duration::from_secs(u64::try_from(until.seconds() - stage.now().seconds()).unwrap()));
    stage.like("crab", "crab");
    stage.read().await;
    let post = stage.flattrs().await[0].1.object_ref().unwrap();
    let (of_post, patron) = (Held::Post(post.to_string()), stage.patron);
    let freeze = "2013-06".parse::<Month>().unwrap().freeze();
    while stage.now() < freeze.plus(6 * HOUR) {
        stage.fault(&stage.there, "*", Kind::Http503);
        stage.look().await;
        stage.close().await;
        stage.later(6 * HOUR);
    }
    assert_eq!(stage.balance(Account::PatronHeld(patron, of_post.clone())).await, 10_000_000);

    // She has claimed her account meanwhile; her server is back.
    stage.there.world().faults = Faults::default();
    let mira = Who::Handle(format!("@mira@{}", stage.there.addr));
    let (profile, identity) = look_up(&stage.node, FEDIVERSE, &mira).await.unwrap();
    let (instance, now) = (stage.node.instance.clone(), stage.now());
    let claimed = stage.node.write(move |tx| {
        let login = people::make_login(tx, "vera", false, now)?.expect("the name is free");
        let begun = claim::begin(tx, &instance, login, &profile.id, "7f3a9c", now)?;
        storage::claims::set_state(tx, begun.id, "verified", now)?;
        Ok::<_, claim::ClaimError>(begun.creator().expect("of this instance"))
    });
    let creator = claimed.await.unwrap();
    stage.later(24 * HOUR);
    assert_eq!(stage.look().await, 1, "a share waits for the post: it is asked for");
    assert!(resolve_known(&stage.node, stage.now()).await.unwrap());
    assert_eq!(stage.balance(Account::PatronHeld(patron, of_post)).await, 0);
    let waits = Held::Identity(identity.external_id().unwrap());
    assert_eq!(stage.balance(Account::PatronHeld(patron, waits)).await, 0);
    assert_eq!(stage.balance(Account::CreatorAvailable(creator)).await, 10_000_000);
    assert_eq!(stage.look().await, 0);
}

#[tokio::test]
async fn a_post_that_its_server_calls_deleted_counts_no_more() {
    let stage = Stage::new(22_994).await;
    stage.like("before", "before");
    stage.read().await;
    stage.like("crab", "crab");
    stage.read().await;
    // Neither an outage nor a post that is hidden from us is a deletion.
    for kind in [Kind::Http503, Kind::MissingScope] {
        stage.fault(&stage.there, "/users/*", kind);
        stage.look().await;
        assert_eq!(stage.standings().await, [("counting".to_owned(), None)]);
        stage.later(25 * HOUR);
    }
    stage.fault(&stage.there, "/users/*", Kind::DeadPlatform);
    assert_eq!(stage.look().await, 1);
    assert_eq!(stage.standings().await, [("gone".to_owned(), None)]);
    assert!(stage.flattrs().await[0].1.is_deleted);
    stage.later(48 * HOUR);
    assert_eq!(stage.look().await, 0);
}

#[tokio::test]
async fn an_author_who_refuses_bridges_is_heard_before_a_like_counts_for_them() {
    for (port, bridgeable, bio) in [(22_995, true, "I draw. #nobridge"), (22_996, false, "I draw.")] {
        let stage = Stage::new(port).await;
        stage.like("before", "before");
        stage.read().await;
        stage.like("crab", "crab");
        stage.read().await;
        stage.set_mira(bridgeable, bio);
        assert_eq!(stage.look().await, 1);
        let (account, mira) = (stage.account(&stage.there, "mira").account().to_owned(), stage.mira().await);
        assert!(mira.is_refused && mira.bio.is_empty(), "{mira:?}");
        assert_eq!(stage.standings().await, [("refused".to_owned(), Some(account.clone()))]);
        // A later post of hers, when she is known: it was a like without an author until her server answered.
        stage.like("shrimp", "shrimp");
        stage.read().await;
        stage.look().await;
        assert_eq!(stage.standings().await[1], ("refused".to_owned(), Some(account)));
    }
}

#[tokio::test]
async fn of_an_author_who_is_known_already_the_word_is_asked_for_when_a_post_turns_out_to_be_theirs() {
    let stage = Stage::new(22_997).await;
    stage.set_mira(true, "I draw.");
    stage.like("before", "before");
    stage.read().await;
    stage.like("crab", "crab");
    stage.read().await;
    stage.look().await;
    assert!(!stage.mira().await.is_refused);
    stage.later(8 * 24 * HOUR);
    stage.set_mira(false, "I draw.");
    stage.like("shrimp", "shrimp");
    stage.read().await;
    // As of an account for which nobody gave.
    let (mira, far) = (stage.mira().await.id, stage.now().plus(90 * 24 * HOUR));
    stage.node.write(move |tx| storage::consent::put_off(tx, mira, far, false, None)).await.unwrap();
    assert!(!read_consents(&stage.node, stage.now()).await.unwrap());
    assert_eq!(stage.look().await, 1);
    assert!(read_consents(&stage.node, stage.now()).await.unwrap());
    assert!(stage.mira().await.is_refused);
}

#[tokio::test]
async fn a_favourite_pays_whom_the_posts_own_server_names() {
    let stage = Stage::new(22_990).await;
    stage.like("before", "before");
    assert_eq!(stage.read().await, Changed { flattrs: 0, taken_back: 0, baseline: 1 });
    stage.like("crab", "A lie about whose this is");
    assert_eq!(stage.read().await, Changed { flattrs: 1, taken_back: 0, baseline: 0 });
    let (_, post) = stage.flattrs().await.remove(0);
    assert_eq!((post.owner_id, &post.title), (None, &post.object), "nobody's yet, and nothing is taken over");

    // Her server is down, then back.
    stage.fault(&stage.there, "*", Kind::Http503);
    assert_eq!(stage.look().await, 1);
    assert_eq!(stage.flattrs().await[0].1.owner_id, None);
    assert_eq!(stage.look().await, 0, "not again at once");
    stage.later(HOUR);
    assert_eq!(stage.look().await, 1);
    let (_, post) = stage.flattrs().await.remove(0);
    assert_eq!(post.title, "crab");
    let owner = post.owner().expect("her server has said so");
    let identity = stage.node.db.read(move |tx| identities::identity(tx, owner)).await.unwrap().unwrap();
    assert_eq!(identity.external_id().unwrap(), stage.account(&stage.there, "mira"));
    assert_eq!(identity.handle, format!("mira@{}", stage.there.addr));
    assert_eq!(identity.actor_id, None, "she is an actor of the fediverse already");
    // What was liked before is not asked for: it pays nobody.
    assert_eq!(stage.look().await, 0);
    // Her post is listed again by a server that does not know: it stays hers.
    stage.read().await;
    let (_, again) = stage.flattrs().await.remove(0);
    assert_eq!((again.owner(), again.title.as_str()), (Some(owner), "crab"));
    assert!(stage.home.world().requests.iter().all(|request| !request.path.contains("/statuses/")));

    stage.home.world().unlike(FEDIVERSE, "nils", "mira/crab").unwrap();
    stage.later(24 * HOUR);
    assert_eq!(stage.read().await.taken_back, 1);
}

#[tokio::test]
async fn a_native_creator_is_claimed_by_the_payment_link() {
    let stage = Stage::new(22_991).await;
    let mira = Who::Handle(format!("@mira@{}", stage.there.addr));
    let (profile, identity) = look_up(&stage.node, FEDIVERSE, &mira).await.unwrap();
    assert_eq!(profile.id, stage.account(&stage.there, "mira"));
    let (instance, now, patron) = (stage.node.instance.clone(), stage.now(), stage.patron);
    let login: LoginId = stage.node.db.read(move |tx| people::patron(tx, patron)).await.unwrap().unwrap().login_id;
    let id = profile.id.clone();
    let begun = stage.node.write(move |tx| claim::begin(tx, &instance, login, &id, "7f3a9c", now)).await.unwrap();
    let address = claim::claim_url(&stage.node.instance, &begun.token);
    assert!(check_claim(&stage.node, "7f3a9c").await.is_err());
    let account = stage.there.world().user(FEDIVERSE, "mira").unwrap().id.clone();
    // On another server the link says nothing about this account.
    stage.home.world().kept.insert((FEDIVERSE, format!("payment:{account}")), json!(address.clone()));
    assert!(check_claim(&stage.node, "7f3a9c").await.is_err());
    stage.there.world().kept.insert((FEDIVERSE, format!("payment:{account}")), json!(address));
    assert!(matches!(check_claim(&stage.node, "7f3a9c").await, Ok(Checked::Verified(_))));
    let claimed = stage.node.db.read(move |tx| identities::verified_claim(tx, identity.id)).await.unwrap();
    assert_eq!(claimed.map(|claim| claim.token).as_deref(), Some("7f3a9c"));
}

#[tokio::test]
async fn a_revoked_grant_stops_the_reading_and_says_what_to_do() {
    let stage = Stage::new(22_992).await;
    stage.like("crab", "crab");
    stage.home.world().revoke_tokens(FEDIVERSE, "nils").unwrap();
    assert_eq!(stage.read().await, Changed::default());
    let problem = stage.connection().await.last_error.unwrap();
    assert!(problem.contains("sign in again"), "{problem}");
}

/// Acceptance test 9 of the design: a favourite on the platform and one of its proxy elsewhere are one flattr.
#[tokio::test]
async fn a_star_and_a_favourite_of_another_instances_proxy_are_one_flattr() {
    let stage = Stage::new(22_993).await;
    let (patron, account) = (stage.patron, {
        let world = &mut *stage.home.world();
        world.add_user(Platform::GitHub, "mira");
        world.add_user(Platform::GitHub, "nils").id.clone()
    });
    let (account, now) = (ExternalId::new(Platform::GitHub, &account).unwrap(), stage.now());
    stage.node.write(move |tx| connections::connect(tx, patron, &account, "nils", now)).await.unwrap().unwrap();
    let stars = {
        let all = stage.node.db.read(move |tx| connections::connections_of(tx, patron)).await.unwrap();
        all.into_iter().find(|row| row.platform == "github").unwrap()
    };
    let starred = |name: &str| {
        stage.later(HOUR);
        let world = &mut *stage.home.world();
        let id = world.add_post(Platform::GitHub, "mira", name).unwrap().id.clone();
        world.like(Platform::GitHub, "nils", &id, world.now).unwrap();
        id
    };
    assert_eq!(stage.read().await, Changed::default(), "the baseline");
    // First the star, then the proxy; and the other way round.
    let first = starred("maps");
    assert_eq!(read_likes(&stage.node, &stars, stage.now()).await.unwrap().changed.flattrs, 1);
    stage.like_proxy(&format!("{BETA}/bridge/github/objects/{first}"));
    stage.read().await;
    assert_eq!(stage.flattrs().await.len(), 1);
    let second = starred("tides");
    stage.like_proxy(&format!("{BETA}/bridge/github/objects/{second}"));
    assert_eq!(stage.read().await.flattrs, 1);
    let (flattr, post) = stage.flattrs().await.remove(0);
    assert_eq!((post.platform.as_str(), post.object.as_str(), post.owner_id), ("github", second.as_str(), None));
    assert_eq!(flattr.standing().unwrap(), Standing::Counting);
    stage.later(HOUR);
    read_likes(&stage.node, &stars, stage.now()).await.unwrap();
    let flattrs = stage.flattrs().await;
    assert_eq!(flattrs.len(), 2);
    assert!(flattrs.iter().all(|(_, post)| post.platform == "github" && post.owner_id.is_some()), "{flattrs:?}");
    assert_eq!(stage.look().await, 0, "nobody else is asked whose they are");
}

#[tokio::test]
async fn what_was_noted_under_the_address_of_a_proxy_moves_to_its_post() {
    let stage = Stage::new(22_994).await;
    let patron = stage.patron;
    assert_eq!(stage.read().await, Changed::default());
    let now = stage.now();
    let noted = |number: u32| SeenObject {
        object: ObjectRef::new(FEDIVERSE, &format!("{BETA}/bridge/github/objects/{number}")).unwrap(),
        owner: None,
        title: "?".into(),
        url: String::new(),
        published_at: None,
    };
    let like = move |object| PatronLike {
        patron,
        object,
        source: Source::Platform,
        received_at: now,
        liked_at: None,
        like_uri: None,
    };
    let connection = stage.connection().await.id;
    stage
        .node
        .write(move |tx| {
            // As it was stored before: 7 is a flattr under its own name too, 9 was struck out there.
            for number in [7, 8, 9] {
                let object = identities::save_object(tx, &noted(number), now)?.0.id;
                flattr::record(tx, &like(object))?;
                let listed = connections::ListedLike {
                    connection_id: connection,
                    object_id: object.0,
                    liked_at: None,
                    is_baseline: false,
                    is_gone: false,
                    seen_in_pass: 1,
                };
                connections::save_likes(tx, &[listed])?;
            }
            for number in ["7", "9"] {
                let object = ObjectRef::new(Platform::GitHub, number).unwrap();
                let post = notice::named(tx, &object, "", now)?;
                flattr::record(tx, &like(post.id))?;
                if number == "9" {
                    flattr::strike_out(tx, patron, post.id, now)?;
                }
            }
            Ok::<_, flattr::FlattrError>(())
        })
        .await
        .unwrap();
    assert_eq!(stage.look().await, 3);
    let mut stand: Vec<(String, String, Standing)> = stage
        .flattrs()
        .await
        .into_iter()
        .map(|(flattr, post)| (post.platform, post.object, flattr.standing().unwrap()))
        .filter(|(platform, _, standing)| platform == "github" || *standing == Standing::Counting)
        .collect();
    stand.sort_by(|one, other| one.1.cmp(&other.1));
    let expected = [("7", Standing::Counting), ("8", Standing::Counting), ("9", Standing::Struck)];
    assert_eq!(stand, expected.map(|(object, standing)| ("github".to_owned(), object.to_owned(), standing)));
    assert_eq!(stage.look().await, 0);
    // The list goes on where it was: it shows 8 alone, so the others are not liked any more, and nothing is new.
    stage.like_proxy(&format!("{BETA}/bridge/github/objects/8"));
    stage.later(24 * HOUR);
    assert_eq!(stage.read().await, Changed { flattrs: 0, taken_back: 2, baseline: 0 });
    let mut stand: Vec<(String, Standing)> = stage
        .flattrs()
        .await
        .into_iter()
        .filter(|(_, post)| post.platform == "github")
        .map(|(flattr, post)| (post.object, flattr.standing().unwrap()))
        .collect();
    stand.sort_by(|one, other| one.0.cmp(&other.0));
    let expected = [("7", Standing::TakenBack), ("8", Standing::Counting), ("9", Standing::Struck)];
    assert_eq!(stand, expected.map(|(object, standing)| (object.to_owned(), standing)));
}

fn seen(owner: Option<&str>, title: &str) -> SeenPost {
    let object = ObjectRef::new(FEDIVERSE, "https://social.example/users/mira/statuses/1").unwrap();
    let owner = owner.map(|uri| SeenIdentity {
        external_id: ExternalId::new(FEDIVERSE, uri).unwrap(),
        handle: "mira@social.example".into(),
        display_name: "Mira".into(),
        profile_url: uri.to_owned(),
        avatar_url: None,
        bio: String::new(),
    });
    SeenPost { url: object.object().to_owned(), object, owner, title: title.into(), published_at: None }
}

#[test]
fn a_post_is_asked_for_while_a_like_of_it_counts_and_its_likes_are_said_once_it_is_known() {
    on_both_databases(|backend| {
        let node = TestNode::on(backend);
        node.at("2013-06-10T00:00:00Z");
        let ana = node.patron("ana").build();
        let post = node.flow(|tx, close| notice::post(tx, close.instance, &seen(None, "?"), close.now));
        let month: Month = "2013-06".parse().unwrap();
        let due = |now: Timestamp| node.read(move |tx| fediverse::posts_without_author(tx, month, now, 9)).len();
        assert_eq!(due(node.now()), 0, "nobody likes it");
        node.like(&ana, post.id);
        assert_eq!(due(node.now()), 1);
        let (id, later) = (post.id, node.now().plus(HOUR));
        node.flow(move |tx, _| fediverse::save_failed_look(tx, id, "no answer", later));
        node.flow(move |tx, _| fediverse::save_failed_look(tx, id, "no answer", later));
        assert_eq!((due(node.now()), due(later)), (0, 1));
        assert_eq!(node.read(move |tx| fediverse::attempts(tx, id)), 2);
        let other: Month = "2013-07".parse().unwrap();
        assert_eq!(node.read(move |tx| fediverse::posts_without_author(tx, other, later, 9)).len(), 0);

        let events = || node.read(|tx| outbox::open_events(tx, 100)).into_iter().filter(|it| it.kind == "like").count();
        let before = events();
        let known = seen(Some("https://social.example/users/mira"), "Low tide");
        node.flow(move |tx, close| notice::author_of(tx, close.instance, &known, month, close.now));
        assert_eq!((due(later), events()), (0, before + 1));
        let again = node.flow(|tx, close| notice::post(tx, close.instance, &seen(None, "?"), close.now));
        assert!(again.owner_id.is_some() && again.title == "Low tide", "{again:?}");
        node.flow(|tx, _| -> Result<(), Error> {
            fediverse::save_app(tx, "https://social.example/", "one", Timestamp::from_seconds(1))?;
            fediverse::save_app(tx, "https://social.example/", "two", Timestamp::from_seconds(2))?;
            assert_eq!(fediverse::app(tx, "https://social.example/")?.as_deref(), Some("two"));
            assert_eq!(fediverse::app(tx, "https://other.example/")?, None);
            Ok(())
        });
    });
}
