//! Two instances in one process, with real HTTP between them: what a follower receives of a bridged account.

use std::net::TcpListener;
use std::time::Duration;

use actix_web::{App, HttpServer, web};
use serde_json::Value;

use crate::config::Config;
use crate::domain::id::ActorId;
use crate::domain::identity::Platform;
use crate::federation::{Node, delivery, inbox as incoming, library, outbox};
use crate::flows::feed;
use crate::jobs::{ask_due, look_up, read_feeds};
use crate::sandbox::{self, Sandbox};
use crate::storage::outbox as stored;
use crate::storage::{feeds, identities, inbox};

const GITHUB: Platform = Platform::GitHub;

/// An instance that serves.
struct Server {
    node: Node,
    handle: actix_web::dev::ServerHandle,
    _directory: tempfile::TempDir,
}

impl Server {
    async fn start(github: &Sandbox) -> Server {
        let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
        let directory = tempfile::tempdir().unwrap();
        let domain = format!("localhost:{}", listener.local_addr().unwrap().port());
        let (api, data) = (github.base_url(GITHUB), directory.path().display().to_string());
        let base_url = format!("http://{domain}");
        let overrides = [
            ("server.domain", domain.as_str()),
            ("server.base_url", &base_url),
            ("server.data_dir", &data),
            ("database.pool_size", "2"),
            ("federation.allow_private_addresses", "127.0.0.0/8"),
            ("bridge.github.base_url", &api),
        ];
        let overrides = overrides.map(|(key, value)| (key.to_owned(), value.to_owned()));
        let config = Config::load(None, std::iter::empty(), &overrides).unwrap().config;
        let node = Node::start(config).await.unwrap();
        let state = web::Data::new(library::federation(&node).await.unwrap());
        let server = HttpServer::new(move || App::new().app_data(state.clone()).configure(crate::web::routes));
        let server = server.workers(1).listen(listener).unwrap().run();
        let handle = server.handle();
        actix_web::rt::spawn(server);
        Server { node, handle, _directory: directory }
    }

    /// Everything that this instance has been told, oldest first.
    async fn told(&self) -> Vec<Value> {
        let mut rows = self.node.db.read(|tx| inbox::newest(tx, 100)).await.unwrap();
        rows.reverse();
        rows.iter().map(|row| serde_json::from_str(&row.body).unwrap()).collect()
    }

    async fn get(&self, uri: &str) -> (u16, Value) {
        let headers = [("accept", "application/activity+json".to_owned())];
        let reply = self.node.client.get(&uri.parse().unwrap(), &headers).await.unwrap();
        (reply.status.as_u16(), serde_json::from_slice(&reply.body).unwrap())
    }
}

/// Reads mira's posts, wherever the clock stands, and brings out what there is to say.
async fn tell(alpha: &Server, identity: crate::domain::id::IdentityId) {
    let node = &alpha.node;
    let now = node.now();
    node.write(move |tx| feeds::set_next_poll(tx, identity, now)).await.unwrap();
    assert!(read_feeds(node, now).await.unwrap());
    ask_due(node, now).await.unwrap();
    bring_out(alpha).await;
}

/// Brings out what there is to say.
async fn bring_out(alpha: &Server) {
    let federation = library::federation(&alpha.node).await.unwrap();
    while outbox::expand(&alpha.node).await.unwrap() > 0 {}
    while delivery::deliver_due(&federation).await.unwrap() > 0 {}
}

/// How many deliveries wait.
async fn waiting(server: &Server) -> i64 {
    let states = server.node.db.read(stored::count_by_state).await.unwrap();
    states.into_iter().find(|(state, _)| state == "waiting").map_or(0, |(_, count)| count)
}

