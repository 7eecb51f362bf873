//! A like that an account of a patron gives at another instance: announced, forwarded as it was sent, and verified again.

use super::*;
use crate::bridges::Registry;
use crate::domain::flattr;
use crate::domain::id::PatronId;
use crate::domain::identity::{ExternalId, ObjectRef, Platform};
use crate::domain::money::{Amount, Currency};
use crate::domain::time::Timestamp;
use crate::federation::inbox::{self as federation_inbox, process_due};
use crate::federation::{activities, outbox as federation_outbox};
use crate::flows::notice::{self, SeenPost};
use crate::flows::prove_account::{self, Standing};
use crate::flows::register::{self, Registration};
use crate::flows::settle;
use crate::jobs::check_sources;
use crate::storage::connections::{self, Setting};
use crate::storage::identities::Object;
use crate::storage::inbox::InboxRow;
use crate::storage::like_sources;
use crate::storage::likes::{self, Flattr};
use crate::storage::people::{NewActor, save_actor};

/// alpha is ana's home; beta hosts a proxy of a post that she likes with her account elsewhere.
pub struct Two {
    pub alpha: Federation,
    pub beta: Federation,
    pub elsewhere: Server,
    pub actor: String,
    pub key_id: String,
    pub patron: PatronId,
    pub _directories: [TempDir; 2],
}

pub async fn instance(host: &str, directory: &TempDir) -> Federation {
    let data = directory.path().display().to_string();
    let settings = [
        ("server.domain", host),
        ("server.data_dir", &data),
        ("database.pool_size", "2"),
        ("federation.allow_private_addresses", "127.0.0.0/8"),
    ];
    let settings: Vec<(String, String)> =
        settings.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect();
    let config = Config::load(None, std::iter::empty(), &settings).unwrap().config;
    library::federation(&Node::start(config).await.unwrap()).await.unwrap()
}

/// What reading the other's actor and adding it as a peer leaves behind.
pub async fn add_peer(node: &Federation, other: &Federation) {
    let (uri, host) = (other.instance.uri(), other.instance.host.clone());
    let actor = NewActor {
        kind: "remote".to_owned(),
        actor_type: "Application".to_owned(),
        username: host.clone(),
        display_name: host.clone(),
        host,
        summary: String::new(),
        inbox: format!("{uri}/inbox"),
        shared_inbox: None,
        rsa_key_id: format!("{uri}#main-key"),
        rsa_public_pem: other.keys_pem().await,
        ed25519_key_id: Some(format!("{uri}#ed25519-key")),
        ed25519_multikey: Some(other.keys.document.public_key().to_string()),
        document: None,
        fetched_at: node.now().micros(),
        gone_at: None,
        uri: uri.clone(),
    };
    node.write(move |tx| save_actor(tx, &actor)).await.unwrap();
    let inbox = format!("{uri}/inbox");
    node.settle(move |tx, close| settle::add_peer(tx, close, &uri, &inbox, "BANK", None)).await.unwrap();
}

trait KeysPem {
    async fn keys_pem(&self) -> String;
}

impl KeysPem for Federation {
    async fn keys_pem(&self) -> String {
        let id = self.actor.id;
        let actor = self.db.read(move |tx| crate::storage::people::actor(tx, id)).await.unwrap().unwrap();
        actor.rsa_public_pem
    }
}

pub fn seen(title: &str) -> SeenPost {
    let object = ObjectRef::new(Platform::GitHub, "7").unwrap();
    SeenPost {
        object,
        owner: None,
        title: title.into(),
        url: "https://github.com/mira/maps".into(),
        published_at: None,
    }
}

impl Two {
    pub async fn set(port: u16) -> Two {
        Two::with(port, true).await
    }

    /// alpha and beta have nothing to do with one another yet.
    pub async fn without_peers(port: u16) -> Two {
        Two::with(port, false).await
    }

