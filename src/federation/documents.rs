//! Documents: actors as ActivityStreams, ours out and others' in. Posts are in [`super::post_document`].
//!
//! Owns the shapes that Mastodon and the rest of the fediverse accept, and the rule that id, keys and inbox of an actor are
//! of one origin. Source: FEDERATION.md in this repository.

use std::str::FromStr;

use serde_json::{Value, json};
use url::Url;

use super::rich_text::{Markup, html, link, web_address};

use crate::domain::id::ActorId;
use crate::domain::identity::Platform;
use crate::domain::message::NAMESPACE;
use crate::domain::proof::PublicKey;
use crate::storage::identities::{self, Claim, Identity};
use crate::storage::people::{Actor, ActorKind, NewActor};
use crate::storage::posts::{self, ProfileDetails};
use crate::storage::{self, Tx};

/// To everybody.
pub const PUBLIC: &str = "https://www.w3.org/ns/activitystreams#Public";

/// Why a fetched document is not an actor that we can believe.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DocumentError {
    #[error("`{0}` is missing or not of its form")]
    Member(&'static str),
    #[error("the id is not the address that was asked")]
    OtherId,
    #[error("`{0}` is on another host than the actor")]
    OtherOrigin(&'static str),
    #[error("the key belongs to somebody else")]
    OtherOwner,
    #[error("`{0}` is not a type of actor")]
    NotAnActor(String),
}

const ACTOR_TYPES: [&str; 5] = ["Person", "Service", "Application", "Organization", "Group"];

/// `@context` of actors: ActivityStreams, both kinds of keys, Mastodon's and our own terms. Never fetched by us.
fn actor_context() -> Value {
    json!([
        "https://www.w3.org/ns/activitystreams",
        "https://w3id.org/security/v1",
        "https://www.w3.org/ns/cid/v1",
        {
            "toot": "http://joinmastodon.org/ns#",
            "discoverable": "toot:discoverable",
            "indexable": "toot:indexable",
            "alsoKnownAs": { "@id": "as:alsoKnownAs", "@type": "@id" },
            "schema": "http://schema.org/",
            "PropertyValue": "schema:PropertyValue",
            "value": "schema:value",
            "flattr": NAMESPACE,
        },
    ])
}

/// `@context` of posts: ActivityStreams, and the terms that it does not have.
pub fn post_context() -> Value {
    json!([
        "https://www.w3.org/ns/activitystreams",
        {
            "Hashtag": "as:Hashtag",
            "sensitive": "as:sensitive",
            "schema": "http://schema.org/",
            "license": { "@id": "schema:license", "@type": "@id" },
            "flattr": NAMESPACE,
        },
    ])
}

/// The account behind a bridged actor, with what is known of it.
#[derive(Clone, Debug)]
pub struct Bridged {
    pub identity: Identity,
    pub profile: Option<ProfileDetails>,
    /// The one that is verified.
    pub claim: Option<Claim>,
}

/// Reads what the document of a bridged actor is made of; `None` for any other.
pub fn bridged(tx: &mut Tx, actor: ActorId) -> Result<Option<Bridged>, storage::Error> {
    let Some(identity) = identities::identity_by_actor(tx, actor)? else { return Ok(None) };
    let claim = identities::verified_claim(tx, identity.id)?.filter(|_| !identity.is_refused);
    Ok(Some(Bridged { profile: posts::profile(tx, identity.id)?, claim, identity }))
}

/// What a local actor publishes of itself.
///
/// - `bridged`: for a bridged actor, the account behind it.
pub fn actor(actor: &Actor, bridged: Option<&Bridged>) -> Value {
    let uri = &actor.uri;
    let is_claimed = bridged.is_some_and(|bridged| bridged.claim.is_some());
    let is_instance = actor.is_kind(ActorKind::Instance);
    let mut document = json!({
        "@context": actor_context(),
        "id": uri,
        "type": actor.actor_type,
        "preferredUsername": actor.username,
        "name": actor.display_name,
        "summary": actor.summary,
        "inbox": actor.inbox,
        "outbox": format!("{uri}/outbox"),
        "followers": format!("{uri}/followers"),
        "following": format!("{uri}/following"),
        "url": uri,
        "manuallyApprovesFollowers": false,
        "discoverable": !actor.is_kind(ActorKind::Bridged) || is_claimed,
        "indexable": !actor.is_kind(ActorKind::Bridged) || is_claimed,
        "endpoints": { "sharedInbox": actor.shared_inbox },
        "publicKey": { "id": actor.rsa_key_id, "owner": uri, "publicKeyPem": actor.rsa_public_pem },
    });
    if let (Some(id), Some(multikey)) = (&actor.ed25519_key_id, &actor.ed25519_multikey) {
        document["assertionMethod"] =
            json!([{ "id": id, "type": "Multikey", "controller": uri, "publicKeyMultibase": multikey }]);
    }
    if let Some(bridged) = bridged {
        fill_bridged(&mut document, uri, bridged);
    }
    if is_instance {
        document.as_object_mut().expect("an actor is an object").remove("followers");
    }
    document
}

/// What a bridged actor says beside its name: more once its owner has claimed it.
fn fill_bridged(document: &mut Value, uri: &str, bridged: &Bridged) {
    let Bridged { identity, profile, claim } = bridged;
    // The first address is ours, since Mastodon wants id and url on one host; the canonical one is FEP-fffd.
    document["url"] = json!([
        uri,
        { "type": "Link", "rel": "canonical", "mediaType": "text/html", "href": identity.profile_url },
    ]);
    // FEP-0ea0: where this creator is paid.
    let payment = json!({ "type": "Link", "rel": "payment", "name": "fedflattr", "href": uri });
    let platform = Platform::from_str(&identity.platform);
    let label = platform.map_or(identity.platform.as_str(), |platform| platform.label());
    let Some(claim) = claim else {
        document["attachment"] = json!([payment]);
        return;
    };
    let own = link(&identity.profile_url, &format!("{} on {label}", identity.handle));
    let bio = html(&identity.bio, Markup::Plain);
    document["summary"] = json!(format!("{bio}<p>Bridged from {own}. Claimed by its owner.</p>"));
    document["alsoKnownAs"] = json!([claim.creator_uri]);
    let field = |name: &str, value: String| json!({ "type": "PropertyValue", "name": name, "value": value });
    let mut fields = Vec::new();
    let website = profile.as_ref().and_then(|profile| profile.website.as_deref());
    // Some platforms leave out the scheme.
    let website = website.map(|site| if site.contains("://") { site.to_owned() } else { format!("https://{site}") });
    if let Some(website) = website.filter(|site| web_address(site).is_some()) {
        fields.push(field("Website", link(&website, &website)));
    }
    fields.push(field("Paid at", link(&claim.creator_uri, &claim.creator_uri)));
    fields.push(payment);
    document["attachment"] = json!(fields);
    let avatar = identity.avatar_url.as_deref().filter(|url| web_address(url).is_some());
    if let Some(avatar) = avatar.filter(|_| super::post_document::may_show_files(&identity.platform)) {
        document["icon"] = json!({ "type": "Image", "url": avatar });
    }
}

/// As much of any actor as the library may print.
pub fn actor_stub(actor: &Actor) -> Value {
    json!({ "id": actor.uri, "type": actor.actor_type, "inbox": actor.inbox })
}

/// Reads a remote actor.
///
/// - `address`: from where it was fetched; the id must be the same.
/// - errors: anything that would let one server speak for another.
pub fn read_actor(document: &Value, address: &Url) -> Result<NewActor, DocumentError> {
    let text = |value: &Value, name: &'static str| -> Result<String, DocumentError> {
        let found = value.get(name).and_then(Value::as_str).filter(|text| text.len() <= 2_000);
        let found = found.filter(|text| !text.contains(char::is_control));
        found.map(str::to_owned).ok_or(DocumentError::Member(name))
    };
    let short = |name: &str, most: usize| -> String {
        let text = document.get(name).and_then(Value::as_str).unwrap_or_default();
        text.chars().filter(|letter| !letter.is_control()).take(most).collect()
    };
    let uri = text(document, "id")?;
    if Url::parse(&uri).as_ref() != Ok(address) {
        return Err(DocumentError::OtherId);
    }
    let actor_type = text(document, "type")?;
    if !ACTOR_TYPES.contains(&actor_type.as_str()) {
        return Err(DocumentError::NotAnActor(actor_type.chars().take(40).collect()));
    }
    let of_same_origin = |text: &str, name: &'static str| -> Result<(), DocumentError> {
        let url = Url::parse(text).map_err(|_| DocumentError::Member(name))?;
        if url.origin() == address.origin() { Ok(()) } else { Err(DocumentError::OtherOrigin(name)) }
    };
    let inbox = text(document, "inbox")?;
    of_same_origin(&inbox, "inbox")?;
    let endpoints =
        document.get("endpoints").filter(|endpoints| endpoints.get("sharedInbox").is_some_and(Value::is_string));
    let shared_inbox = endpoints.map(|endpoints| text(endpoints, "sharedInbox")).transpose()?;
    if let Some(shared) = &shared_inbox {
        of_same_origin(shared, "sharedInbox")?;
    }
    let key = document.get("publicKey").ok_or(DocumentError::Member("publicKey"))?;
    let rsa_key_id = text(key, "id")?;
    of_same_origin(&rsa_key_id, "publicKey")?;
    if text(key, "owner")? != uri {
        return Err(DocumentError::OtherOwner);
    }
    let rsa_public_pem = key.get("publicKeyPem").and_then(Value::as_str).filter(|pem| pem.len() <= 10_000);
    // A NUL cannot be stored everywhere; line breaks belong to this text.
    let rsa_public_pem = rsa_public_pem.filter(|pem| !pem.contains('\0'));
    let (ed25519_key_id, ed25519_multikey) = match read_multikey(document, &uri)? {
        Some((id, key)) => (Some(id), Some(key)),
        None => (None, None),
    };
    Ok(NewActor {
        kind: ActorKind::Remote.as_str().to_owned(),
        actor_type,
        host: crate::domain::settlement::host_of(&uri).to_owned(),
        username: short("preferredUsername", 200),
        display_name: short("name", 500),
        summary: String::new(),
        inbox,
        shared_inbox,
        rsa_key_id,
        rsa_public_pem: rsa_public_pem.ok_or(DocumentError::Member("publicKeyPem"))?.to_owned(),
        ed25519_key_id,
        ed25519_multikey,
        document: Some(document.to_string()),
        fetched_at: 0,
        gone_at: None,
        uri,
    })
}

