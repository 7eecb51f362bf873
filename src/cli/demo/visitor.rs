//! Somebody of the story at the pages of an instance: follows the set-up link, connects and claims accounts by signing in
//! at their platforms.
//!
//! Owns that the story goes through the doors that people go through: requests as a browser sends them, with cookies and
//! the proofs of the forms, and nothing taken from the inside.

use std::collections::BTreeMap;

use anyhow::{Context, bail};
use reqwest::header::{COOKIE, LOCATION, SET_COOKIE};
use reqwest::{Client, StatusCode};
use url::Url;

use super::story::text;
use crate::cli::stage::Stage;
use crate::console::Command;
use crate::domain::identity::Platform;

const PASSWORD: &str = "a long sentence for the story";

/// A client for the names of the instances, which not every system knows to be this machine. It follows nothing by itself.
pub fn client(stage: &Stage) -> anyhow::Result<Client> {
    let mut client = Client::builder().no_proxy().redirect(reqwest::redirect::Policy::none());
    for instance in &stage.instances {
        let host = instance.domain.split(':').next().unwrap_or(&instance.domain);
        client = client.resolve(host, (std::net::Ipv4Addr::LOCALHOST, 0).into());
    }
    Ok(client.build()?)
}

/// What came back.
struct Page {
    status: StatusCode,
    location: Option<String>,
    body: String,
}

impl Page {
    /// The value behind a mark, up to the next quote.
    fn value(&self, mark: &str) -> Option<String> {
        let (_, rest) = self.body.split_once(mark)?;
        let value = rest.split('"').next()?;
        Some(value.replace("&#38;", "&").replace("&amp;", "&"))
    }
}

/// One person, signed in at the home instance.
pub struct Visitor {
    client: Client,
    home: Url,
    name: String,
    cookies: BTreeMap<String, String>,
    csrf: String,
}

impl Visitor {
    /// Chooses a password by the set-up link, which signs in.
    pub async fn enter(stage: &Stage, home: usize, name: &str) -> anyhow::Result<Visitor> {
        let made = stage.data(home, Command::UserPassword { name: name.to_owned() }).await?;
        let link: Url = text(&made, "setup_link").parse().context("a set-up link")?;
        let (client, home) = (client(stage)?, stage.instances[home].base_url.parse()?);
        let mut visitor =
            Visitor { client, home, name: name.to_owned(), cookies: BTreeMap::new(), csrf: String::new() };
        visitor.get(link.path()).await?;
        let page = visitor.post(link.path(), &[("password", PASSWORD)]).await?;
        if page.status != StatusCode::SEE_OTHER {
            bail!("{name} could not choose a password: {}", page.status);
        }
        Ok(visitor)
    }

    /// Connects an account by signing in at its platform.
    ///
    /// - `account`: as the platform's page shows it; `whole` as the page here wants it, where the platform is many servers.
    pub async fn connect(&mut self, platform: Platform, account: &str, whole: &str) -> anyhow::Result<()> {
        let back = self.through_the_door("/me/connections", platform, account, whole).await?;
        match back.location.as_deref() {
            Some("/me/connections?done=connected") => Ok(()),
            _ => bail!("{} could not connect {account} at {platform}: {}", self.name, back.status),
        }
    }

    /// Claims an account by signing in at its platform. Gives what the page then says of it.
    pub async fn claim(&mut self, platform: Platform, account: &str) -> anyhow::Result<String> {
        let back = self.through_the_door("/me/claim", platform, account, account).await?;
        let question = back.location.with_context(|| format!("{platform} did not lead back to the claim"))?;
        let page = self.get(&question).await?;
        let key = page.value("name=\"key\" value=\"").with_context(|| format!("no question: {}", page.status))?;
        let page = self.post("/me/claim/confirm", &[("key", &key)]).await?;
        let said = page.body.split_once("role=\"status\">").and_then(|(_, rest)| rest.split('<').next());
        said.map(str::to_owned).with_context(|| format!("the claim was not answered: {}", page.status))
    }

    /// From our page to the platform's, where the person says who they are, and back.
    async fn through_the_door(
        &mut self,
        from: &str,
        platform: Platform,
        account: &str,
        whole: &str,
    ) -> anyhow::Result<Page> {
        self.get(from).await?;
        let fields = [("platform", platform.slug()), ("handle", whole)];
        let page = self.post(&format!("{from}/sign-in"), &fields).await?;
        let link = page.value("<a class=\"button\" href=\"").with_context(|| format!("no door: {}", page.status))?;
        let mut link: Url = link.parse()?;
        link.query_pairs_mut().append_pair("user", account);
        let there = self.client.get(link).send().await?;
        let back = there.headers().get(LOCATION).and_then(|to| to.to_str().ok());
        let back: Url = back.with_context(|| format!("{platform} lets nobody back: {}", there.status()))?.parse()?;
        let query = back.query().map(|query| format!("?{query}")).unwrap_or_default();
        self.get(&format!("{}{query}", back.path())).await
    }

    async fn get(&mut self, path: &str) -> anyhow::Result<Page> {
        let request = self.client.get(self.home.join(path)?);
        self.send(request).await
    }

    async fn post(&mut self, path: &str, fields: &[(&str, &str)]) -> anyhow::Result<Page> {
        let mut body = url::form_urlencoded::Serializer::new(String::new());
        let body = body.append_pair("csrf", &self.csrf).extend_pairs(fields).finish();
        let request = self.client.post(self.home.join(path)?);
        self.send(request.header("content-type", "application/x-www-form-urlencoded").body(body)).await
    }

    async fn send(&mut self, request: reqwest::RequestBuilder) -> anyhow::Result<Page> {
        let cookies: Vec<String> = self.cookies.iter().map(|(name, value)| format!("{name}={value}")).collect();
        let reply = request.header("accept", "text/html").header(COOKIE, cookies.join("; ")).send().await?;
        for cookie in reply.headers().get_all(SET_COOKIE) {
            let pair = cookie.to_str()?.split(';').next().unwrap_or_default();
            if let Some((name, value)) = pair.split_once('=') {
                self.cookies.insert(name.to_owned(), value.to_owned());
            }
        }
        let location = reply.headers().get(LOCATION).map(|to| to.to_str().map(str::to_owned)).transpose()?;
        let page = Page { status: reply.status(), location, body: reply.text().await? };
        if let Some(csrf) = page.value("name=\"csrf\" value=\"") {
            self.csrf = csrf;
        }
        Ok(page)
    }
}
