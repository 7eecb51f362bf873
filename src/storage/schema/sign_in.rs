//! Tables of sign-ins at platforms, and of what they granted.

use diesel::table;

table! {
    sign_ins (key) {
        key -> Text,
        login_id -> BigInt,
        platform -> Text,
        purpose -> Text,
        kept -> Text,
        begun_at -> BigInt,
    }
}

table! {
    owner_sign_ins (key) {
        key -> Text,
        browser -> Text,
        platform -> Text,
        purpose -> Text,
        kept -> Text,
        begun_at -> BigInt,
    }
}

table! {
    grants (id) {
        id -> BigInt,
        platform -> Text,
        account -> Text,
        sealed -> Text,
        expires_at -> Nullable<BigInt>,
        scopes -> Text,
        state -> Text,
        updated_at -> BigInt,
        is_for_likes -> Bool,
        is_for_claim -> Bool,
    }
}
