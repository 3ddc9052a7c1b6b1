//! Document images: which kinds there are, and what an upload must be before it is kept.

use aws_lc_rs::digest;
use zeroize::Zeroizing;

use crate::customer::named_states;

/// Largest image: 10 MiB.
pub const SIZE_MAX: usize = 10 * 1024 * 1024;

/// Largest part of an upload or a download.
pub const PART_MAX: usize = 64 * 1024;

/// Bytes of an image that are sealed together: one row.
pub const SEALED_CHUNK: usize = 256 * 1024;

/// Most documents of one application: every kind, a few times over.
pub const PER_CASE_MAX: i64 = 24;

/// Smallest upload that can be an image at all.
const SIZE_MIN: usize = 64;

/// How far from its end a PDF may carry its end mark (ISO 32000-1, Annex H: 1024 bytes).
const PDF_TRAILER: usize = 1024;

named_states! {
    /// Kind of a document image.
    DocumentKind {
        /// Resident identity card, the side with the portrait.
        ResidentIdFront = "RESIDENT_ID_FRONT",
        /// Resident identity card, the side with the emblem.
        ResidentIdBack = "RESIDENT_ID_BACK",
        /// Data page of a passport.
        Passport = "PASSPORT",
        /// The customer's face.
        Selfie = "SELFIE",
    }
}

named_states! {
    /// What the content is.
    MediaType {
        /// JPEG.
        Jpeg = "image/jpeg",
        /// PNG.
        Png = "image/png",
        /// PDF.
        Pdf = "application/pdf",
    }
}

/// Why an upload is not kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DocumentProblem {
    /// The announced size is none an image can have.
    #[error("the announced size must be {SIZE_MIN} to {SIZE_MAX} bytes")]
    Size,
    /// More came than was announced.
    #[error("more bytes came than were announced")]
    Longer,
    /// Less came than was announced.
    #[error("the upload ended before the announced size")]
    Truncated,
    /// A part is too large.
    #[error("a part of an upload is at most {PART_MAX} bytes")]
    PartTooLarge,
    /// The digest is another one.
    #[error("the SHA-256 of what came is not the announced one")]
    Digest,
    /// Neither JPEG, PNG nor PDF by its content.
    #[error("the content is neither a JPEG, a PNG nor a PDF")]
    Type,
    /// It begins like an image and does not end like one.
    #[error("the image is cut off or damaged")]
    Damaged,
}

impl DocumentProblem {
    /// Stable text for callers.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Size => "size",
            Self::Longer => "longer_than_announced",
            Self::Truncated => "truncated",
            Self::PartTooLarge => "part_too_large",
            Self::Digest => "digest",
            Self::Type => "type",
            Self::Damaged => "damaged",
        }
    }
}

/// An upload under way: bounded by what was announced, kept in memory that is wiped.
pub struct Upload {
    size: usize,
    sha256: [u8; 32],
    bytes: Zeroizing<Vec<u8>>,
}

/// An upload that is whole and is what it says.
pub struct Image {
    /// What the content is.
    pub media_type: MediaType,
    /// The content.
    pub bytes: Zeroizing<Vec<u8>>,
    /// Its SHA-256.
    pub sha256: [u8; 32],
}

impl Upload {
    /// An upload of `size` bytes with this SHA-256.
    ///
    /// # Errors
    /// [`DocumentProblem::Size`].
    pub fn announced(size: i64, sha256: [u8; 32]) -> Result<Self, DocumentProblem> {
        let size = usize::try_from(size).ok().filter(|size| (SIZE_MIN..=SIZE_MAX).contains(size));
        let size = size.ok_or(DocumentProblem::Size)?;
        Ok(Self { size, sha256, bytes: Zeroizing::new(Vec::with_capacity(size)) })
    }

    /// Takes the next part.
    ///
    /// # Errors
    /// [`DocumentProblem::PartTooLarge`] or [`DocumentProblem::Longer`].
    pub fn push(&mut self, part: &[u8]) -> Result<(), DocumentProblem> {
        if part.len() > PART_MAX {
            return Err(DocumentProblem::PartTooLarge);
        }
        if part.len() > self.size - self.bytes.len() {
            return Err(DocumentProblem::Longer);
        }
        self.bytes.extend_from_slice(part);
        Ok(())
    }

    /// The image, if all of it came and it is one.
    ///
    /// # Errors
    /// [`DocumentProblem`].
    pub fn finish(self) -> Result<Image, DocumentProblem> {
        if self.bytes.len() != self.size {
            return Err(DocumentProblem::Truncated);
        }
        if digest::digest(&digest::SHA256, &self.bytes).as_ref() != self.sha256 {
            return Err(DocumentProblem::Digest);
        }
        let media_type = media_type(&self.bytes)?;
        Ok(Image { media_type, bytes: self.bytes, sha256: self.sha256 })
    }
}

