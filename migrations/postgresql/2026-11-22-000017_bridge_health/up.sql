-- How the bridge to each platform fares, and whether the operator has paused it. A platform without a row was never asked.
CREATE TABLE bridge_health (
    platform TEXT PRIMARY KEY NOT NULL,
    -- Nothing is read from the platform while this is set.
    paused_at BIGINT,
    last_success_at BIGINT,
    last_error_at BIGINT,
    last_error_class TEXT,
    last_error TEXT,
    -- Of the platform, not of one account there, since its last answer.
    failures BIGINT NOT NULL,
    -- Of the allowance that all readings share, as the platform told it last.
    quota_remaining BIGINT,
    -- The most that was left in the same window: the reserve is a part of it.
    quota_highest BIGINT,
    quota_resets_at BIGINT,
    quota_seen_at BIGINT,
    -- Requests of the hour that began then.
    hour_at BIGINT NOT NULL,
    requests BIGINT NOT NULL
);
