//! The messages of a channel: the JSON that is signed, and the values behind it.
//!
//! Owns the wire form of everything that moves money between instances. It is in the domain because the signed bytes *are*
//! the agreement: a third party verifies them years later. Unknown members are kept in what is hashed and ignored here.
//! Source: docs/settlement-protocol.md, "Messages".

use serde_json::{Map, Value, json};

use super::commitment::{Node, Sibling};
use super::money::{Amount, Currency};
use super::settlement::{Channel, RejectCode};
use super::time::{Month, Timestamp};

/// The namespace of our own object types; given inline, never fetched.
pub const NAMESPACE: &str = "https://fedflattr.example/ns#";

/// `@context` of every document that we sign.
pub fn context() -> Value {
    json!([
        "https://www.w3.org/ns/activitystreams",
        "https://w3id.org/security/data-integrity/v1",
        { "flattr": NAMESPACE },
    ])
}

/// What every message of a channel has.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Envelope {
    pub channel: Channel,
    /// URI of the sender's instance actor: the debtor or the creditor.
    pub sender: String,
    /// Counts every message of this sender in this channel, from 1; never restarts.
    pub sequence: i64,
    /// Digest of the sender's previous message in the channel; empty for the first.
    pub previous: String,
    pub issued: Timestamp,
}

impl Envelope {
    pub fn receiver(&self) -> &str {
        let Channel { debtor, creditor, .. } = &self.channel;
        if self.sender == *debtor { creditor } else { debtor }
    }

    /// `https://<sender>/channels/<channel>/<sequence>`: a sender may be on either side of a channel, but its sequence is
    /// its own, so the sender's host makes the id unique.
    pub fn id(&self) -> String {
        let base = self.sender.trim_end_matches("/instance");
        format!("{base}/channels/{}/{}", self.channel.key(), self.sequence)
    }
}

/// A part of an obligation: which, and how much of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ObligationPart {
    /// The digest of the statement's Offer.
    pub obligation: String,
    pub amount: Amount,
}

/// A statement as it is offered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StatementOffer {
    pub month: Month,
    pub sum: Amount,
    pub like_count: i64,
    pub creator_count: i64,
    pub root: Node,
    /// Id of the month commitment, its digest, and the way from the peer's root to its top root.
    pub commitment: String,
    pub commitment_digest: String,
    pub commitment_path: Vec<Sibling>,
    pub expires: Timestamp,
}

/// What a message says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Body {
    /// Opens the channel: where and from which amount on the sender pays or is paid.
    Terms {
        account: String,
        minimum_transfer: Amount,
        /// Platforms on whose sign-ins the sender takes the receiver's word for claims: slugs, also of platforms that the
        /// reader does not know.
        trusted_claims: Vec<String>,
    },
    Statement(StatementOffer),
    /// Accepts the message with this id and digest: terms, a statement, or an Accept (then it is the acknowledgement).
    Accept {
        object: String,
        object_digest: String,
    },
    Reject {
        object: String,
        object_digest: String,
        code: RejectCode,
    },
    Void {
        object: String,
        object_digest: String,
    },
    Payment {
        parts: Vec<ObligationPart>,
        total: Amount,
        rail: String,
    },
    Receipt {
        object: String,
        object_digest: String,
        parts: Vec<ObligationPart>,
        received: Timestamp,
    },
}

impl Body {
    /// The word under which the message is stored and shown.
    pub const fn kind(&self) -> &'static str {
        match self {
            Body::Terms { .. } => "terms",
            Body::Statement(_) => "statement",
            Body::Accept { .. } => "accept",
            Body::Reject { .. } => "reject",
            Body::Void { .. } => "void",
            Body::Payment { .. } => "payment",
            Body::Receipt { .. } => "receipt",
        }
    }
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Message {
    pub envelope: Envelope,
    pub body: Body,
}

/// The reference under which a payment travels on its rail (SEPA EndToEndId): the first 35 characters of the base32 of the
/// digest of its notice, so both sides know it without agreeing on it.
pub fn payment_reference(digest: &str) -> String {
    let bytes = hex::decode(digest.trim_start_matches("sha-256:")).unwrap_or_default();
    let encoded = multibase::Base::Base32Upper.encode(bytes);
    encoded.chars().take(35).collect()
}

