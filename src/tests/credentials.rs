//! What people granted: renewed in time, kept before it is used, and gone for good when the platform says so.

use std::time::Duration;

use url::Url;

use crate::bridges::{Bridge, Credential, Grant};
use crate::config::Config;
use crate::domain::id::PatronId;
use crate::domain::identity::{ExternalId, Platform};
use crate::domain::money::{Amount, Currency};
use crate::federation::Node;
use crate::flows::prove_account;
use crate::flows::register::{self, Registration};
use crate::jobs::{credentials, read_likes};
use crate::sandbox::fault::{Fault, Kind};
use crate::sandbox::oauth::{CLIENT_ID, CLIENT_SECRET};
use crate::sandbox::{self, Sandbox};
use crate::storage::connections::{self, Connection};
use crate::storage::grants::{self, Purpose};

const SOUNDCLOUD: Platform = Platform::SoundCloud;
const MINUTE: Duration = Duration::from_secs(60);

/// An instance beside a SoundCloud where `nils` likes a track of `mira`; his account is connected by signing in.
struct Stage {
    node: Node,
    sandbox: Sandbox,
    patron: PatronId,
    account: ExternalId,
    directory: tempfile::TempDir,
}

fn config(sandbox: &Sandbox, directory: &tempfile::TempDir) -> Config {
    let (base, data) = (sandbox.base_url(SOUNDCLOUD), directory.path().display().to_string());
    let overrides = [
        ("server.domain", "localhost:21998".to_owned()),
        ("server.data_dir", data),
        ("database.pool_size", "2".to_owned()),
        ("federation.allow_private_addresses", "127.0.0.0/8".to_owned()),
        ("bridge.soundcloud.auth_url", format!("{base}/authorize")),
        ("bridge.soundcloud.token_url", format!("{base}/oauth/token")),
        ("bridge.soundcloud.base_url", base),
        ("bridge.soundcloud.client_id", CLIENT_ID.to_owned()),
        ("bridge.soundcloud.client_secret", CLIENT_SECRET.to_owned()),
    ];
    let overrides = overrides.map(|(key, value)| (key.to_owned(), value));
    Config::load(None, std::iter::empty(), &overrides).unwrap().config
}

impl Stage {
    /// - `life`: what is left of the credential when it is kept; `None` for as long as the platform says.
    async fn new(life: Option<Duration>) -> Stage {
        let directory = tempfile::tempdir().unwrap();
        let sandbox = sandbox::start("127.0.0.1:0".parse().unwrap()).await.unwrap();
        {
            let world = &mut *sandbox.world();
            world.add_user(SOUNDCLOUD, "mira");
            world.add_user(SOUNDCLOUD, "nils");
            let track = world.add_post(SOUNDCLOUD, "mira", "tide").unwrap().id.clone();
            world.like(SOUNDCLOUD, "nils", &track, world.now).unwrap();
        }
        let account = ExternalId::new(SOUNDCLOUD, &sandbox.world().user(SOUNDCLOUD, "nils").unwrap().id).unwrap();
        let node = Node::start(config(&sandbox, &directory)).await.unwrap();
        let (instance, now, id) = (node.instance.clone(), node.now(), account.clone());
        let patron = node
            .write(move |tx| {
                let budget = Amount::from_units(10_000_000, Currency::EUR);
                let registration = Registration { name: "nils".into(), budget, is_public: true, is_operator: false };
                let patron = register::register(tx, &instance, &registration, now)?;
                prove_account::signed_in(tx, &instance, (patron, &id, "nils"), "proof", &|_| false, now).unwrap();
                Ok::<_, register::RegisterError>(patron)
            })
            .await
            .unwrap();
        let stage = Stage { node, sandbox, patron, account, directory };
        let mut grant = stage.sign_in().await;
        grant.expires_in = life.or(grant.expires_in);
        credentials::keep(&stage.node, &stage.account, &grant, Purpose::Likes).await.unwrap();
        stage.sandbox.world().requests.clear();
        stage
    }

    fn bridge(&self) -> std::sync::Arc<dyn Bridge> {
        self.node.bridges.get(SOUNDCLOUD).unwrap().clone()
    }

