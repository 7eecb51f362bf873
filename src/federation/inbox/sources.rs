//! Likes by accounts of the fediverse that are sources of a patron: counted here, or forwarded to the patron's home.
//!
//! Owns what is believed of a forwarded like: nothing that the witness says but when it came. The signature of the
//! account's own server is verified again, as it was sent, with the key that the account publishes; the bytes of the like
//! decide who liked what. Whose post it stands for is named by platform and id, and whose that is this instance knows by
//! itself. Source: FEDERATION.md, "Likes of other accounts".

use std::time::Duration;

use actix_web::HttpRequest;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::{Activity, ProcessError, end, object_id};
use crate::domain::id::ObjectId;
use crate::domain::settlement::host_of;
use crate::domain::time::Timestamp;
use crate::federation::gate::{GateError, read_activity, verify_signer};
use crate::federation::library::Federation;
use crate::federation::node::Node;
use crate::federation::signature::{self, Request, Rules, Window};
use crate::flows::flattr::FlattrError;
use crate::flows::like_source::{self, Counts, GivenLike};
use crate::flows::{Instance, notice, proxied};
use crate::storage::people::Actor;
use crate::storage::{Tx, identities, like_sources, outbox, settlement};

const OBSERVATION: &str = "flattr:LikeObservation";
/// A witness that could not deliver for longer than this has nothing to add to a month.
const WITNESS_AGE_MAX: Duration = Duration::from_secs(40 * 24 * 3_600);
const CLOCKS_APART_MAX: Duration = Duration::from_secs(300);

impl From<FlattrError> for ProcessError {
    fn from(error: FlattrError) -> Self {
        match error {
            FlattrError::Storage(error) => ProcessError::Storage(error),
            other => ProcessError::Refused(other.to_string()),
        }
    }
}

/// How a request was sent, as far as its signature covers it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Envelope {
    pub method: String,
    /// Path and query, as sent.
    pub target: String,
    /// In the order in which they came.
    pub headers: Vec<(String, String)>,
}

impl Envelope {
    /// Of a request that has passed the gate.
    pub fn of(request: &HttpRequest) -> Envelope {
        let lines: Vec<(&str, &[u8])> =
            request.headers().iter().map(|(name, value)| (name.as_str(), value.as_bytes())).collect();
        let target = request.uri().path_and_query().map_or("/", |target| target.as_str());
        let method = request.method().as_str();
        let parts = Request { method, target, headers: &lines, body: &[] };
        let covered = signature::parse(&parts).map(|parameters| parameters.headers).unwrap_or_default();
        let is_kept = |name: &str| name == "signature" || covered.iter().any(|covered| covered == name);
        let kept = lines.iter().filter(|(name, _)| is_kept(name));
        let headers = kept.map(|(name, value)| ((*name).to_owned(), String::from_utf8_lossy(value).into_owned()));
        Envelope { method: method.to_owned(), target: target.to_owned(), headers: headers.collect() }
    }

    pub fn to_text(&self) -> String {
        serde_json::to_string(self).expect("texts are always JSON")
    }
}

/// What a like, or its Undo, is told to the patron's home as: the bytes as they came, and how and when.
///
/// - `envelope`: from [`Envelope::to_text`].
pub fn observation(instance: &Instance, body: &str, envelope: &str, witnessed_at: Timestamp) -> Option<Value> {
    let envelope: Envelope = serde_json::from_str(envelope).ok()?;
    let mut object = json!({
        "type": OBSERVATION,
        "flattr:witnessedAt": witnessed_at.to_string(),
        "flattr:method": envelope.method,
        "flattr:target": envelope.target,
        "flattr:headers": envelope.headers,
        "flattr:body": body,
    });
    let inner: Value = serde_json::from_str(body).ok()?;
    if let Some(liked) = liked_in(&inner).and_then(|uri| instance.parse_object_uri(uri)) {
        object["flattr:platform"] = json!(liked.platform().slug());
        object["flattr:objectId"] = json!(liked.object());
    }
    Some(object)
}

/// The address of what a Like is about, or the Like inside an Undo.
fn liked_in(activity: &Value) -> Option<&str> {
    let like = match activity.get("type")?.as_str()? {
        "Undo" => activity.get("object")?,
        _ => activity,
    };
    let object = like.get("object")?;
    object.as_str().or_else(|| object.get("id")?.as_str())
}

pub(super) fn is_observation(document: &Value) -> bool {
    document.pointer("/object/type").and_then(Value::as_str) == Some(OBSERVATION)
}

