//! Cuts a stream of bytes into frames, however the bytes arrive.

use crate::framing::{Frame, FrameError, Framing};
use crate::secret::SecretBytes;

/// An incremental frame decoder. It holds one unfinished frame at most, nothing of it before its length is known and
/// allowed, grows only as the bytes arrive (to twice their number at most), and wipes what it held.
///
/// ```
/// use bursar_iso8583::{FrameDecoder, Framing};
///
/// let mut decoder = FrameDecoder::new(Framing::binary(2));
/// let mut input: &[u8] = b"\x00\x03abc\x00\x01";
/// assert_eq!(decoder.next(&mut input)?.map(|frame| frame.message().to_vec()), Some(b"abc".to_vec()));
/// assert!(decoder.next(&mut input)?.is_none()); // the rest is kept
/// let mut input: &[u8] = b"d";
/// assert_eq!(decoder.next(&mut input)?.map(|frame| frame.message().to_vec()), Some(b"d".to_vec()));
/// # Ok::<(), bursar_iso8583::FrameError>(())
/// ```
#[derive(Debug)]
pub struct FrameDecoder {
    framing: Framing,
    held: SecretBytes,
    /// The frame in `held` has been handed out.
    done: bool,
    /// After a fault the stream is out of step for good.
    failed: Option<FrameError>,
}

impl FrameDecoder {
    /// A decoder at the start of a stream.
    pub fn new(framing: Framing) -> Self {
        Self { framing, held: SecretBytes::default(), done: false, failed: None }
    }

    /// Takes bytes from `input` until a frame is complete, and returns it; `None` when all of `input` was taken and
    /// more is needed. Call it again until it returns `None`.
    ///
    /// # Errors
    /// A [`FrameError`] when the stream cannot be understood. It then fails for ever: close the connection.
    pub fn next<'d, 'i: 'd>(&'d mut self, input: &mut &'i [u8]) -> Result<Option<Frame<'d>>, FrameError> {
        if let Some(error) = self.failed {
            return Err(error);
        }
        if self.done {
            self.held.clear();
            self.done = false;
        }
        match self.advance(input) {
            Ok(None) => Ok(None),
            // A whole frame in the input needs no copy.
            Ok(Some(Where::Input(frame))) => self.split(frame),
            Ok(Some(Where::Held)) => {
                self.done = true;
                let framing = self.framing;
                let split = framing.split(&self.held);
                if let Err(error) = &split {
                    self.failed = Some(*error);
                }
                split.map(Some)
            }
            Err(error) => {
                self.failed = Some(error);
                Err(error)
            }
        }
    }

    /// True if the stream may end here: no frame has begun.
    pub fn is_between_frames(&self) -> bool {
        self.done || self.held.is_empty()
    }

    fn split<'a>(&mut self, frame: &'a [u8]) -> Result<Option<Frame<'a>>, FrameError> {
        self.framing.split(frame).map(Some).inspect_err(|error| self.failed = Some(*error))
    }

    fn advance<'i>(&mut self, input: &mut &'i [u8]) -> Result<Option<Where<'i>>, FrameError> {
        let indicator = usize::from(self.framing.indicator.bytes);
        let prefix = self.framing.prefix();
        if self.held.is_empty()
            && let Some(length) = input.get(..indicator)
        {
            let whole = prefix + self.framing.body_length(length)?;
            if let Some((frame, rest)) = input.split_at_checked(whole) {
                *input = rest;
                return Ok(Some(Where::Input(frame)));
            }
        }
        self.fill(input, indicator);
        let Some(length) = self.held.get(..indicator) else { return Ok(None) };
        let whole = prefix + self.framing.body_length(length)?;
        self.fill(input, whole);
        Ok((self.held.len() == whole).then_some(Where::Held))
    }

    /// Takes from `input` until `wanted` bytes are held.
    fn fill(&mut self, input: &mut &[u8], wanted: usize) {
        let missing = wanted.saturating_sub(self.held.len()).min(input.len());
        if let Some((taken, rest)) = input.split_at_checked(missing) {
            self.held.extend(taken);
            *input = rest;
        }
    }
}

