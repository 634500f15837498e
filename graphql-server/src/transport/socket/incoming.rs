//! Reads what the client of a socket sends, within the memory that all bodies share.
//!
//! The WebSocket library reserves the memory of a whole frame when its head arrives, and keeps it until the socket ends.
//! So this stream stands before the library, counts the bytes of a message before the library holds them, and cuts large
//! frames into small ones. A message may come in any number of frames, so the library reads the same messages.

use std::fmt;
use std::io::{self, Cursor};
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;
use tokio::io::{AsyncBufRead, AsyncBufReadExt as _, AsyncRead, AsyncWrite, BufReader, ReadBuf};
use tokio::time::{Sleep, sleep};
use tokio_tungstenite::tungstenite::protocol::frame::FrameHeader;
use tokio_tungstenite::tungstenite::protocol::frame::coding::{Data, OpCode};

use crate::bodies::{Bodies, NoMemory, Reserved};
use crate::callers::CallerKey;

/// Maximum size in bytes of the frames that the WebSocket library sees, and of a message that is not counted: small
/// messages never wait for memory. A multiple of 4, so that the mask of a frame fits each of its pieces.
pub(super) const PIECE: usize = 4096;
/// Maximum size in bytes of the content of a ping, a pong or a close frame (RFC 6455, section 5.5).
const MAX_CONTROL: u64 = 125;

/// Why a message is not received.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Refused {
    /// It has more bytes than this.
    TooLarge(usize),
    /// It is not complete in time.
    TooSlow,
    /// There is no memory for it.
    NoMemory,
    /// A frame breaks the protocol.
    Invalid,
}

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TooLarge(most) => write!(f, "messages may have at most {most} bytes"),
            Self::TooSlow => f.write_str("a message did not arrive in time"),
            Self::NoMemory => f.write_str("too many messages are being received: try again"),
            Self::Invalid => f.write_str("invalid WebSocket frame"),
        }
    }
}

impl std::error::Error for Refused {}

impl From<Refused> for io::Error {
    fn from(refused: Refused) -> Self {
        Self::other(refused)
    }
}

/// The rest of a frame that is passed on in pieces.
struct Rest {
    header: FrameHeader,
    bytes: u64,
}

/// A message that is being received.
#[derive(Default)]
struct Unfinished {
    /// Bytes of the message that were passed on, or will be with the current piece.
    bytes: usize,
    /// Whether the current piece is the last one.
    is_last: bool,
    memory: Option<Reserved>,
    /// The wait for `memory`.
    waiting: Option<BoxFuture<'static, Result<Reserved, NoMemory>>>,
    /// When the message must be complete. Set when it does not arrive at once.
    deadline: Option<Pin<Box<Sleep>>>,
}

/// The bytes that the client of a socket sends.
pub(super) struct Incoming<S> {
    stream: BufReader<S>,
    bodies: Bodies,
    caller: CallerKey,
    /// Maximum size of a message in bytes.
    most: usize,
    /// Maximum time in which a message must arrive.
    time: Duration,
    /// What has arrived of the head of a frame.
    head: Vec<u8>,
    rest: Option<Rest>,
    /// The head of the current piece, until it is passed on.
    piece_head: Vec<u8>,
    /// Bytes of the content of the current piece that are not passed on yet.
    piece: usize,
    message: Option<Unfinished>,
}

impl<S: AsyncRead + Unpin> Incoming<S> {
    /// Reads messages of at most `most` bytes, each within `time`. Their memory counts for `caller`.
    pub(super) fn new(stream: S, bodies: Bodies, caller: CallerKey, most: usize, time: Duration) -> Self {
        Self {
            stream: BufReader::with_capacity(PIECE, stream),
            bodies,
            caller,
            most,
            time,
            head: Vec::new(),
            rest: None,
            piece_head: Vec::new(),
            piece: 0,
            message: None,
        }
    }

    /// Lets the client send messages of at most `most` bytes. Their memory counts for `caller` from now on.
    pub(super) fn allow(&mut self, caller: CallerKey, most: usize) {
        (self.caller, self.most) = (caller, most);
    }

    /// Returns the memory of the message that was received last, until it is dropped. None if the message is so small
    /// that it is not counted.
    pub(super) fn take_memory(&mut self) -> Option<Reserved> {
        let message = self.message.take_if(|message| message.is_last)?;
        message.memory
    }

    /// Discards what the client sends until it disconnects. A client that is disconnected while it sends does not see why.
    pub(super) async fn discard(&mut self) {
        while let Ok(data) = self.stream.fill_buf().await
            && !data.is_empty()
        {
            let read = data.len();
            self.stream.consume(read);
        }
    }