    async fn with(port: u16, are_peers: bool) -> Two {
        let directories = [tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap()];
        let alpha = instance(&format!("localhost:{port}"), &directories[0]).await;
        let beta = instance(&format!("localhost:{}", port + 1), &directories[1]).await;
        if are_peers {
            add_peer(&alpha, &beta).await;
            add_peer(&beta, &alpha).await;
        }
        let elsewhere = Server::start("social");
        let actor = format!("{}/users/nils", elsewhere.base);
        let key_id = format!("{actor}#main-key");
        let mut document = actor_document(&actor, &key_id, &proof_key(&actor, 1));
        document["type"] = json!("Person");
        elsewhere.put("/users/nils", &document);
        let (for_alpha, now) = (alpha.instance.clone(), alpha.now());
        let account = ExternalId::new(Platform::Fediverse, &actor).unwrap();
        let patron = alpha
            .write(move |tx| {
                let budget = Amount::from_units(10_000_000, Currency::EUR);
                let registration = Registration { name: "ana".into(), budget, is_public: true, is_operator: false };
                let patron = register::register(tx, &for_alpha, &registration, now)?;
                let begun = prove_account::begin(tx, patron, &account, "nils", "0f3a", now);
                assert!(matches!(begun, Ok(Standing::Pending(_))));
                let looked = prove_account::look(tx, &for_alpha, "0f3a", &|_| true, now);
                assert!(matches!(looked, Ok(Standing::Connected(_))));
                Ok::<_, register::RegisterError>(patron)
            })
            .await
            .unwrap();
        let (for_beta, now) = (beta.instance.clone(), beta.now());
        beta.write(move |tx| notice::post(tx, &for_beta, &seen("Maps"), now)).await.unwrap();
        Two { alpha, beta, elsewhere, actor, key_id, patron, _directories: directories }
    }

    /// What a node has said of a type since it was asked last.
    pub async fn said(&self, node: &Federation, kind: &str) -> Vec<Value> {
        while federation_outbox::expand(node).await.unwrap() > 0 {}
        let (actor, kind) = (node.actor.id, kind.to_owned());
        let rows = node.db.read(move |tx| crate::storage::outbox::outgoing_of(tx, actor, &kind, i64::MAX, 1_000)).await;
        rows.unwrap().iter().rev().map(|row| serde_json::from_str(&row.body).unwrap()).collect()
    }

    /// Puts what `from` has said into the inbox of `to`, and processes it. Returns the outcome.
    pub async fn bring(&self, from: &Federation, to: &Federation, document: &Value) -> InboxRow {
        let received = Received {
            activity_uri: document["id"].as_str().unwrap().to_owned(),
            digest: proof::digest(document),
            signer_uri: from.instance.uri(),
            body: document.to_string(),
            received_at: to.now(),
            about: about(document),
        };
        to.write(move |tx| inbox::store(tx, &received)).await.unwrap();
        self.processed(to).await
    }

    pub async fn processed(&self, node: &Federation) -> InboxRow {
        process_due(node).await.unwrap();
        node.db.read(|tx| inbox::newest(tx, 1)).await.unwrap().remove(0)
    }

    /// beta learns whose account it is, and finds the backlink there.
    pub async fn announced(&self) {
        let said = self.said(&self.alpha, "Announce").await;
        let announce =
            said.iter().find(|said| said["object"]["type"] == "flattr:LikeSource").expect("it was announced");
        assert_eq!(announce["object"]["account"], json!(self.actor));
        let backlink = announce["object"]["backlink"].as_str().unwrap().to_owned();
        assert_eq!(backlink, prove_account::proof_url(&self.alpha.instance, "0f3a"));
        assert_eq!(self.bring(&self.alpha, &self.beta, announce).await.state, "done");
        self.show(&[&backlink]);
        assert_eq!(check_sources(&self.beta, self.beta.now()).await.unwrap(), 1);
        assert_eq!(self.states(&self.beta).await, ["proved"]);
    }

    /// The account's profile shows these addresses from now on.
    pub fn show(&self, addresses: &[&str]) {
        let mut document = actor_document(&self.actor, &self.key_id, &proof_key(&self.actor, 1));
        document["type"] = json!("Person");
        let links: Vec<String> = addresses.iter().map(|at| format!("<a href=\"{at}\">where I give</a>")).collect();
        document["summary"] = json!(format!("<p>{}</p>", links.join(" ")));
        self.elsewhere.put("/users/nils", &document);
    }

    /// What a node believes of the account, by peer.
    pub async fn states(&self, node: &Federation) -> Vec<String> {
        let actor = self.actor.clone();
        let sources = node.db.read(move |tx| like_sources::of_account(tx, &actor)).await.unwrap();
        sources.into_iter().map(|source| source.state).collect()
    }

