//! Carrying out a command: parse what was typed, call one flow or query, say what came of it.
//!
//! Here is the one table of commands; those that take more than a few lines are in the file of their subject.

use serde_json::json;

use super::common::{amount, creator, parse, patron, refuse};
use super::{Answer, Command, Refused, books, bridges, claims, consent, peers, people, platforms};
use crate::bridges::Who;
use crate::federation::Node;
use crate::federation::library::Federation;
use crate::flows::{audit, flattr, fund, pay_out};
use crate::jobs;
use crate::storage::{self, inbox, outbox};

/// Carries out one command on a running node.
pub async fn execute(federation: &Federation, command: Command) -> Result<Answer, Refused> {
    let node: &Node = federation;
    match command {
        Command::UserCreate { name, budget, is_public, is_operator } => {
            people::user_create(node, name, budget, is_public, is_operator).await
        }
        Command::UserList => people::user_list(node).await,
        Command::UserPassword { name } => people::user_password(node, name).await,
        Command::BudgetSet { name, budget } => {
            let budget = amount(node, &budget)?;
            let (instance, owned) = (node.instance.clone(), name.clone());
            node.write(move |tx| fund::set_budget(tx, &instance, &owned, budget)).await.map_err(refuse)?;
            Ok(Answer::new(format!("{name} sets aside {budget} a month"), json!({ "budget": budget.to_wire() })))
        }
        Command::BridgeConnect { name, platform, handle, is_trusted } => {
            platforms::bridge_connect(node, &name, &platform, &handle, is_trusted).await
        }
        Command::BridgeDisconnect { name, platform } => platforms::bridge_disconnect(node, &name, &platform).await,
        Command::BridgeImport { name, platform, path, account, is_complete } => {
            platforms::bridge_import(node, &name, &platform, &path, account, is_complete).await
        }
        Command::BridgeImports { name } => platforms::bridge_imports(node, &name).await,
        Command::BridgeList => bridges::bridge_list(node).await,
        Command::BridgeStatus { platform } => bridges::bridge_status(node, &platform).await,
        Command::BridgePause { platform, is_paused } => bridges::bridge_pause(node, &platform, is_paused).await,
        Command::BridgeTest { platform, handle } => bridges::bridge_test(node, &platform, handle).await,
        Command::BridgeLookUp { platform, handle } => {
            let (profile, identity) =
                jobs::look_up(node, parse(&platform)?, &Who::Handle(handle)).await.map_err(refuse)?;
            let external = identity.external_id().map_err(refuse)?;
            let uri = node.instance.bridged_actor_uri(external.platform().slug(), external.account());
            Ok(Answer::new(
                format!("{} is {external}: {uri}", profile.handle),
                json!({ "identity": external.to_string(), "actor": uri }),
            ))
        }
        Command::BridgeRefuse { platform, handle } => consent::bridge_refuse(node, &platform, &handle).await,
        Command::BridgeAllow { platform, handle } => consent::bridge_allow(node, &platform, &handle).await,
        Command::BridgeSync { platform, handle } => {
            bridges::bridge_sync(node, platform.as_deref(), handle.as_deref()).await
        }
        Command::Like { name, target } => platforms::like(federation, &name, &target).await,
        Command::Unlike { name, target } => {
            let patron = patron(node, &name).await?;
            let object = platforms::find_object(federation, &target).await?;
            let now = node.now();
            let standing = node.write(move |tx| flattr::take_back(tx, patron.id, object, now)).await.map_err(refuse)?;
            let standing = standing.map_or("there was no flattr to take back", |standing| standing.as_str());
            Ok(Answer::new(standing, json!({ "standing": standing })))
        }
        Command::ClaimBegin { name, platform, handle } => claims::claim_begin(node, &name, &platform, handle).await,
        Command::ClaimCheck { token } => claims::claim_check(node, &token).await,
        Command::ClaimList => claims::claim_list(node).await,
        Command::ClaimDisputes => claims::claim_disputes(node).await,
        Command::ClaimConfirm { token } => claims::claim_confirm(node, &token).await,
        Command::PeerAdd { address, claims } => peers::peer_add(federation, &address, &claims).await,
        Command::PeerTrust { address, claims } => peers::peer_trust(federation, &address, &claims).await,
        Command::PeerList => peers::peer_list(node).await,
        Command::SettlementList => peers::settlement_list(node).await,
        Command::SettlementRepay { reference } => peers::settlement_repay(node, reference).await,
        Command::MonthStatus => books::month_status(node).await,
        Command::LedgerVerify { head } => {
            let noted = head.as_deref().map(parse::<audit::NotedHead>).transpose()?;
            let report = node.db.read(move |tx| audit::verify_since(tx, noted.as_ref())).await.map_err(refuse)?;
            audit_answer(&report)
        }
        Command::LedgerAccounts { prefix } => books::ledger_accounts(node, prefix).await,
        Command::PayoutAccount { name, account } => {
            let creator = creator(node, &name).await?;
            let owned = account.clone();
            node.write(move |tx| storage::people::set_bank_account(tx, creator, &owned)).await.map_err(refuse)?;
            Ok(Answer::new(format!("{name} is paid to {account}"), json!({ "account": account })))
        }
        Command::PayoutRequest { name } => {
            let rail = node.rail.as_ref().ok_or_else(|| Refused("no rail is configured".to_owned()))?.name();
            jobs::check_before_payout(node, &name).await.map_err(refuse)?;
            let (instance, now) = (node.instance.clone(), node.now());
            let payout =
                node.write(move |tx| pay_out::request(tx, &instance, &name, rail, now)).await.map_err(refuse)?;
            let paid = payout.amount().map_err(refuse)?;
            let data = json!({ "reference": payout.reference, "amount": paid.to_wire() });
            Ok(Answer::new(format!("{paid} on their way under {}", payout.reference), data))
        }
        Command::PayoutList => books::payout_list(node).await,
        Command::DeliveryList => peers::delivery_list(node).await,
        Command::InboxList => peers::inbox_list(node).await,
        Command::DeliveryRetry { host } => {
            let now = node.now();
            let retried = move |tx: &mut storage::Tx| {
                Ok::<_, storage::Error>((outbox::retry_now(tx, &host, now)?, inbox::retry_now(tx, &host, now)?))
            };
            let (deliveries, waiting) = node.write(retried).await.map_err(refuse)?;
            let text = format!("{deliveries} deliveries and {waiting} received activities are tried again now");
            Ok(Answer::new(text, json!({ "deliveries": deliveries, "inbox": waiting })))
        }
        Command::Status => {
            let backlog = jobs::backlog(node).await.map_err(refuse)?;
            let data = serde_json::to_value(&backlog).map_err(refuse)?;
            let text = if backlog.is_empty() { "at rest".to_owned() } else { format!("at work: {data}") };
            Ok(Answer::new(text, data))
        }
    }
}

/// The outcome of an audit as an answer; books that do not hold are a refusal, with every problem named.
pub fn audit_answer(report: &audit::Report) -> Result<Answer, Refused> {
    if !report.holds() {
        return Err(Refused(format!("the books do not hold:\n  {}", report.problems.join("\n  "))));
    }
    let audit::Report { entries, transfers, accounts, head, .. } = report;
    let text = format!(
        "the books hold: {entries} entries, {transfers} transfers, {accounts} accounts, head {}",
        if head.is_empty() { "none" } else { head }
    );
    let data = json!({ "entries": entries, "transfers": transfers, "accounts": accounts, "head": head });
    Ok(Answer::new(text, data))
}
