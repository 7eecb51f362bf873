-- As whom an account's likes were read last (`own` or `public`), and the first pass that was shown no more than that.
ALTER TABLE connections ADD COLUMN view TEXT;
ALTER TABLE connections ADD COLUMN basis_pass BIGINT NOT NULL DEFAULT 0;
-- A place in the listing that the pass has been at: a listing that runs in a circle comes back to it.
ALTER TABLE connection_passes ADD COLUMN mark TEXT;

-- Posts that stood in a listing before its first whole reading and that not everybody could see then, by their ids on
-- their platform. Shown to everybody later, they are of before all the same.
CREATE TABLE connection_hidden (
    connection_id BIGINT NOT NULL REFERENCES connections (id),
    object TEXT NOT NULL,
    PRIMARY KEY (connection_id, object)
);

-- The patron's word that this was the last of what the account liked until now.
ALTER TABLE imports ADD COLUMN is_complete BOOLEAN NOT NULL DEFAULT FALSE;
-- Addresses of which the platform has not said what they mean.
ALTER TABLE imports ADD COLUMN unanswered BIGINT NOT NULL DEFAULT 0;
-- How often in a row the platform did not answer, and when it is asked again.
ALTER TABLE imports ADD COLUMN attempts BIGINT NOT NULL DEFAULT 0;
ALTER TABLE imports ADD COLUMN next_at BIGINT NOT NULL DEFAULT 0;