    /// beta passes on what it has received last; returns what it says of it.
    pub async fn forwarded(&self) -> Value {
        self.said(&self.beta, "Offer")
            .await
            .into_iter()
            .rfind(|said| said["object"]["type"] == "flattr:LikeObservation")
            .expect("it was forwarded")
    }

    pub fn activity(&self, number: u32, undone: Option<u32>) -> Value {
        let id = |number: u32| format!("{}/users/nils#likes/{number}", self.elsewhere.base);
        let like = |number| {
            let object = format!("{}/bridge/github/objects/7", self.beta.instance.base_url);
            json!({ "id": id(number), "type": "Like", "actor": self.actor, "object": object })
        };
        match undone {
            None => like(number),
            Some(undone) => json!({ "id": id(number), "type": "Undo", "actor": self.actor, "object": like(undone) }),
        }
    }

    /// The account's server delivers an activity to a node.
    pub async fn deliver(&self, node: &Federation, activity: &Value) -> Result<Accepted, GateError> {
        let url: Url = format!("{}/inbox", node.instance.base_url).parse().unwrap();
        let signer = RequestSigner::new(&self.key_id.parse().unwrap(), PAIR.clone());
        let body = activity.to_string();
        let mut request = TestRequest::post().uri("/inbox").insert_header(("x-forwarded-for", "192.0.2.1"));
        for header in signer.sign_post(&url, KIND, body.as_bytes(), wall_time()).unwrap() {
            request = request.insert_header(header);
        }
        receive(node, request.to_http_request(), body.into()).await
    }

    pub async fn flattrs(&self) -> Vec<(Flattr, Object)> {
        let (patron, month) = (self.patron, crate::domain::time::Month::containing(self.alpha.now()));
        self.alpha.db.read(move |tx| likes::flattrs_of_month(tx, patron, month)).await.unwrap()
    }

    pub async fn shown_at_beta(&self) -> i64 {
        let object = ObjectRef::new(Platform::GitHub, "7").unwrap();
        let count = self.beta.db.read(move |tx| {
            let object = crate::storage::identities::object_by_ref(tx, &object)?.expect("beta knows it");
            likes::count_for_object(tx, object.id)
        });
        count.await.unwrap()
    }
}

#[actix_web::test]
async fn a_like_that_reaches_another_instance_counts_at_the_patrons_home() {
    let two = Two::set(18_910).await;
    assert!(
        Registry::default().get(Platform::Fediverse).is_none() && two.alpha.bridges.get(Platform::Fediverse).is_some()
    );
    two.announced().await;
    two.deliver(&two.beta, &two.activity(1, None)).await.unwrap();
    let row = two.processed(&two.beta).await;
    assert!(row.outcome.unwrap().starts_with("forwarded to"));
    assert_eq!(two.shown_at_beta().await, 0, "beta counts nothing by itself");
    let offer = two
        .said(&two.beta, "Offer")
        .await
        .into_iter()
        .find(|said| said["object"]["type"] == "flattr:LikeObservation")
        .unwrap();
    assert!(!offer.to_string().contains("192.0.2.1"), "only what was signed is passed on");

    // What a witness could change is found out; nothing of it counts.
    let proved = |change: &dyn Fn(&mut Value), id: &str| {
        let mut document = offer.clone();
        document.as_object_mut().unwrap().remove("proof");
        document["id"] = json!(format!("{}/{id}", two.beta.instance.uri()));
        change(&mut document);
        proof::sign(document, &two.beta.keys.document, wall_time()).unwrap()
    };
    let body = offer["object"]["flattr:body"].as_str().unwrap().to_owned();
    let day = Duration::from_secs(86_400);
    let lies = [
        ("body", json!(body.replace("objects/7", "objects/8"))),
        ("witnessedAt", json!(wall_time().minus(day).to_string())),
        ("witnessedAt", json!(wall_time().plus(day).to_string())),
        ("target", json!("/other/inbox")),
        ("headers", json!([])),
        ("method", json!("PUT")),
        // Whose post that is: the signed address says it.
        ("objectId", json!("8")),
        ("objectId", json!("07")),
        ("platform", json!("flickr")),
        ("platform", json!("fediverse")),
        ("platform", json!(null)),
    ];
    for (number, (member, value)) in lies.into_iter().enumerate() {
        let lie = |it: &mut Value| it["object"][format!("flattr:{member}")] = value.clone();
        let row = two.bring(&two.beta, &two.alpha, &proved(&lie, &format!("lie-{number}"))).await;
        assert_eq!(row.state, "quarantined", "{member}: {:?}", row.outcome);
    }
    let mut unproved = offer.clone();
    unproved.as_object_mut().unwrap().remove("proof");
    unproved["id"] = json!(format!("{}/unproved", two.beta.instance.uri()));
    assert_eq!(two.bring(&two.beta, &two.alpha, &unproved).await.state, "quarantined");
    assert!(two.flattrs().await.is_empty());

    let row = two.bring(&two.beta, &two.alpha, &offer).await;
    assert_eq!(row.outcome.as_deref(), Some("a flattr of a patron, by an account of theirs"));
    let (flattr, object) = two.flattrs().await.remove(0);
    assert_eq!((object.platform.as_str(), object.object.as_str(), object.owner_id), ("github", "7", None));
    assert!(flattr.standing().unwrap() == flattr::Standing::Counting && flattr.liked_at.is_some(), "{flattr:?}");
    // Once more, as a witness that is not sure may say it.
    let row = two.bring(&two.beta, &two.alpha, &proved(&|_| {}, "again")).await;
    assert_eq!((row.outcome.as_deref(), two.flattrs().await.len()), (Some("a flattr of a patron that was known"), 1));

    two.deliver(&two.beta, &two.activity(2, Some(1))).await.unwrap();
    two.processed(&two.beta).await;
    let offers = two.said(&two.beta, "Offer").await;
    let row = two.bring(&two.beta, &two.alpha, offers.last().unwrap()).await;
    assert_eq!(row.outcome.as_deref(), Some("a flattr of a patron was taken back"));
    assert_ne!(two.flattrs().await[0].0.standing().unwrap(), flattr::Standing::Counting);
}

