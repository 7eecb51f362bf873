//! Instagram's subscriptions, as they were until 2020: an app is told when somebody who signed in to it posts something.
//!
//! Owns the handshake, by which an address says that it wants to be told, and the signature of what is sent. Source:
//! instagram.com/developer/subscriptions as it was; the signature is written there as HMAC-SHA1 with the app's secret.

use std::collections::BTreeMap;

use aws_lc_rs::hmac;
use serde_json::{Value, json};

use super::{PLATFORM, meta, post_by};
use crate::sandbox::model::{TokenKind, World};
use crate::sandbox::oauth::body_pairs;
use crate::sandbox::push::{self, Handshake, Hook, News, Push};
use crate::sandbox::reply::{Reply, Request};

/// `/v1/subscriptions`, which an app asks in its own name.
pub fn answer(world: &mut World, request: &Request) -> Reply {
    let mut given: BTreeMap<String, String> = request.query.clone();
    given.extend(body_pairs(request));
    let text = |name: &str| given.get(name).map_or("", String::as_str);
    let client = text("client_id").to_owned();
    let app = world.doors.app(PLATFORM, &client);
    let Some(secret) = app.and_then(|app| app.secret).filter(|secret| *secret == text("client_secret")) else {
        return meta(400, "OAuthClientException", "Invalid client_id or client_secret");
    };
    let is_of = |hook: &Hook| hook.platform == PLATFORM && hook.client == client;
    match request.method.as_str() {
        "GET" => {
            let known: Vec<Value> = world.pushes.hooks.iter().filter(|hook| is_of(hook)).map(shown).collect();
            Reply::json(200, &json!({ "meta": { "code": 200 }, "data": known }))
        }
        "DELETE" => {
            let (id, object) = (text("id"), text("object"));
            let is_meant = |hook: &Hook| match (id, object) {
                ("", object) => matches!(object, "all" | "user"),
                (id, _) => hook.id.to_string() == id,
            };
            world.pushes.hooks.retain(|hook| !(is_of(hook) && is_meant(hook)));
            Reply::json(200, &json!({ "meta": { "code": 200 }, "data": null }))
        }
        "POST" if text("object") != "user" || text("aspect") != "media" => {
            meta(400, "APISubscriptionError", "Invalid object or aspect: there is `user` with `media`")
        }
        "POST" => {
            let Some(url) = push::address(text("callback_url")) else {
                let message = "callback_url is not on this machine, and the sandbox tells nobody else";
                return meta(400, "APISubscriptionError", message);
            };
            let id = world.fresh_number();
            let expected = format!("challenge-{id}");
            let mut asked = url.clone();
            asked
                .query_pairs_mut()
                .append_pair("hub.mode", "subscribe")
                .append_pair("hub.challenge", &expected)
                .append_pair("hub.verify_token", text("verify_token"));
            let hook = Hook {
                id,
                platform: PLATFORM,
                client,
                post: String::new(),
                url,
                secret,
                events: vec!["media".to_owned()],
                is_json: true,
                base: request.base.clone(),
            };
            let refused = meta(400, "APISubscriptionError", "The callback_url did not return the challenge");
            let reply = Reply::json(200, &json!({ "meta": { "code": 200 }, "data": [shown(&hook)] }));
            world.pushes.handshake = Some(Handshake { hook: id, url: asked, expected, refused });
            world.pushes.hooks.push(hook);
            reply
        }
        _ => meta(405, "APINotAllowedError", "GET, POST and DELETE are known here"),
    }
}

fn shown(hook: &Hook) -> Value {
    json!({
        "id": hook.id.to_string(),
        "type": "subscription",
        "object": "user",
        "aspect": "media",
        "callback_url": hook.url.as_str(),
    })
}

/// What is sent when somebody posts: that there is something, not what it is.
pub fn pushes(world: &World, news: &News) -> Vec<Push> {
    let News::Posted { post, .. } = news else { return Vec::new() };
    let Some(post) = post_by(world, |known| known.id == *post) else { return Vec::new() };
    let has_signed_in = |hook: &&Hook| {
        world.tokens.iter().any(|((platform, _), token)| {
            *platform == PLATFORM
                && token.kind == TokenKind::Access
                && token.user.as_deref() == Some(&post.owner)
                && token.client == hook.client
                && !token.is_revoked
        })
    };
    let hooks = world.pushes.hooks.iter().filter(|hook| hook.platform == PLATFORM);
    hooks
        .filter(has_signed_in)
        .map(|hook| {
            let body = json!([{
                "subscription_id": hook.id.to_string(),
                "object": "user",
                "object_id": post.owner,
                "changed_aspect": "media",
                "time": post.created_at.seconds(),
            }])
            .to_string();
            let key = hmac::Key::new(hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY, hook.secret.as_bytes());
            let signature = hex::encode(hmac::sign(&key, body.as_bytes()));
            let headers = vec![("content-type", "application/json".to_owned()), ("x-hub-signature", signature)];
            Push { url: hook.url.clone(), event: "media", headers, body: body.into_bytes() }
        })
        .collect()
}
