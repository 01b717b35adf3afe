-- Large acceptances that are kept, and whose rows are being written (design/0053).
CREATE TABLE staged (number INTEGER PRIMARY KEY, whole BLOB NOT NULL) STRICT;
