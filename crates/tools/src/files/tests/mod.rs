//! The file tools over real folders: as a run uses them, by hostile paths, killed, raced, and taken back.

mod crash;
mod interleaving;
mod paths;
mod use_of_tools;
mod world;