/// Notes an account that a peer names as a source of likes; its profile is then asked.
pub(super) async fn note_announced(
    node: &Node,
    signer: &Actor,
    is_proved: bool,
    home: &str,
    account: String,
    backlink: String,
) -> Result<String, ProcessError> {
    if !is_proved || home != signer.uri || !like_source::is_backlink_of(home, &backlink) {
        return Err(ProcessError::Refused("a source of likes in the name of another instance".to_owned()));
    }
    if account.is_empty() || account.len() > 1_000 || host_of(&account) == node.instance.host {
        return Err(ProcessError::Refused("a source of likes that is not an account elsewhere".to_owned()));
    }
    let (home, now) = (home.to_owned(), node.now());
    let noted = node.write(move |tx| {
        let is_peer = settlement::peer_by_uri(tx, &home)?.is_some_and(|peer| peer.state == "added");
        if !is_peer {
            return Err(ProcessError::Refused("a source of likes by an instance that is no peer".to_owned()));
        }
        Ok(like_sources::announce(tx, &account, &home, &backlink, now)?)
    });
    noted.await?;
    Ok("a source of likes was announced: its backlink will be checked".to_owned())
}

/// Whether an Undo takes back that an account is a source of likes.
pub(super) fn is_withdrawal(document: &Value) -> bool {
    document.pointer("/object/type").and_then(Value::as_str) == Some("flattr:LikeSource")
}

/// Forgets an account that a peer named as a source of likes. What it likes from now on is a stranger's like here.
pub(super) fn note_withdrawn(
    tx: &mut Tx,
    document: &Value,
    signer: &Actor,
    is_proved: bool,
) -> Result<String, ProcessError> {
    let text = |name: &str| document["object"].get(name).and_then(Value::as_str).unwrap_or_default();
    if !is_proved || text("attributedTo") != signer.uri {
        return Err(ProcessError::Refused("a source of likes in the name of another instance".to_owned()));
    }
    let is_known = like_sources::withdraw(tx, text("account"), &signer.uri, text("backlink"))?;
    Ok(match is_known {
        true => "a source of likes was withdrawn",
        false => "a source of likes was withdrawn that was not known",
    }
    .to_owned())
}

impl Activity {
    /// What becomes of a like by an account that is a patron's; `None` for everybody else's.
    pub(super) fn by_source(&self, tx: &mut Tx, id: &str, object: ObjectId) -> Result<Option<String>, ProcessError> {
        Ok(Some(match like_source::counts(tx, &self.signer.uri)? {
            Counts::Nowhere => return Ok(None),
            Counts::ByList => "a like of a patron's account: its list of favourites decides".to_owned(),
            Counts::Here { patron, asks_first } => {
                let like = GivenLike {
                    patron,
                    asks_first,
                    actor: &self.signer.uri,
                    uri: id,
                    object,
                    received_at: self.received_at,
                    witnessed_at: None,
                };
                like_source::liked(tx, &like)?.to_owned()
            }
            Counts::At { home_uri } => self.forward(tx, &home_uri)?,
        }))
    }

    pub(super) fn undo_by_source(
        &self,
        tx: &mut Tx,
        instance: &Instance,
        like_uri: &str,
        like: &Value,
    ) -> Result<Option<String>, ProcessError> {
        if let Some(outcome) = like_source::undone(tx, &self.signer.uri, like_uri, self.now)? {
            return Ok(Some(outcome.to_owned()));
        }
        Ok(Some(match like_source::counts(tx, &self.signer.uri)? {
            Counts::Nowhere => return Ok(None),
            Counts::ByList => "an Undo of a patron's account: its list of favourites decides".to_owned(),
            Counts::Here { patron, .. } => {
                let object = match object_id(like).ok().and_then(|uri| instance.parse_object_uri(uri)) {
                    Some(object) => identities::object_by_ref(tx, &object)?.map(|object| object.id),
                    None => None,
                };
                like_source::unliked(tx, patron, &self.signer.uri, like_uri, object, self.now)?.to_owned()
            }
            Counts::At { home_uri } => self.forward(tx, &home_uri)?,
        }))
    }

    fn forward(&self, tx: &mut Tx, home_uri: &str) -> Result<String, ProcessError> {
        if like_sources::envelope(tx, self.row)?.is_none() {
            return Ok("it came before its account was announced: it counts nowhere".to_owned());
        }
        outbox::push_event(tx, "observation", &self.row.to_string(), self.now)?;
        Ok(format!("forwarded to {home_uri}, where it counts"))
    }
}

