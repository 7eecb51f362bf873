//! Carrying out a command: parse what was typed, call one flow or query, say what came of it.

use aws_lc_rs::rand::{SecureRandom, SystemRandom};
use serde_json::{Value, json};
use url::Url;

use super::{Answer, Command, Refused, table};
use crate::bridges::{Access, Who};
use crate::domain::flattr::Source;
use crate::domain::id::{ObjectId, PatronId};
use crate::domain::identity::{ObjectRef, Platform};
use crate::domain::ledger::Account;
use crate::domain::money::Amount;
use crate::domain::settlement::{State as StatementState, host_of};
use crate::domain::time::{Month, Timestamp};
use crate::federation::Node;
use crate::federation::library::{self, Federation};
use crate::flows::flattr::PatronLike;
use crate::flows::register::Registration;
use crate::flows::{audit, claim, flattr, fund, pay_out, register, settle};
use crate::jobs;
use crate::storage::people::Patron;
use crate::storage::{self, bank, connections, identities, inbox, ledger, likes, months, outbox, people, settlement};
use crate::web::auth;

fn refuse(error: impl std::error::Error) -> Refused {
    Refused(crate::fault::explain(&error))
}

/// 20 random bytes as 32 characters that can stand in an address.
pub fn random_token() -> Result<String, Refused> {
    let mut bytes = [0_u8; 20];
    SystemRandom::new().fill(&mut bytes).map_err(|_| Refused("the machine gives no randomness".to_owned()))?;
    Ok(multibase::Base::Base32Lower.encode(bytes))
}

