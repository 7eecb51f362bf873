//! The control plane as others use it: over HTTP.

use std::net::SocketAddr;

use serde_json::{Value, json};

use super::sandbox;
use crate::domain::identity::Platform;
use crate::sandbox::model::World;
use crate::sandbox::{self as this, Sandbox};

async fn post(sandbox: &Sandbox, command: &str, body: Value) -> (u16, Value) {
    let client = reqwest::Client::builder().no_proxy().build().unwrap();
    let reply =
        client.post(format!("http://{}/_sim/{command}", sandbox.addr)).body(body.to_string()).send().await.unwrap();
    (reply.status().as_u16(), serde_json::from_slice(&reply.bytes().await.unwrap()).unwrap())
}

async fn get(url: String) -> (u16, Value) {
    let client = reqwest::Client::builder().no_proxy().user_agent("test").build().unwrap();
    let reply = client.get(url).header("accept", "application/vnd.github.star+json").send().await.unwrap();
    (reply.status().as_u16(), serde_json::from_slice(&reply.bytes().await.unwrap()).unwrap())
}

#[tokio::test]
async fn only_loopback_is_served() {
    for address in ["0.0.0.0:0", "192.0.2.1:0", "[::]:0"] {
        let refused = this::start(address.parse::<SocketAddr>().unwrap()).await;
        assert!(matches!(refused, Err(this::Error::NotLoopback(_))), "{address}");
    }
}

#[tokio::test]
async fn a_world_is_built_moved_and_read_over_http() {
    let sandbox = sandbox().await;
    let scenario = json!({
        "now": "2013-06-10T00:00:00Z",
        "users": [
            {"platform": "github", "handle": "mira", "id": "501", "bio": "maps"},
            {"platform": "github", "handle": "fjord-lab", "kind": "organization"},
        ],
        "posts": [{"platform": "github", "owner": "fjord-lab", "name": "tides", "licence": "MIT"}],
        "likes": [{"platform": "github", "user": "mira", "post": "fjord-lab/tides", "at": "2013-06-09T00:00:00Z"}],
        "tokens": [{"platform": "github", "user": "mira", "token": "t-mira"}],
    });
    assert_eq!(post(&sandbox, "scenario", scenario).await.0, 200);
    let base = sandbox.base_url(Platform::GitHub);
    let (_, likes) = get(format!("{base}/users/mira/starred")).await;
    assert_eq!(likes.pointer("/0/starred_at"), Some(&json!("2013-06-09T00:00:00Z")));
    assert_eq!(likes.pointer("/0/repo/owner/type"), Some(&json!("Organization")));

    let mira = json!({"platform": "github", "user": "mira"});
    let with = |extra: Value| {
        let mut command = mira.clone();
        command.as_object_mut().unwrap().extend(extra.as_object().unwrap().clone());
        command
    };
    post(&sandbox, "unlike", with(json!({"post": "fjord-lab/tides"}))).await;
    assert_eq!(get(format!("{base}/users/mira/starred")).await.1, json!([]));
    post(&sandbox, "like", with(json!({"post": "fjord-lab/tides"}))).await;
    assert_eq!(get(format!("{base}/users/mira/starred")).await.1.as_array().unwrap().len(), 1);
    post(&sandbox, "profile", with(json!({"backlink": "https://node.example/claim/1"}))).await;
    assert_eq!(get(format!("{base}/user/501")).await.1["blog"], "https://node.example/claim/1");
    post(&sandbox, "rename", with(json!({"to": "mira-lund"}))).await;
    assert_eq!(get(format!("{base}/users/mira")).await.0, 404);
    assert_eq!(get(format!("{base}/user/501")).await.1["login"], "mira-lund");
    assert_eq!(post(&sandbox, "clock", json!({"advance": 90})).await.1["now"], "2013-06-10T00:01:30Z");
    post(&sandbox, "fault", json!({"platform": "github", "path_glob": "/user*", "kind": "http_502"})).await;
    let log = get(format!("http://{}/_sim/requests", sandbox.addr)).await.1;
    let last = log["requests"].as_array().unwrap().last().unwrap();
    assert_eq!((&last["path"], &last["status"]), (&json!("/user/501"), &json!(200)));
    post(&sandbox, "delete", json!({"platform": "github", "user": "501"})).await;
    post(&sandbox, "reset", json!({})).await;
    assert_eq!(get(format!("{base}/users/fjord-lab")).await.0, 404);
    sandbox.stop().await;
}

#[tokio::test]
async fn a_command_that_names_nothing_is_refused() {
    let sandbox = sandbox().await;
    let nobody = json!({"platform": "github", "user": "nobody", "post": "a/b"});
    assert_eq!(post(&sandbox, "like", nobody).await.0, 404);
    assert_eq!(post(&sandbox, "like", json!({"platform": "myspace", "user": "a", "post": "b"})).await.0, 400);
    assert_eq!(post(&sandbox, "fault", json!({"platform": "github", "kind": "flood"})).await.0, 400);
    assert_eq!(post(&sandbox, "clock", json!({"forward": 1})).await.0, 400);
    assert_eq!(post(&sandbox, "dance", json!({})).await.0, 404);
    sandbox.stop().await;
}

#[tokio::test]
async fn an_export_is_handed_out_where_the_platform_has_one() {
    let sandbox = sandbox().await;
    sandbox.world().add_user(Platform::GitHub, "mira");
    let at = |path: &str| format!("http://{}/_sim/exports/{path}", sandbox.addr);
    for path in ["github/mira.zip", "github/nobody.zip", "vimeo/mira.zip", "myspace/mira.zip"] {
        assert_eq!(get(at(path)).await.0, 404, "{path}");
    }
    sandbox.stop().await;
}

#[test]
fn ids_have_the_form_that_the_platform_gives_out() {
    let check = |platform, is_user, expected| assert_eq!(World::id_for(platform, 77, is_user), expected);
    check(Platform::Flickr, true, "77@N00");
    check(Platform::Flickr, false, "77");
    check(Platform::SoundCloud, true, "soundcloud:users:77");
    check(Platform::SoundCloud, false, "soundcloud:tracks:77");
    check(Platform::Twitter, true, "77");
}
