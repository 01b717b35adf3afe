-- Secrets of endpoints may be sealed: the number alone keeps programs away that cannot open them.
SELECT 1;
