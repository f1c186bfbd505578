//! What clients ask of the daemon, in our words and in fail2ban's: commands look at what it holds, and what changes the
//! daemon itself is done here.

use std::sync::mpsc::SyncSender;

use super::taking::{First, Whose};
use super::{End, Guard};
use crate::command::stop::StopReply;
use crate::command::{Command, Follow, House, Told};
use crate::compat::pickle::Plain;
use crate::compat::{self, Refusal, Said};
use crate::config::JailSettings;
use crate::daemon::clock;
use crate::daemon::follow::FollowJail;
use crate::engine::Request;
use crate::error::Error;
use crate::record::{Level, Record};
use crate::source::glob;
use crate::time::Timestamp;

/// Who waits for the end, in the language that they speak.
pub(super) enum Waiter {
    Ours(SyncSender<Told>),
    Theirs(SyncSender<Plain>),
}

impl Waiter {
    pub(super) fn tell(self, kept: bool, result: Result<(), Error>) {
        let _left = match self {
            Waiter::Ours(reply) => {
                let kept = serde_json::to_value(StopReply { kept }).expect("it is plain data");
                reply.send(result.map(|()| kept).into()).is_ok()
            }
            Waiter::Theirs(reply) => {
                reply.send(compat::reply(result.map(|()| Plain::None).map_err(Into::into))).is_ok()
            }
        };
    }
}

impl Guard {
    pub(super) fn client(&mut self, words: &[String], reply: SyncSender<Told>, out: &mut Vec<Request>) -> Option<End> {
        let answer = match Command::from_words(words) {
            Ok(Command::Stop(args)) => return Some(End::Stop { keep: args.keep, reply: Waiter::Ours(reply) }),
            Ok(Command::Reload(_)) => self.reload(out),
            Ok(Command::Set(args)) if args.of_the_daemon().is_some() => {
                let (option, value) = args.of_the_daemon().unwrap_or_default();
                self.set_main(option, value, out).map_err(Into::into)
            }
            Ok(command) => self.within(out, |house| command.run(house)),
            Err(error) => Err(error),
        };
        let _left = reply.send(answer.into());
        None
    }

    /// The same for a client of fail2ban's.
    pub(super) fn foreign(&mut self, request: &Plain, reply: SyncSender<Plain>, out: &mut Vec<Request>) -> Option<End> {
        let answer = match self.within(out, |house| compat::hear(request, house)) {
            Ok(Said::Stop) => return Some(End::Stop { keep: false, reply: Waiter::Theirs(reply) }),
            Ok(Said::Reply(value)) => Ok(value),
            Ok(Said::Reload { jail, unban, restart, stream }) => {
                self.reload_for(jail.as_deref(), First { unban, restart }, stream, out)
            }
            Ok(Said::Stream(stream)) => {
                self.take_stream(&stream, Whose::New, First::default(), out).map(|()| Plain::None)
            }
            Ok(Said::Main { option, value }) => self.set_main(&option, &value, out).map(compat::plain),
            Ok(Said::Complain(text)) => {
                out.push(Request::Log(Record::new(Level::Error, "server", text)));
                Ok(Plain::None)
            }
            Ok(Said::Sleep(time)) => {
                self.sleepers.push((clock::now() + time, reply));
                return None;
            }
            Ok(Said::FlushLogs) => {
                self.reopen_log(out);
                Ok(if self.log.is_file() { "rolled over" } else { "flushed" }.into())
            }
            Err(refusal) => Err(refusal),
        };
        let _left = reply.send(compat::reply(answer));
        None
    }

    /// `reload` of fail2ban's client: the stream that it sends, or, typed without one, our own configuration.
    fn reload_for(
        &mut self,
        jail: Option<&str>,
        first: First,
        stream: Option<Vec<Plain>>,
        out: &mut Vec<Request>,
    ) -> Result<Plain, Refusal> {
        let Some(stream) = stream else { return Ok(self.reload(out).map(|_| "OK".into())?) };
        let what = jail.map_or("Reload all jails".to_owned(), |jail| format!("Reload jail '{jail}'"));
        out.push(Request::Log(Record::new(Level::Info, "server", what)));
        self.take_stream(&stream, jail.map_or(Whose::All, Whose::One), first, out)?;
        out.push(Request::Log(Record::new(Level::Info, "server", "Reload finished.")));
        Ok("OK".into())
    }

    /// Lets a command look at what the daemon holds.
    pub(super) fn within<T>(&mut self, out: &mut Vec<Request>, look: impl FnOnce(&mut House<'_>) -> T) -> T {
        let paths = |j: &JailSettings| j.logpath.iter().map(|p| p.pattern.clone()).collect();
        let mut follow = Vec::new();
        let mut work = self.desk.sit();
        out.append(&mut work.out);
        let looked = look(&mut House {
            engine: &mut work.engine,
            files: &mut self.files,
            gave_up: &self.gave_up,
            waiting: &self.waiting.iter().map(|(name, jail)| (name.clone(), paths(jail))).collect(),
            idle: &mut self.idle,
            main: &self.main,
            firewall: self.firewall,
            now: clock::now(),
            zone: &self.zone,
            out,
            follow: &mut follow,
            expand: &glob::expand,
        });
        for change in follow {
            match change {
                Follow::Put(jail, filter) => {
                    if let Ok(settings) = work.engine.settings(&jail) {
                        self.follower.put(FollowJail::new(settings, *filter));
                    }
                }
                Follow::Remove(jail) => self.follower.remove(&jail),
            }
        }
        looked
    }

    /// Answers those who wanted to wait.
    pub(super) fn wake(&mut self, now: Timestamp) {
        for (_, reply) in self.sleepers.extract_if(.., |(due, _)| *due <= now) {
            let _left = reply.send(compat::reply(Ok(Plain::None)));
        }
    }
}
