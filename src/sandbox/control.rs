//! The control plane: how a test, the demo or a curious person moves the sandbox's world.
//!
//! Owns the commands below `/_sim/`. All take and give JSON; a name that fits nothing is 404, one that is taken is 409, a
//! form that is not understood is 400. What is refused changes nothing. Users are named by id or handle, posts by id or
//! `handle/name`.

use std::io::{Cursor, Write};

use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, ZipWriter};

use super::fault::Fault;
use super::model::{Missing, Post, PostKind, Token, User, UserKind, World};
use super::oauth::App;
use super::push::News;
use super::reply::{Reply, Request, decoded as percent_decoded};
use super::simulated;
use crate::domain::identity::Platform;
use crate::domain::time::Timestamp;

/// Why a command is not carried out.
#[derive(Debug, thiserror::Error)]
pub enum CommandError {
    #[error(transparent)]
    Missing(#[from] Missing),
    #[error("there is a {what} `{name}` on {platform} already")]
    Taken { what: &'static str, name: String, platform: Platform },
    #[error("{0}")]
    Form(String),
    #[error("no fault with the number {0} is on")]
    NoFault(String),
    #[error("there is no command `{method} /_sim/{command}`")]
    Unknown { method: String, command: String },
}

impl CommandError {
    const fn status(&self) -> u16 {
        match self {
            CommandError::Missing(_) | CommandError::NoFault(_) | CommandError::Unknown { .. } => 404,
            CommandError::Taken { .. } => 409,
            CommandError::Form(_) => 400,
        }
    }
}

/// The times that the sandbox lives in: what platforms write as HTTP dates, and until the ids of tweets end.
const TIMES: [Timestamp; 2] = [Timestamp::from_seconds(0), Timestamp::from_seconds(3_471_292_800)];

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
        return match export_as(world, platform, user, request.query.get("form").map(String::as_str)) {
            Ok(bytes) => Reply { status: 200, body: bytes, ..Reply::default() },
            Err(error) => Reply::json(error.status(), &json!({ "error": error.to_string() })),
        };
    }
    match carry_out(world, command, request) {
        Ok(value) => Reply::json(200, &value),
        Err(error) => Reply::json(error.status(), &json!({ "error": error.to_string() })),
    }
}

fn carry_out(world: &mut World, command: &str, request: &Request) -> Result<Value, CommandError> {
    let body = request.body.as_slice();
    match (request.method.as_str(), command) {
        ("GET", "requests") => return Ok(json!({ "requests": world.requests })),
        ("GET", "pushes") => return Ok(json!({ "pushes": world.pushes.told })),
        ("GET", "faults") => return Ok(json!({ "faults": world.faults.list() })),
        ("DELETE", "faults") => world.faults.end_all(),
        ("DELETE", command) if command.starts_with("faults/") => {
            let id = &command["faults/".len()..];
            if !id.parse().is_ok_and(|id| world.faults.end(id)) {
                return Err(CommandError::NoFault(id.to_owned()));
            }
        }
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
            let id = world.faults.add(fault);
            return Ok(json!({ "now": world.now.to_string(), "id": id }));
        }
        (method, command) => {
            return Err(CommandError::Unknown { method: method.to_owned(), command: command.to_owned() });
        }
    }
    Ok(json!({ "now": world.now.to_string() }))
}

/// Adds a scenario to the world: users, then posts, then likes, tokens and apps, each in the order given.
///
/// - errors: nothing of it is there then.
pub fn add(world: &mut World, scenario: Scenario) -> Result<(), CommandError> {
    let mut next = world.clone();
    add_to(&mut next, scenario)?;
    *world = next;
    Ok(())
}

