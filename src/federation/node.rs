//! The node: this instance at work, with everything that its parts share.
//!
//! Owns the assembly: database, clock, keys of the instance actor, the guarded client, rails and bridges are made once,
//! from the configuration, and handed down. Flows receive values from it, never the node itself.

use std::collections::{BTreeSet, HashMap};
use std::ops::Deref;
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::sync::Notify;
use url::Url;

use super::bridge_http::SignedClient;
use super::bridges::Own;
use super::client::{ClientError, Guard, GuardedClient};
use super::fediverse_apps::StoredApps;
use super::gate::Memory;
use super::keys::{KeyError, RsaKeyPair, RsaPublicKey, generate_seed};
use super::signature::RequestSigner;
use crate::bridges::Registry;
use crate::clock::{CLOCK_VARIABLE, Clock, Pause};
use crate::config::{Config, DatabaseUrl};
use crate::domain::id::ActorId;
use crate::domain::money::Currency;
use crate::domain::proof::{Seed, SigningKey};
use crate::domain::time::Timestamp;
use crate::fault::CRASH_VARIABLE;
use crate::flows::close_month::Close;
use crate::flows::register::make_local_actor;
use crate::flows::{Instance, Policy};
use crate::rails::Rail;
use crate::rails::sandbox::SandboxRail;
use crate::storage::people::{self, Actor, ActorKeys, ActorKind};
use crate::storage::{self, Database, Options, bridge_health, ledger};
use crate::vault::{Vault, VaultError};

