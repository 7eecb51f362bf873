//! Commands about owners who do not want to be bridged.
//!
//! Owns that the operator's word reaches accounts of platforms that cannot be asked any more: by the handle that is known
//! here, or by the stable id.

use serde_json::json;

use super::common::{parse, refuse};
use super::{Answer, Refused};
use crate::bridges::Who;
use crate::domain::consent::Source;
use crate::domain::identity::{ExternalId, Platform};
use crate::domain::time::Timestamp;
use crate::federation::Node;
use crate::flows::consent::{self, ConsentError};
use crate::jobs;
use crate::storage::identities::{self, Identity, SeenIdentity};
use crate::storage::{self, Tx};

pub async fn bridge_refuse(node: &Node, platform: &str, handle: &str) -> Result<Answer, Refused> {
    let account = find(node, parse(platform)?, handle).await?;
    let (id, now) = (account.clone(), node.now());
    let count = node
        .write(move |tx| {
            let identity = known_or_noted(tx, &id, now)?;
            consent::refuse(tx, identity.id, Source::Operator, now)
        })
        .await
        .map_err(refuse)?;
    let text = format!("{account} is not bridged any more; {count} held shares went back");
    Ok(Answer::new(text, json!({ "identity": account.to_string(), "returned": count })))
}

pub async fn bridge_allow(node: &Node, platform: &str, handle: &str) -> Result<Answer, Refused> {
    let account = find(node, parse(platform)?, handle).await?;
    let id = account.clone();
    let outcome = node
        .write(move |tx| {
            let Some(identity) = identities::identity_by_external_id(tx, &id)? else {
                return Ok::<_, ConsentError>((false, Vec::new()));
            };
            let was = consent::allow(tx, identity.id, Source::Operator)?;
            Ok((was, storage::consent::refusals_of(tx, identity.id)?))
        })
        .await;
    let (was, others) = outcome.map_err(refuse)?;
    let others: Vec<&str> = others.iter().map(|(source, _)| source.as_str()).collect();
    let text = match (was, others.is_empty()) {
        (true, true) => format!("{account} is bridged again; new likes count"),
        (false, true) => format!("{account} was not refused"),
        (_, false) => {
            format!("{account} is still refused, by: {}; only the owner can change that", others.join(", "))
        }
    };
    Ok(Answer::new(text, json!({ "identity": account.to_string(), "refused_by": others })))
}

/// The account that is meant: as its platform says, else as it is known here, else by the id that was given.
async fn find(node: &Node, platform: Platform, handle: &str) -> Result<ExternalId, Refused> {
    if let Some(account) = handle.strip_prefix("id:") {
        return ExternalId::new(platform, account).map_err(refuse);
    }
    let asked = jobs::look_up(node, platform, &Who::Handle(handle.to_owned())).await;
    let error = match asked {
        Ok((profile, _)) => return Ok(profile.id),
        Err(error) => error,
    };
    let wanted = handle.to_owned();
    let known = node.db.read(move |tx| identities::identity_by_handle(tx, platform.slug(), &wanted)).await;
    match known.map_err(refuse)? {
        Some(identity) => identity.external_id().map_err(refuse),
        None => Err(Refused(format!("{error}; give the stable id as id:..., if you know it"))),
    }
}

fn known_or_noted(tx: &mut Tx, id: &ExternalId, now: Timestamp) -> Result<Identity, storage::Error> {
    if let Some(known) = identities::identity_by_external_id(tx, id)? {
        return Ok(known);
    }
    let seen = SeenIdentity {
        external_id: id.clone(),
        handle: id.account().to_owned(),
        display_name: id.account().to_owned(),
        profile_url: String::new(),
        avatar_url: None,
        bio: String::new(),
    };
    identities::save_identity(tx, &seen, now)
}
