//! The control plane as others use it: over HTTP.

use std::net::SocketAddr;

use serde_json::{Value, json};

use super::sandbox;
use crate::domain::identity::Platform;
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

async fn delete(sandbox: &Sandbox, command: &str) -> u16 {
    let client = reqwest::Client::builder().no_proxy().build().unwrap();
    client.delete(format!("http://{}/_sim/{command}", sandbox.addr)).send().await.unwrap().status().as_u16()
}

#[tokio::test]
async fn the_control_plane_may_have_a_port_that_has_nothing_else() {
    let anywhere = SocketAddr::from(([127, 0, 0, 1], 0));
    let sandbox = this::start_apart(anywhere, Some(anywhere)).await.unwrap();
    let at = |addr: SocketAddr, path: &str| format!("http://{addr}{path}");
    let (platforms, control) = (sandbox.addr, sandbox.control_addr);
    assert_ne!(platforms, control);
    sandbox.world().add_user(Platform::Flickr, "mira");
    assert_eq!(get(at(platforms, "/_sim/requests")).await.0, 404);
    let (status, _) = post(&sandbox, "scenario", json!({"users": []})).await;
    assert_eq!(status, 404);
    assert_eq!(get(at(control, "/_sim/requests")).await.1["requests"], json!([]));
    assert_eq!(get(at(control, "/github/users/mira")).await.0, 404);
    let client = reqwest::Client::builder().no_proxy().build().unwrap();
    for addr in [platforms, control] {
        let file = client.get(at(addr, "/_sim/exports/flickr/mira.zip")).send().await.unwrap();
        assert_eq!(file.status(), 200, "people download it from their profile");
    }
    let outside = this::start_apart(anywhere, Some("0.0.0.0:0".parse().unwrap())).await;
    assert!(matches!(outside, Err(this::Error::NotLoopback(_))));
    sandbox.stop().await;
}

#[tokio::test]
async fn a_scenario_that_is_refused_leaves_nothing_behind() {
    let sandbox = sandbox().await;
    let mira = json!({"platform": "github", "handle": "mira", "id": "501"});
    let tides = json!({"platform": "github", "owner": "mira", "name": "tides"});
    let like = json!({"platform": "github", "user": "mira", "post": "mira/nothing"});
    let (status, refused) = post(
        &sandbox,
        "scenario",
        json!({"now": "2013-07-01T00:00:00Z", "users": [&mira], "posts": [&tides], "likes": [like]}),
    )
    .await;
    assert_eq!((status, refused["error"].as_str().unwrap()), (404, "there is no post `mira/nothing` on github"));
    assert_eq!(sandbox.world().now.to_string(), "2013-06-01T00:00:00Z");
    assert!(sandbox.world().users.is_empty() && sandbox.world().posts.is_empty());
    assert_eq!(post(&sandbox, "scenario", json!({"users": [&mira], "posts": [&tides]})).await.0, 200);

    let nils = json!({"platform": "github", "handle": "nils"});
    for taken in [
        json!({"users": [&nils, {"platform": "github", "handle": "Mira"}]}),
        json!({"users": [&nils, {"platform": "github", "handle": "ana", "id": "501"}]}),
        json!({"users": [&nils], "posts": [{"platform": "github", "owner": "mira", "name": "Tides"}]}),
    ] {
        let (status, refused) = post(&sandbox, "scenario", taken).await;
        assert_eq!(status, 409, "{refused}");
        assert_eq!(sandbox.world().users.len(), 1);
    }
    post(
        &sandbox,
        "scenario",
        json!({"users": [nils], "posts": [{"platform": "github", "owner": "mira", "name": "maps"}]}),
    )
    .await;
    let (status, refused) = post(&sandbox, "rename", json!({"platform": "github", "user": "nils", "to": "MIRA"})).await;
    assert_eq!((status, refused["error"].as_str().unwrap()), (409, "there is a user `MIRA` on github already"));
    let onto = json!({"platform": "github", "post": "mira/maps", "to": "tides"});
    assert_eq!(post(&sandbox, "rename", onto).await.0, 409);
    assert_eq!(post(&sandbox, "rename", json!({"platform": "github", "user": "mira", "to": "Mira"})).await.0, 200);
    sandbox.stop().await;
}

#[tokio::test]
async fn the_clock_goes_forward_within_years_that_exist() {
    let sandbox = sandbox().await;
    let shown = async || post(&sandbox, "clock", json!({})).await.1["now"].as_str().unwrap().to_owned();
    // Before anybody has seen it, a world may begin when it likes.
    assert_eq!(post(&sandbox, "clock", json!({"now": "2012-01-01T00:00:00Z"})).await.0, 200);
    sandbox.world().add_user(Platform::GitHub, "mira");
    for wrong in [
        json!({"now": "1960-01-01T00:00:00Z"}),
        json!({"now": "2011-12-31T23:59:59Z"}),
        json!({"now": "9999-01-01T00:00:00Z"}),
        json!({"advance": u64::MAX}),
        json!({"advance": 9_000_000_000_u64}),
        json!({"now": "2013-01-01T00:00:00Z", "advance": u64::MAX}),
    ] {
        let (status, refused) = post(&sandbox, "clock", wrong.clone()).await;
        assert_eq!(status, 400, "{wrong}");
        assert!(refused["error"].as_str().is_some_and(|text| text.contains(" is ")), "{refused}");
        assert_eq!(shown().await, "2012-01-01T00:00:00Z", "{wrong}");
    }
    let back = json!({"now": "2011-01-01T00:00:00Z"});
    assert_eq!(post(&sandbox, "scenario", back).await.0, 400);
    let like = json!({"platform": "github", "user": "mira", "post": "mira/x", "at": "0001-01-01T00:00:00Z"});
    assert_eq!(post(&sandbox, "like", like).await.0, 400);
    assert_eq!(get(format!("{}/users/mira", sandbox.base_url(Platform::GitHub))).await.0, 200, "it still answers");
    sandbox.stop().await;
}

#[tokio::test]
async fn a_fault_by_chance_can_be_ended_without_ending_the_world() {
    let sandbox = sandbox().await;
    sandbox.world().add_user(Platform::GitHub, "mira");
    let mira = format!("{}/users/mira", sandbox.base_url(Platform::GitHub));
    let fault = json!({"platform": "github", "kind": "rate_limited", "probability": 1});
    let misspelt = json!({"platform": "github", "kind": "rate_limited", "propability": 0.5});
    assert_eq!(post(&sandbox, "fault", misspelt).await.0, 400);
    let id = post(&sandbox, "fault", fault.clone()).await.1["id"].clone();
    post(&sandbox, "fault", fault).await;
    for _ in 0..3 {
        assert_ne!(get(mira.clone()).await.0, 200);
    }
    let listed = get(format!("http://{}/_sim/faults", sandbox.addr)).await.1;
    assert_eq!(listed["faults"].as_array().unwrap().len(), 2, "{listed}");
    assert_eq!((delete(&sandbox, &format!("faults/{id}")).await, delete(&sandbox, "faults/99").await), (200, 404));
    assert_ne!(get(mira.clone()).await.0, 200, "the other one is on");
    assert_eq!(delete(&sandbox, "faults").await, 200);
    assert_eq!(get(mira).await.0, 200);
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
