//! Tables of who does not want to be bridged.

use diesel::table;

table! {
    refusals (identity_id, source) {
        identity_id -> BigInt,
        source -> Text,
        since -> BigInt,
    }
}

table! {
    consent_looks (identity_id) {
        identity_id -> BigInt,
        looked_at -> Nullable<BigInt>,
        next_at -> BigInt,
        is_limited -> Bool,
        last_error -> Nullable<Text>,
    }
}

table! {
    opt_outs (id) {
        id -> BigInt,
        platform -> Text,
        account -> Text,
        handle -> Text,
        token -> Text,
        created_at -> BigInt,
    }
}