/// Why a document is not a message of a channel.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum MessageError {
    #[error("`{0}` is missing or not of its form")]
    Member(&'static str),
    #[error("the id is not the address of message {0} of its channel")]
    Id(i64),
    #[error("the sender is neither the debtor nor the creditor of the channel")]
    Sender,
    #[error("the message is of version {0}; known is 1")]
    Version(String),
    #[error("this is not a settlement message")]
    NotSettlement,
}

/// The unsigned JSON of a message.
pub fn write(message: &Message) -> Value {
    let Message { envelope, body } = message;
    let mut channel = Map::new();
    channel.insert("version".into(), json!(1));
    channel.insert("debtor".into(), json!(envelope.channel.debtor));
    channel.insert("creditor".into(), json!(envelope.channel.creditor));
    channel.insert("currency".into(), json!(envelope.channel.currency.as_str()));
    channel.insert("sequence".into(), json!(envelope.sequence));
    channel.insert("previous".into(), json!(envelope.previous));
    channel.insert("issued".into(), json!(envelope.issued.floor_to_second().to_string()));
    let mut activity = Map::new();
    activity.insert("@context".into(), context());
    activity.insert("id".into(), json!(envelope.id()));
    activity.insert("actor".into(), json!(envelope.sender));
    activity.insert("to".into(), json!(envelope.receiver()));
    let mut answer = |kind: &str, object: &str, digest: &str| {
        activity.insert("type".into(), json!(kind));
        activity.insert("object".into(), json!(object));
        activity.insert("objectDigest".into(), json!(digest));
        activity.append(&mut channel);
    };
    match body {
        Body::Accept { object, object_digest } => answer("Accept", object, object_digest),
        Body::Void { object, object_digest } => answer("Undo", object, object_digest),
        Body::Reject { object, object_digest, code } => {
            answer("Reject", object, object_digest);
            activity.insert("code".into(), json!(code.as_str()));
        }
        Body::Receipt { object, object_digest, parts, received } => {
            answer("Accept", object, object_digest);
            let result = json!({
                "type": "flattr:Receipt",
                "obligations": write_parts(parts),
                "valueDate": received.floor_to_second().to_string(),
            });
            activity.insert("result".into(), result);
        }
        Body::Terms { account, minimum_transfer, trusted_claims } => {
            channel.insert("type".into(), json!("flattr:PeerTerms"));
            channel.insert("account".into(), json!(account));
            channel.insert("minimumTransfer".into(), json!(minimum_transfer.to_wire()));
            // An empty list is not written: terms of before it existed have the same bytes.
            if !trusted_claims.is_empty() {
                channel.insert("trustedClaims".into(), json!(trusted_claims));
            }
            offer(&mut activity, channel);
        }
        Body::Statement(statement) => {
            channel.insert("type".into(), json!("flattr:SettlementStatement"));
            channel.insert("month".into(), json!(statement.month.to_string()));
            channel.insert("sum".into(), json!(statement.sum.to_wire()));
            channel.insert("likeCount".into(), json!(statement.like_count));
            channel.insert("creatorCount".into(), json!(statement.creator_count));
            channel.insert("root".into(), json!(hex::encode(statement.root.hash)));
            channel.insert("lines".into(), json!(format!("{}/lines", envelope.id())));
            channel.insert("commitment".into(), json!(statement.commitment));
            channel.insert("commitmentDigest".into(), json!(statement.commitment_digest));
            channel.insert("commitmentProof".into(), write_path(&statement.commitment_path));
            channel.insert("expires".into(), json!(statement.expires.to_string()));
            offer(&mut activity, channel);
        }
        Body::Payment { parts, total, rail } => {
            channel.insert("type".into(), json!("flattr:PaymentNotice"));
            channel.insert("obligations".into(), write_parts(parts));
            channel.insert("total".into(), json!(total.to_wire()));
            channel.insert("rail".into(), json!(rail));
            offer(&mut activity, channel);
        }
    }
    Value::Object(activity)
}

fn offer(activity: &mut Map<String, Value>, object: Map<String, Value>) {
    activity.insert("type".into(), json!("Offer"));
    activity.insert("object".into(), Value::Object(object));
}

fn write_parts(parts: &[ObligationPart]) -> Value {
    parts.iter().map(|part| json!({ "id": part.obligation, "amount": part.amount.to_wire() })).collect()
}

/// A path as JSON: the siblings from the bottom up.
pub fn write_path(path: &[Sibling]) -> Value {
    path.iter()
        .map(|sibling| {
            json!({
                "side": if sibling.is_left { "left" } else { "right" },
                "sum": sibling.node.sum.to_string(),
                "hash": hex::encode(sibling.node.hash),
            })
        })
        .collect()
}

