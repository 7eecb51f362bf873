//! Commands about platforms: connections, likes of bridged posts, claims.

use serde_json::{Value, json};
use url::Url;

use super::common::{parse, patron, refuse};
use super::{Answer, Refused, table};
use crate::bridges::{Access, Who};
use crate::domain::flattr::Source;
use crate::domain::id::ObjectId;
use crate::domain::identity::{ObjectRef, Platform};
use crate::domain::settlement::host_of;
use crate::domain::time::{Month, Timestamp};
use crate::federation::Node;
use crate::federation::library::{self, Federation};
use crate::flows::flattr::PatronLike;
use crate::flows::{claim, flattr};
use crate::jobs;
use crate::storage::{connections, identities, months};
use crate::web::auth;

pub async fn bridge_connect(node: &Node, name: &str, platform: &str, handle: &str) -> Result<Answer, Refused> {
    let patron = patron(node, name).await?;
    let who = Who::Handle(handle.to_owned());
    let (profile, _) = jobs::look_up(node, parse(platform)?, &who).await.map_err(refuse)?;
    let (account, handle, now) = (profile.id.clone(), profile.handle.clone(), node.now());
    let connection =
        node.write(move |tx| connections::connect(tx, patron.id, &account, &handle, now)).await.map_err(refuse)?;
    let Some(connection) = connection else {
        return Err(Refused(format!("{} is the source of another patron's likes", profile.id)));
    };
    let data = json!({ "connection": connection.id, "account": profile.id.to_string() });
    Ok(Answer::new(format!("the likes of {} count for {name} from now on", profile.id), data))
}

pub async fn bridge_list(node: &Node) -> Result<Answer, Refused> {
    let rows = node.db.read(connections::connections).await.map_err(refuse)?;
    let when =
        |at: Option<i64>| at.map_or("never".to_owned(), |at| Timestamp::from_micros(at).floor_to_second().to_string());
    let cells: Vec<Vec<String>> = rows
        .iter()
        .map(|row| {
            let account = format!("{}:{}", row.platform, row.handle);
            vec![account, when(row.baseline_at), when(row.last_success_at), row.last_error.clone().unwrap_or_default()]
        })
        .collect();
    let data: Vec<Value> = rows
        .iter()
        .map(|row| json!({ "account": format!("{}:{}", row.platform, row.account), "last_error": row.last_error }))
        .collect();
    Ok(Answer::new(table(&["account", "baseline", "last success", "last error"], &cells), Value::Array(data)))
}

/// The object that a person means: an address of ours, of a peer's proxy, of a platform, or `platform:id`.
pub async fn find_object(federation: &Federation, target: &str) -> Result<ObjectId, Refused> {
    let node: &Node = federation;
    let mut named = node.instance.parse_object_uri(target);
    if named.is_none() && !target.contains("://") {
        let (platform, object) =
            target.split_once(':').ok_or_else(|| Refused("name an address or platform:id".into()))?;
        named = Some(ObjectRef::new(parse(platform)?, object).map_err(refuse)?);
    }
    if let Some(object) = named {
        return known_or_asked(node, object).await;
    }
    if let Ok(reference) = node.bridges.parse_reference(target) {
        let bridge = node.bridges.get(reference.platform).cloned();
        let bridge = bridge.ok_or_else(|| Refused("this bridge is switched off".to_owned()))?;
        let live = bridge.live().ok_or_else(|| Refused("this platform cannot be asked".to_owned()))?;
        let post = live.resolve(&reference, &Access::Instance).await.map_err(refuse)?;
        return jobs::note_post(node, &post).await.map_err(refuse);
    }
    // A proxy on another instance says which post it stands for; who owns that post is asked of the platform.
    let url = Url::parse(target).map_err(refuse)?;
    let document = library::fetch_document(federation, &url).await.map_err(refuse)?;
    let text = |name: &str| document.get(name).and_then(Value::as_str).unwrap_or_default();
    let platform: Platform =
        text("flattr:platform").parse().map_err(|_| Refused(format!("{target} is not a bridged post")))?;
    known_or_asked(node, ObjectRef::new(platform, text("flattr:objectId")).map_err(refuse)?).await
}

pub async fn known_or_asked(node: &Node, object: ObjectRef) -> Result<ObjectId, Refused> {
    let wanted = object.clone();
    let known = node.db.read(move |tx| identities::object_by_ref(tx, &wanted)).await.map_err(refuse)?;
    if let Some(known) = known.as_ref().filter(|known| known.owner_id.is_some()) {
        return Ok(known.id);
    }
    let hint = known.map(|known| known.url).filter(|url| !url.is_empty());
    let bridge = node.bridges.get(object.platform()).cloned();
    let bridge = bridge.ok_or_else(|| Refused(format!("the bridge to {} is switched off", object.platform())))?;
    let live = bridge.live().ok_or_else(|| Refused("this platform cannot be asked".to_owned()))?;
    let post = live.post(&object, hint.as_deref(), &Access::Instance).await.map_err(refuse)?;
    jobs::note_post(node, &post).await.map_err(refuse)
}

pub async fn like(federation: &Federation, name: &str, target: &str) -> Result<Answer, Refused> {
    let node: &Node = federation;
    let patron = patron(node, name).await?;
    let object = find_object(federation, target).await?;
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

pub async fn claim_begin(node: &Node, name: &str, platform: &str, handle: String) -> Result<Answer, Refused> {
    let patron = patron(node, name).await?;
    let (profile, identity) = jobs::look_up(node, parse(platform)?, &Who::Handle(handle)).await.map_err(refuse)?;
    let (instance, id, token, now) = (node.instance.clone(), profile.id.clone(), auth::random_token(), node.now());
    let claim =
        node.write(move |tx| claim::begin(tx, &instance, patron.login_id, &id, &token, now)).await.map_err(refuse)?;
    let waiting = node.db.read(move |tx| months::waiting_for(tx, identity.id)).await.map_err(refuse)?;
    let url = claim::claim_url(&node.instance, &claim.token);
    let waits: Vec<String> = waiting
        .iter()
        .map(|waiting| format!("{} in {} flattrs, until {}", waiting.amount, waiting.flattrs, waiting.expires_at))
        .collect();
    let text = format!(
        "put this address into the website or bio of {}, then check the claim: {url}\nwaiting: {}",
        profile.id,
        if waits.is_empty() { "nothing yet".to_owned() } else { waits.join("; ") }
    );
    Ok(Answer::new(text, json!({ "claim_url": url, "token": claim.token, "waiting": waits })))
}

pub async fn claim_list(node: &Node) -> Result<Answer, Refused> {
    let checks = node.db.read(connections::claim_checks).await.map_err(refuse)?;
    let cells: Vec<Vec<String>> = checks
        .iter()
        .map(|check| {
            let reason = check.last_error.clone().unwrap_or_default();
            vec![check.identity.clone(), host_of(&check.home_uri).to_owned(), check.state.clone(), reason]
        })
        .collect();
    let data: Vec<Value> = checks
        .iter()
        .map(|check| json!({ "identity": check.identity, "home": check.home_uri, "state": check.state }))
        .collect();
    Ok(Answer::new(table(&["identity", "home", "state", "reason"], &cells), Value::Array(data)))
}