#[actix_web::test]
async fn a_like_that_reaches_the_home_counts_at_once_and_a_strangers_nowhere() {
    let two = Two::set(18_920).await;
    let (for_alpha, now) = (two.alpha.instance.clone(), two.alpha.now());
    two.alpha.write(move |tx| notice::post(tx, &for_alpha, &seen("Maps"), now)).await.unwrap();
    let mut like = two.activity(1, None);
    like["object"] = json!(format!("{}/bridge/github/objects/7", two.alpha.instance.base_url));
    two.deliver(&two.alpha, &like).await.unwrap();
    let row = two.processed(&two.alpha).await;
    assert_eq!(row.outcome.as_deref(), Some("a flattr of a patron, by an account of theirs"));
    assert_eq!(two.flattrs().await.len(), 1);

    // At beta nobody has announced the account: the like is a stranger's there, and is not passed on.
    two.deliver(&two.beta, &two.activity(2, None)).await.unwrap();
    assert_eq!(two.processed(&two.beta).await.outcome.as_deref(), Some("a like, unfunded"));
    assert!(two.said(&two.beta, "Offer").await.iter().all(|said| said["object"]["type"] != "flattr:LikeObservation"));

    // Announced with a backlink that is not there, or that is no page of connections: never forwarded.
    let home = two.alpha.instance.uri();
    let announce = |backlink: String, id: &str| {
        let document = activities::like_source(&home, &two.actor, &backlink);
        let id = format!("{home}/announce/{id}");
        let keys = &two.alpha.keys.document;
        activities::announce(&id, &home, &two.beta.instance.uri(), &document, keys, wall_time()).unwrap()
    };
    let elsewhere = announce(format!("{}/claim/0f3a", two.alpha.instance.base_url), "1");
    assert_eq!(two.bring(&two.alpha, &two.beta, &elsewhere).await.state, "quarantined");
    let absent = announce(format!("{}/connect/abc", two.alpha.instance.base_url), "2");
    assert_eq!(two.bring(&two.alpha, &two.beta, &absent).await.state, "done");
    assert_eq!(check_sources(&two.beta, two.beta.now()).await.unwrap(), 1);
    assert_eq!(two.states(&two.beta).await, ["failed"]);
    assert_eq!(federation_inbox::Envelope::of(&TestRequest::get().to_http_request()).headers, []);
}

