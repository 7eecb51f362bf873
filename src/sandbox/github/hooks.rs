//! GitHub's webhooks of a repository, as far as stars go: `star`, `watch`, and the `ping` with which each begins.
//!
//! Owns who may ask for them (the owner of the repository) and what is sent. Source: docs.github.com, "Repository
//! webhooks", "Webhook events and payloads", "Validating webhook deliveries".

use aws_lc_rs::hmac;
use serde::Deserialize;
use serde_json::{Value, json};

use super::{PLATFORM, by_id, payload, problem, repository_at, user_by};
use crate::sandbox::model::World;
use crate::sandbox::push::{self, Hook, News, Push};
use crate::sandbox::reply::{Reply, Request};

#[derive(Deserialize)]
struct Wanted {
    #[serde(default = "usual_events")]
    events: Vec<String>,
    config: Config,
}

#[derive(Deserialize)]
struct Config {
    url: String,
    #[serde(default)]
    content_type: String,
    #[serde(default)]
    secret: String,
}

fn usual_events() -> Vec<String> {
    vec!["push".to_owned()]
}

/// What is below `/repos/{owner}/{name}/hooks`.
pub fn answer(world: &mut World, request: &Request, caller: Option<&str>, path: &str, below: &[&str]) -> Reply {
    let Some(post) = repository_at(world, path) else { return problem(404, "Not Found") };
    // Whoever may not administer it learns nothing.
    if caller != Some(post.owner.as_str()) {
        return problem(if caller.is_none() { 401 } else { 404 }, "Not Found");
    }
    let post = post.id.clone();
    let is_of = |hook: &&Hook| hook.platform == PLATFORM && hook.post == post;
    match (request.method.as_str(), below) {
        ("GET", []) => {
            Reply::json(200, &world.pushes.hooks.iter().filter(is_of).map(|hook| shown(hook, path)).collect())
        }
        ("POST", []) => {
            let Ok(wanted) = serde_json::from_slice::<Wanted>(&request.body) else {
                return problem(422, "Validation Failed");
            };
            let Some(url) = push::address(&wanted.config.url) else {
                return problem(
                    422,
                    "Validation Failed: url is not on this machine, and the sandbox tells nobody else",
                );
            };
            let hook = Hook {
                id: world.fresh_number(),
                platform: PLATFORM,
                client: String::new(),
                post,
                url,
                secret: wanted.config.secret,
                events: wanted.events,
                is_json: wanted.config.content_type == "json",
                base: request.base.clone(),
            };
            let (id, reply) = (hook.id, Reply::json(201, &shown(&hook, path)));
            world.pushes.hooks.push(hook);
            world.pushes.note(News::Hooked { platform: PLATFORM, hook: id });
            reply
        }
        ("GET" | "DELETE", [id]) => {
            let found = world.pushes.hooks.iter().filter(is_of).find(|hook| hook.id.to_string() == *id);
            let Some((id, document)) = found.map(|hook| (hook.id, shown(hook, path))) else {
                return problem(404, "Not Found");
            };
            if request.method == "GET" {
                return Reply::json(200, &document);
            }
            world.pushes.hooks.retain(|hook| hook.id != id);
            Reply::empty(204)
        }
        _ => problem(404, "Not Found"),
    }
}

fn shown(hook: &Hook, path: &str) -> Value {
    let api = format!("{}/repos/{path}/hooks/{}", hook.base, hook.id);
    let mut config = json!({
        "url": hook.url.as_str(),
        "content_type": if hook.is_json { "json" } else { "form" },
        "insecure_ssl": "0",
    });
    if !hook.secret.is_empty() {
        config["secret"] = json!("********");
    }
    json!({
        "type": "Repository",
        "id": hook.id,
        "name": "web",
        "active": true,
        "events": hook.events,
        "config": config,
        "url": api,
        "ping_url": format!("{api}/pings"),
        "test_url": format!("{api}/test"),
        "deliveries_url": format!("{api}/deliveries"),
        "last_response": { "code": null, "status": "unused", "message": null },
    })
}

/// What is sent on some news.
pub fn pushes(world: &World, news: &News, number: u64) -> Vec<Push> {
    let hooks = world.pushes.hooks.iter().filter(|hook| hook.platform == PLATFORM);
    match news {
        News::Hooked { hook: id, .. } => hooks
            .filter(|hook| hook.id == *id)
            .filter_map(|hook| {
                let repository = payload::repository(world, by_id(world, &hook.post)?, &hook.base);
                let (zen, id) = ("Keep it logically awesome.", hook.id);
                let document = json!({ "zen": zen, "hook_id": id, "repository": repository, "hook": shown(hook, "-") });
                Some(sent(hook, "ping", number, &document))
            })
            .collect(),
        News::Liked { user, post, at, .. } => {
            let about: Vec<&Hook> = hooks.filter(|hook| hook.post == *post).collect();
            let starred = |event: &'static str, action: &str, more: Value| {
                let document = |hook: &&&Hook| {
                    let mut document = about_star(world, hook, user, post, action)?;
                    document.as_object_mut()?.extend(more.as_object()?.clone());
                    Some(sent(hook, event, number, &document))
                };
                about.iter().filter(|hook| wants(hook, event)).filter_map(|hook| document(&hook)).collect::<Vec<Push>>()
            };
            let mut pushes = starred("star", "created", json!({ "starred_at": at.to_string() }));
            pushes.extend(starred("watch", "started", json!({})));
            pushes
        }
        News::Unliked { user, post, .. } => hooks
            .filter(|hook| hook.post == *post && wants(hook, "star"))
            .filter_map(|hook| {
                let mut document = about_star(world, hook, user, post, "deleted")?;
                document["starred_at"] = Value::Null;
                Some(sent(hook, "star", number, &document))
            })
            .collect(),
        News::Posted { .. } => Vec::new(),
    }
}

fn wants(hook: &Hook, event: &str) -> bool {
    hook.events.iter().any(|wanted| wanted == event || wanted == "*")
}

fn about_star(world: &World, hook: &Hook, user: &str, post: &str, action: &str) -> Option<Value> {
    let sender = payload::simple_user(user_by(world, user, super::By::Id)?, &hook.base);
    let repository = payload::repository(world, by_id(world, post)?, &hook.base);
    Some(json!({ "action": action, "repository": repository, "sender": sender }))
}

fn sent(hook: &Hook, event: &'static str, number: u64, document: &Value) -> Push {
    let document = document.to_string();
    let (kind, body) = if hook.is_json {
        ("application/json", document)
    } else {
        let form = url::form_urlencoded::Serializer::new(String::new()).append_pair("payload", &document).finish();
        ("application/x-www-form-urlencoded", form)
    };
    let mut headers = vec![
        ("content-type", kind.to_owned()),
        ("user-agent", "GitHub-Hookshot/sandbox".to_owned()),
        ("x-github-event", event.to_owned()),
        ("x-github-hook-id", hook.id.to_string()),
        // A GUID in its form, and the same in every run.
        ("x-github-delivery", format!("{:08x}-0000-4000-8000-{number:012x}", hook.id & 0xffff_ffff)),
    ];
    if !hook.secret.is_empty() {
        let digest = |algorithm| {
            let key = hmac::Key::new(algorithm, hook.secret.as_bytes());
            hex::encode(hmac::sign(&key, body.as_bytes()))
        };
        headers.push(("x-hub-signature", format!("sha1={}", digest(hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY))));
        headers.push(("x-hub-signature-256", format!("sha256={}", digest(hmac::HMAC_SHA256))));
    }
    Push { url: hook.url.clone(), event, headers, body: body.into_bytes() }
}