/// The first Ed25519 Multikey of FEP-521a that the actor controls.
fn read_multikey(document: &Value, uri: &str) -> Result<Option<(String, String)>, DocumentError> {
    let methods = match document.get("assertionMethod") {
        None => return Ok(None),
        Some(Value::Array(methods)) => methods.as_slice(),
        Some(method) => std::slice::from_ref(method),
    };
    for method in methods.iter().take(20) {
        let text = |name: &str| method.get(name).and_then(Value::as_str);
        let (Some("Multikey"), Some(id), Some(key)) = (text("type"), text("id"), text("publicKeyMultibase")) else {
            continue;
        };
        let is_theirs = id.starts_with(&format!("{uri}#")) && !id.contains(char::is_control);
        if text("controller") != Some(uri) || !is_theirs {
            return Err(DocumentError::OtherOwner);
        }
        if key.parse::<PublicKey>().is_ok() {
            return Ok(Some((id.to_owned(), key.to_owned())));
        }
    }
    Ok(None)
}

#[cfg(test)]
mod tests {
    use super::*;

    const URI: &str = "https://social.example/users/ana";

    fn document() -> Value {
        json!({
            "id": URI,
            "type": "Person",
            "preferredUsername": "ana",
            "inbox": format!("{URI}/inbox"),
            "endpoints": { "sharedInbox": "https://social.example/inbox" },
            "publicKey": { "id": format!("{URI}#main-key"), "owner": URI, "publicKeyPem": "pem" },
        })
    }

