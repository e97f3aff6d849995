-- A policy that passed the gate may do worse in later weeks: then it bids no more.

ALTER TABLE policy_trainings ADD COLUMN withdrawn_ms bigint;
ALTER TABLE policy_trainings ADD CHECK (withdrawn_ms IS NULL OR state = 'promoted');
COMMENT ON COLUMN policy_trainings.withdrawn_ms IS
    'since then it may not bid: in later unseen weeks it surely earned less';
