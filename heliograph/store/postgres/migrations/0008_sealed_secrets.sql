-- compatible: 6
-- Secrets of endpoints may be sealed. A node says with seals_fence = fence that its program can open them; while one
-- runs that does not, nothing is sealed. The first sealing raises this step's compatible (see design/0040).
ALTER TABLE nodes ADD COLUMN seals_fence bigint;
