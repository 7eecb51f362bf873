//! GitHub's replies, read into our values. Pure functions over bytes, shared by the client and `bridge decode`.
//!
//! Owns what each field means; how damaged ones are treated is in [`crate::bridges::wire`]. What is never guessed is an
//! id. Source: docs.github.com/rest.

use serde::{Deserialize, de::DeserializeOwned};
use serde_json::Value;

use crate::bridges::error::Error;
use crate::bridges::value::{ActorKind, LikeItem, Liker, Media, MediaKind, Post, PostKind, Profile};
use crate::bridges::wire::{
    Id, Listed, Seen, described, document, is_decimal_id, item, list, seen_items, time, written,
};
use crate::domain::identity::{ExternalId, ObjectRef, Platform};

const PLATFORM: Platform = Platform::GitHub;

#[derive(Deserialize)]
struct WireUser {
    id: Id,
    login: String,
    #[serde(rename = "type")]
    kind: Option<String>,
    name: Option<String>,
    bio: Option<String>,
    /// Organisations write here what people write in `bio`.
    description: Option<String>,
    blog: Option<String>,
    html_url: Option<String>,
    avatar_url: Option<String>,
}

#[derive(Deserialize)]
struct WireRepo {
    id: Id,
    /// Only a repository has it: the field that tells it from an account, which has the others too.
    full_name: String,
    #[serde(default)]
    private: bool,
    owner: Option<WireOwner>,
    html_url: String,
    description: Option<String>,
    created_at: Option<String>,
    /// What most of it is written in.
    language: Option<String>,
    #[serde(default)]
    topics: Vec<String>,
    license: Option<WireLicence>,
}

/// Only what is needed of an owner: the rest of a user may be missing here.
#[derive(Deserialize)]
struct WireOwner {
    id: Id,
    login: String,
}

#[derive(Deserialize)]
struct WireLicence {
    spdx_id: Option<String>,
}

#[derive(Deserialize)]
struct WireStarred {
    starred_at: String,
    repo: WireRepo,
}

#[derive(Deserialize)]
struct WireStargazer {
    starred_at: String,
    user: WireOwner,
}

#[derive(Deserialize)]
struct WireRelease {
    id: Id,
    html_url: String,
    name: Option<String>,
    tag_name: String,
    body: Option<String>,
    #[serde(default)]
    draft: bool,
    published_at: Option<String>,
    #[serde(default)]
    assets: Vec<Value>,
}

/// A file of a release. One that is damaged is no reason to lose the release.
#[derive(Deserialize)]
struct WireAsset {
    name: String,
    label: Option<String>,
    content_type: Option<String>,
    browser_download_url: String,
    state: Option<String>,
}

/// A profile from `GET /users/{login}`, `/user/{id}` or `/user`, of a person, an organisation or a bot.
pub fn profile(bytes: &[u8]) -> Result<Profile, Error> {
    let user: WireUser = parse(bytes)?;
    let kind = match user.kind.as_deref() {
        Some("Organization") => ActorKind::Organization,
        Some("Bot") => ActorKind::Bot,
        _ => ActorKind::Person,
    };
    let bio = if kind == ActorKind::Organization { user.description.or(user.bio) } else { user.bio };
    Ok(Profile {
        id: ExternalId::new(PLATFORM, &user.id.0)?,
        profile_url: user.html_url.unwrap_or_else(|| format!("https://github.com/{}", user.login)),
        handle: user.login,
        display_name: written(user.name),
        bio: written(bio),
        website: written(user.blog),
        links: Vec::new(),
        avatar_url: written(user.avatar_url),
        kind,
        refuses_bridges: Some(false),
    })
}

/// A repository from `GET /repos/{owner}/{repo}` or `/repositories/{id}`.
pub fn repository(bytes: &[u8]) -> Result<Post, Error> {
    let repo: WireRepo = parse(bytes)?;
    if repo.private {
        return Err(Error::Forbidden { message: "the repository is private".to_owned() });
    }
    repository_post(repo)
}

/// Repositories from `GET /users/{login}/repos`. Private ones, which a token of their owner sees, are left out.
pub fn repositories(bytes: &[u8]) -> Result<Listed<Post>, Error> {
    listed(bytes, |repo: WireRepo| if repo.private { Ok(None) } else { repository_post(repo).map(Some) })
}

/// Likes from `GET /users/{login}/starred` or `/user/starred`, in the order given.
///
/// The form without times, which comes when a proxy drops our `Accept`, is read as well: such a like has no time.
/// Private repositories are only named: nobody else may learn of them, so nobody can be paid for them.
pub fn starred(bytes: &[u8]) -> Result<Listed<LikeItem>, Error> {
    seen_items(parse(bytes)?, |value: Value| {
        let (liked_at, repo) = if value.get("starred_at").is_some() {
            let WireStarred { starred_at, repo } = item(value)?;
            (Some(time(&starred_at)?), repo)
        } else {
            (None, item::<WireRepo>(value)?)
        };
        if repo.private {
            return Ok(Seen::Hidden(ObjectRef::new(PLATFORM, &repo.id.0)?));
        }
        Ok(Seen::Open(LikeItem { post: repository_post(repo)?, liked_at }))
    })
}

