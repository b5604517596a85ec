-- Why a call cost less than it might have, in billionths of a dollar.
ALTER TABLE calls ADD COLUMN saved_prompt_cache INTEGER NOT NULL DEFAULT 0;
ALTER TABLE calls ADD COLUMN saved_tools INTEGER NOT NULL DEFAULT 0;
ALTER TABLE calls ADD COLUMN saved_compression INTEGER NOT NULL DEFAULT 0;
ALTER TABLE calls ADD COLUMN saved_batch INTEGER NOT NULL DEFAULT 0;
