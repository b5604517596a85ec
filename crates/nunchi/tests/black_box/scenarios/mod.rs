//! What a day with the agent is like, as stories. Each is played with the real binary, real tools and a scripted upstream that plays
//! the model over HTTP; then again and again until it was killed, at random moments while its run was under way, as often as
//! `NUNCHI_KILLS` asks.

mod kills;
mod stage;

mod databases;
mod files;
mod guards;
mod made;
mod many_tools;
mod people;
mod plans;
mod remembering;
mod servers;
mod strangers;
