//! The pages, asked as a browser asks: cookies, forms with their proofs, and nothing that a browser could not do.

mod bridges;
mod claim_sign_in;
mod consent;
mod doors;
mod fediverse;
mod finding;
mod forms;
mod imports;
mod owner_sign_in;
mod platform_sign_in;
mod shown;
mod signing_in;

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU16, Ordering};

use actix_web::body::{BoxBody, to_bytes};
use actix_web::dev::{Service, ServiceResponse};
use actix_web::http::StatusCode;
use actix_web::http::header::HeaderMap;
use actix_web::test::TestRequest;
use url::form_urlencoded;

use crate::config::Config;
use crate::domain::flattr::Source;
use crate::domain::id::{LoginId, PatronId};
use crate::domain::identity::{ExternalId, ObjectRef, Platform};
use crate::domain::money::{Amount, Currency};
use crate::domain::time::{Month, Timestamp};
use crate::federation::Node;
use crate::flows::claim;
use crate::flows::close_month::{self, Close, Progress};
use crate::flows::flattr::{self, PatronLike};
use crate::flows::fund::{self, Movement};
use crate::flows::notice::{self, SeenPost};
use crate::flows::register::{self, Registration};
use crate::sandbox::{self, Sandbox};
use crate::storage;
use crate::storage::identities::{Object, SeenIdentity};
use crate::web::auth;

pub const PASSWORD: &str = "a long enough sentence";

/// An instance with a temporary database, and GitHub on loopback.
pub struct Site {
    pub node: Node,
    pub github: Sandbox,
    _directory: tempfile::TempDir,
}

impl Site {
    pub async fn new() -> Site {
        // A host of its own for each: attempts to sign in are counted by process.
        static PORT: AtomicU16 = AtomicU16::new(20_000);
        let port = PORT.fetch_add(1, Ordering::Relaxed);
        Site::on(port, &[]).await
    }

    pub async fn on(port: u16, more: &[(&str, &str)]) -> Site {
        Site::beside(sandbox::start("127.0.0.1:0".parse().unwrap()).await.unwrap(), port, more).await
    }

