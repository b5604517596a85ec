//! What can be left out of tool results and histories, and how it is found again.