#[actix_web::test]
async fn a_follower_is_told_of_new_posts_edits_and_deletions() {
    let github = sandbox::start("127.0.0.1:0".parse().unwrap()).await.unwrap();
    let (alpha, beta) = (Server::start(&github).await, Server::start(&github).await);
    let id = {
        let world = &mut *github.world();
        // The instances live now, and so does the platform.
        let behind = u64::try_from(alpha.node.now().seconds() - world.now.seconds()).unwrap();
        world.advance(Duration::from_secs(behind - 3_600));
        world.add_user(GITHUB, "mira").name = Some("Mira <b>Reyes</b>".into());
        world.add_post(GITHUB, "mira", "old").unwrap();
        world.advance(Duration::from_secs(3_600));
        world.user(GITHUB, "mira").unwrap().id.clone()
    };
    let who = crate::bridges::Who::Handle("mira".into());
    let (_, identity) = look_up(&alpha.node, GITHUB, &who).await.unwrap();
    assert_eq!(identity.account, id);
    let (actor, follower, now) = (ActorId(identity.actor_id.unwrap()), beta.node.instance.uri(), alpha.node.now());
    let follower_inbox = format!("{}/inbox", beta.node.instance.base_url);
    alpha
        .node
        .write(move |tx| {
            inbox::save_follow(tx, actor, &follower, &follower_inbox, &format!("{follower}/follows/1"), now)?;
            feed::followed(tx, actor, now)
        })
        .await
        .unwrap();
    tell(&alpha, identity.id).await;
    assert_eq!(beta.told().await, Vec::<Value>::new(), "what was there before is no news");

    let reef = {
        let world = &mut *github.world();
        world.advance(Duration::from_secs(60));
        let reef = world.add_post(GITHUB, "mira", "reef").unwrap();
        reef.description = Some("<script>alert(1)</script>".into());
        reef.id.clone()
    };
    tell(&alpha, identity.id).await;
    let told = beta.told().await;
    assert_eq!(told.len(), 1, "{told:?}");
    let (create, note) = (&told[0], &told[0]["object"]);
    assert_eq!((&create["type"], &note["type"]), (&Value::from("Create"), &Value::from("Note")));
    let uri = note["id"].as_str().unwrap().to_owned();
    assert_eq!(uri, alpha.node.instance.object_uri("github", &reef));
    let content = note["content"].as_str().unwrap();
    assert!(content.contains("mira/reef") && !content.contains("script"), "{content}");
    assert_eq!(alpha.get(&uri).await.0, 200);

    github.world().rename_post(GITHUB, &reef, "lagoon").unwrap();
    tell(&alpha, identity.id).await;
    let told = beta.told().await;
    assert_eq!((told.len(), &told[1]["type"], &told[1]["object"]["id"]), (2, &"Update".into(), &uri.as_str().into()));
    assert!(told[1]["object"]["content"].as_str().unwrap().contains("mira/lagoon"));
    assert!(told[1]["object"]["updated"].is_string());

    github.world().delete_post(GITHUB, &reef).unwrap();
    tell(&alpha, identity.id).await;
    let told = beta.told().await;
    assert_eq!((told.len(), &told[2]["type"], &told[2]["object"]["id"]), (3, &"Delete".into(), &uri.as_str().into()));
    assert_eq!(told[2]["object"]["type"], "Tombstone");
    let (status, left) = alpha.get(&uri).await;
    assert_eq!((status, &left["type"]), (410, &"Tombstone".into()));
    assert!(!left.to_string().contains("lagoon"));
    let (_, listed) = alpha.get(&format!("{}/outbox", identities_uri(&alpha, actor).await)).await;
    assert_eq!(listed["totalItems"], 0, "what is gone is not listed");

    // The other side takes all of it as it comes.
    let federation = library::federation(&beta.node).await.unwrap();
    while incoming::process_due(&federation).await.unwrap() > 0 {}
    let states = beta.node.db.read(inbox::count_by_state).await.unwrap();
    assert_eq!(states, [("done".to_owned(), 3)]);
    for server in [alpha, beta] {
        server.handle.stop(false).await;
    }
}

async fn identities_uri(server: &Server, actor: ActorId) -> String {
    let identity = server.node.db.read(move |tx| identities::identity_by_actor(tx, actor)).await.unwrap().unwrap();
    server.node.instance.bridged_actor_uri(&identity.platform, &identity.account)
}