/// A like of an account of ours that a peer has witnessed.
pub(super) async fn process_observation(
    federation: &Federation,
    row: i64,
    received_at: Timestamp,
    document: &Value,
    witness: &Actor,
    is_proved: bool,
) -> Result<String, ProcessError> {
    let node: &Node = federation;
    let refused = |text: &str| ProcessError::Refused(text.to_owned());
    if !is_proved {
        return Err(refused("an observation without a valid proof has no effect"));
    }
    let object = document.get("object").ok_or_else(|| refused("`object` is missing"))?;
    let text = |name: &str| object.get(name).and_then(Value::as_str).unwrap_or_default();
    let witnessed_at: Timestamp = text("flattr:witnessedAt").parse().map_err(|_| refused("no time of the witness"))?;
    if witnessed_at > received_at.plus(CLOCKS_APART_MAX) || witnessed_at < received_at.minus(WITNESS_AGE_MAX) {
        return Err(refused("the time of the witness cannot be right"));
    }
    let headers: Vec<(String, String)> = serde_json::from_value(object["flattr:headers"].clone())
        .map_err(|_| refused("the headers of the like are missing"))?;
    let lines: Vec<(&str, &[u8])> = headers.iter().map(|(name, value)| (name.as_str(), value.as_bytes())).collect();
    let body = text("flattr:body");
    let inner = read_activity(body.as_bytes()).map_err(|error| ProcessError::Refused(error.to_string()))?;
    let parts = Request {
        method: text("flattr:method"),
        target: text("flattr:target"),
        headers: &lines,
        body: body.as_bytes(),
    };
    // It was sent to the witness, at that time.
    let settings = &node.config.federation;
    let window = Window {
        past: Duration::from_secs(settings.clock_skew_past_seconds),
        future: Duration::from_secs(settings.clock_skew_future_seconds),
    };
    let rules = Rules { hosts: vec![witness.host.clone()], window };
    let checked = signature::check(&parts, &rules, witnessed_at)
        .map_err(|error| ProcessError::Refused(format!("the like was not sent like that: {error}")))?;
    match verify_signer(&federation.to_request_data(), &checked, &inner.actor).await {
        Ok(_) => {}
        Err(GateError::Storage(error)) => return Err(ProcessError::Storage(error)),
        // The account's server may be down for the moment.
        Err(error @ GateError::Actor(_)) => return Err(ProcessError::LaterPerhaps(error.to_string())),
        Err(error) => return Err(ProcessError::Refused(format!("not by the account that it names: {error}"))),
    }
    let liked = liked_in(&inner.document).map(str::to_owned);
    if liked.as_deref().is_some_and(|uri| host_of(uri) != witness.host) {
        return Err(refused("what was liked is not at the witness"));
    }
    // What was signed decides which post that is. The witness may say it once more, and nothing else.
    let named = liked.as_deref().and_then(proxied);
    if liked.is_some() && named.is_none() {
        return Err(refused("what was liked is no proxy of a post"));
    }
    let said = (text("flattr:platform"), text("flattr:objectId"));
    if named.as_ref().is_some_and(|named| said != (named.platform().slug(), named.object())) {
        return Err(refused("the witness names another post than the one that was liked"));
    }
    let (peer, now) = (witness.uri.clone(), node.now());
    node.write(move |tx| {
        let is_peer = settlement::peer_by_uri(tx, &peer)?.is_some_and(|peer| peer.state == "added");
        if !is_peer {
            return Err(ProcessError::Refused("an observation by an instance that is no peer".to_owned()));
        }
        let object = match (&named, &liked) {
            (Some(named), Some(uri)) => Some(notice::named(tx, named, uri, now)?.id),
            _ => None,
        };
        let is_undo = inner.document.get("type").and_then(Value::as_str) == Some("Undo");
        // Also when the account has left meanwhile: what it gave here it may take back.
        let undone = match is_undo {
            true => like_source::undone(tx, &inner.actor, object_id(&inner.document)?, now)?,
            false => None,
        };
        if let Some(outcome) = undone {
            end(tx, row, outcome)?;
            return Ok(outcome.to_owned());
        }
        let outcome = match like_source::counts(tx, &inner.actor)? {
            Counts::ByList => "an observed like: the list of favourites decides",
            Counts::Here { patron, asks_first } => match inner.document.get("type").and_then(Value::as_str) {
                Some("Like") => {
                    let object =
                        object.ok_or_else(|| ProcessError::Refused("it does not say what was liked".into()))?;
                    let like = GivenLike {
                        patron,
                        asks_first,
                        actor: &inner.actor,
                        uri: &inner.id,
                        object,
                        received_at,
                        witnessed_at: Some(witnessed_at),
                    };
                    like_source::liked(tx, &like)?
                }
                Some("Undo") => {
                    let undone = object_id(&inner.document)?;
                    like_source::unliked(tx, patron, &inner.actor, undone, object, now)?
                }
                _ => return Err(ProcessError::Refused("neither a Like nor its Undo".to_owned())),
            },
            Counts::Nowhere | Counts::At { .. } => {
                return Err(ProcessError::Refused(format!("`{}` is no account of a patron here", inner.actor)));
            }
        };
        end(tx, row, outcome)?;
        Ok(outcome.to_owned())
    })
    .await
}
