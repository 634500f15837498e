//! Cuts messages to the client of a socket into frames.

use axum::body::Bytes;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::protocol::frame::Frame;
use tokio_tungstenite::tungstenite::protocol::frame::coding::{Data, OpCode};

/// Maximum size in bytes of the content of a frame. The WebSocket library keeps the memory of the largest frame that it
/// has written until the socket ends.
const PIECE: usize = 32 * 1024;

/// Returns the frames of a message.
pub(super) fn frames(text: String) -> impl Iterator<Item = Message> + Send {
    let (mut rest, mut next) = (Bytes::from(text), Some(Data::Text));
    std::iter::from_fn(move || {
        let data = next.take()?;
        let piece = rest.split_to(rest.len().min(PIECE));
        if !rest.is_empty() {
            next = Some(Data::Continue);
        }
        let frame = Frame::message(piece, OpCode::Data(data), rest.is_empty());
        Some(Message::Frame(frame))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_has_frames_of_a_limited_size() {
        for (bytes, wanted) in [
            (0, vec![0]),
            (PIECE, vec![PIECE]),
            (2 * PIECE + 1, vec![PIECE, PIECE, 1]),
        ] {
            let frames: Vec<_> = frames("x".repeat(bytes))
                .map(|message| match message {
                    Message::Frame(frame) => frame,
                    other => panic!("{other:?}"),
                })
                .collect();
            let sizes: Vec<_> = frames.iter().map(|frame| frame.payload().len()).collect();
            assert_eq!(sizes, wanted);
            let (last, others) = frames.split_last().unwrap();
            assert!(last.header().is_final && others.iter().all(|frame| !frame.header().is_final));
            assert_eq!(frames[0].header().opcode, OpCode::Data(Data::Text));
        }
    }
}