    /// What nils grants at the door.
    async fn sign_in(&self) -> Grant {
        let callback = Url::parse("http://localhost:21998/sign-in-at/soundcloud").unwrap();
        let bridge = self.bridge();
        let door = bridge.sign_in().unwrap();
        let begun = door.begin(&callback, "state").await.unwrap();
        let policy = reqwest::redirect::Policy::none();
        let browser = reqwest::Client::builder().no_proxy().redirect(policy).user_agent("browser").build().unwrap();
        let mut pressed = begun.url;
        pressed.query_pairs_mut().append_pair("user", "nils");
        let reply = browser.get(pressed).send().await.unwrap();
        let back = Url::parse(reply.headers()["location"].to_str().unwrap()).unwrap();
        let answer = back.query_pairs().into_owned().collect();
        door.finish(&callback, &begun.kept, &answer).await.unwrap()
    }

    async fn credential(&self) -> Option<Credential> {
        credentials::of(&self.node, &*self.bridge(), &self.account, Purpose::Likes).await.unwrap().unwrap()
    }

    async fn stored(&self) -> grants::Grant {
        let account = self.account.clone();
        self.node.db.read(move |tx| grants::grant_of(tx, &account)).await.unwrap().unwrap()
    }

    async fn connection(&self) -> Connection {
        let patron = self.patron;
        self.node.db.read(move |tx| connections::connections_of(tx, patron)).await.unwrap().remove(0)
    }

    /// How many credentials were asked for since the last call, and how many pages of likes in the account's name.
    fn asked(&self) -> (usize, usize) {
        let requests = std::mem::take(&mut self.sandbox.world().requests);
        let tokens = requests.iter().filter(|request| request.path.ends_with("/oauth/token")).count();
        (tokens, requests.iter().filter(|request| request.path.starts_with("/me/likes")).count())
    }

    async fn read(&self) {
        read_likes(&self.node, &self.connection().await, self.node.now()).await.unwrap();
    }

    fn fault(&self, path_glob: &str, kind: Kind) {
        let (platform, path_glob) = (SOUNDCLOUD.slug().into(), path_glob.into());
        let fault = Fault { platform, path_glob, kind, count: Some(1), probability: None, seed: 0 };
        self.sandbox.world().faults.add(fault);
    }
}

#[tokio::test]
async fn a_credential_that_is_about_to_end_is_renewed_once_and_kept_before_it_is_used() {
    let stage = Stage::new(Some(MINUTE)).await;
    let before = stage.stored().await;
    // Whatever it is needed for fails: what was renewed is not lost with it. Each refresh token is good once.
    stage.fault("/me/likes*", Kind::DeadPlatform);
    stage.read().await;
    assert_eq!(stage.asked(), (1, 1));
    let after = stage.stored().await;
    assert!(after.sealed != before.sealed && after.state == "good");
    assert!(after.expires_at > before.expires_at);
    stage.read().await;
    let (tokens, pages) = stage.asked();
    assert!(tokens == 0 && pages > 0, "the renewed one is good for an hour");
    assert!(stage.connection().await.baseline_at.is_some(), "and the likes were read with it");
}

#[tokio::test]
async fn a_token_that_ends_before_its_time_is_renewed_and_trying_again_is_not_enough() {
    let stage = Stage::new(None).await;
    let Some(Credential::Bearer(spent)) = stage.credential().await else { panic!("a bearer token") };
    stage.fault("/me/likes*", Kind::ExpiredToken);
    stage.read().await;
    assert_eq!(stage.asked(), (1, 1), "refused, and renewed");
    stage.read().await;
    let (tokens, pages) = stage.asked();
    assert!(tokens == 0 && pages > 0, "{tokens} {pages}: read with what was renewed");
    assert!(stage.connection().await.baseline_at.is_some());
    let client = reqwest::Client::builder().no_proxy().user_agent("retries").build().unwrap();
    let with = async |token: &str| {
        let request = client.get(format!("{}/me", stage.sandbox.base_url(SOUNDCLOUD)));
        request.header("authorization", format!("OAuth {token}")).send().await.unwrap().status().as_u16()
    };
    let Some(Credential::Bearer(renewed)) = stage.credential().await else { panic!("a bearer token") };
    assert_eq!((with(spent.reveal()).await, with(renewed.reveal()).await), (401, 200));
    stage.fault("/me", Kind::RevokedToken);
    assert_eq!((with(renewed.reveal()).await, with(renewed.reveal()).await), (401, 401));
    stage.asked();
    stage.read().await;
    assert_eq!(stage.stored().await.state, "ended", "what would renew it was taken back with it");
}

