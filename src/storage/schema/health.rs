//! The table of how bridges fare.

use diesel::table;

table! {
    bridge_health (platform) {
        platform -> Text,
        paused_at -> Nullable<BigInt>,
        last_success_at -> Nullable<BigInt>,
        last_error_at -> Nullable<BigInt>,
        last_error_class -> Nullable<Text>,
        last_error -> Nullable<Text>,
        failures -> BigInt,
        quota_remaining -> Nullable<BigInt>,
        quota_highest -> Nullable<BigInt>,
        quota_resets_at -> Nullable<BigInt>,
        quota_seen_at -> Nullable<BigInt>,
        hour_at -> BigInt,
        requests -> BigInt,
        limited_until -> Nullable<BigInt>,
    }
}