#[actix_web::test]
async fn the_followers_of_an_account_that_refuses_are_told_that_it_is_gone_and_nothing_else() {
    let github = sandbox::start("127.0.0.1:0".parse().unwrap()).await.unwrap();
    let (alpha, beta) = (Server::start(&github).await, Server::start(&github).await);
    {
        let world = &mut *github.world();
        let behind = u64::try_from(alpha.node.now().seconds() - world.now.seconds()).unwrap();
        world.advance(Duration::from_secs(behind - 3_600));
        world.add_user(GITHUB, "mira");
        world.advance(Duration::from_secs(3_600));
    }
    let who = crate::bridges::Who::Handle("mira".into());
    let (_, identity) = look_up(&alpha.node, GITHUB, &who).await.unwrap();
    let (actor, follower, now) = (ActorId(identity.actor_id.unwrap()), beta.node.instance.uri(), alpha.node.now());
    let inbox_uri = format!("{}/inbox", beta.node.instance.base_url);
    let follow = |follower: String, inbox_uri: String| {
        alpha.node.write(move |tx| {
            inbox::save_follow(tx, actor, &follower, &inbox_uri, &format!("{follower}/follows/1"), now)?;
            feed::followed(tx, actor, now)
        })
    };
    follow(follower.clone(), inbox_uri.clone()).await.unwrap();
    tell(&alpha, identity.id).await;
    let reef = {
        let world = &mut *github.world();
        world.advance(Duration::from_secs(60));
        world.add_post(GITHUB, "mira", "reef").unwrap().id.clone()
    };
    tell(&alpha, identity.id).await;
    assert_eq!(beta.told().await.len(), 1);

    // Beta cannot be reached while there is more to say.
    github.world().rename_post(GITHUB, &reef, "lagoon").unwrap();
    let (node, now) = (&alpha.node, alpha.node.now());
    node.write(move |tx| feeds::set_next_poll(tx, identity.id, now)).await.unwrap();
    read_feeds(node, now).await.unwrap();
    while outbox::expand(node).await.unwrap() > 0 {}
    assert_eq!(waiting(&alpha).await, 1, "an Update of the post");
    github.world().user_mut(GITHUB, "mira").unwrap().bio = Some("No, thanks. #nobridge".into());
    // A change of the actor that was noted before, and its owner's word after that.
    node.write(move |tx| stored::push_event(tx, "update_actor", &identity.id.to_string(), now)).await.unwrap();
    let who = crate::bridges::Who::Handle("mira".into());
    assert!(look_up(node, GITHUB, &who).await.unwrap().1.is_refused);
    assert_eq!(waiting(&alpha).await, 0, "what was said and not brought is not brought");
    bring_out(&alpha).await;
    let told = beta.told().await;
    let uri = identities_uri(&alpha, actor).await;
    assert_eq!((told.len(), &told[1]["type"], &told[1]["object"]), (2, &"Delete".into(), &uri.as_str().into()));
    assert_eq!(alpha.get(&uri).await.0, 410);
    // What happens to it from now on is nobody's news, and who followed follows no more.
    node.write(move |tx| stored::push_event(tx, "update_actor", &identity.id.to_string(), now)).await.unwrap();
    assert!(look_up(node, GITHUB, &who).await.unwrap().1.is_refused);
    bring_out(&alpha).await;
    assert_eq!(beta.told().await.len(), 2);
    assert_eq!(node.db.read(move |tx| inbox::count_followers(tx, actor)).await.unwrap(), 0);
    // The owner comes back; so may who followed.
    github.world().user_mut(GITHUB, "mira").unwrap().bio = None;
    assert!(!look_up(node, GITHUB, &who).await.unwrap().1.is_refused);
    follow(follower, inbox_uri).await.unwrap();
    assert_eq!(alpha.get(&uri).await.0, 200);
    github.world().user_mut(GITHUB, "mira").unwrap().name = Some("Mira again".into());
    look_up(node, GITHUB, &who).await.unwrap();
    bring_out(&alpha).await;
    let told = beta.told().await;
    assert_eq!((told.len(), &told[2]["type"], &told[2]["object"]["name"]), (3, &"Update".into(), &"Mira again".into()));
    for server in [alpha, beta] {
        server.handle.stop(false).await;
    }
}
