//! The table of states, and the properties that hold whatever the facts are.
