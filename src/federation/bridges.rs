//! Which bridges run in this instance, with the keys that its operator has: one function for each platform.
//!
//! Owns nothing but the way from the configuration to the connectors, which know no configuration file. Every one of them
//! asks through the guarded client.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::bridge_http::SignedClient;
use super::client::GuardedClient;
use super::fediverse_apps::StoredApps;
use crate::bridges::http::Http;
use crate::bridges::meter::Now;
use crate::bridges::{
    Bridge, Counts, Limits, Meter, Registry, Secret, appnet, fediverse, five_hundred_px, flickr, github, instagram,
    soundcloud, twitter, vimeo,
};
use crate::clock::Clock;
use crate::config::{self, AppNetDialect, Bridges, HttpUrl, InstagramApi, TwitterApi};
use crate::domain::identity::Platform;

/// What every connector needs; each has a meter of its own.
struct Around {
    meters: BTreeMap<Platform, Arc<Meter>>,
    user_agent: String,
}

impl Around {
    fn http(&self, platform: Platform) -> Arc<dyn Http> {
        Arc::clone(&self.meters[&platform]) as _
    }
}

/// What the fediverse needs besides: there this instance is somebody itself.
pub struct Own {
    pub signed: SignedClient,
    pub apps: StoredApps,
    /// The name that servers show to the people whom they ask.
    pub name: String,
    /// Servers on loopback too.
    pub allows_local: bool,
}

/// The bridges that are switched on.
///
/// - `base_url`: of this instance, so that a platform knows whom to write to.
/// - `clock`: by which the instance waits.
pub fn registry(config: &Bridges, client: &GuardedClient, base_url: &str, clock: &Clock, own: Own) -> Registry {
    let client: Arc<dyn Http> = Arc::new(client.clone());
    let clock = clock.clone();
    let now: Now = Arc::new(move || clock.now());
    let meter = |platform| Meter::new(Arc::clone(&client), limits(config, platform), Arc::clone(&now));
    let meters = Platform::ALL.map(|platform| (platform, Arc::new(meter(platform))));
    let around = Around { meters: meters.into(), user_agent: format!("fedflattr ({base_url})") };
    let all = [
        twitter(&config.twitter, &around),
        instagram(&config.instagram, &around),
        vimeo(&config.vimeo, &around),
        soundcloud(&config.soundcloud, &around),
        appnet(&config.appnet, &around),
        github(&config.github, &around),
        flickr(&config.flickr, &around),
        five_hundred_px(&config.five_hundred_px, &around),
        fediverse(&config.fediverse, &around, base_url, own),
    ];
    let registry = all.into_iter().flatten().fold(Registry::default(), Registry::with);
    around.meters.into_iter().fold(registry, |registry, (platform, meter)| registry.metered(platform, meter))
}

/// How each platform limits us.
fn limits(config: &Bridges, platform: Platform) -> Limits {
    let by_token = |classify, own: Option<&config::Secret>| Limits::new(Counts::Token, classify, secret(own).as_ref());
    match platform {
        Platform::Twitter => by_token(twitter::error::classify, config.twitter.token.as_ref()),
        Platform::Instagram => by_token(instagram::error::classify, None),
        Platform::Vimeo => Limits::new(Counts::App, vimeo::error::classify, None),
        Platform::SoundCloud => Limits::new(Counts::App, soundcloud::error::classify, None),
        Platform::AppNet => by_token(appnet::error::classify, config.appnet.token.as_ref()),
        Platform::GitHub => by_token(github::error::classify, config.github.token.as_ref()),
        Platform::Flickr => Limits::new(Counts::App, flickr::error::classify, None),
        Platform::FiveHundredPx => Limits::new(Counts::App, five_hundred_px::error::classify, None),
        Platform::Fediverse => Limits::new(Counts::Server, fediverse::error::classify, None),
    }
}

fn secret(given: Option<&config::Secret>) -> Option<Secret> {
    given.map(|given| Secret::new(given.expose()))
}

fn text(given: &str) -> Option<String> {
    (!given.is_empty()).then(|| given.to_owned())
}

fn url(given: &HttpUrl) -> url::Url {
    given.as_url().clone()
}

fn twitter(config: &config::Twitter, around: &Around) -> Option<Arc<dyn Bridge>> {
    let settings = twitter::Config {
        api: match config.api {
            TwitterApi::V2 => twitter::Api::V2,
            TwitterApi::V1 => twitter::Api::V1,
        },
        base_url: url(&config.base_url),
        authorize_url: url(&config.auth_url),
        client_id: text(&config.client_id),
        client_secret: secret(config.client_secret.as_ref()),
        token: secret(config.token.as_ref()),
        user_agent: around.user_agent.clone(),
    };
    config.enabled.then(|| Arc::new(twitter::Twitter::new(settings, around.http(Platform::Twitter))) as _)
}