/// Whether a document claims to be a message of a channel, well formed or not. Such a document needs a proof.
pub fn claims_a_channel(document: &Value) -> bool {
    !matches!(read(document), Err(MessageError::NotSettlement))
        && (document.get("debtor").is_some() || document.pointer("/object/debtor").is_some())
}

/// Reads a message of a channel. The proof is checked elsewhere; here is only form.
pub fn read(document: &Value) -> Result<Message, MessageError> {
    let kind = text(document, "type")?;
    let object = document.get("object").ok_or(MessageError::Member("object"))?;
    let channel_part = if kind == "Offer" { object } else { document };
    if channel_part.get("debtor").is_none() {
        return Err(MessageError::NotSettlement);
    }
    match channel_part.get("version") {
        Some(Value::Number(version)) if version.as_i64() == Some(1) => {}
        other => return Err(MessageError::Version(other.map_or("none".to_owned(), Value::to_string))),
    }
    let currency: Currency = text(channel_part, "currency")?.parse().map_err(|_| MessageError::Member("currency"))?;
    let envelope = Envelope {
        channel: Channel {
            debtor: text(channel_part, "debtor")?.to_owned(),
            creditor: text(channel_part, "creditor")?.to_owned(),
            currency,
        },
        sender: text(document, "actor")?.to_owned(),
        sequence: number(channel_part, "sequence")?,
        previous: text(channel_part, "previous")?.to_owned(),
        issued: time(channel_part, "issued")?,
    };
    if envelope.sender != envelope.channel.debtor && envelope.sender != envelope.channel.creditor {
        return Err(MessageError::Sender);
    }
    if envelope.sequence < 1 || text(document, "id")? != envelope.id() {
        return Err(MessageError::Id(envelope.sequence));
    }
    let body = read_body(document, object, kind, currency)?;
    Ok(Message { envelope, body })
}

fn read_body(document: &Value, object: &Value, kind: &str, currency: Currency) -> Result<Body, MessageError> {
    let answered = || -> Result<(String, String), MessageError> {
        Ok((text(document, "object")?.to_owned(), text(document, "objectDigest")?.to_owned()))
    };
    Ok(match kind {
        "Accept" => {
            let (object, object_digest) = answered()?;
            match document.get("result") {
                // Taking the agreed part for the whole would bind what the other side contests.
                None if document.get("contested").is_some() => return Err(MessageError::Member("contested")),
                None => Body::Accept { object, object_digest },
                Some(result) => Body::Receipt {
                    object,
                    object_digest,
                    parts: read_parts(result, currency)?,
                    received: time(result, "valueDate")?,
                },
            }
        }
        "Undo" => {
            let (object, object_digest) = answered()?;
            Body::Void { object, object_digest }
        }
        "Reject" => {
            let (object, object_digest) = answered()?;
            let code = RejectCode::parse(text(document, "code")?).ok_or(MessageError::Member("code"))?;
            Body::Reject { object, object_digest, code }
        }
        "Offer" => match text(object, "type")? {
            "flattr:PeerTerms" => Body::Terms {
                account: text(object, "account")?.to_owned(),
                minimum_transfer: amount(object, "minimumTransfer", currency)?,
                trusted_claims: read_slugs(object, "trustedClaims")?,
            },
            "flattr:SettlementStatement" => Body::Statement(read_statement(object, currency)?),
            "flattr:PaymentNotice" => Body::Payment {
                parts: read_parts(object, currency)?,
                total: amount(object, "total", currency)?,
                rail: text(object, "rail")?.to_owned(),
            },
            _ => return Err(MessageError::NotSettlement),
        },
        _ => return Err(MessageError::NotSettlement),
    })
}

/// A list of short names, at most 64; absent is empty.
fn read_slugs(value: &Value, name: &'static str) -> Result<Vec<String>, MessageError> {
    let refused = MessageError::Member(name);
    let Some(list) = value.get(name) else { return Ok(Vec::new()) };
    let list = list.as_array().filter(|list| list.len() <= 64).ok_or(refused.clone())?;
    let is_plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || matches!(c, '-' | '_' | '.');
    let slug = |item: &Value| {
        item.as_str().filter(|slug| (1..=64).contains(&slug.len()) && slug.chars().all(is_plain)).map(str::to_owned)
    };
    list.iter().map(|item| slug(item).ok_or(refused.clone())).collect()
}

