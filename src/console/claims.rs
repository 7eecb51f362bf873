//! Commands about claims: proving an account, what peers announced, and what contradicts itself.

use serde_json::{Value, json};

use super::common::{parse, patron, refuse};
use super::{Answer, Refused, table};
use crate::bridges::Who;
use crate::domain::identity::ExternalId;
use crate::domain::money::Amount;
use crate::domain::settlement::host_of;
use crate::domain::time::Timestamp;
use crate::federation::Node;
use crate::flows::claim;
use crate::jobs::{self, Checked};
use crate::storage::{claims, connections, months};
use crate::web::auth;

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

/// Looks at the profile now: for a claim made here, by its token, or for whatever is claimed of an account.
pub async fn claim_check(node: &Node, token: &str) -> Result<Answer, Refused> {
    if let Ok(id) = token.parse::<ExternalId>() {
        let seen = jobs::check_identity(node, &id).await.map_err(refuse)?;
        let said: Vec<String> =
            seen.claims.iter().map(|claim| format!("{}: {}", claim.creator_uri, claim.state)).collect();
        let data: Vec<Value> = seen
            .claims
            .iter()
            .map(|claim| json!({ "creator": claim.creator_uri, "home": claim.home_uri, "state": claim.state }))
            .collect();
        return Ok(Answer::new(said.join("\n"), Value::Array(data)));
    }
    match jobs::check_claim(node, token).await.map_err(refuse)? {
        Checked::Verified(released) => {
            let amounts: Vec<String> = released.amounts.iter().map(Amount::to_string).collect();
            let text = format!("verified; {} waiting shares released: {}", released.shares, amounts.join(", "));
            Ok(Answer::new(text, json!({ "shares": released.shares, "amounts": amounts })))
        }
        Checked::Disputed { proofs } => Err(Refused(format!(
            "disputed: {}; nobody is paid until one is left: addresses are removed from the profile, a sign-in is taken \
             back, or the owner signs in again",
            proofs.join(" and ")
        ))),
    }
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

/// What the operator has to know of: two proofs at once, or none where there was one.
pub async fn claim_disputes(node: &Node) -> Result<Answer, Refused> {
    let rows = node.db.read(claims::troubled).await.map_err(refuse)?;
    if rows.is_empty() {
        return Ok(Answer::new("no claim is disputed or has lost its proof", json!([])));
    }
    let mut cells = Vec::new();
    let mut data = Vec::new();
    for (claim, identity) in rows {
        let account = identity.external_id().map_err(refuse)?.to_string();
        let address = claim::address_of(&node.instance, &claim).unwrap_or_default();
        let proof = claim::proof_of(&node.instance, &claim);
        let since = Timestamp::from_micros(claim.changed_at).floor_to_second().to_string();
        data.push(json!({
            "identity": account, "creator": claim.creator_uri, "state": claim.state, "address": address,
            "token": claim.token, "method": claim.method, "proof": proof,
        }));
        cells.push(vec![account, claim.state, claim.creator_uri, proof, since]);
    }
    let head = ["identity", "state", "claimed by", "proof", "since"];
    let text = format!(
        "{}\nnobody is paid for these. disputed: all but one of the addresses must leave the profile; a sign-in ends when \
         it is taken back, or when the owner signs in again. lost: the address must come back, or the owner sign in \
         again.\nthen: fedflattr claim check <identity>",
        table(&head, &cells)
    );
    Ok(Answer::new(text, Value::Array(data)))
}

pub async fn claim_confirm(node: &Node, token: &str) -> Result<Answer, Refused> {
    let (owned, now) = (token.to_owned(), node.now());
    let claim = node.write(move |tx| claim::confirm(tx, &owned, now)).await.map_err(refuse)?;
    let text = format!(
        "what {} has earned with this account may be paid out for 7 days; nothing new is paid for it while the claim \
         is {}",
        claim.creator_uri, claim.state
    );
    Ok(Answer::new(text, json!({ "creator": claim.creator_uri, "state": claim.state })))
}
