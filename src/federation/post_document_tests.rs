//! The documents of posts, whole: what other servers read.

use serde_json::{Value, json};

use super::*;
use crate::domain::id::{IdentityId, ObjectId};
use crate::domain::money::{Amount, Currency};
use crate::flows::Policy;

fn instance() -> Instance {
    let nothing = Amount::from_units(0, Currency::EUR);
    let policy = Policy {
        currency: Currency::EUR,
        minimum_budget: nothing,
        minimum_payout: nothing,
        minimum_transfer: nothing,
        unclaimed_expiry_months: 3,
        patron_fee_basis_points: 0,
        creator_fee_basis_points: 0,
    };
    Instance { base_url: "https://node.example".into(), host: "node.example".into(), policy }
}

fn actor(path: &str) -> Actor {
    let uri = format!("https://node.example/bridge/{path}");
    Actor {
        id: ActorId(1),
        kind: "bridged".into(),
        actor_type: "Person".into(),
        host: "node.example".into(),
        username: "mira".into(),
        display_name: "Mira".into(),
        summary: String::new(),
        inbox: format!("{uri}/inbox"),
        shared_inbox: None,
        rsa_key_id: format!("{uri}#main-key"),
        rsa_public_pem: String::new(),
        ed25519_key_id: None,
        ed25519_multikey: None,
        document: None,
        fetched_at: 0,
        gone_at: None,
        uri,
    }
}

/// A post of mira's, `platform:id`, published on the first of June 2013.
fn post(name: &str, kind: &str, title: &str, url: &str) -> Shown {
    let (platform, id) = name.split_once(':').unwrap();
    Shown {
        object: Object {
            id: ObjectId(1),
            platform: platform.into(),
            object: id.into(),
            owner_id: Some(IdentityId(1).0),
            title: title.into(),
            url: url.into(),
            published_at: Some(1_370_044_800_000_000),
            is_deleted: false,
            seen_at: 0,
        },
        author: Some(actor(&format!("{platform}/7"))),
        details: Some(PostDetails {
            object_id: ObjectId(1),
            kind: kind.into(),
            thumbnail_url: Some("https://static.example/small.jpg?s=1&t=2".into()),
            full_form: None,
            digest: String::new(),
            said_at: None,
            edited_at: None,
            deleted_at: None,
            deletions: 0,
            seen_in_pass: 1,
        }),
        full: None,
        in_reply_to: None,
    }
}

fn medium(kind: &str, url: &str) -> Medium {
    Medium { kind: kind.into(), url: url.into(), media_type: None, alt: None, width: None, height: None, poster: None }
}

/// Compares all but what is the same for every post.
#[track_caller]
fn check(shown: &Shown, expected: Value) {
    let mut document = write(&instance(), shown);
    let uri = format!("https://node.example/bridge/{}/objects/1", shown.object.platform);
    let actor = shown.author.as_ref().unwrap().uri.clone();
    for (name, value) in [
        ("@context", post_context()),
        ("id", json!(uri)),
        ("to", json!([PUBLIC])),
        ("cc", json!([format!("{actor}/followers")])),
        ("attributedTo", json!(actor)),
        ("likes", json!(format!("{uri}/likes"))),
        ("flattr:platform", json!(shown.object.platform)),
        ("flattr:objectId", json!("1")),
        ("published", json!("2013-06-01T00:00:00Z")),
    ] {
        assert_eq!(document.as_object_mut().unwrap().remove(name), Some(value), "{name}");
    }
    assert_eq!(document, expected);
}

const REL: &str = "rel=\"nofollow noopener noreferrer\"";

fn payment(platform: &str) -> Value {
    let href = format!("https://node.example/bridge/{platform}/objects/1");
    json!({ "type": "Link", "rel": "payment", "name": "fedflattr", "href": href })
}

fn canonical(url: &str) -> Value {
    json!({ "type": "Link", "rel": "canonical", "mediaType": "text/html", "href": url })
}