fn read_statement(object: &Value, currency: Currency) -> Result<StatementOffer, MessageError> {
    let sum = amount(object, "sum", currency)?;
    let root =
        Node { sum: u64::try_from(sum.units()).map_err(|_| MessageError::Member("sum"))?, hash: hash(object, "root")? };
    Ok(StatementOffer {
        month: text(object, "month")?.parse().map_err(|_| MessageError::Member("month"))?,
        sum,
        like_count: number(object, "likeCount")?,
        creator_count: number(object, "creatorCount")?,
        root,
        commitment: text(object, "commitment")?.to_owned(),
        commitment_digest: text(object, "commitmentDigest")?.to_owned(),
        commitment_path: read_path(object.get("commitmentProof").unwrap_or(&Value::Null))
            .ok_or(MessageError::Member("commitmentProof"))?,
        expires: time(object, "expires")?,
    })
}

/// Reads a path of at most 64 siblings, which is enough for any tree.
pub fn read_path(value: &Value) -> Option<Vec<Sibling>> {
    let siblings = value.as_array().filter(|siblings| siblings.len() <= 64)?;
    siblings
        .iter()
        .map(|sibling| {
            let is_left = match sibling.get("side")?.as_str()? {
                "left" => true,
                "right" => false,
                _ => return None,
            };
            let sum = sibling.get("sum")?.as_str()?.parse().ok()?;
            let hash = hex::decode(sibling.get("hash")?.as_str()?).ok()?.try_into().ok()?;
            Some(Sibling { node: Node { sum, hash }, is_left })
        })
        .collect()
}

fn read_parts(value: &Value, currency: Currency) -> Result<Vec<ObligationPart>, MessageError> {
    let refused = MessageError::Member("obligations");
    let parts = value.get("obligations").and_then(Value::as_array).ok_or(refused.clone())?;
    if parts.is_empty() || parts.len() > 1_000 {
        return Err(refused);
    }
    parts
        .iter()
        .map(|part| {
            Ok(ObligationPart { obligation: text(part, "id")?.to_owned(), amount: amount(part, "amount", currency)? })
        })
        .collect()
}

/// A text member of at most 2,000 bytes.
pub fn text<'v>(value: &'v Value, name: &'static str) -> Result<&'v str, MessageError> {
    let found = value.get(name).and_then(Value::as_str);
    found.filter(|text| text.len() <= 2_000).ok_or(MessageError::Member(name))
}

/// A count or sequence: a whole number that is not negative.
pub fn number(value: &Value, name: &'static str) -> Result<i64, MessageError> {
    value.get(name).and_then(Value::as_i64).filter(|number| *number >= 0).ok_or(MessageError::Member(name))
}

/// A positive amount, as a decimal string.
pub fn amount(value: &Value, name: &'static str, currency: Currency) -> Result<Amount, MessageError> {
    Amount::parse_positive(text(value, name)?, currency).map_err(|_| MessageError::Member(name))
}

pub fn time(value: &Value, name: &'static str) -> Result<Timestamp, MessageError> {
    text(value, name)?.parse().map_err(|_| MessageError::Member(name))
}

