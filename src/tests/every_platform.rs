//! The acceptance tests of reading likes, for every platform through the loop that an instance runs: a whole listing, one
//! that moves, unlikes, and that the live API and the export file make the same flattrs.

use super::likes_world::LikesWorld;
use crate::domain::identity::Platform;
use crate::sandbox::fault::Kind;

/// With the likes on one page of the account's own list.
const LISTED: [(Platform, usize); 9] = [
    (Platform::Twitter, 100),
    (Platform::Instagram, 33),
    (Platform::Vimeo, 100),
    (Platform::SoundCloud, 200),
    (Platform::AppNet, 200),
    (Platform::GitHub, 100),
    (Platform::Flickr, 500),
    (Platform::FiveHundredPx, 100),
    (Platform::Fediverse, 40),
];

/// Reads until a pass has come to its end, however many turns that takes.
async fn read_all(world: &LikesWorld) -> (usize, usize, usize) {
    let mut total = (0, 0, 0);
    for _ in 0..4 {
        let (flattrs, taken_back, baseline) = world.read().await;
        total = (total.0 + flattrs, total.1 + taken_back, total.2 + baseline);
    }
    total
}

#[tokio::test]
async fn a_whole_listing_becomes_the_likes_that_are_there() {
    for (platform, page) in LISTED {
        for count in [0, 1, page, page + 1] {
            let world = LikesWorld::with_baseline(platform, true, count).await;
            assert_eq!((world.standing().await, world.truth()), (count, count), "{platform}");
            world.like(2);
            assert_eq!(world.read().await, (2, 0, 0), "{platform}, {count}");
            assert_eq!(world.read().await, (0, 0, 0), "{platform}, {count}");
            world.sandbox.stop().await;
        }
    }
    let world = LikesWorld::new(Platform::GitHub).await;
    world.like(2_500);
    world.connect().await;
    assert_eq!(read_all(&world).await, (0, 0, 2_500));
    assert_eq!(world.standing().await, 2_500);
}

#[tokio::test]
async fn no_like_is_lost_or_doubled_when_others_come_while_the_pages_are_read() {
    for (platform, page) in LISTED {
        let world = LikesWorld::with_baseline(platform, true, 1).await;
        world.like(2 * page + 5);
        world.fault(Some(Kind::ItemInsertedBetweenPages), 3);
        world.read().await;
        world.fault(None, 0);
        read_all(&world).await;
        let truth = world.truth();
        assert!(truth > 2 * page + 6, "{platform}: nothing came in between");
        assert_eq!(world.standing().await, truth, "{platform}");
        assert_eq!(world.paid().await.len(), truth - 1, "{platform}");
        assert_eq!(world.flattrs().await.len(), truth - 1, "{platform}: nothing was taken back on the way");
        world.sandbox.stop().await;
    }
}

#[tokio::test]
async fn an_unlike_is_found_by_a_whole_listing_and_by_no_other() {
    for (platform, page) in LISTED {
        let world = LikesWorld::with_baseline(platform, true, 1).await;
        let liked = world.like(page + 5);
        assert_eq!(world.read().await.0, page + 5, "{platform}");
        world.unlike(&liked[2]);
        for kind in [Kind::Http502, Kind::TruncateBody, Kind::BadJson, Kind::DamagedItem] {
            world.fault(Some(kind), 1_000);
            assert_eq!(world.read().await.1, 0, "{platform}, {kind:?}");
        }
        world.fault(None, 0);
        let found = read_all(&world).await.1;
        if platform == Platform::Twitter {
            // A page on which nothing is new ends the reading, until the month is to be divided.
            assert!(found <= 1, "{platform}");
        } else {
            assert_eq!(found, 1, "{platform}");
            assert_eq!(world.paid().await.len(), page + 4, "{platform}");
        }
        world.sandbox.stop().await;
    }
}

#[tokio::test]
async fn the_live_api_the_export_and_both_make_the_same_flattrs() {
    let exporting = [
        Platform::Twitter,
        Platform::Instagram,
        Platform::SoundCloud,
        Platform::AppNet,
        Platform::Flickr,
        Platform::FiveHundredPx,
    ];
    for platform in exporting {
        let mut seen = Vec::new();
        for (is_live, is_by_file) in [(true, false), (false, true), (true, true)] {
            let world = LikesWorld::new(platform).await;
            world.like(3);
            world.connect().await;
            world.sign_in().await;
            for _ in 0..2 {
                if is_live {
                    world.read().await;
                }
                if is_by_file {
                    world.import("export.zip", &world.export(), false).await;
                }
                if is_live {
                    world.read().await;
                }
                world.like(2);
            }
            let liked = world.paid().await;
            assert_eq!(liked.len(), 2, "{platform}, live {is_live}, by file {is_by_file}");
            // The number of a tweet tells when it was written, which is not the same moment each time: its place is.
            let posts: Vec<String> = world.sandbox.world().posts.iter().map(|post| post.id.clone()).collect();
            let place = |id: String| posts.iter().position(|post| *post == id).map_or(id, |place| place.to_string());
            seen.push(liked.into_iter().map(place).collect::<std::collections::BTreeSet<String>>());
            world.sandbox.stop().await;
        }
        assert!(seen.iter().all(|paid| *paid == seen[0]), "{platform}: {seen:?}");
    }
}
