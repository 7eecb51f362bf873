//! Accounts of platforms that tell nobody what somebody likes: known by their names, one source of one patron each.

use super::imports::Stage;
use super::node::{Patron, TestNode};
use super::on_both_databases;
use crate::console::{Command, execute};
use crate::domain::identity::{ExternalId, Platform};
use crate::flows::prove_account::{self, ProveError, Standing};
use crate::jobs::imports::{step, take_list};
use crate::storage::connections::{self, Connection};

const PLATFORM: Platform = Platform::FiveHundredPx;

fn number() -> ExternalId {
    ExternalId::new(PLATFORM, "12").unwrap()
}

fn by_name(handle: &str) -> ExternalId {
    prove_account::by_name(PLATFORM, handle).unwrap()
}

fn name(node: &TestNode, patron: &Patron, account: ExternalId, handle: &str) -> Result<Connection, ProveError> {
    let (id, handle, token) = (patron.id, handle.to_owned(), format!("{account}-{handle}-{}", patron.name));
    node.try_flow(move |tx, close| prove_account::name(tx, id, &account, &handle, &token, close.now))
}

fn trust(node: &TestNode, patron: &Patron, account: ExternalId, handle: &str) -> Result<Connection, ProveError> {
    let (id, handle, token) = (patron.id, handle.to_owned(), format!("{account}-{handle}-{}-t", patron.name));
    node.try_flow(move |tx, close| prove_account::trust(tx, id, &account, &handle, &token, close.now))
}

/// Whose likes are read, and of which accounts.
fn read_for(node: &TestNode) -> Vec<(i64, String)> {
    node.read(connections::connections).into_iter().map(|row| (row.patron_id.0, row.account)).collect()
}

#[test]
fn a_named_account_is_the_source_of_one_patron_until_the_operator_says_whose_it_is() {
    on_both_databases(|on| {
        let node = TestNode::on(on);
        let (alice, ben) = (node.patron("alice").build(), node.patron("ben").build());
        let first = name(&node, &alice, by_name("@Mira"), "Mira").unwrap();
        assert_eq!(name(&node, &alice, by_name("mira"), "mira").unwrap().id, first.id, "a name has no case");
        assert!(matches!(name(&node, &ben, by_name("mira"), "mira"), Err(ProveError::Taken(_))));
        // The same account, as far as anybody can tell: a file with its number is a word like another.
        assert!(matches!(name(&node, &ben, number(), "mira"), Err(ProveError::Taken(_))));
        assert_eq!(read_for(&node), [(alice.id.0, "@mira".to_owned())]);
        let his = trust(&node, &ben, by_name("mira"), "mira").unwrap();
        assert_eq!(read_for(&node), [(ben.id.0, "@mira".to_owned())]);
        assert_ne!(his.id, first.id);
        assert!(matches!(name(&node, &alice, by_name("mira"), "mira"), Err(ProveError::Taken(_))));
        assert!(matches!(trust(&node, &alice, by_name("mira"), "mira"), Err(ProveError::Taken(_))), "one word stands");
    });
}

#[test]
fn whoever_bore_a_name_last_is_not_named_by_another() {
    on_both_databases(|on| {
        let node = TestNode::on(on);
        let (alice, ben) = (node.patron("alice").build(), node.patron("ben").build());
        trust(&node, &alice, number(), "mira").unwrap();
        assert!(matches!(name(&node, &ben, by_name("Mira"), "Mira"), Err(ProveError::Taken(_))));
        assert_eq!(name(&node, &alice, by_name("mira"), "mira").unwrap().account, "12", "it is connected already");
        assert_eq!(read_for(&node), [(alice.id.0, "12".to_owned())]);
        for handle in ["b1", "b2", "b3"] {
            name(&node, &ben, by_name(handle), handle).unwrap();
        }
        assert!(matches!(name(&node, &ben, by_name("b4"), "b4"), Err(ProveError::TooManyNamed(PLATFORM))));
    });
}