#[test]
fn before_a_claim_a_post_is_title_link_and_the_address_of_a_thumbnail() {
    let mut shown = post("flickr:1", "image", "Low <tide>", "https://www.flickr.com/photos/mira/1/");
    let expected = json!({
        "type": "Note",
        "content": format!(
            "<p><a href=\"https://www.flickr.com/photos/mira/1/\" {REL}>Low &lt;tide&gt;</a></p><p>Bridged from Flickr</p>"
        ),
        "url": ["https://node.example/bridge/flickr/objects/1", canonical("https://www.flickr.com/photos/mira/1/")],
        "sensitive": false,
        "attachment": [payment("flickr")],
        "image": { "type": "Image", "url": "https://static.example/small.jpg?s=1&t=2" },
    });
    check(&shown, expected);
    // A repository is a note like any other until then.
    shown.details.as_mut().unwrap().kind = "repository".into();
    assert_eq!(write(&instance(), &shown)["type"], "Note");
}

#[test]
fn a_photo_of_a_claimed_account() {
    let mut shown = post("flickr:1", "image", "Low tide", "https://www.flickr.com/photos/mira/1/");
    let picture = Medium {
        media_type: Some("image/jpeg".into()),
        alt: Some("A pier at \"low\" tide".into()),
        width: Some(1024),
        height: Some(683),
        ..medium("image", "https://live.staticflickr.com/65/1_abc_b.jpg")
    };
    shown.full = Some(FullForm {
        description: Some("From the <b>pier</b>.\nMore: <a href=\"https://mira.example\">here</a>".into()),
        licence: Some("https://creativecommons.org/licenses/by/2.0/".into()),
        tags: vec!["low tide".into(), "pier".into(), "!!".into()],
        media: vec![picture],
        is_sensitive: true,
        ..FullForm::default()
    });
    shown.details.as_mut().unwrap().edited_at = Some(1_370_131_200_000_000);
    let expected = json!({
        "type": "Note",
        "content": format!(
            "<p><a href=\"https://www.flickr.com/photos/mira/1/\" {REL}>Low tide</a></p>\
             <p>From the <b>pier</b>.<br>More: <a href=\"https://mira.example\" {REL}>here</a></p>\
             <p>#lowtide #pier</p>\
             <p>Bridged from <a href=\"https://www.flickr.com/photos/mira/1/\" {REL}>Flickr</a> \u{b7} Licence: \
             <a href=\"https://creativecommons.org/licenses/by/2.0/\" {REL}>https://creativecommons.org/licenses/by/2.0/</a></p>"
        ),
        "url": ["https://node.example/bridge/flickr/objects/1", canonical("https://www.flickr.com/photos/mira/1/")],
        "sensitive": true,
        "updated": "2013-06-02T00:00:00Z",
        "license": "https://creativecommons.org/licenses/by/2.0/",
        "tag": [{ "type": "Hashtag", "name": "#lowtide" }, { "type": "Hashtag", "name": "#pier" }],
        "image": { "type": "Image", "url": "https://static.example/small.jpg?s=1&t=2" },
        "attachment": [
            {
                "type": "Image", "url": "https://live.staticflickr.com/65/1_abc_b.jpg", "mediaType": "image/jpeg",
                "name": "A pier at \"low\" tide", "width": 1024, "height": 683,
            },
            payment("flickr"),
        ],
    });
    check(&shown, expected);
}

