//! Whether two questions share an answer: the words that must agree, and a learned verifier.
