//! Judgements that save money: whether two questions share an answer, which tier a question needs, which tools it needs, and
//! what of a conversation can be left out. Pure: texts and vectors go in, a verdict with its reason comes out.

mod compress;
mod guard;
mod route;
mod select;
