//! Two instances that serve and work, with real HTTP between them: what one that becomes a peer late hears of claims, and
//! whose word it takes.

use std::net::TcpListener;
use std::time::Duration;

use actix_web::{App, HttpServer, web};

use crate::bridges::Who;
use crate::config::Config;
use crate::console::{Command, execute};
use crate::domain::id::LoginId;
use crate::domain::identity::{ExternalId, Platform};
use crate::federation::Node;
use crate::federation::library::{self, Federation};
use crate::flows::claim;
use crate::jobs::{self, Checked, check_claim, check_identity, look_up};
use crate::sandbox::{self, Sandbox};
use crate::storage::{connections, identities, people, settlement};

const GITHUB: Platform = Platform::GitHub;
/// Far longer than it takes.
const PATIENCE: Duration = Duration::from_secs(60);

/// An instance that serves and works.
struct Server {
    federation: Federation,
    handle: actix_web::dev::ServerHandle,
    jobs: tokio::task::JoinHandle<()>,
    _directory: tempfile::TempDir,
}

impl Server {
    async fn start(github: &Sandbox) -> Server {
        let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
        let directory = tempfile::tempdir().unwrap();
        let domain = format!("localhost:{}", listener.local_addr().unwrap().port());
        let (api, data) = (github.base_url(GITHUB), directory.path().display().to_string());
        let (base_url, bank) = (format!("http://{domain}"), format!("http://{}/bank", github.addr));
        let overrides = [
            ("server.domain", domain.as_str()),
            ("server.base_url", &base_url),
            ("server.data_dir", &data),
            ("database.pool_size", "2"),
            ("federation.allow_private_addresses", "127.0.0.0/8"),
            ("jobs.poll_interval_milliseconds", "50"),
            ("bridge.github.base_url", &api),
            ("rail.sandbox.base_url", &bank),
            ("rail.sandbox.account", "ACCOUNT"),
        ];
        let overrides = overrides.map(|(key, value)| (key.to_owned(), value.to_owned()));
        let config = Config::load(None, std::iter::empty(), &overrides).unwrap().config;
        let federation = library::federation(&Node::start(config).await.unwrap()).await.unwrap();
        let state = web::Data::new(federation.clone());
        let server = HttpServer::new(move || App::new().app_data(state.clone()).configure(crate::web::routes));
        let server = server.workers(1).listen(listener).unwrap().run();
        let handle = server.handle();
        actix_web::rt::spawn(server);
        let jobs = actix_web::rt::spawn(jobs::run(federation.clone()));
        Server { federation, handle, jobs, _directory: directory }
    }

    async fn does(&self, command: Command) {
        execute(&self.federation, command).await.unwrap();
    }

    async fn add(&self, other: &Server) {
        let address = other.federation.instance.base_url.clone();
        self.does(Command::PeerAdd { address, claims: Vec::new() }).await;
    }

    async fn trust(&self, other: &Server, claims: &str) {
        let address = other.federation.instance.base_url.clone();
        self.does(Command::PeerTrust { address, claims: vec![claims.to_owned()] }).await;
    }

    /// A creator of this instance; begins a claim and returns the account.
    async fn begin(&self, name: &'static str, token: &'static str, signs_in: bool) -> ExternalId {
        let node: &Node = &self.federation;
        let (profile, _) = look_up(node, GITHUB, &Who::Handle(name.into())).await.unwrap();
        let (instance, now, id) = (node.instance.clone(), node.now(), profile.id.clone());
        node.write(move |tx| {
            let login: LoginId = people::make_login(tx, name, false, now)?.expect("the name is free");
            match signs_in {
                true => claim::sign_in(tx, &instance, login, &id, token, now, now),
                false => claim::begin(tx, &instance, login, &id, token, now),
            }
        })
        .await
        .unwrap();
        profile.id
    }

    /// How the check of an announced claim stands, and whose claim on the account is verified here.
    async fn believes(&self, account: &ExternalId) -> (String, Option<String>) {
        let account = account.clone();
        let read = self.federation.db.read(move |tx| {
            let checks = connections::claim_checks(tx)?;
            let check = checks.into_iter().find(|check| check.identity == account.to_string());
            let claim = match identities::identity_by_external_id(tx, &account)? {
                Some(identity) => identities::verified_claim(tx, identity.id)?,
                None => None,
            };
            Ok::<_, crate::storage::Error>((check.map(|it| it.state).unwrap_or_default(), claim.map(|it| it.home_uri)))
        });
        read.await.unwrap()
    }

    async fn comes_to_believe(&self, account: &ExternalId, state: &str, home: Option<String>) {
        let expected = (state.to_owned(), home);
        let wait = async {
            while self.believes(account).await != expected {
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        };
        if tokio::time::timeout(PATIENCE, wait).await.is_err() {
            assert_eq!(self.believes(account).await, expected, "{account}");
        }
    }
}

#[actix_web::test]
async fn a_late_peer_hears_of_claims_checks_them_and_takes_our_word_where_its_operator_says_so() {
    let github = sandbox::start("127.0.0.1:0".parse().unwrap()).await.unwrap();
    let (alpha, beta) = (Server::start(&github).await, Server::start(&github).await);
    for name in ["mira", "olaf"] {
        github.world().add_user(GITHUB, name);
    }
    let home = alpha.federation.instance.uri();
    // mira by signing in, olaf by the address in the profile; nobody is a peer yet.
    let mira = alpha.begin("mira", "7f3a", true).await;
    check_identity(&alpha.federation, &mira).await.unwrap();
    let olaf = alpha.begin("olaf", "0b1d", false).await;
    let address = claim::claim_url(&alpha.federation.instance, "0b1d");
    github.world().user_mut(GITHUB, "olaf").unwrap().website = Some(address);
    assert!(matches!(check_claim(&alpha.federation, "0b1d").await, Ok(Checked::Verified(_))));
    assert_eq!(alpha.believes(&mira).await.1, Some(home.clone()));

    alpha.add(&beta).await;
    beta.add(&alpha).await;
    beta.comes_to_believe(&olaf, "verified", Some(home.clone())).await;
    beta.comes_to_believe(&mira, "untrusted", None).await;
    beta.trust(&alpha, "github").await;
    beta.comes_to_believe(&mira, "verified", Some(home.clone())).await;
    // alpha is told whose word is taken, in new terms.
    let told = async {
        loop {
            let peers = alpha.federation.db.read(settlement::peers).await.unwrap();
            if peers.iter().any(|peer| peer.trusts_us_on("github")) {
                break;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    tokio::time::timeout(PATIENCE, told).await.expect("the terms arrive");
    beta.trust(&alpha, "none").await;
    beta.comes_to_believe(&mira, "untrusted", None).await;
    beta.comes_to_believe(&olaf, "verified", Some(home)).await;
    for server in [alpha, beta] {
        server.jobs.abort();
        server.handle.stop(false).await;
    }
}
