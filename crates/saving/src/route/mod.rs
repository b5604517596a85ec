//! Which tier and intent a question has.
