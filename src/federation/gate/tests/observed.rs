//! A like that an account of a patron gives at another instance: announced, forwarded as it was sent, and verified again.

use super::*;
use crate::bridges::Registry;
use crate::domain::flattr;
use crate::domain::id::PatronId;
use crate::domain::identity::{ExternalId, ObjectRef, Platform};
use crate::domain::money::{Amount, Currency};
use crate::federation::inbox::{self as federation_inbox, process_due};
use crate::federation::{activities, outbox as federation_outbox};
use crate::flows::notice::{self, SeenPost};
use crate::flows::prove_account::{self, Standing};
use crate::flows::register::{self, Registration};
use crate::flows::settle;
use crate::storage::identities::Object;
use crate::storage::inbox::InboxRow;
use crate::storage::like_sources;
use crate::storage::likes::{self, Flattr};
use crate::storage::people::{NewActor, save_actor};

/// alpha is ana's home; beta hosts a proxy of a post that she likes with her account elsewhere.
struct Two {
    alpha: Federation,
    beta: Federation,
    elsewhere: Server,
    actor: String,
    key_id: String,
    patron: PatronId,
    _directories: [TempDir; 2],
}

async fn instance(host: &str, directory: &TempDir) -> Federation {
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
async fn add_peer(node: &Federation, other: &Federation) {
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

fn seen(title: &str) -> SeenPost {
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
    async fn set(port: u16) -> Two {
        let directories = [tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap()];
        let alpha = instance(&format!("localhost:{port}"), &directories[0]).await;
        let beta = instance(&format!("localhost:{}", port + 1), &directories[1]).await;
        add_peer(&alpha, &beta).await;
        add_peer(&beta, &alpha).await;
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
    async fn said(&self, node: &Federation, kind: &str) -> Vec<Value> {
        while federation_outbox::expand(node).await.unwrap() > 0 {}
        let (actor, kind) = (node.actor.id, kind.to_owned());
        let rows = node.db.read(move |tx| crate::storage::outbox::outgoing_of(tx, actor, &kind, i64::MAX, 100)).await;
        rows.unwrap().iter().rev().map(|row| serde_json::from_str(&row.body).unwrap()).collect()
    }

    /// Puts what `from` has said into the inbox of `to`, and processes it. Returns the outcome.
    async fn bring(&self, from: &Federation, to: &Federation, document: &Value) -> InboxRow {
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

    async fn processed(&self, node: &Federation) -> InboxRow {
        process_due(node).await.unwrap();
        node.db.read(|tx| inbox::newest(tx, 1)).await.unwrap().remove(0)
    }

    /// beta learns whose account it is, and finds the backlink there.
    async fn announced(&self) {
        let said = self.said(&self.alpha, "Announce").await;
        let announce =
            said.iter().find(|said| said["object"]["type"] == "flattr:LikeSource").expect("it was announced");
        assert_eq!(announce["object"]["account"], json!(self.actor));
        let backlink = announce["object"]["backlink"].as_str().unwrap().to_owned();
        assert_eq!(backlink, prove_account::proof_url(&self.alpha.instance, "0f3a"));
        assert_eq!(self.bring(&self.alpha, &self.beta, announce).await.state, "done");
        let mut document = actor_document(&self.actor, &self.key_id, &proof_key(&self.actor, 1));
        document["type"] = json!("Person");
        document["summary"] = json!(format!("<p><a href=\"{backlink}\">where I give</a></p>"));
        self.elsewhere.put("/users/nils", &document);
        let looked = self.beta.bridges.get(Platform::Fediverse).unwrap().live().unwrap();
        let who = crate::bridges::Who::Id(ExternalId::new(Platform::Fediverse, &self.actor).unwrap());
        let profile = looked.profile(&who, &crate::bridges::Access::Instance).await.unwrap();
        let account = self.actor.clone();
        self.beta
            .write(move |tx| {
                let shows = |address: &str| crate::bridges::proves(&profile, address);
                crate::flows::like_source::judge(tx, &account, &shows)
            })
            .await
            .unwrap();
    }

    fn activity(&self, number: u32, undone: Option<u32>) -> Value {
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
    async fn deliver(&self, node: &Federation, activity: &Value) -> Result<Accepted, GateError> {
        let url: Url = format!("{}/inbox", node.instance.base_url).parse().unwrap();
        let signer = RequestSigner::new(&self.key_id.parse().unwrap(), PAIR.clone());
        let body = activity.to_string();
        let mut request = TestRequest::post().uri("/inbox").insert_header(("x-forwarded-for", "192.0.2.1"));
        for header in signer.sign_post(&url, KIND, body.as_bytes(), wall_time()).unwrap() {
            request = request.insert_header(header);
        }
        receive(node, request.to_http_request(), body.into()).await
    }

    async fn flattrs(&self) -> Vec<(Flattr, Object)> {
        let (patron, month) = (self.patron, crate::domain::time::Month::containing(self.alpha.now()));
        self.alpha.db.read(move |tx| likes::flattrs_of_month(tx, patron, month)).await.unwrap()
    }

    async fn shown_at_beta(&self) -> i64 {
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
    let (account, actor) = (two.actor.clone(), two.actor.clone());
    two.beta.write(move |tx| crate::flows::like_source::judge(tx, &account, &|_| false)).await.unwrap();
    let states = two.beta.db.read(move |tx| like_sources::of_account(tx, &actor)).await.unwrap();
    assert_eq!(states.iter().map(|source| source.state.as_str()).collect::<Vec<_>>(), ["failed"]);
    assert_eq!(federation_inbox::Envelope::of(&TestRequest::get().to_http_request()).headers, []);
}