/// Who likes a repository, from `GET /repos/{owner}/{repo}/stargazers`.
pub fn stargazers(bytes: &[u8]) -> Result<Listed<Liker>, Error> {
    listed(bytes, |value: Value| {
        let (liked_at, user) = if value.get("starred_at").is_some() {
            let WireStargazer { starred_at, user } = item(value)?;
            (Some(time(&starred_at)?), user)
        } else {
            (None, item::<WireOwner>(value)?)
        };
        let account = ExternalId::new(PLATFORM, &user.id.0)?;
        Ok(Some(Liker { account, handle: user.login, liked_at }))
    })
}

/// Releases from `GET /repos/{owner}/{repo}/releases`; drafts are left out.
///
/// - `repository`: the repository they belong to, whose owner is theirs too. Without it the owner is unknown: `author`
///   is whoever pressed the button, and paying a build robot would help nobody.
pub fn releases(bytes: &[u8], repository: Option<&Post>) -> Result<Listed<Post>, Error> {
    listed(
        bytes,
        |release: WireRelease| {
            if release.draft { Ok(None) } else { release_post(release, repository).map(Some) }
        },
    )
}

/// One release from `GET /repos/{owner}/{repo}/releases/tags/{tag}`; see [`releases`].
pub fn release(bytes: &[u8], repository: Option<&Post>) -> Result<Post, Error> {
    release_post(parse(bytes)?, repository)
}

/// An account from the GraphQL `User` object.
///
/// Its `id` is a node id. `databaseId` is the stable number where it was asked for; the older node ids spell the number
/// out (`04:User778068` in base64). The newer ones do not, and are refused rather than guessed.
pub fn graphql_user(bytes: &[u8]) -> Result<Profile, Error> {
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct WireGraphUser {
        id: String,
        database_id: Option<Id>,
        login: String,
        name: Option<String>,
        bio: Option<String>,
        website_url: Option<String>,
        url: Option<String>,
        avatar_url: Option<String>,
    }
    let user: WireGraphUser = parse(bytes)?;
    let id = user.database_id.map(|id| id.0).or_else(|| number_in_node_id(&user.id));
    let id =
        id.ok_or_else(|| Error::malformed("the node id does not tell the account's number: ask for databaseId"))?;
    Ok(Profile {
        id: ExternalId::new(PLATFORM, &id)?,
        profile_url: user.url.unwrap_or_else(|| format!("https://github.com/{}", user.login)),
        handle: user.login,
        display_name: written(user.name),
        bio: written(user.bio),
        website: written(user.website_url),
        links: Vec::new(),
        avatar_url: written(user.avatar_url),
        kind: ActorKind::Person,
        refuses_bridges: Some(false),
    })
}

fn number_in_node_id(node_id: &str) -> Option<String> {
    use base64::Engine;
    let text = String::from_utf8(base64::engine::general_purpose::STANDARD.decode(node_id).ok()?).ok()?;
    text.strip_prefix("04:User").filter(|number| is_decimal_id(number)).map(str::to_owned)
}

fn repository_post(repo: WireRepo) -> Result<Post, Error> {
    let owner = repo.owner.as_ref().map(|owner| ExternalId::new(PLATFORM, &owner.id.0)).transpose()?;
    let id = ObjectRef::new(PLATFORM, &repo.id.0)?;
    Ok(Post {
        owner,
        owner_handle: repo.owner.map(|owner| owner.login),
        description: described(repo.description),
        published: repo.created_at.as_deref().map(time).transpose()?,
        tags: written(repo.language).into_iter().chain(repo.topics).collect(),
        // GitHub writes NOASSERTION for a licence file that it does not recognise: not a licence that we could name.
        licence: repo.license.and_then(|licence| licence.spdx_id).filter(|spdx| spdx != "NOASSERTION"),
        ..Post::new(id, PostKind::Repository, repo.full_name, repo.html_url)
    })
}

fn release_post(release: WireRelease, repository: Option<&Post>) -> Result<Post, Error> {
    let owner_in_url = release.html_url.split('/').nth(3).filter(|owner| !owner.is_empty()).map(str::to_owned);
    let id = ObjectRef::new(PLATFORM, &format!("release-{}", release.id.0))?;
    let title = written(release.name).unwrap_or(release.tag_name);
    Ok(Post {
        owner: repository.and_then(|repository| repository.owner.clone()),
        owner_handle: repository.and_then(|repository| repository.owner_handle.clone()).or(owner_in_url),
        description: described(release.body),
        published: release.published_at.as_deref().map(time).transpose()?,
        attachments: release.assets.into_iter().filter_map(attached).collect(),
        licence: repository.and_then(|repository| repository.licence.clone()),
        ..Post::new(id, PostKind::Release, title, release.html_url)
    })
}

/// A file of a release, as somewhere to go. What is still being uploaded is none yet.
fn attached(asset: Value) -> Option<Media> {
    let asset: WireAsset = item(asset).ok()?;
    if asset.state.is_some_and(|state| state != "uploaded") {
        return None;
    }
    let link = Media::new(MediaKind::Link, asset.browser_download_url);
    Some(Media { media_type: written(asset.content_type), alt: written(asset.label).or(Some(asset.name)), ..link })
}

/// Reads a document. A report of an error where a document should be is that error, whatever it came in.
fn parse<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, Error> {
    document(bytes, super::error::reported)
}

/// Reads a list item by item.
fn listed<W: DeserializeOwned, T>(
    bytes: &[u8],
    read: impl Fn(W) -> Result<Option<T>, Error>,
) -> Result<Listed<T>, Error> {
    list(bytes, super::error::reported, read)
}
