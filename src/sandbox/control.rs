//! The control plane: how a test, the demo or a curious person moves the sandbox's world.
//!
//! Owns the commands below `/_sim/`. All take and give JSON; a name that fits nothing is 404, a form that is not
//! understood is 400. Users are named by id or handle, posts by id or `handle/name`.

use std::io::{Cursor, Write};
use std::time::Duration;

use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, ZipWriter};

use super::fault::Fault;
use super::model::{Missing, PostKind, Token, UserKind, World};
use super::oauth::App;
use super::reply::{Reply, Request, decoded as percent_decoded};
use super::simulated;
use crate::domain::identity::Platform;
use crate::domain::time::Timestamp;

/// Why a command is not carried out.
#[derive(Debug, thiserror::Error)]
pub enum CommandError {
    #[error(transparent)]
    Missing(#[from] Missing),
    #[error("{0}")]
    Form(String),
    #[error("there is no command `{method} /_sim/{command}`")]
    Unknown { method: String, command: String },
}

/// A whole world, or an addition to it.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Scenario {
    pub now: Option<String>,
    pub users: Vec<ScenarioUser>,
    pub posts: Vec<ScenarioPost>,
    pub likes: Vec<ScenarioLike>,
    pub tokens: Vec<ScenarioToken>,
    pub apps: Vec<ScenarioApp>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ScenarioUser {
    pub platform: String,
    pub handle: String,
    pub id: Option<String>,
    #[serde(default)]
    pub kind: UserKind,
    pub name: Option<String>,
    pub bio: Option<String>,
    pub website: Option<String>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ScenarioPost {
    pub platform: String,
    pub owner: String,
    pub name: String,
    pub id: Option<String>,
    /// The post that it hangs below, by id or `handle/name`.
    pub parent: Option<String>,
    /// What is usual on the platform when absent.
    pub kind: Option<PostKind>,
    pub title: Option<String>,
    pub description: Option<String>,
    #[serde(default)]
    pub tags: Vec<String>,
    pub licence: Option<String>,
    #[serde(default)]
    pub is_private: bool,
    #[serde(default)]
    pub is_sensitive: bool,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ScenarioLike {
    pub platform: String,
    pub user: String,
    pub post: String,
    /// RFC 3339; now when absent.
    pub at: Option<String>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ScenarioToken {
    pub platform: String,
    pub user: String,
    pub token: String,
    /// Makes it a token of OAuth 1.0a.
    pub secret: Option<String>,
    /// All there are when absent.
    pub scopes: Option<Vec<String>>,
    /// Seconds; it does not end when absent.
    pub expires_in: Option<u64>,
}

/// An app that a platform knows, beside the one that all do.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ScenarioApp {
    pub platform: String,
    pub client_id: String,
    pub client_secret: Option<String>,
    #[serde(default)]
    pub redirect_uris: Vec<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ClockCommand {
    /// Seconds.
    advance: Option<u64>,
    now: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ProfileCommand {
    platform: String,
    user: String,
    /// The address to show as website; an empty text takes it away.
    backlink: Option<String>,
    bio: Option<String>,
    name: Option<String>,
}

/// Takes back all tokens of a user.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RevokeCommand {
    platform: String,
    user: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RenameCommand {
    platform: String,
    user: Option<String>,
    post: Option<String>,
    to: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct DeleteCommand {
    platform: String,
    user: Option<String>,
    post: Option<String>,
}

/// Carries out one command.
pub fn answer(world: &mut World, command: &str, request: &Request) -> Reply {
    let wanted = command.strip_prefix("exports/").and_then(|path| path.strip_suffix(".zip")?.split_once('/'));
    if let Some((platform, user)) = wanted.filter(|_| request.method == "GET") {
        return match export(world, platform, user) {
            Ok(bytes) => Reply { status: 200, body: bytes, ..Reply::default() },
            Err(error) => Reply::json(404, &json!({ "error": error.to_string() })),
        };
    }
    match carry_out(world, command, request) {
        Ok(value) => Reply::json(200, &value),
        Err(error) => {
            let status = if matches!(error, CommandError::Form(_)) { 400 } else { 404 };
            Reply::json(status, &json!({ "error": error.to_string() }))
        }
    }
}

fn carry_out(world: &mut World, command: &str, request: &Request) -> Result<Value, CommandError> {
    let body = request.body.as_slice();
    match (request.method.as_str(), command) {
        ("GET", "requests") => return Ok(json!({ "requests": world.requests })),
        ("POST", "reset") => *world = World::new(),
        ("POST", "scenario") => add(world, form(body)?)?,
        ("POST", "clock") => clock(world, form(body)?)?,
        ("POST", "like") => like(world, form(body)?)?,
        ("POST", "unlike") => {
            let ScenarioLike { platform, user, post, .. } = form(body)?;
            world.unlike(platform_of(&platform)?, &user, &post)?;
        }
        ("POST", "profile") => profile(world, form(body)?)?,
        ("POST", "revoke") => {
            let RevokeCommand { platform, user } = form(body)?;
            world.revoke_tokens(platform_of(&platform)?, &user)?;
        }
        ("POST", "rename") => rename(world, form(body)?)?,
        ("POST", "delete") => delete(world, form(body)?)?,
        ("POST", "fault") => {
            let fault: Fault = form(body)?;
            platform_of(&fault.platform)?;
            world.faults.add(fault);
        }
        (method, command) => {
            return Err(CommandError::Unknown { method: method.to_owned(), command: command.to_owned() });
        }
    }
    Ok(json!({ "now": world.now.to_string() }))
}

/// Adds a scenario to the world: users, then posts, then likes, tokens and apps, each in the order given.
pub fn add(world: &mut World, scenario: Scenario) -> Result<(), CommandError> {
    if let Some(now) = &scenario.now {
        world.now = time(now)?;
    }
    for wanted in scenario.users {
        let user = world.add_user(platform_of(&wanted.platform)?, &wanted.handle);
        user.id = wanted.id.unwrap_or_else(|| user.id.clone());
        user.kind = wanted.kind;
        user.name = wanted.name;
        user.bio = wanted.bio;
        user.website = wanted.website;
    }
    for wanted in scenario.posts {
        let platform = platform_of(&wanted.platform)?;
        let parent =
            wanted.parent.map(|parent| world.post(platform, &parent).map(|post| post.id.clone())).transpose()?;
        let post = world.add_post(platform, &wanted.owner, &wanted.name)?;
        post.id = wanted.id.unwrap_or_else(|| post.id.clone());
        if parent.is_some() && post.kind == PostKind::Repository {
            post.kind = PostKind::Release;
        }
        post.kind = wanted.kind.unwrap_or(post.kind);
        post.parent = parent;
        post.title = wanted.title;
        post.tags = wanted.tags;
        post.is_sensitive = wanted.is_sensitive;
        post.description = wanted.description;
        post.licence = wanted.licence;
        post.is_private = wanted.is_private;
    }
    for wanted in scenario.likes {
        like(world, wanted)?;
    }
    for wanted in scenario.tokens {
        let platform = platform_of(&wanted.platform)?;
        let user = world.user(platform, &wanted.user)?.id.clone();
        let token = match &wanted.secret {
            Some(secret) => Token::signed(&user, secret),
            None => Token::of(&user),
        };
        let expires_at = wanted.expires_in.map(|seconds| world.now.plus(Duration::from_secs(seconds)));
        world.tokens.insert((platform, wanted.token), Token { scopes: wanted.scopes, expires_at, ..token });
    }
    for ScenarioApp { platform, client_id, client_secret, redirect_uris } in scenario.apps {
        let app = App { id: client_id, secret: client_secret, redirect_uris };
        world.doors.add_app(platform_of(&platform)?, app);
    }
    Ok(())
}

/// The export file of a user, as the platform would hand it out.
///
/// - `user`: by id or handle, as it stands in an address.
pub fn export(world: &World, platform: &str, user: &str) -> Result<Vec<u8>, CommandError> {
    let platform = platform_of(platform)?;
    let user = percent_decoded(user);
    let user = world.user(platform, &user)?.id.clone();
    let members = match simulated(platform) {
        Some(simulated) => simulated.export(world, &user)?,
        None => Vec::new(),
    };
    if members.is_empty() {
        return Err(Missing { what: "export file of", name: user, platform }.into());
    }
    let mut writer = ZipWriter::new(Cursor::new(Vec::new()));
    let options = SimpleFileOptions::default().compression_method(CompressionMethod::Deflated);
    for (path, bytes) in members {
        writer.start_file(path, options).expect("an archive in memory takes every member");
        writer.write_all(&bytes).expect("memory takes every byte");
    }
    Ok(writer.finish().expect("an archive in memory can be ended").into_inner())
}

fn clock(world: &mut World, command: ClockCommand) -> Result<(), CommandError> {
    if let Some(now) = command.now {
        world.now = time(&now)?;
    }
    if let Some(seconds) = command.advance {
        world.advance(Duration::from_secs(seconds));
    }
    Ok(())
}

fn like(world: &mut World, command: ScenarioLike) -> Result<(), CommandError> {
    let at = command.at.as_deref().map(time).transpose()?.unwrap_or(world.now);
    Ok(world.like(platform_of(&command.platform)?, &command.user, &command.post, at)?)
}

fn profile(world: &mut World, command: ProfileCommand) -> Result<(), CommandError> {
    let user = world.user_mut(platform_of(&command.platform)?, &command.user)?;
    for (field, wanted) in
        [(&mut user.website, command.backlink), (&mut user.bio, command.bio), (&mut user.name, command.name)]
    {
        if let Some(text) = wanted {
            *field = Some(text).filter(|text| !text.is_empty());
        }
    }
    Ok(())
}

fn rename(world: &mut World, command: RenameCommand) -> Result<(), CommandError> {
    let platform = platform_of(&command.platform)?;
    match (command.user, command.post) {
        (Some(user), None) => Ok(world.rename_user(platform, &user, &command.to)?),
        (None, Some(post)) => Ok(world.rename_post(platform, &post, &command.to)?),
        _ => Err(CommandError::Form("name either a user or a post".to_owned())),
    }
}

fn delete(world: &mut World, command: DeleteCommand) -> Result<(), CommandError> {
    let platform = platform_of(&command.platform)?;
    match (command.user, command.post) {
        (Some(user), None) => Ok(world.delete_user(platform, &user)?),
        (None, Some(post)) => Ok(world.delete_post(platform, &post)?),
        _ => Err(CommandError::Form("name either a user or a post".to_owned())),
    }
}

fn form<T: DeserializeOwned>(body: &[u8]) -> Result<T, CommandError> {
    serde_json::from_slice(body).map_err(|error| CommandError::Form(error.to_string()))
}

fn platform_of(slug: &str) -> Result<Platform, CommandError> {
    slug.parse().map_err(|error: crate::domain::identity::IdentityError| CommandError::Form(error.to_string()))
}

fn time(text: &str) -> Result<Timestamp, CommandError> {
    text.parse().map_err(|error: crate::domain::time::TimeError| CommandError::Form(error.to_string()))
}