/// 32 bytes in lower-case hexadecimal.
pub fn hash(value: &Value, name: &'static str) -> Result<[u8; 32], MessageError> {
    let bytes = hex::decode(text(value, name)?).map_err(|_| MessageError::Member(name))?;
    bytes.try_into().map_err(|_| MessageError::Member(name))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn eur(text: &str) -> Amount {
        Amount::parse(text, Currency::EUR).unwrap()
    }

    fn message(sender: &str, body: Body) -> Message {
        let channel = Channel {
            debtor: "https://alpha.example/instance".to_owned(),
            creditor: "https://beta.example/instance".to_owned(),
            currency: Currency::EUR,
        };
        let envelope = Envelope {
            channel,
            sender: format!("https://{sender}/instance"),
            sequence: 41,
            previous: "sha-256:00".to_owned(),
            issued: "2013-07-04T00:11:09Z".parse().unwrap(),
        };
        Message { envelope, body }
    }

    fn statement() -> Body {
        let node = Node { sum: 412_345_678, hash: [7; 32] };
        Body::Statement(StatementOffer {
            month: "2013-06".parse().unwrap(),
            sum: eur("412.345678"),
            like_count: 18_234,
            creator_count: 412,
            root: node,
            commitment: "https://alpha.example/commitments/2013-06".to_owned(),
            commitment_digest: "sha-256:aa".to_owned(),
            commitment_path: vec![Sibling { node, is_left: true }, Sibling { node, is_left: false }],
            expires: "2013-07-07T23:59:59Z".parse().unwrap(),
        })
    }

    fn terms(trusted: &[&str]) -> Body {
        let trusted_claims = trusted.iter().map(|slug| (*slug).to_owned()).collect();
        Body::Terms { account: "ALPHA".to_owned(), minimum_transfer: eur("10"), trusted_claims }
    }

    fn bodies() -> Vec<(&'static str, Body)> {
        let (object, object_digest) = ("https://x.example/1".to_owned(), "sha-256:bb".to_owned());
        let part = ObligationPart { obligation: "sha-256:cc".to_owned(), amount: eur("1.00") };
        let (o, d) = (object.clone(), object_digest.clone());
        vec![
            ("alpha.example", terms(&[])),
            ("alpha.example", terms(&["github", "500px"])),
            ("alpha.example", statement()),
            ("beta.example", Body::Accept { object: o.clone(), object_digest: d.clone() }),
            (
                "beta.example",
                Body::Reject { object: o.clone(), object_digest: d.clone(), code: RejectCode::NotClaimed },
            ),
            ("alpha.example", Body::Void { object: o, object_digest: d }),
            (
                "alpha.example",
                Body::Payment { parts: vec![part.clone()], total: eur("1.00"), rail: "sandbox".to_owned() },
            ),
            (
                "beta.example",
                Body::Receipt {
                    object,
                    object_digest,
                    parts: vec![part],
                    received: "2013-07-10T00:00:00Z".parse().unwrap(),
                },
            ),
        ]
    }

    #[test]
    fn every_message_reads_back() {
        for (sender, body) in bodies() {
            let message = message(sender, body);
            let json = write(&message);
            assert_eq!(read(&json), Ok(message));
        }
    }

    #[test]
    fn terms_that_trust_no_claims_have_the_form_of_before() {
        let json = write(&message("alpha.example", terms(&[])));
        assert_eq!(json["object"].get("trustedClaims"), None);
        let mut json = write(&message("alpha.example", terms(&["github"])));
        assert_eq!(json["object"]["trustedClaims"], json!(["github"]));
        for wrong in [json!("github"), json!([7]), json!(["a,b"]), json!([""]), json!(vec!["x"; 65])] {
            json["object"]["trustedClaims"] = wrong;
            assert_eq!(read(&json), Err(MessageError::Member("trustedClaims")));
        }
        json["object"]["trustedClaims"] = json!(["a-platform-of-tomorrow"]);
        assert!(read(&json).is_ok());
    }

    #[test]
    fn a_message_claims_its_channel_also_where_its_form_is_broken() {
        for (sender, body) in bodies() {
            let mut json = write(&message(sender, body));
            assert!(claims_a_channel(&json));
            json["id"] = json!("https://alpha.example/another");
            assert!(claims_a_channel(&json));
            json.as_object_mut().unwrap().remove("actor");
            assert!(claims_a_channel(&json));
        }
        let like = json!({ "type": "Like", "object": "https://alpha.example/objects/1" });
        assert!(!claims_a_channel(&like));
        assert!(!claims_a_channel(&json!({ "type": "Offer", "object": { "type": "Note" } })));
    }

    #[test]
    fn a_message_with_any_wrong_member_is_refused_by_name() {
        let original = write(&message("alpha.example", statement()));
        let check = |name: &'static str, wrong: Value| {
            let mut json = original.clone();
            json["object"][name] = wrong;
            assert_eq!(read(&json), Err(MessageError::Member(name)), "{name}");
        };
        check("sum", json!("-1"));
        check("sum", json!(412.3));
        check("sum", json!("9".repeat(30)));
        check("sum", json!("1e400"));
        check("month", json!("2013-13"));
        check("currency", json!("eur"));
        check("root", json!("zz"));
        check("likeCount", json!(-1));
        check("commitmentProof", json!([{ "side": "up" }]));
        check("expires", json!("tomorrow"));
        let mut json = original.clone();
        json["id"] = json!("https://alpha.example/channels/alpha.example/beta.example/EUR/42");
        assert_eq!(read(&json), Err(MessageError::Id(41)));
        json = original.clone();
        json["actor"] = json!("https://mallory.example/instance");
        assert_eq!(read(&json), Err(MessageError::Sender));
        json = original;
        json["object"]["version"] = json!(2);
        assert_eq!(read(&json), Err(MessageError::Version("2".to_owned())));
    }
}
