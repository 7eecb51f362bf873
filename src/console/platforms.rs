//! Commands about platforms: connections, and likes of bridged posts.

use serde_json::{Value, json};

use super::common::{parse, patron, refuse};
use super::{Answer, Refused, table};
use crate::bridges::Who;
use crate::domain::flattr::Source;
use crate::domain::id::{ObjectId, PatronId};
use crate::domain::identity::Platform;
use crate::domain::time::{Month, Timestamp};
use crate::federation::Node;
use crate::flows::flattr;
use crate::flows::flattr::PatronLike;
use crate::flows::prove_account::{self, Standing};
use crate::jobs;
use crate::jobs::find::{self, Found, Pasted};
use crate::storage::imports::{self, Counted};
use crate::web::auth;

/// Connects an account whose profile shows the patron's address, or says which address that is.
pub async fn bridge_connect(
    node: &Node,
    name: &str,
    platform: &str,
    handle: &str,
    is_trusted: bool,
) -> Result<Answer, Refused> {
    let patron = patron(node, name).await?;
    let (platform, who) = (parse(platform)?, Who::Handle(handle.to_owned()));
    if node.bridges.get(platform).is_some_and(|bridge| jobs::is_known_by_name(&**bridge)) {
        return connect_by_name(node, name, patron.id, platform, handle, is_trusted).await;
    }
    let (profile, _) = jobs::look_up(node, platform, &who).await.map_err(refuse)?;
    let (account, handle, now) = (profile.id.clone(), profile.handle.clone(), node.now());
    // Short enough for a profile's field; 128 bits cannot be guessed.
    let token = hex::encode(auth::random_bytes::<16>());
    if is_trusted {
        let trusted = node.write(move |tx| prove_account::trust(tx, patron.id, &account, &handle, &token, now)).await;
        let connection = trusted.map_err(refuse)?;
        let data = json!({ "connection": connection.id, "account": profile.id.to_string(), "is_trusted": true });
        let text = format!(
            "the likes of {} count for {name} from now on, on your word: nothing proves that the account is theirs, \
             and whoever proves it takes over",
            profile.id
        );
        return Ok(Answer::new(text, data));
    }
    let begun = node.write(move |tx| prove_account::begin(tx, patron.id, &account, &handle, &token, now)).await;
    let standing = match begun.map_err(refuse)? {
        Standing::Pending(proof) => jobs::check_account(node, &proof.token).await.map_err(refuse)?,
        other => other,
    };
    let address = |token: &str| prove_account::proof_url(&node.instance, token);
    let (text, data) = match standing {
        Standing::Connected(connection) => (
            format!("the likes of {} count for {name} from now on", profile.id),
            json!({ "connection": connection.id, "account": profile.id.to_string(), "is_trusted": false }),
        ),
        Standing::Pending(proof) | Standing::Elsewhere(proof) => (
            format!(
                "not connected yet: put this address into the website or bio of {} and give the command again: {}",
                profile.id,
                address(&proof.token)
            ),
            json!({ "address": address(&proof.token), "account": profile.id.to_string() }),
        ),
        Standing::Contested(proof) => (
            format!(
                "not connected: the profile of {} shows the address of another patron beside {}; one of them must go",
                profile.id,
                address(&proof.token)
            ),
            json!({ "address": address(&proof.token), "account": profile.id.to_string() }),
        ),
    };
    Ok(Answer::new(text, data))
}

/// Connects an account of a platform that tells nobody what somebody likes: what the patron brings is all that is read.
async fn connect_by_name(
    node: &Node,
    name: &str,
    patron: PatronId,
    platform: Platform,
    handle: &str,
    is_trusted: bool,
) -> Result<Answer, Refused> {
    let named = find::read(node, handle).ok().filter(|pasted| pasted.platform() == platform);
    let handle = named.as_ref().and_then(Pasted::handle).unwrap_or(handle).trim_start_matches('@').to_owned();
    let account = Some(&handle).filter(|handle| !handle.is_empty() && !handle.contains(['/', ' ']));
    let account = account.and_then(|handle| prove_account::by_name(platform, handle));
    let account = account.ok_or_else(|| Refused("write the name of the account".into()))?;
    let (token, now) = (hex::encode(auth::random_bytes::<16>()), node.now());
    let connected = node.write(move |tx| match is_trusted {
        true => prove_account::trust(tx, patron, &account, &handle, &token, now),
        false => prove_account::name(tx, patron, &account, &handle, &token, now),
    });
    let connection = connected.await.map_err(refuse)?;
    let data = json!({
        "connection": connection.id, "account": format!("{platform}:{}", connection.account), "is_trusted": is_trusted,
    });
    let word = if is_trusted { "your" } else { "their" };
    let text = format!(
        "{} on {} is connected for {name} on {word} word: it has no API that tells what somebody likes, so bring files of \
         the account and lists of addresses (fedflattr bridge import)",
        connection.handle,
        platform.label()
    );
    Ok(Answer::new(text, data))
}

