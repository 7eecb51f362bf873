//! GitHub's documents in their full documented shape, filled from the world.
//!
//! Owns that nothing is trimmed to what a connector reads: a decoder that trips over a field trips here.

use base64::Engine;
use serde_json::{Map, Value, json};

use crate::domain::identity::Platform;
use crate::sandbox::model::{Post, User, UserKind, World};

/// The people of the site read these pages; the API is elsewhere.
const SITE: &str = "https://github.com";

/// An id as GitHub writes it: a bare number, however large.
fn number(id: &str) -> Value {
    id.parse::<u64>().map_or_else(|_| Value::String(id.to_owned()), Value::from)
}

fn node_id(prefix: &str, id: &str) -> String {
    format!("{prefix}_{}", base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(id))
}

fn object(fields: Value) -> Map<String, Value> {
    match fields {
        Value::Object(map) => map,
        _ => unreachable!("the literals here are objects"),
    }
}

/// The short form that stands inside other documents.
pub fn simple_user(user: &User, base: &str) -> Value {
    let api = format!("{base}/users/{}", user.handle);
    let kind = match user.kind {
        UserKind::Person => "User",
        UserKind::Organization => "Organization",
        UserKind::Bot => "Bot",
    };
    json!({
        "login": user.handle,
        "id": number(&user.id),
        "node_id": node_id("U", &user.id),
        "avatar_url": format!("https://avatars.githubusercontent.com/u/{}?v=4", user.id),
        "gravatar_id": "",
        "url": api,
        "html_url": format!("{SITE}/{}", user.handle),
        "followers_url": format!("{api}/followers"),
        "following_url": format!("{api}/following{{/other_user}}"),
        "gists_url": format!("{api}/gists{{/gist_id}}"),
        "starred_url": format!("{api}/starred{{/owner}}{{/repo}}"),
        "subscriptions_url": format!("{api}/subscriptions"),
        "organizations_url": format!("{api}/orgs"),
        "repos_url": format!("{api}/repos"),
        "events_url": format!("{api}/events{{/privacy}}"),
        "received_events_url": format!("{api}/received_events"),
        "type": kind,
        "user_view_type": "public",
        "site_admin": false,
    })
}

/// The document of `GET /users/{login}`.
pub fn full_user(world: &World, user: &User, base: &str) -> Value {
    let repositories = world
        .posts
        .iter()
        .filter(|post| post.platform == Platform::GitHub && post.owner == user.id && post.parent.is_none())
        .count();
    let mut shown = object(simple_user(user, base));
    shown.extend(object(json!({
        "name": user.name,
        "company": null,
        // GitHub sends an empty text, not null, where no website is set.
        "blog": user.website.clone().unwrap_or_default(),
        "location": null,
        "email": null,
        "hireable": null,
        "bio": user.bio,
        "twitter_username": null,
        "public_repos": repositories,
        "public_gists": 0,
        "followers": 0,
        "following": 0,
        "created_at": user.created_at.to_string(),
        "updated_at": user.created_at.to_string(),
    })));
    Value::Object(shown)
}

/// The document of `GET /repos/{owner}/{repo}`.
pub fn repository(world: &World, post: &Post, base: &str) -> Value {
    let owner = world.user(Platform::GitHub, &post.owner).expect("a repository ends with its owner");
    let full_name = world.path_of(post);
    let api = format!("{base}/repos/{full_name}");
    let stars = world.likes.iter().filter(|like| like.platform == Platform::GitHub && like.post == post.id).count();
    let created = post.created_at.to_string();
    let licence = post.licence.as_ref().map(|spdx| {
        let key = spdx.to_ascii_lowercase();
        json!({
            "key": key,
            "name": spdx,
            "spdx_id": spdx,
            "url": format!("{base}/licenses/{key}"),
            "node_id": node_id("MDc", &key),
        })
    });
    let mut shown = object(json!({
        "id": number(&post.id),
        "node_id": node_id("R", &post.id),
        "name": post.name,
        "full_name": full_name,
        "private": post.is_private,
        "owner": simple_user(owner, base),
        "html_url": format!("{SITE}/{full_name}"),
        "description": post.description,
        "fork": false,
        "url": api,
    }));
    shown.extend(links(&api));
    shown.extend(object(json!({
        "created_at": created,
        "updated_at": created,
        "pushed_at": created,
        "git_url": format!("git://github.com/{full_name}.git"),
        "ssh_url": format!("git@github.com:{full_name}.git"),
        "clone_url": format!("{SITE}/{full_name}.git"),
        "svn_url": format!("{SITE}/{full_name}"),
        "homepage": null,
        "size": 108,
        "stargazers_count": stars,
        "watchers_count": stars,
        "language": null,
        "has_issues": true,
        "has_projects": true,
        "has_downloads": true,
        "has_wiki": true,
        "has_pages": false,
        "has_discussions": false,
        "forks_count": 0,
        "mirror_url": null,
        "archived": false,
        "disabled": false,
        "open_issues_count": 0,
        "license": licence,
        "allow_forking": true,
        "is_template": false,
        "web_commit_signoff_required": false,
        "topics": [],
        "visibility": if post.is_private { "private" } else { "public" },
        "forks": 0,
        "open_issues": 0,
        "watchers": stars,
        "default_branch": "main",
    })));
    Value::Object(shown)
}