#[test]
fn a_film_in_a_message_of_a_claimed_account() {
    let mut shown = post("twitter:1", "text", "The tide, in four seconds", "https://x.com/i/web/status/1");
    let film = Medium {
        media_type: Some("video/mp4".into()),
        alt: Some("Waves".into()),
        poster: Some("https://pbs.twimg.com/1.jpg".into()),
        ..medium("video", "https://video.twimg.com/1.mp4")
    };
    shown.full = Some(FullForm {
        description: Some("The tide, in four seconds <3 #tide".into()),
        tags: vec!["tide".into()],
        media: vec![film],
        duration_seconds: Some(4),
        ..FullForm::default()
    });
    shown.in_reply_to = Some("https://node.example/bridge/twitter/objects/0".into());
    let expected = json!({
        "type": "Note",
        "content": format!(
            "<p>The tide, in four seconds &lt;3 #tide</p>\
             <p>Bridged from <a href=\"https://x.com/i/web/status/1\" {REL}>Twitter</a></p>"
        ),
        "url": ["https://node.example/bridge/twitter/objects/1", canonical("https://x.com/i/web/status/1")],
        "sensitive": false,
        "duration": "PT4S",
        "inReplyTo": "https://node.example/bridge/twitter/objects/0",
        "tag": [{ "type": "Hashtag", "name": "#tide" }],
        "image": { "type": "Image", "url": "https://static.example/small.jpg?s=1&t=2" },
        "attachment": [
            {
                "type": "Video", "url": "https://video.twimg.com/1.mp4", "mediaType": "video/mp4", "name": "Waves",
                "icon": { "type": "Image", "url": "https://pbs.twimg.com/1.jpg" }, "duration": "PT4S",
            },
            payment("twitter"),
        ],
    });
    check(&shown, expected);
}

#[test]
fn where_files_may_not_be_shown_elsewhere_there_are_links_alone() {
    let mut shown = post("soundcloud:1", "audio", "Undertow", "https://soundcloud.com/mira/undertow");
    let player = Medium {
        media_type: Some("text/html".into()),
        poster: Some("https://i1.sndcdn.com/1.jpg".into()),
        ..medium("link", "https://w.soundcloud.com/player/?url=1")
    };
    shown.full = Some(FullForm {
        description: Some("Recorded at night.".into()),
        licence: Some("cc-by-nc".into()),
        media: vec![player],
        duration_seconds: Some(187),
        ..FullForm::default()
    });
    let expected = json!({
        "type": "Note",
        "content": format!(
            "<p><a href=\"https://soundcloud.com/mira/undertow\" {REL}>Undertow</a></p><p>Recorded at night.</p>\
             <p>Bridged from <a href=\"https://soundcloud.com/mira/undertow\" {REL}>SoundCloud</a> \u{b7} Licence: cc-by-nc</p>"
        ),
        "url": [
            "https://node.example/bridge/soundcloud/objects/1",
            canonical("https://soundcloud.com/mira/undertow"),
            { "type": "Link", "mediaType": "text/html", "href": "https://w.soundcloud.com/player/?url=1" },
        ],
        "sensitive": false,
        "duration": "PT187S",
        "preview": { "type": "Link", "href": "https://static.example/small.jpg?s=1&t=2" },
        "attachment": [payment("soundcloud")],
    });
    check(&shown, expected);
    for platform in ["instagram", "vimeo"] {
        shown.object.platform = platform.into();
        shown.full.as_mut().unwrap().media = vec![medium("image", "https://cdn.example/1.jpg")];
        let document = write(&instance(), &shown);
        assert_eq!(document["attachment"].as_array().unwrap().len(), 1, "{platform}: the payment link alone");
        assert!(document.get("image").is_none(), "{platform}");
    }
}

