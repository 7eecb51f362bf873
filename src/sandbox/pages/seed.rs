//! A small world to begin with: three people on each platform, and something to like.

use crate::domain::identity::Platform;
use crate::domain::time::Timestamp;
use crate::sandbox::model::World;

/// Who posts, under which name in addresses, and what.
type Sown = (&'static str, &'static str, &'static str);

const fn posts_on(platform: Platform) -> [Sown; 4] {
    match platform {
        Platform::Twitter => [
            ("mira", "t1", "High tide at six. The harbour is empty and very loud."),
            ("mira", "t2", "A thread about tide tables, and why they are never right."),
            ("ana", "t3", "Baked bread again. It worked this time."),
            ("ana", "t4", "Reading about lighthouses until the lamp goes out."),
        ],
        Platform::Instagram => [
            ("mira", "i1", "Low tide, long shadows"),
            ("mira", "i2", "The old crane at the harbour"),
            ("ana", "i3", "Rye, three days old"),
            ("ana", "i4", "Lighthouse in the fog"),
        ],
        Platform::Vimeo => [
            ("mira", "v1", "Six hours of tide in one minute"),
            ("mira", "v2", "How a tide table is made"),
            ("ana", "v3", "Kneading, without words"),
            ("ana", "v4", "The last keeper"),
        ],
        Platform::SoundCloud => [
            ("mira", "harbour-at-six", "Harbour at six"),
            ("mira", "tide-bell", "Tide bell"),
            ("ana", "oven", "Oven, crackling"),
            ("ana", "foghorn", "Foghorn in D"),
        ],
        Platform::AppNet => [
            ("mira", "a1", "Tide tables as an open data set: who joins?"),
            ("mira", "a2", "The bell buoy has a new battery."),
            ("ana", "a3", "A recipe that needs no scales."),
            ("ana", "a4", "Lighthouses I have slept in, a list."),
        ],
        Platform::GitHub => [
            ("mira", "tides", "Computes tide tables"),
            ("mira", "harbour", "A harbour simulator"),
            ("ana", "sourdough", "Keeps a diary of a starter"),
            ("ana", "lights", "Characters of all lighthouses"),
        ],
        Platform::Flickr => [
            ("mira", "f1", "Ripples in the sand"),
            ("mira", "f2", "Crane, north side"),
            ("ana", "f3", "Crumb"),
            ("ana", "f4", "Lens of a lighthouse"),
        ],
        Platform::FiveHundredPx => [
            ("mira", "p1", "Blue hour over the flats"),
            ("mira", "p2", "Rust"),
            ("ana", "p3", "Flour in the light"),
            ("ana", "p4", "A stair of two hundred steps"),
        ],
        Platform::Fediverse => {
            [("mira", "1", "Tides"), ("mira", "2", "Harbours"), ("ana", "3", "Bread"), ("ana", "4", "Lights")]
        }
    }
}

/// Fills a world that is empty: `mira` and `ana` post, `nils` likes. The clock is set to `now`.
pub fn sow(world: &mut World, platforms: impl IntoIterator<Item = Platform>, now: Timestamp) {
    world.now = now;
    for platform in platforms {
        for (handle, name, bio) in [
            ("mira", "Mira Lund", "Tides, harbours, maps."),
            ("ana", "Ana Brandt", "Bread and lighthouses."),
            ("nils", "Nils", "I like things."),
        ] {
            let user = world.add_user(platform, handle);
            user.name = Some(name.to_owned());
            user.bio = Some(bio.to_owned());
        }
        for (owner, name, title) in posts_on(platform) {
            let post = world.add_post(platform, owner, name).expect("the owner was just added");
            post.title = Some(title.to_owned());
            if platform == Platform::GitHub {
                post.description = Some(title.to_owned());
            }
        }
    }
}
