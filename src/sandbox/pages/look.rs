//! How each platform's page looks and what its button is called.

use crate::domain::identity::Platform;

/// The words and the signs of one platform.
pub struct Look {
    /// What its button is called.
    pub word: &'static str,
    /// What the button says once it was pressed.
    pub done: &'static str,
    /// Before and after.
    pub sign: (&'static str, &'static str),
    /// What people post there.
    pub thing: &'static str,
    /// Hue of its colours, in degrees.
    hue: u16,
    /// Posts stand beside each other rather than below.
    is_grid: bool,
}

impl Look {
    pub fn of(platform: Platform) -> Look {
        const STAR: (&str, &str) = ("☆", "★");
        const HEART: (&str, &str) = ("♡", "♥");
        let look = |word, done, sign, thing, hue, is_grid| Look { word, done, sign, thing, hue, is_grid };
        match platform {
            Platform::Twitter => look("Favourite", "Favourited", STAR, "What is happening", 205, false),
            Platform::Instagram => look("Heart", "Hearted", HEART, "Caption of a picture", 325, true),
            Platform::Vimeo => look("Like", "Liked", HEART, "Title of a film", 190, true),
            Platform::SoundCloud => look("Like", "Liked", HEART, "Title of a track", 20, false),
            Platform::AppNet => look("Star", "Starred", STAR, "Your post", 250, false),
            Platform::GitHub => look("Star", "Starred", STAR, "What the repository is about", 215, false),
            Platform::Flickr => look("Fave", "Faved", STAR, "Title of a photo", 300, true),
            Platform::FiveHundredPx => look("Favourite", "In favourites", HEART, "Title of a photo", 160, true),
            Platform::Fediverse => look("Favourite", "Favourited", STAR, "What is on your mind", 265, false),
        }
    }
}

/// A whole page around a body that is escaped already.
pub fn frame(platform: Option<Platform>, title: &str, body: &str) -> String {
    let (hue, list) = match platform.map(Look::of) {
        Some(look) if look.is_grid => (look.hue, "repeat(auto-fill,minmax(14rem,1fr))"),
        Some(look) => (look.hue, "1fr"),
        None => (220, "1fr"),
    };
    format!(
        "<!DOCTYPE html><html lang=\"en\"><head><meta charset=\"utf-8\">\
         <meta name=\"viewport\" content=\"width=device-width\"><title>{}</title><style>\
         :root{{color-scheme:light dark;--tone:hsl({hue} 60% 30%)}}\
         @media (prefers-color-scheme:dark){{:root{{--tone:hsl({hue} 60% 78%)}}}}\
         body{{font:1rem/1.5 system-ui,sans-serif;max-width:60rem;margin:0 auto;padding:1rem;border-top:.5rem solid \
         var(--tone)}}a,h1,h2{{color:var(--tone)}}\
         .people,.posts{{list-style:none;padding:0}}.people{{display:flex;flex-wrap:wrap;gap:1rem}}\
         .people [aria-current]{{font-weight:bold}}.posts{{display:grid;gap:1rem;grid-template-columns:{list}}}\
         .posts li{{border:1px solid;border-radius:.5rem;padding:.75rem}}.posts h3{{margin:0}}\
         .meta{{opacity:.85;font-size:.9rem}}.like[aria-pressed=true]{{background:var(--tone);color:Canvas}}\
         button{{font:inherit;padding:.3rem .8rem;cursor:pointer}}input,textarea{{font:inherit;max-width:100%}}\
         .profile label{{display:block}}.profile input,.profile textarea{{width:30rem}}\
         .scroll{{overflow-x:auto}}table{{border-collapse:collapse}}th,td{{text-align:left;padding:.3rem .8rem .3rem 0}}\
         code{{overflow-wrap:anywhere}}\
         </style></head><body><main>{body}</main></body></html>",
        escaped(title)
    )
}

pub fn escaped(text: &str) -> String {
    let text = text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;");
    text.replace('"', "&quot;").replace('\'', "&#39;")
}