    /// Passes on bytes of the current piece, or the head of the next one. Passes on nothing if the client has disconnected.
    fn poll_pieces(&mut self, context: &mut Context<'_>, to: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        loop {
            if !self.piece_head.is_empty() {
                let fits = self.piece_head.len().min(to.remaining());
                to.put_slice(&self.piece_head[..fits]);
                self.piece_head.drain(..fits);
                return Poll::Ready(Ok(()));
            }
            if self.piece > 0 {
                let data = ready!(Pin::new(&mut self.stream).poll_fill_buf(context))?;
                let fits = data.len().min(self.piece).min(to.remaining());
                to.put_slice(&data[..fits]);
                Pin::new(&mut self.stream).consume(fits);
                self.piece -= fits;
                return Poll::Ready(Ok(()));
            }
            if self.rest.is_some() {
                ready!(self.poll_next_piece(context))?;
                continue;
            }
            // The library has returned the message by now.
            self.message.take_if(|message| message.is_last);
            match ready!(self.poll_head(context))? {
                Some((header, bytes)) => self.begin(header, bytes)?,
                None => return Poll::Ready(Ok(())),
            }
        }
    }

    /// Reads the head of a frame. None if the client has disconnected.
    fn poll_head(&mut self, context: &mut Context<'_>) -> Poll<io::Result<Option<(FrameHeader, u64)>>> {
        loop {
            let data = ready!(Pin::new(&mut self.stream).poll_fill_buf(context))?;
            let Some(byte) = data.first().copied() else {
                return Poll::Ready(Ok(None));
            };
            Pin::new(&mut self.stream).consume(1);
            self.head.push(byte);
            match FrameHeader::parse(&mut Cursor::new(&self.head)) {
                Ok(None) => {}
                Ok(Some(head)) => {
                    self.head.clear();
                    return Poll::Ready(Ok(Some(head)));
                }
                Err(_) => return Poll::Ready(Err(Refused::Invalid.into())),
            }
        }
    }

    fn begin(&mut self, header: FrameHeader, bytes: u64) -> io::Result<()> {
        if matches!(header.opcode, OpCode::Data(_)) {
            let message = self.message.get_or_insert_default();
            let left = self.most.saturating_sub(message.bytes);
            if usize::try_from(bytes).map_or(true, |bytes| bytes > left) {
                return Err(Refused::TooLarge(self.most).into());
            }
        } else if bytes > MAX_CONTROL {
            return Err(Refused::Invalid.into());
        }
        self.rest = Some(Rest { header, bytes });
        Ok(())
    }

    /// Begins the next piece of a frame, when there is memory for it.
    fn poll_next_piece(&mut self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let Some(rest) = &self.rest else {
            return Poll::Ready(Ok(()));
        };
        let piece = usize::try_from(rest.bytes).unwrap_or(usize::MAX).min(PIECE);
        let is_data = matches!(rest.header.opcode, OpCode::Data(_));
        if is_data {
            let bytes = self.message.as_ref().map_or(0, |message| message.bytes) + piece;
            ready!(self.poll_memory(context, bytes))?;
        }
        let Some(mut rest) = self.rest.take() else {
            return Poll::Ready(Ok(()));
        };
        rest.bytes -= piece as u64;
        let mut header = rest.header.clone();
        header.is_final &= rest.bytes == 0;
        header
            .format(piece as u64, &mut self.piece_head)
            .map_err(io::Error::other)?;
        self.piece = piece;
        if is_data && let Some(message) = &mut self.message {
            message.bytes += piece;
            message.is_last = header.is_final;
        }
        if rest.bytes > 0 {
            rest.header = FrameHeader {
                opcode: OpCode::Data(Data::Continue),
                ..rest.header
            };
            self.rest = Some(rest);
        }
        Poll::Ready(Ok(()))
    }

    /// Reserves memory for a message that grows to `bytes` bytes. It waits for the first part only, because messages
    /// that wait for each other would never end.
    fn poll_memory(&mut self, context: &mut Context<'_>, bytes: usize) -> Poll<Result<(), Refused>> {
        let message = self.message.get_or_insert_default();
        if bytes <= PIECE {
            return Poll::Ready(Ok(()));
        }
        if let Some(memory) = &mut message.memory {
            return Poll::Ready(memory.grow(bytes).map_err(|NoMemory| Refused::NoMemory));
        }
        let (bodies, caller) = (&self.bodies, &self.caller);
        let waiting = message.waiting.get_or_insert_with(|| {
            let (bodies, caller) = (bodies.clone(), caller.clone());
            async move { bodies.reserve(&caller, bytes).await }.boxed()
        });
        let reserved = ready!(waiting.as_mut().poll(context));
        message.waiting = None;
        message.memory = Some(reserved.map_err(|NoMemory| Refused::NoMemory)?);
        Poll::Ready(Ok(()))
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Incoming<S> {
    fn poll_read(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        to: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let polled = this.poll_pieces(context, to);
        if polled.is_pending()
            && let Some(message) = &mut this.message
        {
            let time = this.time;
            let deadline = message.deadline.get_or_insert_with(|| Box::pin(sleep(time)));
            ready!(deadline.as_mut().poll(context));
            return Poll::Ready(Err(Refused::TooSlow.into()));
        }
        polled
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncWrite for Incoming<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(context, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}
