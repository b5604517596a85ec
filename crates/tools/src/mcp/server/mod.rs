//! The server: our tools, skills and memory for the agents of others.
