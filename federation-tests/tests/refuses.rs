//! Everything that must not get in: each refusal has its status and its reason, and changes nothing.

use std::sync::atomic::{AtomicU32, Ordering};

use federation_tests::remote::{Remote, get, send};
use federation_tests::world::*;
use federation_tests::{on_sqlite, program};
use fedflattr::cli::stage::Stage;
use fedflattr::clock::wall_time;
use fedflattr::console::Command;
use fedflattr::domain::identity::Platform;
use fedflattr::domain::message::{self, Body, Envelope, Message, StatementOffer};
use fedflattr::domain::money::Currency;
use fedflattr::domain::proof::{self, Seed, SigningKey};
use fedflattr::domain::settlement::Channel;
use serde_json::{Value, json};
use url::Url;

/// One instance with a bridged post, and a remote person who likes it.
struct Scene {
    stage: Stage,
    remote: Remote,
    object: String,
    inbox: String,
    number: AtomicU32,
}

impl Scene {
    async fn set() -> anyhow::Result<Scene> {
        let stage = Stage::set_up(program(), &[on_sqlite("alpha")]).await?;
        populate(&stage, &["ada"], &[("mira", "kelp")])?;
        add_patron(&stage, 0, "ada", "4.00", "20.00").await?;
        stage.rest().await?;
        stage
            .ask(0, Command::Like { name: "ada".to_owned(), target: "https://github.com/mira/kelp".to_owned() })
            .await?;
        stage.rest().await?;
        let id = stage.sandbox.world().post(Platform::GitHub, "mira/kelp")?.id.clone();
        let object = format!("{}/bridge/github/objects/{id}", stage.instances[0].base_url);
        let inbox = format!("{}/inbox", stage.instances[0].base_url);
        let remote = Remote::start("social", "rosa", "Person").await?;
        Ok(Scene { stage, remote, object, inbox, number: AtomicU32::new(0) })
    }

    fn like(&self) -> Value {
        let number = self.number.fetch_add(1, Ordering::Relaxed);
        json!({
            "@context": "https://www.w3.org/ns/activitystreams",
            "id": format!("{}/likes/{number}", self.remote.uri),
            "type": "Like",
            "actor": self.remote.uri,
            "object": self.object,
        })
    }

    /// How many likes the instance shows for the post.
    async fn likes(&self) -> anyhow::Result<i64> {
        self.stage.rest().await?;
        let (_, _, text) = get(&format!("{}/likes", self.object), "application/activity+json").await?;
        Ok(serde_json::from_str::<Value>(&text)?["totalItems"].as_i64().unwrap_or(-1))
    }

    async fn received(&self) -> anyhow::Result<usize> {
        Ok(self.stage.data(0, Command::InboxList).await?.as_array().map_or(0, Vec::len))
    }

