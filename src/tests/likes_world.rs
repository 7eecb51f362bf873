//! A patron's account on any platform of the sandbox, read by the loop that an instance runs.

use std::collections::BTreeSet;
use std::time::Duration;

use diesel::prelude::*;
use url::Url;

use super::operation::flags;
use crate::bridges::fediverse::url::bind;
use crate::bridges::{Credential, Grant, Secret};
use crate::config::Config;
use crate::domain::id::PatronId;
use crate::domain::identity::{ExternalId, Platform};
use crate::domain::money::{Amount, Currency};
use crate::domain::time::Timestamp;
use crate::federation::Node;
use crate::flows::connect::Changed;
use crate::flows::prove_account;
use crate::flows::register::{self, Registration};
use crate::jobs::{self, credentials, read_likes};
use crate::sandbox::fault::{Fault, Faults, Kind};
use crate::sandbox::model::Token;
use crate::sandbox::{self, Sandbox};
use crate::storage::connections::{self, Connection};
use crate::storage::grants::Purpose;
use crate::storage::imports::Counted;
use crate::storage::schema::{connection_likes, flattrs, objects};
use crate::storage::{self, Tx};

pub const DAY: Duration = Duration::from_secs(24 * 3_600);

/// An instance of which nils is a patron, beside one platform where `nils` likes what `mira` makes.
pub struct LikesWorld {
    pub node: Node,
    pub sandbox: Sandbox,
    pub platform: Platform,
    pub patron: PatronId,
    pub directory: tempfile::TempDir,
}

impl LikesWorld {
    /// The clock of the platform begins in June 2013, and no account is connected. Files are read at the machine's time.
    pub async fn new(platform: Platform) -> LikesWorld {
        let directory = tempfile::tempdir().unwrap();
        let sandbox = sandbox::start("127.0.0.1:0".parse().unwrap()).await.unwrap();
        {
            let world = &mut *sandbox.world();
            world.now = "2013-06-05T00:00:00Z".parse().unwrap();
            world.add_user(platform, "mira");
            let nils = world.add_user(platform, "nils").id.clone();
            let token = match platform {
                Platform::Flickr | Platform::FiveHundredPx => Token::signed(&nils, "s-nils"),
                _ => Token::of(&nils),
            };
            world.tokens.insert((platform, "t-nils".into()), token);
            let instance = world.add_user(platform, "instance").id.clone();
            world.tokens.insert((platform, "token-of-the-instance".into()), Token::of(&instance));
        }
        let config = Config::load(None, std::iter::empty(), &flags(&sandbox, directory.path())).unwrap().config;
        let node = Node::start(config).await.unwrap();
        let (instance, now) = (node.instance.clone(), sandbox.world().now);
        let registered = node.write(move |tx| {
            let budget = Amount::from_units(10_000_000, Currency::EUR);
            let registration = Registration { name: "nils".into(), budget, is_public: true, is_operator: false };
            register::register(tx, &instance, &registration, now)
        });
        let patron = registered.await.unwrap();
        LikesWorld { node, sandbox, platform, patron, directory }
    }

    /// As [`LikesWorld::new`], with likes of before, and the account connected and read to the end.
    pub async fn with_baseline(platform: Platform, is_own: bool, count: usize) -> LikesWorld {
        let world = LikesWorld::new(platform).await;
        world.like(count);
        world.connect().await;
        if is_own {
            world.sign_in().await;
        }
        assert_eq!(world.read().await, (0, 0, count), "{platform}");
        world
    }

    pub fn now(&self) -> Timestamp {
        self.sandbox.world().now
    }

    pub fn later(&self, by: Duration) {
        self.sandbox.world().advance(by);
    }

    /// Likes new posts, one a second; returns their ids.
    pub fn like(&self, count: usize) -> Vec<String> {
        let world = &mut *self.sandbox.world();
        let platform = self.platform;
        let mut posts = Vec::new();
        for _ in 0..count {
            let name = format!("tide-{}", world.posts.len());
            let post = world.add_post(platform, "mira", &name).unwrap().id.clone();
            world.advance(Duration::from_secs(1));
            world.like(platform, "nils", &post, world.now).unwrap();
            posts.push(post);
        }
        world.advance(Duration::from_secs(1));
        posts
    }

    pub fn unlike(&self, post: &str) {
        self.sandbox.world().unlike(self.platform, "nils", post).unwrap();
    }

    pub fn hide(&self, post: &str, is_private: bool) {
        let world = &mut *self.sandbox.world();
        let mut owner = None;
        if self.platform == Platform::Twitter && is_private {
            // There it is the account that is hidden, with all that it posts.
            let handle = format!("shy{}", world.users.len());
            owner = Some(world.add_user(self.platform, &handle).id.clone());
        }
        let post = world.post_mut(self.platform, post).unwrap();
        post.is_private = is_private;
        post.owner = owner.unwrap_or_else(|| post.owner.clone());
    }