    /// A site beside platforms that run already.
    pub async fn beside(github: Sandbox, port: u16, more: &[(&str, &str)]) -> Site {
        let directory = tempfile::tempdir().unwrap();
        let api = github.base_url(Platform::GitHub);
        let domain = format!("localhost:{port}");
        let data = directory.path().display().to_string();
        let mut overrides: Vec<(String, String)> = [
            ("server.domain", domain.as_str()),
            ("server.data_dir", &data),
            ("database.pool_size", "2"),
            ("federation.allow_private_addresses", "127.0.0.0/8"),
            ("bridge.github.base_url", &api),
            ("instance.name", "Pages & <Tests>"),
        ]
        .iter()
        .map(|(key, value)| ((*key).to_owned(), (*value).to_owned()))
        .collect();
        overrides.extend(more.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())));
        let config = Config::load(None, std::iter::empty(), &overrides).unwrap().config;
        Site { node: Node::start(config).await.unwrap(), github, _directory: directory }
    }

    pub fn base(&self) -> &str {
        &self.node.instance.base_url
    }

    /// A patron with an account since `since`, a budget of ten euros and a password, who gives in their own name.
    pub async fn patron(&self, name: &str, is_operator: bool, since: Timestamp) -> PatronId {
        self.register(name, is_operator, true, since).await
    }

    pub async fn register(&self, name: &str, is_operator: bool, is_public: bool, since: Timestamp) -> PatronId {
        let (instance, owned) = (self.node.instance.clone(), name.to_owned());
        let patron = self
            .node
            .write(move |tx| {
                let budget = Amount::from_units(10_000_000, Currency::EUR);
                let registration = Registration { name: owned.clone(), budget, is_public, is_operator };
                register::register(tx, &instance, &registration, since)
            })
            .await
            .unwrap();
        let login = self.login_of(name).await;
        let hash = auth::password::hash(PASSWORD.to_owned()).await;
        let saved = self.node.write(move |tx| storage::people::set_password(tx, login, &hash)).await;
        saved.unwrap();
        patron
    }

    pub async fn login_of(&self, name: &str) -> LoginId {
        let name = name.to_owned();
        let login = self.node.db.read(move |tx| storage::people::login_by_name(tx, &name)).await.unwrap();
        login.unwrap().id
    }

    pub async fn deposit(&self, patron: PatronId, euros: i64, at: Timestamp) {
        self.node
            .write(move |tx| {
                let reference = storage::people::patron(tx, patron)?.unwrap().deposit_reference;
                let movement = Movement {
                    rail: "sandbox".into(),
                    id: format!("{patron}-{at}"),
                    amount: Amount::from_units(euros * 1_000_000, Currency::EUR),
                    reference,
                    counterparty: "somebody".into(),
                    value_at: at,
                };
                fund::book_incoming(tx, &movement, at)
            })
            .await
            .unwrap();
    }

    /// A post of an account on GitHub, as a bridge would tell of it.
    pub async fn post(&self, account: &str, handle: &str, object: &str, title: &str) -> Object {
        let seen = SeenPost {
            object: ObjectRef::new(Platform::GitHub, object).unwrap(),
            owner: Some(SeenIdentity {
                external_id: ExternalId::new(Platform::GitHub, account).unwrap(),
                handle: handle.into(),
                display_name: handle.into(),
                profile_url: format!("https://github.com/{handle}"),
                avatar_url: None,
                bio: String::new(),
            }),
            title: title.into(),
            url: format!("https://github.com/{handle}/{object}"),
            published_at: None,
        };
        let (instance, now) = (self.node.instance.clone(), self.node.now());
        self.node.write(move |tx| notice::post(tx, &instance, &seen, now)).await.unwrap()
    }

    pub async fn flattr(&self, patron: PatronId, object: &Object, at: Timestamp) {
        let like = PatronLike {
            patron,
            object: object.id,
            source: Source::Platform,
            received_at: at,
            liked_at: None,
            like_uri: None,
        };
        self.node.write(move |tx| flattr::record(tx, &like)).await.unwrap();
    }

    /// Closes the oldest open month at its freeze.
    pub async fn close(&self, month: Month) {
        for now in [month.cut_off(), month.freeze()] {
            loop {
                let node = self.node.clone();
                let step = self
                    .node
                    .write(move |tx| {
                        let close =
                            Close { instance: &node.instance, signer: &node.keys.document, now, secret: [7; 32] };
                        close_month::step(tx, &close)
                    })
                    .await
                    .unwrap();
                if !matches!(step, Progress::Done { .. }) || step == (Progress::Done { month, step: "committed" }) {
                    break;
                }
            }
        }
    }

    /// An account on GitHub that a login has proved to be theirs.
    pub async fn claimed(&self, name: &str, account: &str) {
        let (login, instance, now) = (self.login_of(name).await, self.node.instance.clone(), self.node.now());
        let (identity, token) = (ExternalId::new(Platform::GitHub, account).unwrap(), format!("token-{name}"));
        let begun = self.node.write(move |tx| {
            let begun = claim::begin(tx, &instance, login, &identity, &token, now)?;
            storage::claims::set_state(tx, begun.id, "verified", now)?;
            Ok::<_, claim::ClaimError>(())
        });
        begun.await.unwrap();
    }

    /// A link with which a login sets its password.
    pub async fn setup_link(&self, name: &str) -> String {
        let (login, now) = (self.login_of(name).await, self.node.now());
        let token = self.node.write(move |tx| auth::make_setup_token(tx, login, now)).await.unwrap();
        auth::setup_url("", &token)
    }
}

/// The service of a site.
macro_rules! app {
    ($site:expr) => {
        actix_web::test::init_service(
            actix_web::App::new()
                .app_data(actix_web::web::Data::new(
                    $crate::federation::library::federation(&$site.node).await.unwrap(),
                ))
                .configure($crate::web::routes),
        )
        .await
    };
}
pub(crate) use app;