/// Carries out one command on a running node.
pub async fn execute(federation: &Federation, command: Command) -> Result<Answer, Refused> {
    let node: &Node = federation;
    match command {
        Command::UserCreate { name, budget, is_public, is_operator } => {
            user_create(node, name, budget, is_public, is_operator).await
        }
        Command::UserList => user_list(node).await,
        Command::BudgetSet { name, budget } => {
            let budget = amount(node, &budget)?;
            let (instance, owned) = (node.instance.clone(), name.clone());
            node.write(move |tx| fund::set_budget(tx, &instance, &owned, budget)).await.map_err(refuse)?;
            Ok(Answer::new(format!("{name} sets aside {budget} a month"), json!({ "budget": budget.to_wire() })))
        }
        Command::BridgeConnect { name, platform, handle } => bridge_connect(node, &name, &platform, &handle).await,
        Command::BridgeList => bridge_list(node).await,
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
        Command::BridgeSync => {
            let now = node.now();
            let count = node.write(move |tx| connections::poll_now(tx, now)).await.map_err(refuse)?;
            Ok(Answer::new(format!("{count} connections are read now"), json!({ "connections": count })))
        }
        Command::Like { name, target } => like(federation, &name, &target).await,
        Command::Unlike { name, target } => {
            let patron = patron(node, &name).await?;
            let object = find_object(federation, &target).await?;
            let now = node.now();
            let standing = node.write(move |tx| flattr::take_back(tx, patron.id, object, now)).await.map_err(refuse)?;
            let standing = standing.map_or("there was no flattr to take back", |standing| standing.as_str());
            Ok(Answer::new(standing, json!({ "standing": standing })))
        }
        Command::ClaimBegin { name, platform, handle } => claim_begin(node, &name, &platform, handle).await,
        Command::ClaimCheck { token } => {
            let released = jobs::check_claim(node, &token).await.map_err(refuse)?;
            let amounts: Vec<String> = released.amounts.iter().map(Amount::to_string).collect();
            let text = format!("verified; {} waiting shares released: {}", released.shares, amounts.join(", "));
            Ok(Answer::new(text, json!({ "shares": released.shares, "amounts": amounts })))
        }
        Command::ClaimList => claim_list(node).await,
        Command::PeerAdd { address } => peer_add(federation, &address).await,
        Command::PeerList => peer_list(node).await,
        Command::SettlementList => settlement_list(node).await,
        Command::MonthStatus => month_status(node).await,
        Command::LedgerVerify => {
            let report = node.db.read(audit::verify).await.map_err(refuse)?;
            audit_answer(&report)
        }
        Command::LedgerAccounts { prefix } => ledger_accounts(node, prefix).await,
        Command::PayoutAccount { name, account } => {
            let creator = creator(node, &name).await?;
            let owned = account.clone();
            node.write(move |tx| people::set_bank_account(tx, creator, &owned)).await.map_err(refuse)?;
            Ok(Answer::new(format!("{name} is paid to {account}"), json!({ "account": account })))
        }
        Command::PayoutRequest { name } => {
            let rail = node.rail.as_ref().ok_or_else(|| Refused("no rail is configured".to_owned()))?.name();
            let (instance, now) = (node.instance.clone(), node.now());
            let payout =
                node.write(move |tx| pay_out::request(tx, &instance, &name, rail, now)).await.map_err(refuse)?;
            let paid = payout.amount().map_err(refuse)?;
            let data = json!({ "reference": payout.reference, "amount": paid.to_wire() });
            Ok(Answer::new(format!("{paid} on their way under {}", payout.reference), data))
        }
        Command::PayoutList => payout_list(node).await,
        Command::DeliveryList => delivery_list(node).await,
        Command::InboxList => inbox_list(node).await,
        Command::DeliveryRetry { host } => {
            let now = node.now();
            let count = node.write(move |tx| outbox::retry_now(tx, &host, now)).await.map_err(refuse)?;
            Ok(Answer::new(format!("{count} deliveries are tried again now"), json!({ "deliveries": count })))
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
        head.get(..16).unwrap_or("none")
    );
    let data = json!({ "entries": entries, "transfers": transfers, "accounts": accounts, "head": head });
    Ok(Answer::new(text, data))
}

fn parse<T: std::str::FromStr>(text: &str) -> Result<T, Refused>
where
    T::Err: std::error::Error,
{
    text.parse().map_err(refuse)
}

fn amount(node: &Node, text: &str) -> Result<Amount, Refused> {
    Amount::parse_positive(text, node.instance.policy.currency).map_err(refuse)
}

async fn patron(node: &Node, name: &str) -> Result<Patron, Refused> {
    let owned = name.to_owned();
    let patron = node.db.read(move |tx| people::patron_by_name(tx, &owned)).await.map_err(refuse)?;
    patron.ok_or_else(|| Refused(format!("there is no patron `{name}`")))
}

async fn creator(node: &Node, name: &str) -> Result<crate::domain::id::CreatorId, Refused> {
    let owned = name.to_owned();
    let creator = node.db.read(move |tx| people::creator_by_name(tx, &owned)).await.map_err(refuse)?;
    creator.map(|creator| creator.id).ok_or_else(|| Refused(format!("there is no creator `{name}`")))
}

async fn user_create(
    node: &Node,
    name: String,
    budget: Option<String>,
    is_public: bool,
    is_operator: bool,
) -> Result<Answer, Refused> {
    let budget = match budget {
        Some(text) => amount(node, &text)?,
        None => node.instance.policy.minimum_budget,
    };
    let (instance, now) = (node.instance.clone(), node.now());
    let registration = Registration { name, budget, is_public, is_operator };
    let name = registration.name.clone();
    let (reference, token) = node
        .write(move |tx| {
            let id = register::register(tx, &instance, &registration, now)?;
            let patron = people::patron(tx, id)?.ok_or_else(|| storage::Error::corrupt("patron", id))?;
            let token = auth::make_setup_token(tx, patron.login_id, now)?;
            Ok::<_, register::RegisterError>((patron.deposit_reference, token))
        })
        .await
        .map_err(refuse)?;
    let link = auth::setup_url(&node.instance.base_url, &token);
    let text = format!(
        "{name} sets aside {budget} a month; deposits carry the reference {reference}\n\
         set a password within three days, once: {link}"
    );
    Ok(Answer::new(text, json!({ "name": name, "deposit_reference": reference, "setup_link": link })))
}

async fn user_list(node: &Node) -> Result<Answer, Refused> {
    let currency = node.instance.policy.currency;
    let rows = node
        .db
        .read(move |tx| {
            let mut rows = Vec::new();
            for patron in people::patrons_after(tx, PatronId(0), 10_000)? {
                let available = ledger::balance(tx, &Account::PatronAvailable(patron.id), currency)?.posted();
                let held: i64 = ledger::accounts(tx, &format!("patron:{}:held:", patron.id))?
                    .iter()
                    .map(|(_, balance)| balance.posted().units())
                    .sum();
                let held = Amount::from_units(held, currency);
                rows.push((patron.name.clone(), patron.budget()?, available, held));
            }
            Ok::<_, storage::Error>(rows)
        })
        .await
        .map_err(refuse)?;
    let data: Vec<Value> = rows
        .iter()
        .map(|(name, budget, available, held)| {
            json!({
                "name": name, "budget": budget.to_wire(), "available": available.to_wire(), "held": held.to_wire(),
            })
        })
        .collect();
    let cells: Vec<Vec<String>> = rows
        .iter()
        .map(|(name, budget, available, held)| {
            vec![name.clone(), budget.to_plain(), available.to_plain(), held.to_plain()]
        })
        .collect();
    Ok(Answer::new(table(&["patron", "budget", "available", "held"], &cells), Value::Array(data)))
}

async fn bridge_connect(node: &Node, name: &str, platform: &str, handle: &str) -> Result<Answer, Refused> {
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

async fn bridge_list(node: &Node) -> Result<Answer, Refused> {
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
async fn find_object(federation: &Federation, target: &str) -> Result<ObjectId, Refused> {
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

async fn known_or_asked(node: &Node, object: ObjectRef) -> Result<ObjectId, Refused> {
    let wanted = object.clone();
    let known = node.db.read(move |tx| identities::object_by_ref(tx, &wanted)).await.map_err(refuse)?;
    if let Some(known) = known.filter(|known| known.owner_id.is_some()) {
        return Ok(known.id);
    }
    let bridge = node.bridges.get(object.platform()).cloned();
    let bridge = bridge.ok_or_else(|| Refused(format!("the bridge to {} is switched off", object.platform())))?;
    let live = bridge.live().ok_or_else(|| Refused("this platform cannot be asked".to_owned()))?;
    let post = live.post(&object, &Access::Instance).await.map_err(refuse)?;
    jobs::note_post(node, &post).await.map_err(refuse)
}

async fn like(federation: &Federation, name: &str, target: &str) -> Result<Answer, Refused> {
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

async fn claim_begin(node: &Node, name: &str, platform: &str, handle: String) -> Result<Answer, Refused> {
    let patron = patron(node, name).await?;
    let (profile, identity) = jobs::look_up(node, parse(platform)?, &Who::Handle(handle)).await.map_err(refuse)?;
    let (instance, id, token, now) = (node.instance.clone(), profile.id.clone(), random_token()?, node.now());
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

async fn claim_list(node: &Node) -> Result<Answer, Refused> {
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

/// Finds a peer's instance actor and offers it our terms.
async fn peer_add(federation: &Federation, address: &str) -> Result<Answer, Refused> {
    let node: &Node = federation;
    let scheme = node.instance.base_url.split("://").next().unwrap_or("https");
    let base = if address.contains("://") { address.to_owned() } else { format!("{scheme}://{address}") };
    let url = Url::parse(&format!("{}/instance", base.trim_end_matches('/').trim_end_matches("/instance")))
        .map_err(|_| Refused(format!("`{address}` is not a domain")))?;
    if url.as_str() == node.instance.uri() {
        return Err(Refused("an instance does not settle with itself".to_owned()));
    }
    let actor = library::fetch_actor(federation, &url).await.map_err(refuse)?;
    if actor.ed25519_multikey.is_none() {
        return Err(Refused(format!("{url} publishes no key for object proofs: it cannot settle")));
    }
    let account = node.rail.as_ref().map(|rail| rail.account().to_owned()).unwrap_or_default();
    let uri = actor.uri.clone();
    let peer = node
        .settle(move |tx, close| settle::add_peer(tx, close, &uri, &actor.inbox, &account))
        .await
        .map_err(refuse)?;
    Ok(Answer::new(format!("terms offered to {}", peer.host), json!({ "peer": peer.uri })))
}

async fn peer_list(node: &Node) -> Result<Answer, Refused> {
    let currency = node.instance.policy.currency;
    let rows = node
        .db
        .read(move |tx| {
            let mut rows = Vec::new();
            for channel in settlement::channels(tx)? {
                let Some(peer) = settlement::peer(tx, channel.peer_id)? else { continue };
                let account = if channel.is_debtor {
                    Account::DueTo(peer.host.clone())
                } else {
                    Account::DueFrom(peer.host.clone())
                };
                let owed = ledger::balance(tx, &account, currency)?.posted();
                rows.push((peer.host, channel, owed));
            }
            Ok::<_, storage::Error>(rows)
        })
        .await
        .map_err(refuse)?;
    let mut cells = Vec::new();
    let mut data = Vec::new();
    for (host, channel, owed) in rows {
        let direction = if channel.is_debtor { "we owe" } else { "owes us" };
        let state = channel.frozen_because.clone().unwrap_or_else(|| channel.terms.clone());
        data.push(json!({ "peer": host, "is_debtor": channel.is_debtor, "terms": state, "owed": owed.to_wire() }));
        cells.push(vec![host, direction.to_owned(), state, owed.to_plain()]);
    }
    Ok(Answer::new(table(&["peer", "", "terms", "owed"], &cells), Value::Array(data)))
}

async fn settlement_list(node: &Node) -> Result<Answer, Refused> {
    let rows = node.db.read(settlement::statements).await.map_err(refuse)?;
    let mut cells = Vec::new();
    let mut data = Vec::new();
    for (statement, channel) in rows {
        let currency = channel.currency().map_err(refuse)?;
        let shown = |units| Amount::from_units(units, currency);
        let (sum, paid) = (shown(statement.units), shown(statement.paid_units));
        let state = StatementState::parse(&statement.state).map_or("unknown", StatementState::as_str);
        data.push(json!({
            "month": statement.month, "channel": channel.key, "is_debtor": channel.is_debtor, "state": state,
            "sum": sum.to_wire(), "paid": paid.to_wire(), "digest": statement.digest, "likes": statement.like_count,
        }));
        cells.push(vec![statement.month, channel.key, state.to_owned(), sum.to_plain(), paid.to_plain()]);
    }
    Ok(Answer::new(table(&["month", "channel", "state", "sum", "paid"], &cells), Value::Array(data)))
}

async fn month_status(node: &Node) -> Result<Answer, Refused> {
    let rows = node
        .db
        .read(|tx| {
            let mut rows = Vec::new();
            for row in months::months(tx)? {
                let month = row.month()?;
                let budgets = months::budgets_of_month(tx, month)?;
                let reserved: i64 = budgets.iter().map(|budget| budget.reserved_units).sum();
                let counting: i64 = likes::count_by_standing(tx, month)?
                    .iter()
                    .filter(|(standing, _)| standing == "counting")
                    .map(|(_, count)| count)
                    .sum();
                rows.push((row, budgets.len(), reserved, counting));
            }
            Ok::<_, storage::Error>(rows)
        })
        .await
        .map_err(refuse)?;
    let currency = node.instance.policy.currency;
    let mut cells = Vec::new();
    let mut data = Vec::new();
    for (row, patrons, reserved, counting) in rows {
        let reserved = Amount::from_units(reserved, currency);
        data.push(json!({
            "month": row.month, "stage": row.stage, "patrons": patrons, "reserved": reserved.to_wire(),
            "flattrs": counting, "commitment": row.commitment_digest,
        }));
        cells.push(vec![row.month, row.stage, patrons.to_string(), counting.to_string(), reserved.to_plain()]);
    }
    Ok(Answer::new(table(&["month", "stage", "patrons", "flattrs", "reserved"], &cells), Value::Array(data)))
}

async fn ledger_accounts(node: &Node, prefix: String) -> Result<Answer, Refused> {
    let rows = node.db.read(move |tx| ledger::accounts(tx, &prefix)).await.map_err(refuse)?;
    let cells: Vec<Vec<String>> = rows
        .iter()
        .map(|(account, balance)| {
            let posted = balance.posted();
            vec![account.to_string(), posted.to_plain(), posted.currency().to_string()]
        })
        .collect();
    let data: Vec<Value> = rows
        .iter()
        .map(|(account, balance)| {
            let posted = balance.posted();
            json!({ "account": account.to_string(), "posted": posted.to_wire(), "currency": posted.currency().as_str() })
        })
        .collect();
    Ok(Answer::new(table(&["account", "balance", ""], &cells), Value::Array(data)))
}

async fn payout_list(node: &Node) -> Result<Answer, Refused> {
    let instance = node.instance.clone();
    let rows = node
        .db
        .read(move |tx| {
            let mut rows = Vec::new();
            for creator in people::creators(tx)? {
                let promised: i64 = ledger::accounts(tx, &format!("creator:{}:promised:", creator.id))?
                    .iter()
                    .map(|(_, balance)| balance.posted().units())
                    .sum();
                let (available, _) = pay_out::balances(tx, &instance, creator.id)?;
                let paid: i64 = bank::payouts_of(tx, creator.id)?
                    .iter()
                    .filter(|payout| payout.state == "confirmed")
                    .map(|payout| payout.units)
                    .sum();
                rows.push((creator.name, promised, available, paid));
            }
            Ok::<_, storage::Error>(rows)
        })
        .await
        .map_err(refuse)?;
    let currency = node.instance.policy.currency;
    let shown = |units| Amount::from_units(units, currency);
    let mut cells = Vec::new();
    let mut data = Vec::new();
    for (name, promised, available, paid) in rows {
        let (promised, paid) = (shown(promised), shown(paid));
        data.push(json!({
            "creator": name, "promised": promised.to_wire(), "available": available.to_wire(), "paid": paid.to_wire(),
        }));
        cells.push(vec![name, promised.to_plain(), available.to_plain(), paid.to_plain()]);
    }
    Ok(Answer::new(table(&["creator", "promised", "available", "paid out"], &cells), Value::Array(data)))
}

async fn delivery_list(node: &Node) -> Result<Answer, Refused> {
    let rows = node.db.read(|tx| outbox::newest(tx, 200)).await.map_err(refuse)?;
    let mut cells = Vec::new();
    let mut data = Vec::new();
    for (delivery, outgoing) in rows {
        data.push(json!({
            "activity": outgoing.activity_uri, "inbox": delivery.inbox, "state": delivery.state,
            "attempts": delivery.attempts, "last_error": delivery.last_error, "type": outgoing.activity_type,
        }));
        cells.push(vec![
            outgoing.activity_type,
            delivery.host,
            delivery.state,
            delivery.attempts.to_string(),
            delivery.last_error.unwrap_or_default(),
        ]);
    }
    Ok(Answer::new(table(&["type", "host", "state", "attempts", "last error"], &cells), Value::Array(data)))
}

async fn inbox_list(node: &Node) -> Result<Answer, Refused> {
    let rows = node.db.read(|tx| inbox::newest(tx, 200)).await.map_err(refuse)?;
    let mut cells = Vec::new();
    let mut data = Vec::new();
    for row in rows {
        let outcome = row.outcome.unwrap_or_default();
        data.push(json!({ "activity": row.activity_uri, "state": row.state, "outcome": outcome }));
        cells.push(vec![row.activity_uri, row.state, outcome]);
    }
    Ok(Answer::new(table(&["activity", "state", "outcome"], &cells), Value::Array(data)))
}