/// The type by content: the announced name or type of a file is nobody's proof.
fn media_type(bytes: &[u8]) -> Result<MediaType, DocumentProblem> {
    const PNG_START: &[u8] = b"\x89PNG\r\n\x1a\n";
    const PNG_HEADER: &[u8] = b"IHDR";
    const PNG_END: &[u8] = b"IEND\xae\x42\x60\x82";
    let (found, whole) = if bytes.starts_with(b"\xff\xd8\xff") {
        (MediaType::Jpeg, bytes.ends_with(b"\xff\xd9"))
    } else if bytes.starts_with(PNG_START) {
        (MediaType::Png, bytes.get(12..16) == Some(PNG_HEADER) && bytes.ends_with(PNG_END))
    } else if bytes.starts_with(b"%PDF-") {
        let tail = &bytes[bytes.len().saturating_sub(PDF_TRAILER)..];
        (MediaType::Pdf, tail.windows(5).any(|window| window == b"%%EOF"))
    } else {
        return Err(DocumentProblem::Type);
    };
    if whole { Ok(found) } else { Err(DocumentProblem::Damaged) }
}

/// Sets of documents that are enough, each with a selfie: the identity card with both sides, or a passport.
pub fn missing(present: &[DocumentKind]) -> Vec<DocumentKind> {
    let has = |kind: DocumentKind| present.contains(&kind);
    let mut wanted = vec![DocumentKind::Selfie];
    if !has(DocumentKind::Passport) {
        wanted.extend([DocumentKind::ResidentIdFront, DocumentKind::ResidentIdBack]);
    }
    wanted.retain(|kind| !has(*kind));
    wanted
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// The smallest thing that is taken for a PNG.
    pub(crate) fn png(body: &[u8]) -> Vec<u8> {
        let mut bytes = b"\x89PNG\r\n\x1a\n\x00\x00\x00\x0dIHDR".to_vec();
        bytes.extend_from_slice(&[0; 64]);
        bytes.extend_from_slice(body);
        bytes.extend_from_slice(b"IEND\xae\x42\x60\x82");
        bytes
    }

    pub(crate) fn sha256(bytes: &[u8]) -> [u8; 32] {
        digest::digest(&digest::SHA256, bytes).as_ref().try_into().unwrap()
    }

    fn upload(bytes: &[u8], size: i64, sha256: [u8; 32]) -> Result<MediaType, DocumentProblem> {
        let mut upload = Upload::announced(size, sha256)?;
        for part in bytes.chunks(PART_MAX) {
            upload.push(part)?;
        }
        Ok(upload.finish()?.media_type)
    }

    fn honest(bytes: &[u8]) -> Result<MediaType, DocumentProblem> {
        upload(bytes, i64::try_from(bytes.len()).unwrap(), sha256(bytes))
    }

    fn padded(start: &[u8], end: &[u8]) -> Vec<u8> {
        [start, &[7; 100], end].concat()
    }

    #[test]
    fn three_types_are_known_by_their_content() {
        assert_eq!(honest(&png(b"")), Ok(MediaType::Png));
        assert_eq!(honest(&padded(b"\xff\xd8\xff\xe0", b"\xff\xd9")), Ok(MediaType::Jpeg));
        assert_eq!(honest(&padded(b"%PDF-1.7\n", b"%%EOF\n")), Ok(MediaType::Pdf));
    }

    #[test]
    fn what_is_not_as_announced_is_refused() {
        let image = png(&[1; 1000]);
        let size = i64::try_from(image.len()).unwrap();
        assert_eq!(upload(&image, size + 1, sha256(&image)), Err(DocumentProblem::Truncated));
        assert_eq!(upload(&image, size - 1, sha256(&image)), Err(DocumentProblem::Longer));
        assert_eq!(upload(&image, size, [0; 32]), Err(DocumentProblem::Digest));
        for size in [-1, 0, 63, 10 * 1024 * 1024 + 1, i64::MAX] {
            assert_eq!(upload(&image, size, sha256(&image)), Err(DocumentProblem::Size));
        }
        assert!(honest(&png(&vec![1; SIZE_MAX - 100])).is_ok());
        let mut large = Upload::announced(size, [0; 32]).unwrap();
        assert_eq!(large.push(&[0; PART_MAX + 1]), Err(DocumentProblem::PartTooLarge));
    }

    #[test]
    fn other_types_and_cut_images_are_refused() {
        for start in [&b"GIF89a"[..], b"MZ\x90\x00", b"<svg xmlns=", b"\x00\x00\x00\x0cjP  ", b"PK\x03\x04"] {
            assert_eq!(honest(&padded(start, b"")), Err(DocumentProblem::Type), "{start:?}");
        }
        assert_eq!(honest(&padded(b"\xff\xd8\xff\xe0", b"")), Err(DocumentProblem::Damaged));
        assert_eq!(honest(&padded(b"%PDF-1.7\n", b"")), Err(DocumentProblem::Damaged));
        let image = png(&[1; 200]);
        assert_eq!(honest(&image[..image.len() - 1]), Err(DocumentProblem::Damaged));
    }

    #[test]
    fn card_or_passport_and_a_selfie_are_needed() {
        use DocumentKind as Kind;
        assert_eq!(missing(&[]), [Kind::Selfie, Kind::ResidentIdFront, Kind::ResidentIdBack]);
        assert_eq!(missing(&[Kind::ResidentIdFront, Kind::Selfie]), [Kind::ResidentIdBack]);
        assert_eq!(missing(&[Kind::ResidentIdFront, Kind::ResidentIdBack, Kind::Selfie]), []);
        assert_eq!(missing(&[Kind::Passport]), [Kind::Selfie]);
        assert_eq!(missing(&[Kind::Passport, Kind::Selfie]), []);
    }
}