fn add_to(world: &mut World, scenario: Scenario) -> Result<(), CommandError> {
    if let Some(now) = &scenario.now {
        set_clock(world, time(now)?)?;
    }
    for wanted in scenario.users {
        let platform = platform_of(&wanted.platform)?;
        for name in [Some(&wanted.handle), wanted.id.as_ref()].into_iter().flatten() {
            is_free("user", platform, name, world.user(platform, name).is_ok())?;
        }
        let user = world.add_user(platform, &wanted.handle);
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
        if let Some(id) = &wanted.id {
            let is_taken = world.posts.iter().any(|post| post.platform == platform && post.id == *id);
            is_free("post", platform, id, is_taken)?;
        }
        if parent.is_none() {
            is_name_free(world, world.user(platform, &wanted.owner)?, &wanted.name, None)?;
        }
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
        let post = post.id.clone();
        world.pushes.note(News::Posted { platform, post });
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
        let expires_at = wanted.expires_in.map(|seconds| later(world.now, seconds)).transpose()?;
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
    export_as(world, platform, user, None)
}

/// The same in a form of the platform's that has a name; `None` for the usual one.
pub fn export_as(world: &World, platform: &str, user: &str, form: Option<&str>) -> Result<Vec<u8>, CommandError> {
    let unknown =
        |_| CommandError::Unknown { method: "GET".to_owned(), command: format!("exports/{platform}/{user}.zip") };
    let platform = platform.parse::<Platform>().map_err(unknown)?;
    let user = percent_decoded(user);
    let user = world.user(platform, &user)?.id.clone();
    let members = match (simulated(platform), form) {
        (Some(simulated), None) => simulated.export(world, &user)?,
        (Some(simulated), Some(form)) if simulated.export_forms().contains(&form) => {
            simulated.export_as(form, world, &user)?
        }
        (_, Some(form)) => return Err(CommandError::Form(format!("no export of {platform} has the form `{form}`"))),
        (None, None) => Vec::new(),
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
    let from = command.now.as_deref().map(time).transpose()?.unwrap_or(world.now);
    set_clock(world, later(from, command.advance.unwrap_or(0))?)
}

/// Time does not run backwards for anybody who has seen it: limits, tokens and what instances have noted depend on it.
fn set_clock(world: &mut World, to: Timestamp) -> Result<(), CommandError> {
    let is_untouched = world.users.is_empty() && world.requests.is_empty();
    if to < world.now && !is_untouched {
        let now = world.now;
        return Err(CommandError::Form(format!("the clock shows {now} and is not turned back to {to}")));
    }
    world.now = to;
    Ok(())
}

fn later(from: Timestamp, seconds: u64) -> Result<Timestamp, CommandError> {
    let out_of_range = || CommandError::Form(format!("{seconds} seconds after {from} is after {}", TIMES[1]));
    let seconds = i64::try_from(seconds).map_err(|_| out_of_range())?;
    let is_within = seconds <= TIMES[1].seconds() - from.seconds();
    let micros = is_within.then(|| from.micros() + seconds * 1_000_000);
    micros.map(Timestamp::from_micros).ok_or_else(out_of_range)
}

fn is_free(what: &'static str, platform: Platform, name: &str, is_taken: bool) -> Result<(), CommandError> {
    if is_taken { Err(CommandError::Taken { what, name: name.to_owned(), platform }) } else { Ok(()) }
}

/// Whether the owner has no other post of this name; what hangs below a post has names of its own.
///
/// - `own`: the post that is to have it.
fn is_name_free(world: &World, owner: &User, name: &str, own: Option<&str>) -> Result<(), CommandError> {
    let is_other = |post: &&Post| {
        post.platform == owner.platform && post.owner == owner.id && post.parent.is_none() && own != Some(&post.id)
    };
    let is_taken = world.posts.iter().filter(is_other).any(|post| post.name.eq_ignore_ascii_case(name));
    is_free("post", owner.platform, &format!("{}/{name}", owner.handle), is_taken)
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
    let (platform, to) = (platform_of(&command.platform)?, command.to);
    match (command.user, command.post) {
        (Some(user), None) => {
            let id = world.user(platform, &user)?.id.clone();
            // The spelling of one's own handle may change.
            let is_taken = world.user(platform, &to).is_ok_and(|other| other.id != id);
            is_free("user", platform, &to, is_taken)?;
            Ok(world.rename_user(platform, &id, &to)?)
        }
        (None, Some(post)) => {
            let post = world.post(platform, &post)?;
            if post.parent.is_none() {
                is_name_free(world, world.user(platform, &post.owner)?, &to, Some(&post.id))?;
            }
            let id = post.id.clone();
            Ok(world.rename_post(platform, &id, &to)?)
        }
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
    let time: Timestamp =
        text.parse().map_err(|error: crate::domain::time::TimeError| CommandError::Form(error.to_string()))?;
    let [first, last] = TIMES;
    if time < first || time > last {
        return Err(CommandError::Form(format!("{time} is not between {first} and {last}")));
    }
    Ok(time)
}