#[actix_web::test]
async fn an_undo_that_comes_late_leaves_the_newer_like() {
    let two = Two::set(18_940).await;
    two.announced().await;
    let step = |number, undone| {
        let two = &two;
        async move {
            two.deliver(&two.beta, &two.activity(number, undone)).await.unwrap();
            two.processed(&two.beta).await;
            let said = two.forwarded().await;
            two.bring(&two.beta, &two.alpha, &said).await.outcome.unwrap()
        }
    };
    assert_eq!(step(1, None).await, "a flattr of a patron, by an account of theirs");
    tokio::time::sleep(Duration::from_millis(5)).await;
    assert_eq!(step(2, None).await, "a flattr of a patron that was known");
    assert_eq!(step(3, Some(1)).await, "an Undo of an older like: the newer one stands");
    let standing = || async { two.flattrs().await[0].0.standing().unwrap() };
    assert_eq!(standing().await, flattr::Standing::Counting);
    assert_eq!(step(4, Some(2)).await, "a flattr of a patron was taken back");
    assert_eq!(standing().await, flattr::Standing::TakenBack);
}

#[actix_web::test]
async fn a_patron_who_wants_to_be_asked_is_asked_also_for_likes_that_arrive() {
    let two = Two::set(18_942).await;
    let (for_alpha, now, patron) = (two.alpha.instance.clone(), two.alpha.now(), two.patron);
    let set = two.alpha.write(move |tx| {
        notice::post(tx, &for_alpha, &seen("Maps"), now)?;
        let connection = connections::connections_of(tx, patron)?.remove(0);
        connections::set_setting(tx, connection.id, Setting::Confirm)
    });
    set.await.unwrap();
    let mut like = two.activity(1, None);
    like["object"] = json!(format!("{}/bridge/github/objects/7", two.alpha.instance.base_url));
    two.deliver(&two.alpha, &like).await.unwrap();
    assert_eq!(two.processed(&two.alpha).await.outcome.as_deref(), Some("a like of a patron, who is asked first"));
    assert_eq!(two.flattrs().await[0].0.standing().unwrap(), flattr::Standing::Suggested);
    // The same by way of a witness.
    two.announced().await;
    two.deliver(&two.beta, &two.activity(2, None)).await.unwrap();
    two.processed(&two.beta).await;
    let said = two.forwarded().await;
    two.bring(&two.beta, &two.alpha, &said).await;
    assert_eq!(two.flattrs().await[0].0.standing().unwrap(), flattr::Standing::Suggested);
    let id = two.flattrs().await[0].0.id;
    let yes = two.alpha.write(move |tx| crate::flows::suggest::confirm(tx, patron, id, now)).await;
    assert_eq!(yes.unwrap(), Some(flattr::Standing::Counting));
}

#[actix_web::test]
async fn a_server_that_does_not_answer_decides_nothing_and_is_asked_less_often() {
    let two = Two::set(18_944).await;
    two.announced().await;
    let source = || async {
        let actor = two.actor.clone();
        two.beta.db.read(move |tx| like_sources::of_account(tx, &actor)).await.unwrap().remove(0)
    };
    let week = Duration::from_secs(7 * 86_400);
    let checked = two.beta.now();
    assert_eq!(check_sources(&two.beta, checked.plus(week / 2)).await.unwrap(), 0);
    // Neither an account nor a refusal: for a while the server shows something else there.
    two.elsewhere.put("/users/nils", &json!({ "id": two.actor, "type": "Note" }));
    let mut now = checked.plus(week);
    for _ in 0..48 {
        assert_eq!(check_sources(&two.beta, now).await.unwrap(), 1);
        assert_eq!(check_sources(&two.beta, now).await.unwrap(), 0, "not again at once");
        now = now.plus(Duration::from_secs(3_600));
    }
    assert_eq!(check_sources(&two.beta, now).await.unwrap(), 1);
    assert_eq!(Timestamp::from_micros(source().await.next_at), now.plus(Duration::from_secs(86_400)));
    assert_eq!(source().await.state, "proved", "what was seen the last time stands");
    assert!(source().await.last_error.is_some());
    // The address has left the profile: from then on it is a stranger's account.
    two.show(&[]);
    now = now.plus(Duration::from_secs(86_400));
    assert_eq!(check_sources(&two.beta, now).await.unwrap(), 1);
    assert_eq!((source().await.state.as_str(), source().await.attempts), ("failed", 0));
    two.deliver(&two.beta, &two.activity(1, None)).await.unwrap();
    assert_eq!(two.processed(&two.beta).await.outcome.as_deref(), Some("a like, unfunded"));
}