    /// How many likes the platform itself would swear to.
    pub fn truth(&self) -> usize {
        self.sandbox.world().likes.len()
    }

    /// The next requests, so many of them, are answered so; or none any more.
    pub fn fault(&self, kind: Option<Kind>, count: u64) {
        let world = &mut *self.sandbox.world();
        world.faults = Faults::default();
        let Some(kind) = kind else { return };
        let (platform, path_glob) = (self.platform.slug().into(), "*".into());
        world.faults.add(Fault {
            platform,
            path_glob,
            kind,
            count: Some(count.try_into().unwrap()),
            probability: None,
            seed: 0,
        });
    }

    pub fn account(&self) -> ExternalId {
        let id = match self.platform {
            Platform::Fediverse => format!("{}/users/nils", self.sandbox.base_url(self.platform)),
            _ => self.sandbox.world().user(self.platform, "nils").unwrap().id.clone(),
        };
        ExternalId::new(self.platform, &id).unwrap()
    }

    pub async fn connect(&self) {
        let (patron, now, account) = (self.patron, self.now(), self.account());
        let trusted = self.node.write(move |tx| prove_account::trust(tx, patron, &account, "nils", "proof", now));
        trusted.await.unwrap();
    }

    pub async fn sign_in(&self) {
        let credential = match self.platform {
            Platform::Flickr | Platform::FiveHundredPx => {
                Credential::Signed { token: Secret::new("t-nils"), secret: Secret::new("s-nils") }
            }
            Platform::Fediverse => {
                let server = Url::parse(&self.sandbox.base_url(self.platform)).unwrap();
                Credential::Bearer(bind(&server, "t-nils"))
            }
            _ => Credential::bearer("t-nils"),
        };
        let grant = Grant { credential, refresh: None, expires_in: None, scopes: Vec::new() };
        credentials::keep(&self.node, &self.account(), &grant, Purpose::Likes).await.unwrap();
    }

    pub async fn connection(&self) -> Connection {
        let patron = self.patron;
        self.node.db.read(move |tx| connections::connections_of(tx, patron)).await.unwrap().remove(0)
    }

    /// One turn a day later, when all of the list is due.
    pub async fn read(&self) -> (usize, usize, usize) {
        self.later(DAY + Duration::from_secs(3_600));
        let turn = read_likes(&self.node, &self.connection().await, self.now()).await.unwrap();
        let Changed { flattrs, taken_back, baseline } = turn.changed;
        (flattrs, taken_back, baseline)
    }

    /// Gives the account's export file to the instance.
    pub async fn import(&self, name: &str, bytes: &[u8], is_complete: bool) -> Counted {
        let path = self.directory.path().join(name);
        std::fs::write(&path, bytes).unwrap();
        let account = Some(self.account().account().to_owned());
        jobs::import(&self.node, self.patron, self.platform, account, is_complete, &path, |_| {}).await.unwrap()
    }

    pub fn export(&self) -> Vec<u8> {
        sandbox::control::export(&self.sandbox.world(), self.platform.slug(), "nils").unwrap()
    }

    /// Likes that stand, by what is stored of the account.
    pub async fn standing(&self) -> usize {
        let count = |tx: &mut Tx| {
            let query = connection_likes::table.filter(connection_likes::is_gone.eq(false)).count();
            Ok::<i64, storage::Error>(match tx {
                Tx::Sqlite(db) => query.get_result(*db)?,
                Tx::Postgres(db) => query.get_result(*db)?,
            })
        };
        usize::try_from(self.node.db.read(count).await.unwrap()).unwrap()
    }

    /// (post, standing) of all flattrs of all months; one post may stand there more than once.
    pub async fn flattrs(&self) -> Vec<(String, String)> {
        let all = |tx: &mut Tx| {
            let query = flattrs::table
                .inner_join(objects::table)
                .order(flattrs::id)
                .select((objects::object, flattrs::standing));
            Ok::<Vec<(String, String)>, storage::Error>(match tx {
                Tx::Sqlite(db) => query.load(*db)?,
                Tx::Postgres(db) => query.load(*db)?,
            })
        };
        self.node.db.read(all).await.unwrap()
    }

    /// Posts with a flattr that counts; that none counts twice is checked.
    pub async fn paid(&self) -> BTreeSet<String> {
        let counting: Vec<String> =
            self.flattrs().await.into_iter().filter(|(_, standing)| standing == "counting").map(|(it, _)| it).collect();
        let paid: BTreeSet<String> = counting.iter().cloned().collect();
        assert_eq!(paid.len(), counting.len(), "{}: a post counts twice: {counting:?}", self.platform);
        paid
    }
}