/// Why an instance cannot start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    #[error("{0}")]
    Storage(#[from] storage::Error),
    #[error("could not make or read the instance's keys: {0}")]
    Keys(#[from] KeyError),
    #[error("could not set up the HTTP client: {0}")]
    Client(#[from] ClientError),
    #[error("{0}")]
    Vault(#[from] VaultError),
    #[error("could not set up a rail: {0}")]
    Rail(#[from] crate::rails::Error),
    #[error("{CLOCK_VARIABLE} is for tests: it is refused with the public domain `{0}`")]
    VirtualClock(String),
    #[error("{CRASH_VARIABLE} is for tests: it is refused with the public domain `{0}`")]
    CrashPoint(String),
    #[error("this database belongs to {stored}, the configuration says {configured}: the domain can never change")]
    OtherDomain { stored: String, configured: String },
    #[error(
        "the books of this database are in {stored}, money.currency says {configured}: the currency can never change; \
         set it to {stored}"
    )]
    OtherCurrency { stored: Currency, configured: Currency },
    #[error("could not set up federation: {0}")]
    Library(String),
}

/// The keys with which a local actor speaks.
pub struct LocalKeys {
    /// Signs requests (RSA, transport).
    pub request: RequestSigner,
    /// Signs documents (Ed25519, evidence).
    pub document: SigningKey,
    /// The seed of the Ed25519 key: what other secrets of the actor are derived from.
    pub secret: [u8; 32],
}

/// This instance. Cheap to clone.
#[derive(Clone)]
pub struct Node(Arc<Parts>);

impl Deref for Node {
    type Target = Parts;

    fn deref(&self) -> &Parts {
        &self.0
    }
}

pub struct Parts {
    pub config: Config,
    pub instance: Instance,
    pub db: Database,
    pub clock: Clock,
    /// The actor that stands for the instance.
    pub actor: Actor,
    pub keys: Arc<LocalKeys>,
    pub client: GuardedClient,
    pub rail: Option<Arc<dyn Rail>>,
    /// Begun when the rail failed.
    pub rail_pause: Pause,
    /// Whether the rail was read since this process began.
    pub is_rail_read: AtomicBool,
    pub bridges: Registry,
    /// Opens what people's platforms gave us in confidence.
    pub vault: Arc<Vault>,
    /// Held while a credential is renewed.
    pub renewals: tokio::sync::Mutex<()>,
    /// Connections whose likes are being read at this moment.
    pub readings: Mutex<BTreeSet<i64>>,
    /// Rung when there may be work to do.
    pub wake: Notify,
    /// What was fetched a short while ago for the inbox.
    pub gate: Memory,
    local_keys: Mutex<HashMap<ActorId, Arc<LocalKeys>>>,
    remote_keys: Mutex<HashMap<String, RsaPublicKey>>,
}

/// Actors whose parsed keys are kept in memory.
const KEYS_MAX: usize = 10_000;

impl Node {
    /// Opens the database, makes the instance actor on the first start, and assembles the rest.
    pub async fn start(config: Config) -> Result<Node, StartError> {
        let clock = match std::env::var_os(CLOCK_VARIABLE) {
            None => Clock::System,
            Some(path) if config.server.domain.is_local() => Clock::File(path.into()),
            Some(_) => return Err(StartError::VirtualClock(config.server.domain.to_string())),
        };
        Node::start_by(config, clock).await
    }

    /// The same by a clock that is handed in.
    pub(crate) async fn start_by(config: Config, clock: Clock) -> Result<Node, StartError> {
        let instance = instance_of(&config);
        if std::env::var_os(CRASH_VARIABLE).is_some() && !config.server.domain.is_local() {
            return Err(StartError::CrashPoint(config.server.domain.to_string()));
        }
        let db = open_database(&config, true)?;
        let (actor, keys) = instance_actor(&db, &instance, clock.now()).await?;
        let configured = config.money.currency;
        let stored = db.write(move |tx| ledger::keep_currency(tx, configured)).await?;
        if stored != configured {
            return Err(StartError::OtherCurrency { stored, configured });
        }
        let client = GuardedClient::new(Guard {
            allowed: config.federation.allow_private_addresses.clone(),
            allow_http: !config.federation.allow_private_addresses.is_empty(),
            timeout: Duration::from_secs(config.federation.fetch_timeout_seconds),
            body_limit_bytes: 4 * 1024 * 1024,
            user_agent: format!("fedflattr/{} (+{})", env!("CARGO_PKG_VERSION"), instance.base_url),
        })?;
        let rail: Option<Arc<dyn Rail>> = match &config.rail.sandbox.base_url {
            None => None,
            Some(url) => Some(Arc::new(SandboxRail::new(url.as_str(), &config.rail.sandbox.account)?)),
        };
        let (keys, vault) = (Arc::new(keys), Arc::new(Vault::open(&config.server.data_dir)?));
        let own = Own {
            signed: SignedClient { client: client.clone(), keys: Arc::clone(&keys) },
            apps: StoredApps { db: db.clone(), vault: Arc::clone(&vault), clock: clock.clone() },
            name: format!("{} (fedflattr)", config.instance.name),
            allows_local: !config.federation.allow_private_addresses.is_empty(),
        };
        let bridges = super::bridges::registry(&config.bridge, &client, &instance.base_url, &clock, own);
        for (platform, health) in db.read(bridge_health::all).await? {
            if let Some(meter) = bridges.meter(platform) {
                meter.set_paused(health.is_paused());
            }
        }
        Ok(Node(Arc::new(Parts {
            instance,
            db,
            clock,
            actor,
            keys,
            client,
            rail,
            rail_pause: Pause::default(),
            is_rail_read: AtomicBool::new(false),
            vault,
            renewals: tokio::sync::Mutex::default(),
            readings: Mutex::default(),
            bridges,
            wake: Notify::new(),
            gate: Memory::default(),
            local_keys: Mutex::default(),
            remote_keys: Mutex::default(),
            config,
        })))
    }

    /// The same instance, before anybody shares it, with other bridges.
    #[cfg(test)]
    pub fn with_bridges(mut self, bridges: Registry) -> Node {
        Arc::get_mut(&mut self.0).expect("not shared").bridges = bridges;
        self
    }

    pub fn now(&self) -> Timestamp {
        self.clock.now()
    }

    /// Runs a flow in one transaction; whatever it queued is looked at soon.
    pub async fn write<T, E, F>(&self, flow: F) -> Result<T, E>
    where
        T: Send + 'static,
        E: storage::FlowError,
        F: FnMut(&mut storage::Tx) -> Result<T, E> + Send + 'static,
    {
        let outcome = self.db.write(flow).await;
        self.wake.notify_waiters();
        outcome
    }

    /// Runs a flow that signs in the name of the instance.
    pub async fn settle<T, E, F>(&self, mut flow: F) -> Result<T, E>
    where
        T: Send + 'static,
        E: storage::FlowError,
        F: FnMut(&mut storage::Tx, &Close) -> Result<T, E> + Send + 'static,
    {
        let node = self.clone();
        let now = self.now();
        self.write(move |tx| {
            let close = Close { instance: &node.instance, signer: &node.keys.document, now, secret: node.keys.secret };
            flow(tx, &close)
        })
        .await
    }

    /// The keys of a local actor, made when they are first needed.
    pub async fn keys_of(&self, actor: &Actor) -> Result<Arc<LocalKeys>, StartError> {
        if actor.id == self.actor.id {
            return Ok(Arc::clone(&self.keys));
        }
        if let Some(keys) = lock(&self.local_keys).get(&actor.id) {
            return Ok(Arc::clone(keys));
        }
        let keys = Arc::new(make_or_read_keys(&self.db, actor).await?);
        let mut known = lock(&self.local_keys);
        if known.len() >= KEYS_MAX {
            known.clear();
        }
        known.insert(actor.id, Arc::clone(&keys));
        Ok(keys)
    }

    /// A remote actor's parsed key; parsing is dearer than verifying.
    pub fn parsed_key(&self, actor: &Actor) -> Result<RsaPublicKey, KeyError> {
        let mut known = lock(&self.remote_keys);
        if let Some(key) = known.get(&actor.rsa_public_pem) {
            return Ok(key.clone());
        }
        let key = RsaPublicKey::from_pem(&actor.rsa_public_pem)?;
        if known.len() >= KEYS_MAX {
            known.clear();
        }
        known.insert(actor.rsa_public_pem.clone(), key.clone());
        Ok(key)
    }
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
}

/// What the flows may know of the instance.
pub fn instance_of(config: &Config) -> Instance {
    let money = &config.money;
    Instance {
        base_url: config.server.base_url.as_str().to_owned(),
        host: config.server.domain.to_string(),
        policy: Policy {
            currency: money.currency,
            minimum_budget: money.minimum_budget,
            minimum_payout: money.minimum_payout,
            minimum_transfer: config.settlement.minimum_transfer,
            unclaimed_expiry_months: money.unclaimed_expiry_months,
            patron_fee_basis_points: u32::from(money.patron_fee_basis_points),
            creator_fee_basis_points: u32::from(money.creator_fee_basis_points),
        },
    }
}

/// Opens the configured database; only a writer brings the schema up to date.
pub fn open_database(config: &Config, is_writer: bool) -> Result<Database, storage::Error> {
    let url = match &config.database.url {
        DatabaseUrl::Sqlite(path) => format!("sqlite://{}", path.display()),
        DatabaseUrl::Postgresql(url) => url.expose().to_owned(),
    };
    Database::open(&Options { url, pool_size: config.database.pool_size, is_writer })
}

/// The actor that stands for the instance, with its keys; made on the first start.
async fn instance_actor(db: &Database, instance: &Instance, now: Timestamp) -> Result<(Actor, LocalKeys), StartError> {
    let uri = instance.uri();
    let known = db.read(people::instance_actor).await?;
    let actor = match known {
        Some(actor) if actor.uri != uri => {
            return Err(StartError::OtherDomain { stored: actor.uri, configured: uri });
        }
        Some(actor) => actor,
        None => {
            let instance = instance.clone();
            db.write(move |tx| {
                let (kind, host) = (ActorKind::Instance, instance.host.clone());
                let uri = instance.uri();
                make_local_actor(tx, &instance, &uri, kind, "Application", &host, "fedflattr", "", now)?;
                people::actor_by_uri(tx, &uri)?.ok_or_else(|| storage::Error::corrupt("actor", uri))
            })
            .await?
        }
    };
    let keys = make_or_read_keys(db, &actor).await?;
    let id = actor.id;
    let actor = db.read(move |tx| people::actor(tx, id)).await?;
    let actor = actor.ok_or_else(|| storage::Error::corrupt("actor", id))?;
    Ok((actor, keys))
}

async fn make_or_read_keys(db: &Database, actor: &Actor) -> Result<LocalKeys, StartError> {
    let id = actor.id;
    let stored = match db.read(move |tx| people::actor_keys(tx, id)).await? {
        Some(stored) => stored,
        None => {
            // Two requests may come here at once: whoever writes first decides, and both read what was written.
            let pair = tokio::task::spawn_blocking(RsaKeyPair::generate)
                .await
                .map_err(|error| storage::Error::Panicked(error.to_string()))??;
            let seed = generate_seed()?;
            let key_id = format!("{}#ed25519-key", actor.uri);
            let multikey = SigningKey::from_seed(&seed, key_id).public_key().to_string();
            let (public, keys) = (
                pair.public_key().to_pem(),
                ActorKeys { rsa_private_pem: pair.to_pkcs8_pem(), ed25519_seed: seed.expose().to_vec() },
            );
            db.write(move |tx| people::give_keys(tx, id, &keys, &public, &multikey)).await?
        }
    };
    let pair = RsaKeyPair::from_pkcs8_pem(&stored.rsa_private_pem)?;
    let seed: [u8; 32] = stored.ed25519_seed.try_into().map_err(|_| storage::Error::corrupt("key of", id))?;
    let key_id = Url::parse(&actor.rsa_key_id).map_err(|_| storage::Error::corrupt("key id", &actor.rsa_key_id))?;
    Ok(LocalKeys {
        request: RequestSigner::new(&key_id, pair),
        secret: seed,
        document: SigningKey::from_seed(&Seed::from_bytes(seed), format!("{}#ed25519-key", actor.uri)),
    })
}