pub async fn bridge_disconnect(node: &Node, name: &str, platform: &str) -> Result<Answer, Refused> {
    let patron = patron(node, name).await?;
    let platform: Platform = parse(platform)?;
    let now = node.now();
    let count = node
        .write(move |tx| prove_account::disconnect_platform(tx, patron.id, platform.slug(), now))
        .await
        .map_err(refuse)?;
    if count == 0 {
        return Err(Refused(format!("{name} has connected nothing on {}", platform.label())));
    }
    let text = format!("{count} accounts of {name} on {} are not read any more; flattrs stay", platform.label());
    Ok(Answer::new(text, json!({ "disconnected": count })))
}

/// Reads an export file of a platform into a patron's likes.
pub async fn bridge_import(
    node: &Node,
    name: &str,
    platform: &str,
    path: &std::path::Path,
    account: Option<String>,
    is_complete: bool,
) -> Result<Answer, Refused> {
    let patron = patron(node, name).await?;
    let platform: Platform = parse(platform)?;
    let progress = |so_far: &Counted| {
        tracing::info!(platform = %platform, "importing the likes of {name} on {platform}: {} so far", so_far.likes);
    };
    let counted =
        jobs::import(node, patron.id, platform, account, is_complete, path, progress).await.map_err(refuse)?;
    let Counted { likes, unreadable, unresolved, flattrs, baseline, .. } = counted;
    let mut text = format!("{likes} likes read: {flattrs} new flattrs, {baseline} from before, the others known");
    if unreadable > 0 {
        text.push_str(&format!("; {unreadable} items could not be understood"));
    }
    if unresolved > 0 {
        text.push_str(&format!("; {unresolved} addresses could not be looked up: connect the bridge and import again"));
    }
    let data = json!({
        "likes": likes, "unreadable": unreadable, "unresolved": unresolved, "flattrs": flattrs, "baseline": baseline,
    });
    Ok(Answer::new(text, data))
}

/// What a patron has imported, the newest first.
pub async fn bridge_imports(node: &Node, name: &str) -> Result<Answer, Refused> {
    let patron = patron(node, name).await?;
    let rows = node.db.read(move |tx| imports::imports_of(tx, patron.id, 50)).await.map_err(refuse)?;
    let cells: Vec<Vec<String>> = rows
        .iter()
        .map(|row| {
            let begun = Timestamp::from_micros(row.created_at).floor_to_second().to_string();
            let counts = [row.likes, row.flattrs, row.baseline].map(|count| count.to_string());
            let [likes, flattrs, baseline] = counts;
            let (state, error) = (row.state.clone(), row.error.clone().unwrap_or_default());
            vec![begun, row.platform.clone(), row.file_name.clone(), state, likes, flattrs, baseline, error]
        })
        .collect();
    let data: Vec<Value> = rows
        .iter()
        .map(|row| {
            json!({
                "platform": row.platform, "state": row.state, "likes": row.likes, "flattrs": row.flattrs,
                "baseline": row.baseline, "unreadable": row.unreadable, "unresolved": row.unresolved, "error": row.error,
            })
        })
        .collect();
    let head = ["begun", "platform", "file", "state", "likes", "new", "from before", "error"];
    Ok(Answer::new(table(&head, &cells), Value::Array(data)))
}

/// The object that a person means: an address of ours, of a peer's proxy, of a platform, or `platform:id`.
pub async fn find_object(node: &Node, target: &str) -> Result<ObjectId, Refused> {
    match find::read(node, target) {
        Ok(pasted) => post_of(node, &pasted).await,
        Err(_) if !target.contains("://") => Err(Refused("name an address or platform:id".into())),
        Err(error) => Err(refuse(error)),
    }
}

/// The post behind what was named; asked of the platform unless its author is known here.
async fn post_of(node: &Node, pasted: &Pasted) -> Result<ObjectId, Refused> {
    if pasted.handle().is_some() {
        return Err(Refused("this names a person, not a post".into()));
    }
    if let Some(Found::Post(known)) = find::known(node, pasted).await.map_err(refuse)?
        && known.owner_id.is_some()
    {
        return Ok(known.id);
    }
    match find::ask(node, pasted).await.map_err(refuse)? {
        Found::Post(object) => Ok(object.id),
        Found::Account(_) => Err(Refused("this names a person, not a post".into())),
    }
}

pub async fn like(node: &Node, name: &str, target: &str) -> Result<Answer, Refused> {
    let patron = patron(node, name).await?;
    let object = find_object(node, target).await?;
    let like = PatronLike {
        patron: patron.id,
        object,
        source: Source::Page,
        received_at: node.now(),
        liked_at: None,
        like_uri: None,
    };
    let recorded = node.write(move |tx| flattr::record(tx, &like)).await.map_err(refuse)?;
    let (text, month) = match &recorded {
        flattr::Recorded::New { month, standing } => {
            (format!("a flattr of {month}, {}", standing.as_str()), Some(month))
        }
        flattr::Recorded::Known { month, standing } => {
            (format!("already a flattr of {month}, {}", standing.as_str()), Some(month))
        }
        flattr::Recorded::UndoneBefore => ("taken back before it came".to_owned(), None),
    };
    Ok(Answer::new(text, json!({ "month": month.map(Month::to_string), "object": object.0 })))
}