fn instagram(config: &config::Instagram, around: &Around) -> Option<Arc<dyn Bridge>> {
    let api = config.base_url.as_ref().map(|base_url| instagram::ApiConfig {
        api: match config.api {
            InstagramApi::Graph => instagram::Api::Graph,
            InstagramApi::Legacy => instagram::Api::Legacy,
        },
        base_url: url(base_url),
        authorize_url: url(&config.auth_url),
        token_url: url(&config.token_url),
        client_id: text(&config.client_id),
        client_secret: secret(config.client_secret.as_ref()),
        token: None,
        signs_requests: false,
    });
    let settings = instagram::Config { api, user_agent: around.user_agent.clone() };
    config.enabled.then(|| Arc::new(instagram::Instagram::new(settings, around.http(Platform::Instagram))) as _)
}

fn vimeo(config: &config::Vimeo, around: &Around) -> Option<Arc<dyn Bridge>> {
    let settings = vimeo::Config {
        base_url: url(&config.base_url),
        auth_url: url(&config.auth_url),
        token: secret(config.token.as_ref()),
        client_id: text(&config.client_id),
        client_secret: secret(config.client_secret.as_ref()),
        user_agent: around.user_agent.clone(),
    };
    config.enabled.then(|| Arc::new(vimeo::Vimeo::new(settings, around.http(Platform::Vimeo))) as _)
}

fn soundcloud(config: &config::SoundCloud, around: &Around) -> Option<Arc<dyn Bridge>> {
    let settings = soundcloud::Config {
        base_url: url(&config.base_url),
        auth_url: url(&config.auth_url),
        token_url: url(&config.token_url),
        short_url: url(&config.short_url),
        client_id: text(&config.client_id),
        client_secret: secret(config.client_secret.as_ref()),
        user_agent: around.user_agent.clone(),
    };
    config.enabled.then(|| Arc::new(soundcloud::SoundCloud::new(settings, around.http(Platform::SoundCloud))) as _)
}

fn appnet(config: &config::AppNet, around: &Around) -> Option<Arc<dyn Bridge>> {
    let app = config.client_secret.as_ref().filter(|_| !config.client_id.is_empty()).map(|given| appnet::App {
        auth_url: url(&config.auth_url),
        token_url: url(&config.token_url),
        client_id: config.client_id.clone(),
        client_secret: Secret::new(given.expose()),
    });
    let settings = appnet::Config {
        dialect: match config.dialect {
            AppNetDialect::Pnut => appnet::Dialect::Pnut,
            AppNetDialect::AppNet => appnet::Dialect::AppNet,
        },
        base_url: config.base_url.as_ref().map(url),
        token: secret(config.token.as_ref()),
        user_agent: around.user_agent.clone(),
        app,
    };
    config.enabled.then(|| Arc::new(appnet::AppNet::new(settings, around.http(Platform::AppNet))) as _)
}

fn github(config: &config::GitHub, around: &Around) -> Option<Arc<dyn Bridge>> {
    let app = config.client_secret.as_ref().filter(|_| !config.client_id.is_empty()).map(|given| github::App {
        auth_url: url(&config.auth_url),
        client_id: config.client_id.clone(),
        client_secret: Secret::new(given.expose()),
    });
    let settings = github::Config {
        base_url: url(&config.base_url),
        token: secret(config.token.as_ref()),
        user_agent: around.user_agent.clone(),
        app,
    };
    config.enabled.then(|| Arc::new(github::GitHub::new(settings, around.http(Platform::GitHub))) as _)
}

fn flickr(config: &config::Flickr, around: &Around) -> Option<Arc<dyn Bridge>> {
    let settings = flickr::Config {
        base_url: url(&config.base_url),
        auth_url: url(&config.auth_url),
        api_key: text(&config.api_key),
        api_secret: secret(config.api_secret.as_ref()),
        user_agent: around.user_agent.clone(),
    };
    config.enabled.then(|| Arc::new(flickr::Flickr::new(settings, around.http(Platform::Flickr))) as _)
}

fn five_hundred_px(config: &config::FiveHundredPx, around: &Around) -> Option<Arc<dyn Bridge>> {
    let settings = five_hundred_px::Config {
        base_url: config.base_url.as_ref().map(url),
        auth_url: config.auth_url.as_ref().map(url),
        consumer_key: text(&config.consumer_key),
        consumer_secret: secret(config.consumer_secret.as_ref()),
        user_agent: around.user_agent.clone(),
    };
    config
        .enabled
        .then(|| Arc::new(five_hundred_px::FiveHundredPx::new(settings, around.http(Platform::FiveHundredPx))) as _)
}

fn fediverse(config: &config::Fediverse, around: &Around, base_url: &str, own: Own) -> Option<Arc<dyn Bridge>> {
    let settings = fediverse::Config {
        user_agent: around.user_agent.clone(),
        client_name: own.name,
        website: base_url.to_owned(),
        allows_local: own.allows_local,
    };
    let (documents, apps) = (Arc::new(own.signed), Arc::new(own.apps));
    let bridge = || fediverse::Fediverse::new(settings, around.http(Platform::Fediverse), documents, apps);
    config.enabled.then(|| Arc::new(bridge()) as _)
}