/// A service that answers requests, as `app!` makes it.
pub trait App: Service<actix_http::Request, Response = ServiceResponse<BoxBody>, Error = actix_web::Error> {}

impl<S> App for S where S: Service<actix_http::Request, Response = ServiceResponse<BoxBody>, Error = actix_web::Error> {}

pub struct Reply {
    pub status: StatusCode,
    pub headers: HeaderMap,
    pub body: String,
}

impl Reply {
    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }

    pub fn location(&self) -> &str {
        self.header("location")
    }

    #[track_caller]
    pub fn shows(&self, text: &str) {
        assert!(self.body.contains(text), "`{text}` is not in {}\n{}", self.status, self.body);
    }

    #[track_caller]
    pub fn hides(&self, text: &str) {
        assert!(!self.body.contains(text), "`{text}` is in {}\n{}", self.status, self.body);
    }
}

/// A browser: keeps cookies, and the proof of the last form that it saw.
#[derive(Default)]
pub struct Browser {
    cookies: RefCell<BTreeMap<String, String>>,
    csrf: RefCell<String>,
}

impl Browser {
    /// A browser that has signed in.
    pub async fn signed_in(app: &impl App, name: &str) -> Browser {
        let browser = Browser::default();
        browser.get(app, "/sign-in").await;
        let reply = browser.post(app, "/sign-in", &[("name", name), ("password", PASSWORD)]).await;
        assert_eq!(reply.status, StatusCode::SEE_OTHER, "{}", reply.body);
        browser.get(app, "/me/claim").await;
        browser
    }

    pub async fn get(&self, app: &impl App, path: &str) -> Reply {
        self.send(app, TestRequest::get().uri(path).insert_header(("accept", "text/html,*/*;q=0.8"))).await
    }

    /// Sends a form with the proof that stood in the last page.
    pub async fn post(&self, app: &impl App, path: &str, fields: &[(&str, &str)]) -> Reply {
        let csrf = self.csrf.borrow().clone();
        self.post_with(app, path, &csrf, fields, &[]).await
    }

    pub async fn post_with(
        &self,
        app: &impl App,
        path: &str,
        csrf: &str,
        fields: &[(&str, &str)],
        headers: &[(&str, &str)],
    ) -> Reply {
        let body =
            form_urlencoded::Serializer::new(String::new()).append_pair("csrf", csrf).extend_pairs(fields).finish();
        let mut request = TestRequest::post()
            .uri(path)
            .insert_header(("accept", "text/html"))
            .insert_header(("content-type", "application/x-www-form-urlencoded"))
            .set_payload(body);
        for header in headers {
            request = request.insert_header(*header);
        }
        self.send(app, request).await
    }

    pub async fn send(&self, app: &impl App, mut request: TestRequest) -> Reply {
        let cookies = self.cookies.borrow().iter().map(|(name, value)| format!("{name}={value}")).collect::<Vec<_>>();
        if !cookies.is_empty() {
            request = request.insert_header(("cookie", cookies.join("; ")));
        }
        let response = app.call(request.to_request()).await.expect("errors are answers");
        let (status, headers) = (response.status(), response.headers().clone());
        for cookie in headers.get_all("set-cookie") {
            let (name, rest) = cookie.to_str().unwrap().split_once('=').unwrap();
            let value = rest.split(';').next().unwrap();
            if value.is_empty() {
                self.cookies.borrow_mut().remove(name);
            } else {
                self.cookies.borrow_mut().insert(name.to_owned(), value.to_owned());
            }
        }
        let body = to_bytes(response.into_body()).await.unwrap();
        let body = String::from_utf8(body.to_vec()).unwrap();
        if let Some((_, rest)) = body.split_once("name=\"csrf\" value=\"") {
            rest.split('"').next().unwrap().clone_into(&mut self.csrf.borrow_mut());
        }
        Reply { status, headers, body }
    }

    pub fn cookie(&self, name: &str) -> Option<String> {
        self.cookies.borrow().get(name).cloned()
    }

    pub fn csrf(&self) -> String {
        self.csrf.borrow().clone()
    }
}
