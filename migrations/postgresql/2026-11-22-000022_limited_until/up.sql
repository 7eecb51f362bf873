-- Until when the platform asks all of us to wait: nothing is asked of it before, also after a restart.
ALTER TABLE bridge_health ADD COLUMN limited_until BIGINT;
