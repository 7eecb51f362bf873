//! The sections of the bridges, in one list.
//!
//! Owns that a platform is one line here: its field, its section in `table`, and which platform that is.

use std::time::Duration;

use super::key::Key;
use super::setting::{Reader, Shown};
use super::table::{AppNet, Fediverse, FiveHundredPx, Flickr, GitHub, Instagram, SoundCloud, Twitter, Vimeo};
use crate::domain::identity::Platform;

macro_rules! bridges {
    ($($field:ident: $section:ident for $platform:ident,)*) => {
        /// One section for each platform that likes are read from.
        #[derive(Clone, Debug, PartialEq, Eq)]
        pub struct Bridges {
            $(pub $field: $section,)*
        }

        impl Bridges {
            /// The time between two looks at an account there.
            pub fn poll_interval(&self, platform: Platform) -> Duration {
                Duration::from_secs(match platform {
                    $(Platform::$platform => self.$field.poll_interval_seconds,)*
                })
            }

            pub fn is_enabled(&self, platform: Platform) -> bool {
                match platform {
                    $(Platform::$platform => self.$field.enabled,)*
                }
            }

            /// The most requests that polling may bring an hour to; `None` leaves it to what the platform says.
            pub fn requests_per_hour_max(&self, platform: Platform) -> Option<u64> {
                match platform {
                    $(Platform::$platform => Option::from(self.$field.requests_per_hour_max),)*
                }
            }

            pub(super) fn read(reader: &mut Reader) -> Option<Bridges> {
                // Each section is read before the first `?`, so that one wrong value does not hide another.
                $(let $field = $section::read(reader);)*
                Some(Bridges { $($field: $field?,)* })
            }

            /// Each key with its value as TOML writes it, in the order of the table.
            pub(super) fn shown(&self) -> Vec<(&'static Key, Shown)> {
                [$(self.$field.shown(),)*].concat()
            }
        }
    };
}

bridges! {
    twitter: Twitter for Twitter,
    instagram: Instagram for Instagram,
    vimeo: Vimeo for Vimeo,
    soundcloud: SoundCloud for SoundCloud,
    appnet: AppNet for AppNet,
    github: GitHub for GitHub,
    flickr: Flickr for Flickr,
    five_hundred_px: FiveHundredPx for FiveHundredPx,
    fediverse: Fediverse for Fediverse,
}