#[test]
fn repositories_are_pages_and_long_releases_articles() {
    let mut shown = post("github:1", "repository", "mira/reef", "https://github.com/mira/reef");
    shown.details.as_mut().unwrap().thumbnail_url = None;
    shown.full =
        Some(FullForm { description: Some("Tide tables".into()), licence: Some("MIT".into()), ..FullForm::default() });
    let expected = json!({
        "type": "Page",
        "name": "mira/reef",
        "content": format!(
            "<p><a href=\"https://github.com/mira/reef\" {REL}>mira/reef</a></p><p>Tide tables</p>\
             <p>Bridged from <a href=\"https://github.com/mira/reef\" {REL}>GitHub</a> \u{b7} Licence: \
             <a href=\"https://spdx.org/licenses/MIT.html\" {REL}>MIT</a></p>"
        ),
        "url": ["https://node.example/bridge/github/objects/1", canonical("https://github.com/mira/reef")],
        "sensitive": false,
        "license": "https://spdx.org/licenses/MIT.html",
        "attachment": [payment("github")],
    });
    check(&shown, expected);

    let mut release = post("github:1", "release", "Reef 1.0", "https://github.com/mira/reef/releases/tag/1.0");
    release.details.as_mut().unwrap().thumbnail_url = None;
    release.full = Some(FullForm { description: Some("**Fast**\n\n- tides".into()), ..FullForm::default() });
    let expected = json!({
        "type": "Note",
        "content": format!(
            "<p><a href=\"https://github.com/mira/reef/releases/tag/1.0\" {REL}>Reef 1.0</a></p>\
             <p><strong>Fast</strong></p>\n<ul>\n<li>tides</li>\n</ul>\n\
             <p>Bridged from <a href=\"https://github.com/mira/reef/releases/tag/1.0\" {REL}>GitHub</a></p>"
        ),
        "url": ["https://node.example/bridge/github/objects/1", canonical("https://github.com/mira/reef/releases/tag/1.0")],
        "sensitive": false,
        "attachment": [payment("github")],
    });
    check(&release, expected);
    release.full = Some(FullForm { description: Some("tide ".repeat(500)), ..FullForm::default() });
    let document = write(&instance(), &release);
    assert_eq!((&document["type"], &document["name"]), (&json!("Article"), &json!("Reef 1.0")));
}

#[test]
fn a_post_that_is_gone_says_nothing_but_that() {
    let mut shown = post("github:1", "repository", "mira/reef", "https://github.com/mira/reef");
    shown.object.is_deleted = true;
    shown.details.as_mut().unwrap().deleted_at = Some(1_370_131_200_000_000);
    let expected = json!({
        "@context": "https://www.w3.org/ns/activitystreams",
        "id": "https://node.example/bridge/github/objects/1",
        "type": "Tombstone",
        "formerType": "Note",
        "deleted": "2013-06-02T00:00:00Z",
    });
    assert_eq!(write(&instance(), &shown), expected);
}

#[test]
fn no_word_of_a_platform_becomes_a_script_or_an_address_that_runs_one() {
    let attack = "\"><script>alert(1)</script><img src=x onerror=alert(1)>";
    for (platform, kind) in [("github", "release"), ("flickr", "image"), ("twitter", "text"), ("500px", "image")] {
        let mut shown = post(&format!("{platform}:1"), kind, attack, "javascript:alert(1)");
        shown.details.as_mut().unwrap().thumbnail_url = Some("javascript:alert(1)".into());
        shown.full = Some(FullForm {
            description: Some(format!("{attack}\n\n[x](javascript:alert(1)) <a href='javascript:alert(1)'>x</a>")),
            licence: Some(attack.into()),
            tags: vec![attack.into()],
            media: vec![medium("image", "javascript:alert(1)"), medium("link", "data:text/html,x")],
            alias_url: Some("javascript:alert(1)".into()),
            ..FullForm::default()
        });
        for full in [shown.full.clone(), None] {
            shown.full = full;
            let document = write(&instance(), &shown);
            let content = document["content"].as_str().unwrap();
            assert!(!content.contains("<script") && !content.contains("<img"), "{platform}: {content}");
            assert!(!content.contains("href=\"javascript:"), "{platform}: {content}");
            assert!(document.get("image").is_none() && document.get("license").is_none(), "{platform}");
            let attachments = document["attachment"].as_array().unwrap();
            assert_eq!(attachments.len(), 1, "{platform}: {attachments:?}");
            let addresses = document["url"].as_array().unwrap();
            assert_eq!(addresses.len(), 1, "{platform}: {addresses:?}");
        }
    }
}
