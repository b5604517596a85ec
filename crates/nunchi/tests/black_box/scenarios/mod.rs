//! What a day with the agent is like, as stories. Each is played with the real binary, real tools and a scripted upstream that plays
//! the model over HTTP; then again while the process is killed at random moments. `NUNCHI_KILLS=50` plays each fifty times so.

mod stage;

mod databases;
mod files;
mod guards;
mod made;
mod people;
mod plans;
mod remembering;
mod strangers;