    /// Sends with headers that were signed for something else.
    async fn send_as(&self, headers: &[(&'static str, String)], body: Vec<u8>) -> anyhow::Result<(u16, String)> {
        send(&Url::parse(&self.inbox)?, headers, body).await
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_like_counts_once_and_is_taken_back_whatever_is_repeated() -> anyhow::Result<()> {
    let scene = Scene::set().await?;
    let before = scene.likes().await?;
    let like = scene.like();
    let body = like.to_string().into_bytes();
    let url = Url::parse(&scene.inbox)?;
    let headers = scene.remote.signer.sign_post(&url, "application/activity+json", &body, wall_time())?;
    for _ in 0..3 {
        assert_eq!(scene.send_as(&headers, body.clone()).await?.0, 202, "the same bytes are no news");
    }
    assert_eq!(scene.likes().await?, before + 1);
    // Other bytes under a known id, without a proof: the first body wins, silently.
    let mut other = like.clone();
    other["object"] = json!(format!("{}x", scene.object));
    assert_eq!(scene.remote.post(&scene.inbox, &other).await?.0, 202);
    assert_eq!(scene.likes().await?, before + 1);
    assert_eq!(scene.received().await?, 1);
    let undo = |id: &str, like: &Value| {
        json!({
            "id": format!("{}/{id}", scene.remote.uri), "type": "Undo", "actor": scene.remote.uri, "object": like,
        })
    };
    assert_eq!(scene.remote.post(&scene.inbox, &undo("undo-1", &like)).await?.0, 202);
    assert_eq!(scene.likes().await?, before);
    // An Undo that overtakes its Like wins all the same.
    let late = scene.like();
    assert_eq!(scene.remote.post(&scene.inbox, &undo("undo-2", &late["id"].clone())).await?.0, 202);
    scene.stage.rest().await?;
    assert_eq!(scene.remote.post(&scene.inbox, &late).await?.0, 202);
    assert_eq!(scene.likes().await?, before);
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_forged_malformed_or_stale_is_refused_with_its_status() -> anyhow::Result<()> {
    let scene = Scene::set().await?;
    let before = scene.likes().await?;
    let url = Url::parse(&scene.inbox)?;
    let kind = "application/activity+json";
    let signed = |body: &[u8]| scene.remote.signer.sign_post(&url, kind, body, wall_time());
    let body = scene.like().to_string().into_bytes();

    let plain = [("content-type", kind.to_owned())];
    assert_eq!(scene.send_as(&plain, body.clone()).await?.0, 401, "unsigned");
    let headers = signed(&body)?;
    let mut altered = body.clone();
    altered.push(b' ');
    assert_eq!(scene.send_as(&headers, altered).await?.0, 401, "another body than was signed");
    let hour = std::time::Duration::from_secs(3_700);
    let stale = scene.remote.signer.sign_post(&url, kind, &body, wall_time().minus(hour))?;
    let (status, answer) = scene.send_as(&stale, body.clone()).await?;
    assert_eq!(status, 401, "signed an hour ago: {answer}");
    let future = scene.remote.signer.sign_post(&url, kind, &body, wall_time().plus(hour))?;
    assert_eq!(scene.send_as(&future, body.clone()).await?.0, 401, "signed in an hour");
    let elsewhere = Url::parse(&format!("{}/users/ada/inbox", scene.stage.instances[0].base_url))?;
    let moved = scene.remote.signer.sign_post(&elsewhere, kind, &body, wall_time())?;
    assert_eq!(scene.send_as(&moved, body.clone()).await?.0, 401, "signed for another inbox");
    // The path is verified as it was sent, so nothing may rewrite it on the way to the gate.
    for path in ["/inbox/", "//inbox"] {
        let url = Url::parse(&format!("{}{path}", scene.stage.instances[0].base_url))?;
        assert_eq!(send(&url, &signed(&body)?, body.clone()).await?.0, 404, "there is no inbox at {path}");
    }
    let wrong_type: Vec<(&'static str, String)> =
        signed(&body)?
            .into_iter()
            .map(|(name, value)| {
                if name.eq_ignore_ascii_case("content-type") { (name, "text/plain".to_owned()) } else { (name, value) }
            })
            .collect();
    assert_eq!(scene.send_as(&wrong_type, body.clone()).await?.0, 415, "not an activity by its type");

    let post = async |body: &[u8]| scene.remote.post_bytes(&scene.inbox, body.to_vec()).await;
    assert_eq!(post(b"{\"id\":").await?.0, 400, "truncated JSON");
    assert_eq!(post(b"[1, 2]").await?.0, 400, "not an object");
    let like = scene.like().to_string();
    for (more, reason) in [
        (r#""content":"a\u0000b""#, "NUL"),
        (r#""nested":{"a\u0000":1}"#, "NUL"),
        (r#""type":"Follow""#, "the member \"type\" appears twice"),
        (r#""nested":{"sum":"1","sum":"2"}"#, "the member \"sum\" appears twice"),
    ] {
        let (status, text) = post(like.replacen('{', &format!("{{{more},"), 1).as_bytes()).await?;
        let error: Value = serde_json::from_str(&text)?;
        assert_eq!((status, error["error"].as_str().unwrap_or_default().contains(reason)), (400, true), "{text}");
    }
    for name in ["id", "actor", "type", "object"] {
        let mut controlled = scene.like();
        controlled[name] = json!(format!("{}\n", text(&controlled, name)));
        assert_eq!(scene.remote.post(&scene.inbox, &controlled).await?.0, 400, "a line break in {name}");
    }
    let deep = format!("{}{}", "[".repeat(5_000), "]".repeat(5_000));
    assert_eq!(post(deep.as_bytes()).await?.0, 400, "too deep");
    let huge = vec![b' '; 300_000];
    assert_eq!(post(&huge).await?.0, 413, "too large");
    let mut foreign = scene.like();
    foreign["id"] = json!("https://victim.example/likes/1");
    assert_eq!(scene.remote.post(&scene.inbox, &foreign).await?.0, 403, "an id of another host");
    let mallory = Remote::start("evil", "mallory", "Person").await?;
    let (status, text) = mallory.post(&scene.inbox, &scene.like()).await?;
    assert_eq!(status, 401, "signed by somebody else: {text}");
    // The farewell of somebody whom we never knew: nothing is fetched, nothing is stored.
    let stranger = "https://unknown.example/users/x";
    let farewell =
        json!({ "id": format!("{stranger}#delete"), "type": "Delete", "actor": stranger, "object": stranger });
    assert_eq!(scene.send_as(&plain, farewell.to_string().into_bytes()).await?.0, 202);

    assert_eq!(scene.likes().await?, before);
    assert_eq!(scene.received().await?, 0, "nothing of all this was stored");
    scene.stage.verify_books(0)?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn applications_and_strangers_cannot_like_or_settle() -> anyhow::Result<()> {
    let scene = Scene::set().await?;
    let before = scene.likes().await?;
    let bot = Remote::start("botnet", "instance", "Application").await?;
    let like = |pseudonym: Option<&str>, number: u32| {
        let mut like = json!({
            "id": format!("{}/likes/{number}", bot.uri), "type": "Like", "actor": bot.uri, "object": scene.object,
        });
        if let Some(pseudonym) = pseudonym {
            like["flattr:pseudonym"] = json!(pseudonym);
        }
        like
    };
    assert_eq!(bot.post(&scene.inbox, &like(None, 1)).await?.0, 202);
    let anonymous = proof::sign(like(Some("abc"), 2), &bot.proof_key, wall_time())?;
    assert_eq!(bot.post(&scene.inbox, &anonymous).await?.0, 202);
    assert_eq!(scene.likes().await?, before);

    // A statement of a stranger. Proved and well formed, so it is read to the end: there are no terms with this instance.
    let signed = proof::sign(statement(&scene, &bot, 1), &bot.proof_key, wall_time())?;
    assert_eq!(bot.post(&scene.inbox, &signed).await?.0, 202);
    scene.stage.rest().await?;
    let statements = scene.stage.data(0, Command::SettlementList).await?;
    assert_eq!(statements, json!([]), "no statement of a stranger is taken");
    let inbox = scene.stage.data(0, Command::InboxList).await?;
    let outcomes: Vec<&str> = inbox.as_array().into_iter().flatten().map(|row| text(row, "outcome")).collect();
    assert!(outcomes.contains(&"likes by applications do not count"), "{outcomes:?}");
    assert!(outcomes.contains(&"an anonymous like needs a proof by a settlement peer"), "{outcomes:?}");
    assert!(outcomes.contains(&"statement of 2013-05 rejected: terms"), "{outcomes:?}");
    scene.stage.verify_books(0)?;
    Ok(())
}

/// A statement over 5.00 to the instance, not yet proved.
fn statement(scene: &Scene, debtor: &Remote, sequence: i64) -> Value {
    let month: fedflattr::domain::time::Month = "2013-05".parse().expect("a month");
    let channel = Channel {
        debtor: debtor.uri.clone(),
        creditor: format!("{}/instance", scene.stage.instances[0].base_url),
        currency: Currency::EUR,
    };
    let offer = StatementOffer {
        month,
        sum: eur("5.00"),
        like_count: 1,
        creator_count: 1,
        root: fedflattr::domain::commitment::Node { sum: 5_000_000, hash: [1; 32] },
        commitment: format!("{}/commitment", debtor.uri),
        commitment_digest: "sha-256:00".to_owned(),
        commitment_path: Vec::new(),
        expires: month.statement_expiry(),
    };
    let envelope = Envelope {
        channel,
        sender: debtor.uri.clone(),
        sequence,
        previous: String::new(),
        issued: "2013-06-01T08:00:00Z".parse().expect("a time"),
    };
    message::write(&Message { envelope, body: Body::Statement(offer) })
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_settlement_message_that_its_sender_did_not_prove_is_refused_and_leaves_its_id_free() -> anyhow::Result<()> {
    let scene = Scene::set().await?;
    let peer = Remote::start("peer", "instance", "Application").await?;
    let bare = statement(&scene, &peer, 1);
    let proved = proof::sign(bare.clone(), &peer.proof_key, wall_time())?;
    let mut tampered = proved.clone();
    tampered["object"]["sum"] = json!("50.00");
    let key = |method: String| SigningKey::from_seed(&Seed::from_bytes([9; 32]), method);
    let by_another_key = proof::sign(bare.clone(), &key(format!("{}#ed25519-key", peer.uri)), wall_time())?;
    let by_a_foreigner = proof::sign(bare.clone(), &key("https://evil.example/x#key".to_owned()), wall_time())?;
    let mut renamed = proved.clone();
    renamed["proof"]["verificationMethod"] = json!("https://evil.example/x#key");
    for (what, document, reason) in [
        ("a tampered statement", tampered, "does not fit the document and the key"),
        ("a proof by another key", by_another_key, "does not fit the document and the key"),
        ("a proof by a stranger's key", by_a_foreigner, "not the one that the sender publishes"),
        ("a proof under a stranger's name", renamed, "not the one that the sender publishes"),
        ("no proof", bare, "the document has no proof"),
    ] {
        let (status, text) = peer.post(&scene.inbox, &document).await?;
        assert_eq!((status, text.contains(reason)), (401, true), "{what}: {text}");
    }
    scene.stage.rest().await?;
    assert_eq!(scene.received().await?, 0, "nothing of all this was stored");
    assert_eq!(scene.stage.data(0, Command::SettlementList).await?, json!([]));
    scene.stage.verify_books(0)?;
    // Its id is not taken by what was refused: the true message is read to its end.
    assert_eq!(peer.post(&scene.inbox, &proved).await?.0, 202);
    scene.stage.rest().await?;
    let inbox = scene.stage.data(0, Command::InboxList).await?;
    assert_eq!(text(&inbox[0], "outcome"), "statement of 2013-05 rejected: terms");
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_follower_gets_an_accept_and_new_posts_until_they_leave() -> anyhow::Result<()> {
    let scene = Scene::set().await?;
    let base = &scene.stage.instances[0].base_url;
    let (_, _, object) = get(&scene.object, "application/activity+json").await?;
    let author = text(&serde_json::from_str(&object)?, "attributedTo").to_owned();
    let (status, kind, document) = get(&author, "application/activity+json").await?;
    assert_eq!((status, kind.as_str()), (200, "application/activity+json; charset=utf-8"));
    let document: Value = serde_json::from_str(&document)?;
    assert!(text(&document["publicKey"], "publicKeyPem").starts_with("-----BEGIN PUBLIC KEY-----"));
    assert!(text(&document["assertionMethod"][0], "publicKeyMultibase").starts_with("z6Mk"));
    let resource = format!("acct:mira.github@{}", scene.stage.instances[0].domain);
    let (status, kind, found) = get(&format!("{base}/.well-known/webfinger?resource={resource}"), "*/*").await?;
    assert_eq!((status, kind.starts_with("application/jrd+json")), (200, true));
    assert!(found.contains(&author), "{found}");
    let (status, _, nodeinfo) = get(&format!("{base}/nodeinfo/2.1"), "application/json").await?;
    assert_eq!((status, nodeinfo.contains("\"fedflattr\"")), (200, true));
    let (_, kind, _) = get(&author, "text/html").await?;
    assert!(kind.starts_with("text/html"), "people see a page at the same address, not {kind}");

    let follow = json!({
        "id": format!("{}/follows/1", scene.remote.uri), "type": "Follow", "actor": scene.remote.uri, "object": author,
    });
    assert_eq!(scene.remote.post(&format!("{author}/inbox"), &follow).await?.0, 202);
    scene.stage.rest().await?;
    // A post of the very second of the Follow is news, so a Create may have come too.
    let accept = scene.remote.received().into_iter().find(|it| text(it, "type") == "Accept").unwrap_or_default();
    assert_eq!(text(&accept, "actor"), author);
    assert_eq!(text(&accept["object"], "id"), text(&follow, "id"));

    scene.stage.sandbox.world().add_post(Platform::GitHub, "mira", "reef")?;
    give_star(&scene.stage, "ada", "mira/reef", "2013-06-02T10:00:00Z")?;
    scene.stage.advance_to("2013-06-02T12:00:00Z").await?;
    let create = scene.remote.received().pop().unwrap_or_default();
    assert_eq!((text(&create, "type"), text(&create["object"], "type")), ("Create", "Note"));
    assert!(text(&create["object"], "content").contains("reef"), "{create}");

    let undo = json!({
        "id": format!("{}/follows/1/undo", scene.remote.uri), "type": "Undo", "actor": scene.remote.uri,
        "object": follow,
    });
    assert_eq!(scene.remote.post(&format!("{author}/inbox"), &undo).await?.0, 202);
    scene.stage.rest().await?;
    let (_, _, followers) = get(&format!("{author}/followers"), "application/activity+json").await?;
    assert_eq!(serde_json::from_str::<Value>(&followers)?["totalItems"], json!(0));
    Ok(())
}
