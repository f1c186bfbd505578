//! A jail counts failures and decides who is banned and until when.
//!
//! Nothing but compute: `now` and chance are arguments, whom to ask about a name or a program it says, and the answer
//! comes back as another call. What it decides the engine carries out.
