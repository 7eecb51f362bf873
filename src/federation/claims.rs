//! Claims between instances: what we announce of ours, and what a peer's announcement says.
//!
//! Owns the JSON of `flattr:Claim`. It proves nothing: a receiver looks at the profile itself, and takes a home's word for a
//! sign-in only where its operator has said so. Source: FEDERATION.md, "Claims".

use serde_json::{Value, json};

use crate::domain::settlement::host_of;
use crate::domain::time::Timestamp;
use crate::storage::connections::NewClaimCheck;

/// A claim of ours, as it is announced.
pub struct SaidClaim<'a> {
    pub home: &'a str,
    pub creator: &'a str,
    /// `github:1024025`
    pub identity: &'a str,
    pub claim_url: &'a str,
    pub token: &'a str,
    /// `backlink` when anybody can check it, else `sign_in`.
    pub method: &'a str,
    /// The newest sign-in that counts, and since when the claim is proved.
    pub signed_in: Option<(Timestamp, Timestamp)>,
    pub verified_at: Timestamp,
}

pub fn write(claim: &SaidClaim) -> Value {
    let mut document = json!({
        "type": "flattr:Claim",
        "id": claim.claim_url,
        "attributedTo": claim.home,
        "creator": claim.creator,
        "identity": claim.identity,
        "method": claim.method,
        "token": claim.token,
        "verified": claim.verified_at.floor_to_second().to_string(),
    });
    // To the microsecond: two sign-ins are compared by their dates, here and there.
    if let Some((at, since)) = claim.signed_in {
        document["signedIn"] = json!(at.to_string());
        document["provedSince"] = json!(since.to_string());
    }
    document
}

/// Reads a claim that was announced.
///
/// - `signer`: the instance whose proof the announcement carries; it speaks for its own creators only.
/// - errors: why it has no effect.
pub fn read(object: &Value, signer: &str, now: Timestamp) -> Result<NewClaimCheck, &'static str> {
    let text = |name: &str| object.get(name).and_then(Value::as_str).unwrap_or_default();
    let (home, creator, token) = (text("attributedTo"), text("creator"), text("token"));
    if home != signer || host_of(creator) != host_of(home) || token.is_empty() || token.len() > 200 {
        return Err("a claim in the name of another instance");
    }
    // A date ahead of our clock would outlive every honest one.
    let time = |name: &str| text(name).parse::<Timestamp>().ok().map(|at| at.min(now));
    let signed_in_at = time("signedIn");
    Ok(NewClaimCheck {
        identity: text("identity").parse().map_err(|_| "a claim on something that is not an account")?,
        home: home.to_owned(),
        creator: creator.to_owned(),
        token: token.to_owned(),
        signed_in_at,
        proved_since: signed_in_at.map(|at| time("provedSince").map_or(at, |since| since.min(at))),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const BETA: &str = "https://beta.example/instance";

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    fn said(signed_in: Option<(Timestamp, Timestamp)>) -> Value {
        write(&SaidClaim {
            home: BETA,
            creator: "https://beta.example/creators/mira",
            identity: "github:1024025",
            claim_url: "https://beta.example/claim/7f3a",
            token: "7f3a",
            method: if signed_in.is_some() { "sign_in" } else { "backlink" },
            signed_in,
            verified_at: at("2013-06-03T12:00:00.5Z"),
        })
    }

    /// (signed in at, proved since) on 2013-06-05.
    fn dates(document: &Value) -> (Option<Timestamp>, Option<Timestamp>) {
        let read = read(document, BETA, at("2013-06-05T00:00:00Z")).unwrap();
        assert_eq!((read.identity.to_string().as_str(), read.token.as_str()), ("github:1024025", "7f3a"));
        (read.signed_in_at, read.proved_since)
    }

    #[test]
    fn a_claim_by_an_address_has_the_form_of_before() {
        let document = said(None);
        assert_eq!((&document["method"], document.get("signedIn")), (&json!("backlink"), None));
        assert_eq!(document["verified"], "2013-06-03T12:00:00Z");
        assert_eq!(dates(&document), (None, None));
    }

    #[test]
    fn a_sign_in_is_told_to_the_microsecond_and_never_from_the_future() {
        let (signed, since) = (at("2013-06-03T12:00:00.123456Z"), at("2013-06-01T00:00:00Z"));
        let mut document = said(Some((signed, since)));
        assert_eq!(dates(&document), (Some(signed), Some(since)));
        document["provedSince"] = json!("2013-06-04T00:00:00Z");
        assert_eq!(dates(&document), (Some(signed), Some(signed)));
        document["signedIn"] = json!("2999-01-01T00:00:00Z");
        assert_eq!(dates(&document).0, Some(at("2013-06-05T00:00:00Z")));
        document["signedIn"] = json!("yesterday");
        assert_eq!(dates(&document), (None, None));
    }

    #[test]
    fn an_instance_speaks_for_its_own_creators_only() {
        let refused = |name: &str, value: &str| {
            let mut document = said(None);
            document[name] = json!(value);
            read(&document, BETA, at("2013-06-05T00:00:00Z")).is_err()
        };
        assert!(refused("attributedTo", "https://alpha.example/instance"));
        assert!(refused("creator", "https://alpha.example/creators/mira"));
        assert!(refused("identity", "myspace:tom"));
        assert!(refused("token", "") && refused("token", &"x".repeat(201)));
        assert!(read(&said(None), "https://alpha.example/instance", at("2013-06-05T00:00:00Z")).is_err());
    }
}