    fn read(document: &Value) -> Result<NewActor, DocumentError> {
        read_actor(document, &Url::parse(URI).unwrap())
    }

    #[test]
    fn reads_an_actor_from_mastodon() {
        let actor = read(&document()).unwrap();
        assert_eq!((actor.host.as_str(), actor.username.as_str()), ("social.example", "ana"));
    }

    #[test]
    fn control_characters_of_an_actor_are_not_stored() {
        for path in ["/id", "/inbox", "/endpoints/sharedInbox", "/publicKey/id", "/publicKey/publicKeyPem"] {
            let mut changed = document();
            let member = changed.pointer_mut(path).unwrap();
            *member = json!(format!("{}\0", member.as_str().unwrap()));
            assert!(read(&changed).is_err(), "{path}");
        }
        let mut changed = document();
        changed["preferredUsername"] = json!("a\0n\u{1b}a");
        changed["name"] = json!("Ana\0\n");
        let actor = read(&changed).unwrap();
        assert_eq!((actor.username.as_str(), actor.display_name.as_str()), ("ana", "Ana"));
        changed["assertionMethod"] = json!([{
            "id": format!("{URI}#key\0"), "type": "Multikey", "controller": URI,
            "publicKeyMultibase": "z6MkhaXgBZDvotDkL5257faiztiGiC2QtKLGpbnnEGta2doK",
        }]);
        assert_eq!(read(&changed).unwrap_err(), DocumentError::OtherOwner);
    }

    #[test]
    fn an_actor_cannot_speak_for_another_host_or_person() {
        let check = |path: &str, value: &str, expected: DocumentError| {
            let mut changed = document();
            *changed.pointer_mut(path).unwrap() = json!(value);
            assert_eq!(read(&changed).unwrap_err(), expected, "{path}");
        };
        check("/id", "https://social.example/users/bob", DocumentError::OtherId);
        check("/inbox", "https://evil.example/inbox", DocumentError::OtherOrigin("inbox"));
        check("/endpoints/sharedInbox", "https://evil.example/inbox", DocumentError::OtherOrigin("sharedInbox"));
        check("/publicKey/id", "https://evil.example/key", DocumentError::OtherOrigin("publicKey"));
        check("/publicKey/owner", "https://social.example/users/bob", DocumentError::OtherOwner);
        check("/type", "Note", DocumentError::NotAnActor("Note".to_owned()));
        let mut foreign = document();
        foreign["assertionMethod"] = json!([{
            "id": "https://evil.example/#key", "type": "Multikey", "controller": "https://evil.example/",
            "publicKeyMultibase": "z6MkhaXgBZDvotDkL5257faiztiGiC2QtKLGpbnnEGta2doK",
        }]);
        assert_eq!(read(&foreign).unwrap_err(), DocumentError::OtherOwner);
    }
}