enum Where<'i> {
    Input(&'i [u8]),
    Held,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::framing::Envelope;

    /// The frames of `stream`, fed `step` bytes at a time.
    fn frames(framing: Framing, stream: &[u8], step: usize) -> Result<Vec<Vec<u8>>, FrameError> {
        let mut decoder = FrameDecoder::new(framing);
        let mut out = Vec::new();
        for mut chunk in stream.chunks(step) {
            while let Some(frame) = decoder.next(&mut chunk)? {
                out.push(frame.message().to_vec());
            }
            assert!(chunk.is_empty());
        }
        assert!(decoder.is_between_frames());
        Ok(out)
    }

    #[test]
    fn cuts_every_framing_however_the_bytes_arrive() {
        let framings = [
            Framing::binary(2),
            Framing::binary(4).inclusive(),
            Framing::ascii(4),
            Framing::ascii(4).inclusive(),
            Framing::bcd(2),
            Framing::binary(2).with_reserved(2),
            Framing::binary(2).with_tpdu(),
            Framing::ascii(4).with_header(12),
            Framing::binary(2).inclusive().with_reserved(2).with_tpdu().with_self_describing_header(),
            Framing { little_endian: true, ..Framing::binary(2) },
        ];
        for framing in framings {
            let messages = [vec![b'a'; 1], vec![b'b'; 115], vec![b'c'; 319]];
            let mut stream = SecretBytes::default();
            for message in &messages {
                framing.write_plain(message, &mut stream).expect("writes");
            }
            for step in [1, 2, 3, 7, 120, 10_000] {
                assert_eq!(frames(framing, &stream, step).expect("cuts"), messages, "{framing:?} {step}");
            }
        }
    }

    #[test]
    fn writes_the_lengths_partners_write() {
        let written = |framing: Framing, len: usize| {
            let mut out = SecretBytes::default();
            framing.write_plain(&vec![0; len], &mut out).expect("writes");
            out.get(..framing.prefix()).map(<[u8]>::to_vec).unwrap_or_default()
        };
        assert_eq!(written(Framing::binary(2), 319), [0x01, 0x3f]);
        assert_eq!(written(Framing::binary(2).inclusive(), 319), [0x01, 0x41]);
        assert_eq!(written(Framing::binary(4), 319), [0, 0, 0x01, 0x3f]);
        assert_eq!(written(Framing::bcd(2), 115), [0x01, 0x15]);
        assert_eq!(written(Framing::ascii(4), 50), *b"0050");
        assert_eq!(written(Framing::binary(2).with_reserved(2), 15), [0, 0x0f, 0, 0]);
        assert_eq!(written(Framing { little_endian: true, ..Framing::binary(2) }, 319), [0x3f, 0x01]);
    }

    #[test]
    fn refuses_too_much_before_holding_it() {
        let framing = Framing::binary(4).with_max(100);
        let mut decoder = FrameDecoder::new(framing);
        let mut input: &[u8] = &[0xff, 0xff, 0xff, 0xff, 1, 2, 3];
        assert_eq!(decoder.next(&mut input).err(), Some(FrameError::TooLong));
        assert!(decoder.held.is_empty());
        // Once out of step, always out of step.
        let mut input: &[u8] = &[0, 0, 0, 1, 1];
        assert_eq!(decoder.next(&mut input).err(), Some(FrameError::TooLong));
        assert_eq!(frames(Framing::ascii(4), b"00x1a", 1), Err(FrameError::BadLength));
        assert_eq!(frames(Framing::binary(2).inclusive(), &[0, 1, 1], 1), Err(FrameError::TooShort));
        assert_eq!(frames(Framing::binary(2).with_tpdu(), &[0, 1, 1], 1), Err(FrameError::TooShort));
        assert_eq!(framing.write_plain(&[0; 101], &mut SecretBytes::default()), Err(FrameError::TooLong));
        let foreign = Envelope { header: vec![1], ..Envelope::default() };
        assert_eq!(framing.write(&foreign, &[], &mut SecretBytes::default()), Err(FrameError::BadHeader));
    }

    #[test]
    fn an_empty_frame_keeps_the_connection_alive() {
        assert_eq!(frames(Framing::binary(2).with_tpdu(), &[0, 0], 1), Ok(vec![vec![]]));
    }

    #[test]
    fn the_answer_goes_back_where_the_question_came_from() {
        let framing = Framing::bcd(2).with_tpdu();
        let mut decoder = FrameDecoder::new(framing);
        let mut input: &[u8] = &[0x00, 0x06, 0x60, 0x01, 0x02, 0x03, 0x04, b'x'];
        let frame = decoder.next(&mut input).expect("cuts").expect("is whole");
        let mut out = SecretBytes::default();
        framing.write(&frame.envelope().reply(), b"y", &mut out).expect("writes");
        assert_eq!(&out[..], [0x00, 0x06, 0x60, 0x03, 0x04, 0x01, 0x02, b'y']);
    }
}
