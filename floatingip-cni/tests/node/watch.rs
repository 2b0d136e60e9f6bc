//! Somebody who asks an address of a machine all the time, and knows for how long there was no answer.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use super::space::Space;

/// Between two questions.
const PAUSE: Duration = Duration::from_millis(20);
/// How long an answer may take to count as one.
const PATIENCE: Duration = Duration::from_secs(1);
/// How long an answer is waited for before and after what is watched.
const LONGEST: Duration = Duration::from_secs(20);

/// Questions from one machine to an address of another, numbered, and answered there by a thread of their own.
pub(crate) struct Watch {
    ip: IpAddr,
    asking: Running<Vec<Question>>,
    answering: Running<()>,
}

/// A thread that goes on until it is told to end.
struct Running<T> {
    is_over: Arc<AtomicBool>,
    thread: JoinHandle<T>,
}

/// When it was asked, and how long the answer took.
#[derive(Clone, Copy, Debug)]
struct Question {
    asked: Instant,
    answered: Option<Duration>,
}

struct Asker {
    socket: UdpSocket,
    to: SocketAddr,
    questions: Vec<Question>,
}

impl Watch {
    /// Begins once a first answer has come.
    pub(crate) fn start(from: &Space, to: &Space, ip: &str) -> Self {
        let ip: IpAddr = ip.parse().expect("an address");
        let any: IpAddr = match ip {
            IpAddr::V4(_) => Ipv4Addr::UNSPECIFIED.into(),
            IpAddr::V6(_) => Ipv6Addr::UNSPECIFIED.into(),
        };
        let there = to.run(|| UdpSocket::bind((ip, 0))).expect("its address");
        let mut asker = Asker {
            socket: from.run(|| UdpSocket::bind((any, 0))).expect("a socket"),
            to: there.local_addr().expect("an address"),
            questions: Vec::new(),
        };
        for socket in [&asker.socket, &there] {
            socket.set_read_timeout(Some(PAUSE)).expect("a limit");
        }
        let answering = Running::start(move |is_over| answer(&there, is_over));
        asker.ask_until_answered(0);
        asker.questions.clear();
        Self {
            ip,
            asking: Running::start(move |is_over| asker.ask(is_over)),
            answering,
        }
    }

    /// Ends it once an answer has come to a question that is asked from now on; for how long was there none?
    pub(crate) fn longest_gap(self) -> Gap {
        let questions = self.asking.end();
        self.answering.end();
        Gap {
            ip: self.ip,
            length: longest_gap(&questions),
            questions: questions.len(),
        }
    }
}

/// For how long an address did not answer, of how many questions.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Gap {
    pub(crate) ip: IpAddr,
    pub(crate) length: Duration,
    pub(crate) questions: usize,
}

impl<T: Send + 'static> Running<T> {
    fn start(work: impl FnOnce(&AtomicBool) -> T + Send + 'static) -> Self {
        let is_over = Arc::new(AtomicBool::new(false));
        let told = Arc::clone(&is_over);
        Self {
            is_over,
            thread: thread::spawn(move || work(&told)),
        }
    }

    fn end(self) -> T {
        self.is_over.store(true, Ordering::Relaxed);
        self.thread.join().expect("it ends")
    }
}

impl Asker {
    fn ask(mut self, is_over: &AtomicBool) -> Vec<Question> {
        while !is_over.load(Ordering::Relaxed) {
            self.ask_once();
        }
        self.ask_until_answered(self.questions.len());
        self.questions
    }

    /// One of the questions from `first` on.
    fn ask_until_answered(&mut self, first: usize) {
        let since = Instant::now();
        let is_answered = |it: &Question| it.answered.is_some();
        while !self.questions[first..].iter().any(is_answered) {
            assert!(since.elapsed() < LONGEST, "{} does not answer", self.to);
            self.ask_once();
        }
    }

    /// And listens until the next one is due.
    fn ask_once(&mut self) {
        let asked = Instant::now();
        let number = u64::try_from(self.questions.len()).expect("not that many");
        // Without a route it cannot even be sent, which is no answer too.
        let _ = self.socket.send_to(&number.to_be_bytes(), self.to);
        let answered = None;
        self.questions.push(Question { asked, answered });
        while asked.elapsed() < PAUSE {
            let mut bytes = [0; 8];
            if self.socket.recv_from(&mut bytes).is_ok() {
                self.note(u64::from_be_bytes(bytes));
            }
        }
    }

    fn note(&mut self, number: u64) {
        let number = usize::try_from(number).expect("not that many");
        if let Some(question) = self.questions.get_mut(number) {
            question.answered = Some(question.asked.elapsed());
        }
    }
}

fn answer(socket: &UdpSocket, is_over: &AtomicBool) {
    let mut bytes = [0; 8];
    while !is_over.load(Ordering::Relaxed) {
        if let Ok((length, from)) = socket.recv_from(&mut bytes) {
            let _ = socket.send_to(&bytes[..length], from);
        }
    }
}

/// Measured by questions, not by when this thread had its turn: from the first of several that nobody answered in
/// time to the next that somebody did.
fn longest_gap(questions: &[Question]) -> Duration {
    let mut longest = Duration::ZERO;
    let mut since = None;
    for question in questions {
        let is_answered = question.answered.is_some_and(|took| took < PATIENCE);
        let began = *since.get_or_insert(question.asked);
        longest = longest.max(question.asked - began);
        if is_answered {
            since = None;
        }
    }
    longest
}

#[test]
fn a_gap_is_from_the_first_question_without_an_answer_to_the_next_with_one() {
    let start = Instant::now();
    let question = |(number, answered): (u32, Option<u64>)| Question {
        asked: start + PAUSE * number,
        answered: answered.map(Duration::from_millis),
    };
    let gap = |answers: &[Option<u64>]| {
        let questions: Vec<_> = (0..).zip(answers.iter().copied()).map(question).collect();
        longest_gap(&questions)
    };
    assert_eq!(gap(&[Some(1), Some(900), Some(1)]), Duration::ZERO);
    assert_eq!(gap(&[Some(1), None, None, Some(1), None]), PAUSE * 2);
    assert_eq!(gap(&[None, Some(1500), Some(1)]), PAUSE * 2);
}
