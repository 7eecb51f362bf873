//! Tables of the fediverse as a platform: apps at its servers, posts whose authors are looked for, accounts that are
//! sources of likes at peers, likes that accounts of patrons gave.

use diesel::table;

table! {
    fediverse_apps (server) {
        server -> Text,
        sealed -> Text,
        registered_at -> BigInt,
    }
}

table! {
    author_looks (object_id) {
        object_id -> BigInt,
        attempts -> BigInt,
        next_at -> BigInt,
        last_error -> Text,
    }
}

table! {
    like_sources (account, home_uri) {
        account -> Text,
        home_uri -> Text,
        backlink -> Text,
        state -> Text,
        attempts -> BigInt,
        next_at -> BigInt,
        last_error -> Nullable<Text>,
    }
}

table! {
    given_likes (like_uri, actor_uri) {
        like_uri -> Text,
        actor_uri -> Text,
        patron_id -> BigInt,
        object_id -> BigInt,
        given_at -> BigInt,
    }
}

table! {
    inbox_envelopes (inbox_id) {
        inbox_id -> BigInt,
        envelope -> Text,
    }
}