/// The many addresses of a repository, most of them templates.
fn links(api: &str) -> Map<String, Value> {
    [
        ("archive_url", "/{archive_format}{/ref}"),
        ("assignees_url", "/assignees{/user}"),
        ("blobs_url", "/git/blobs{/sha}"),
        ("branches_url", "/branches{/branch}"),
        ("collaborators_url", "/collaborators{/collaborator}"),
        ("comments_url", "/comments{/number}"),
        ("commits_url", "/commits{/sha}"),
        ("compare_url", "/compare/{base}...{head}"),
        ("contents_url", "/contents/{+path}"),
        ("contributors_url", "/contributors"),
        ("deployments_url", "/deployments"),
        ("downloads_url", "/downloads"),
        ("events_url", "/events"),
        ("forks_url", "/forks"),
        ("git_commits_url", "/git/commits{/sha}"),
        ("git_refs_url", "/git/refs{/sha}"),
        ("git_tags_url", "/git/tags{/sha}"),
        ("hooks_url", "/hooks"),
        ("issue_comment_url", "/issues/comments{/number}"),
        ("issue_events_url", "/issues/events{/number}"),
        ("issues_url", "/issues{/number}"),
        ("keys_url", "/keys{/key_id}"),
        ("labels_url", "/labels{/name}"),
        ("languages_url", "/languages"),
        ("merges_url", "/merges"),
        ("milestones_url", "/milestones{/number}"),
        ("notifications_url", "/notifications{?since,all,participating}"),
        ("pulls_url", "/pulls{/number}"),
        ("releases_url", "/releases{/id}"),
        ("stargazers_url", "/stargazers"),
        ("statuses_url", "/statuses/{sha}"),
        ("subscribers_url", "/subscribers"),
        ("subscription_url", "/subscription"),
        ("tags_url", "/tags"),
        ("teams_url", "/teams"),
        ("trees_url", "/git/trees{/sha}"),
    ]
    .into_iter()
    .map(|(name, tail)| (name.to_owned(), Value::String(format!("{api}{tail}"))))
    .collect()
}

/// The document of a release.
pub fn release(world: &World, repository: &Post, release: &Post, base: &str) -> Value {
    let author = world.user(Platform::GitHub, &release.owner).expect("a release ends with its author");
    let full_name = world.path_of(repository);
    let url = format!("{base}/repos/{full_name}/releases/{}", release.id);
    let uploads = format!("https://uploads.github.com/repos/{full_name}/releases/{}", release.id);
    json!({
        "url": url,
        "html_url": format!("{SITE}/{full_name}/releases/tag/{}", release.name),
        "assets_url": format!("{url}/assets"),
        "upload_url": format!("{uploads}/assets{{?name,label}}"),
        "tarball_url": format!("{base}/repos/{full_name}/tarball/{}", release.name),
        "zipball_url": format!("{base}/repos/{full_name}/zipball/{}", release.name),
        "id": number(&release.id),
        "node_id": node_id("RE", &release.id),
        "tag_name": release.name,
        "target_commitish": "main",
        "name": release.name,
        "body": release.description,
        "draft": release.is_private,
        "prerelease": false,
        "created_at": release.created_at.to_string(),
        "published_at": release.created_at.to_string(),
        "author": simple_user(author, base),
        "assets": [],
    })
}