#[test]
fn the_number_of_a_named_account_takes_the_place_of_its_name_and_a_proof_that_of_every_word() {
    on_both_databases(|on| {
        let node = TestNode::on(on);
        let (alice, ben) = (node.patron("alice").build(), node.patron("ben").build());
        let named = name(&node, &alice, by_name("mira"), "mira").unwrap();
        let (id, now) = (named.id, node.now());
        node.flow(move |tx, _| connections::set_baseline(tx, id, now));
        // By a file: what it is compared with stays.
        let numbered = name(&node, &alice, number(), "mira").unwrap();
        assert_eq!((numbered.id, numbered.account.as_str()), (named.id, "12"));
        assert!(numbered.baseline_at.is_some());
        // By a proof of somebody else.
        let (his, token) = (ben.id, "his".to_owned());
        let begun = node.flow(move |tx, close| prove_account::begin(tx, his, &number(), "mira", &token, close.now));
        assert!(matches!(begun, Standing::Pending(_)));
        let look = |token: &'static str| {
            let shown = prove_account::proof_url(&node.instance, token);
            node.flow(move |tx, close| {
                prove_account::look(tx, close.instance, token, &|address| address == shown, close.now)
            })
        };
        assert!(matches!(look("his"), Standing::Connected(_)));
        assert_eq!(read_for(&node), [(ben.id.0, "12".to_owned())]);
        // By a proof of one's own: the platform lists the likes from now on, and what it lists first is a baseline.
        let ana = node.patron("ana").build();
        let (hers, other) = (ana.id, ExternalId::new(PLATFORM, "13").unwrap());
        let named = name(&node, &ana, by_name("anna"), "anna").unwrap();
        let row = named.id;
        node.flow(move |tx, close| connections::set_baseline(tx, row, close.now));
        let account = other.clone();
        node.flow(move |tx, close| prove_account::begin(tx, hers, &account, "anna", "hers", close.now));
        let Standing::Connected(proved) = look("hers") else { panic!("it is proved") };
        assert_eq!((proved.id, proved.account.as_str(), proved.baseline_at), (named.id, "13", None));
        assert_eq!(read_for(&node).len(), 2);
    });
}

#[tokio::test]
async fn an_account_of_a_platform_without_an_api_is_named_and_what_is_brought_for_it_counts() {
    let stage = Stage::new().await;
    const PHOTOS: Platform = Platform::FiveHundredPx;
    let list = |numbers: &[u32]| {
        numbers.iter().map(|number| format!("https://500px.com/photo/{number}\n")).collect::<String>()
    };
    // Nobody says whose the file is.
    let refused = stage.upload(PHOTOS, "faves.txt", list(&[1]).as_bytes()).await.unwrap_err().to_string();
    assert!(refused.contains("does not say whose it is"), "{refused}");
    let federation = crate::federation::library::federation(&stage.node).await.unwrap();
    let (name, platform, handle) = ("nils".into(), "500px".into(), "https://500px.com/mira".into());
    let command = Command::BridgeConnect { name, platform, handle, is_trusted: false };
    let connected = execute(&federation, command).await.unwrap();
    assert!(connected.text.contains("no API that tells what somebody likes"), "{}", connected.text);
    stage.upload(PHOTOS, "faves.txt", list(&[1]).as_bytes()).await.unwrap();
    assert!(step(&stage.node).await.unwrap());
    let account = stage.connections().await[0].account.clone();
    assert_eq!(account, "@mira");
    // Everything until now, by the patron's word; a photo that is new since then counts.
    take_list(&stage.node, stage.patron, PHOTOS, account.clone(), true, &list(&[1, 2])).await.unwrap();
    assert!(step(&stage.node).await.unwrap());
    let row = take_list(&stage.node, stage.patron, PHOTOS, account, false, &list(&[1, 2, 3])).await.unwrap();
    assert!(step(&stage.node).await.unwrap());
    let done = stage.row(row.id).await;
    assert_eq!((done.state.as_str(), done.likes, done.baseline, done.flattrs), ("done", 3, 0, 1));
    // In one step, by a list alone.
    let row = take_list(
        &stage.node,
        stage.patron,
        Platform::AppNet,
        "nils".into(),
        false,
        "https://alpha.app.net/mira/post/7",
    );
    row.await.unwrap();
    assert!(step(&stage.node).await.unwrap());
    assert_eq!(stage.connections().await.len(), 2);
    // A platform that is asked for accounts is not named.
    let stranger =
        take_list(&stage.node, stage.patron, Platform::GitHub, "x".into(), false, "https://github.com/a/b").await;
    assert!(stranger.unwrap_err().to_string().contains("no account `x` is connected there"));
}
