//! The sandbox rail: a bank on loopback, for tests and the demo.
//!
//! Speaks HTTP to the bank that [`crate::sandbox`] serves, so that everything but the money is real.

use serde::Deserialize;
use serde_json::json;

use super::{AccountMovement, Error, Payment, Rail};
use crate::domain::money::{Amount, Currency};

/// A connection to the sandbox bank.
pub struct SandboxRail {
    client: reqwest::Client,
    base_url: String,
    account: String,
}

impl SandboxRail {
    /// - `base_url`: of the bank, such as `http://127.0.0.1:8100/bank`.
    /// - `account`: ours.
    pub fn new(base_url: &str, account: &str) -> Result<SandboxRail, Error> {
        let client = reqwest::Client::builder()
            .no_proxy()
            .timeout(std::time::Duration::from_secs(10))
            .build()
            .map_err(|error| Error::Unreachable(error.to_string()))?;
        Ok(SandboxRail { client, base_url: base_url.trim_end_matches('/').to_owned(), account: account.to_owned() })
    }
}

#[derive(Deserialize)]
struct WireMovement {
    id: u64,
    amount: String,
    currency: String,
    reference: String,
    counterparty: String,
    value_at: String,
}

impl WireMovement {
    fn read(self) -> Option<AccountMovement> {
        let currency: Currency = self.currency.parse().ok()?;
        Some(AccountMovement {
            id: self.id,
            amount: Amount::parse(&self.amount, currency).ok()?,
            reference: self.reference,
            counterparty: self.counterparty,
            value_at: self.value_at.parse().ok()?,
        })
    }
}

#[async_trait::async_trait]
impl Rail for SandboxRail {
    fn name(&self) -> &'static str {
        "sandbox"
    }

    fn account(&self) -> &str {
        &self.account
    }

    async fn pay(&self, payment: &Payment) -> Result<(), Error> {
        let body = json!({
            "from": self.account,
            "to": payment.to,
            "amount": payment.amount.to_wire(),
            "currency": payment.amount.currency().as_str(),
            "reference": payment.reference,
        });
        let sent = self.client.post(format!("{}/transfers", self.base_url)).json(&body).send().await;
        let reply = sent.map_err(|error| Error::Unreachable(error.to_string()))?;
        let status = reply.status();
        if status.is_success() {
            return Ok(());
        }
        let text = reply.text().await.unwrap_or_else(|error| error.to_string());
        if status.is_client_error() { Err(Error::Refused(text)) } else { Err(Error::Unreachable(text)) }
    }

    async fn movements(&self, after: u64) -> Result<Vec<AccountMovement>, Error> {
        let url = format!("{}/accounts/{}/movements?after={after}", self.base_url, self.account);
        let sent = self.client.get(url).send().await.and_then(reqwest::Response::error_for_status);
        let reply = sent.map_err(|error| Error::Unreachable(error.to_string()))?;
        let wire: Vec<WireMovement> = reply.json().await.map_err(|error| Error::Malformed(error.to_string()))?;
        wire.into_iter()
            .map(|movement| movement.read().ok_or_else(|| Error::Malformed("a movement".to_owned())))
            .collect()
    }
}
