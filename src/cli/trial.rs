//! The part of a configuration that leads an instance to the sandbox: for trials, and for the demo's instances.
//!
//! Owns where each platform's door is in the sandbox, and as which app every instance is known there.

use std::net::SocketAddr;

use crate::domain::identity::Platform;
use crate::sandbox;
use crate::sandbox::oauth::{CLIENT_ID, CLIENT_SECRET};

/// One platform's section of the configuration: its API, its door, and the app. Empty for the fediverse, where an
/// instance introduces itself to each server.
///
/// - `at`: where the sandbox listens.
/// - `more`: further lines.
pub fn section(at: SocketAddr, platform: Platform, more: &str) -> String {
    let base = sandbox::base_url(at, platform);
    let app = format!("client_id = \"{CLIENT_ID}\"\nclient_secret = \"{CLIENT_SECRET}\"\n");
    let lines = match platform {
        Platform::Twitter => format!("base_url = \"{base}\"\nauth_url = \"{base}/i/oauth2/authorize\"\n{app}"),
        Platform::Instagram => format!(
            "api = \"legacy\"\nbase_url = \"{base}\"\nauth_url = \"{base}/oauth/authorize\"\n\
             token_url = \"{base}/oauth/access_token\"\n{app}"
        ),
        Platform::Vimeo => format!("base_url = \"{base}\"\nauth_url = \"{base}/oauth/authorize\"\n{app}"),
        Platform::SoundCloud => format!(
            "base_url = \"{base}\"\nauth_url = \"{base}/authorize\"\ntoken_url = \"{base}/oauth/token\"\n\
             short_url = \"{base}/on\"\n{app}"
        ),
        Platform::AppNet => format!(
            "base_url = \"{base}/stream/0\"\nauth_url = \"{base}/oauth/authenticate\"\n\
             token_url = \"{base}/oauth/access_token\"\n{app}"
        ),
        Platform::GitHub => format!("base_url = \"{base}\"\nauth_url = \"{base}/login/oauth\"\n{app}"),
        Platform::Flickr => format!(
            "base_url = \"{base}\"\nauth_url = \"{base}/services/oauth\"\napi_key = \"{CLIENT_ID}\"\n\
             api_secret = \"{CLIENT_SECRET}\"\n"
        ),
        Platform::FiveHundredPx => format!(
            "base_url = \"{base}\"\nauth_url = \"{base}/v1/oauth\"\nconsumer_key = \"{CLIENT_ID}\"\n\
             consumer_secret = \"{CLIENT_SECRET}\"\n"
        ),
        Platform::Fediverse => return String::new(),
    };
    format!("[bridge.{}]\n{lines}{more}\n", platform.slug())
}

/// All of them, with what else a trial needs.
pub fn config(at: SocketAddr) -> String {
    let sections: String = Platform::ALL.into_iter().map(|platform| section(at, platform, "")).collect();
    format!(
        "# For trials, with `fedflattr sandbox --port {}` beside it. An instance that serves people never has this.\n\
         # Two lines belong into sections that may be there already:\n\
         # [federation]\n\
         # allow_private_addresses = [\"{}/{}\"]\n\n\
         # In the fediverse, its people are @mira@{at}, @ana@{at} and @nils@{at}.\n\n\
         {sections}\
         # Its bank, once the account has been opened there:\n\
         # [rail.sandbox]\n\
         # base_url = \"http://{at}/bank\"\n\
         # account = \"...\"",
        at.port(),
        at.ip(),
        if at.is_ipv4() { 32 } else { 128 },
    )
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use url::Url;

    use super::*;
    use crate::bridges::{Access, Who};
    use crate::clock::Clock;
    use crate::config::Config;
    use crate::federation::Node;

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn what_is_printed_is_enough_to_sign_in_on_every_platform() {
        let sandbox = sandbox::start("127.0.0.1:0".parse().unwrap()).await.unwrap();
        sandbox.sow(Clock::System.now());
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("fedflattr.toml");
        let printed = config(sandbox.addr).replace("# [federation]\n# allow", "[federation]\nallow");
        std::fs::write(&path, format!("{printed}\n")).unwrap();
        let here = [
            ("server.domain", "localhost:21997".to_owned()),
            ("server.data_dir", directory.path().join("data").display().to_string()),
        ];
        let here = here.map(|(key, value)| (key.to_owned(), value));
        std::fs::create_dir(directory.path().join("data")).unwrap();
        let node = Node::start(Config::load(Some(&path), std::iter::empty(), &here).unwrap().config).await.unwrap();
        let browser = reqwest::Client::builder().no_proxy().redirect(reqwest::redirect::Policy::none()).user_agent("b");
        let browser = browser.build().unwrap();
        for platform in Platform::ALL.into_iter().filter(|platform| *platform != Platform::Fediverse) {
            let bridge = node.bridges.get(platform).unwrap_or_else(|| panic!("{platform} is on"));
            let door = bridge.sign_in().unwrap_or_else(|| panic!("{platform} has a door"));
            let callback = Url::parse("http://localhost:21997/sign-in-at").unwrap();
            let begun = door.begin(&callback, "state").await.unwrap_or_else(|error| panic!("{platform}: {error}"));
            let mut pressed = begun.url.clone();
            pressed.query_pairs_mut().append_pair("user", "nils");
            let reply = browser.get(pressed).send().await.unwrap();
            let back = Url::parse(reply.headers()["location"].to_str().unwrap()).unwrap();
            let answer: BTreeMap<String, String> = back.query_pairs().into_owned().collect();
            let grant = door.finish(&callback, &begun.kept, &answer).await;
            let grant = grant.unwrap_or_else(|error| panic!("{platform}: {error}"));
            let own = Access::User(grant.credential.clone());
            let profile = bridge.live().unwrap().profile(&Who::TokenOwner, &own).await;
            let profile = profile.unwrap_or_else(|error| panic!("{platform}: {error}"));
            let nils = sandbox.world().user(platform, "nils").unwrap().id.clone();
            assert_eq!(profile.id.account(), nils, "{platform}");
        }
        sandbox.stop().await;
    }
}