#[tokio::test]
async fn many_who_need_a_credential_at_once_renew_it_once() {
    let stage = Stage::new(Some(MINUTE)).await;
    let all = futures_util::future::join_all((0..5).map(|_| stage.credential())).await;
    assert!(all.iter().all(|credential| credential.is_some() && *credential == all[0]));
    assert_eq!(stage.asked().0, 1);
    // Who used the old one, and comes when the others are done, gets what they have renewed.
    let (bridge, spent, mut last) = (stage.bridge(), Credential::bearer("the one before"), all[0].clone().unwrap());
    let late = credentials::renew(&stage.node, &*bridge, &stage.account, Purpose::Likes, &spent).await.unwrap();
    assert_eq!(late, Ok(Some(last.clone())));
    assert_eq!(stage.asked().0, 0);
    // And each time anew: the next refresh token is another one.
    stage.fault("/oauth/token", Kind::Http503);
    for _ in 0..3 {
        let (account, bridge) = (stage.account.clone(), stage.bridge());
        let renewed = credentials::renew(&stage.node, &*bridge, &account, Purpose::Likes, &last).await.unwrap();
        if let Ok(Some(renewed)) = renewed {
            last = renewed;
        }
        assert_eq!(stage.stored().await.state, "good", "an outage ends nothing");
    }
    assert_eq!(stage.asked().0, 3);
}

#[tokio::test]
async fn a_renewal_that_is_refused_ends_the_grant_and_the_connection_asks_for_a_new_sign_in() {
    for life in [None, Some(MINUTE)] {
        let stage = Stage::new(life).await;
        stage.sandbox.world().revoke_tokens(SOUNDCLOUD, "nils").unwrap();
        stage.read().await;
        let connection = stage.connection().await;
        assert_eq!(stage.stored().await.state, "ended", "{life:?}");
        assert!(connection.last_error.as_deref().is_some_and(|said| said.contains("sign in again")), "{connection:?}");
        stage.asked();
        assert_eq!(stage.credential().await, None);
        assert_eq!(stage.asked().0, 0, "it is not tried again and again");
        // Signing in again mends it.
        let grant = stage.sign_in().await;
        credentials::keep(&stage.node, &stage.account, &grant, Purpose::Likes).await.unwrap();
        stage.read().await;
        let connection = stage.connection().await;
        assert!(connection.last_error.is_none() && connection.baseline_at.is_some(), "{connection:?}");
    }
}

#[tokio::test]
async fn a_grant_that_was_sealed_with_another_key_or_for_something_else_is_not_used() {
    let stage = Stage::new(None).await;
    assert!(stage.credential().await.is_some());
    let for_claims = credentials::of(&stage.node, &*stage.bridge(), &stage.account, Purpose::Claim).await.unwrap();
    assert_eq!(for_claims.unwrap(), None);
    let Stage { node, sandbox, patron, account, directory } = stage;
    drop(node);
    std::fs::remove_file(crate::vault::key_path(directory.path())).unwrap();
    // The process that held the database goes away with its last connection.
    let node = loop {
        match Node::start(config(&sandbox, &directory)).await {
            Ok(node) => break node,
            Err(_) => tokio::time::sleep(Duration::from_millis(20)).await,
        }
    };
    let stage = Stage { node, sandbox, patron, account, directory };
    assert_eq!(stage.credential().await, None);
    assert_eq!(stage.stored().await.state, "good", "with the old key back it is good again");
    assert_eq!(stage.asked().0, 0, "nothing was renewed");
}
