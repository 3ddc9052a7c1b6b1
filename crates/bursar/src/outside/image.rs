//! Document images: small pictures, each customer's own, for the same image from two customers is suspicious.

/// Length of the chunk that ends a PNG: length, name, checksum (PNG third edition §5.6).
const END_CHUNK: usize = 12;

/// The picture with a comment of its own before its end (chunk `tEXt`, PNG §11.3.3.3).
pub(crate) fn of_ones_own(picture: &[u8], comment: &str) -> Vec<u8> {
    let (body, end) = picture.split_at(picture.len().saturating_sub(END_CHUNK));
    let data = [b"tEXtComment\0", comment.as_bytes()].concat();
    let length = u32::try_from(data.len() - 4).unwrap_or(0);
    [body, &length.to_be_bytes(), &data, &crc32(&data).to_be_bytes(), end].concat()
}

/// CRC-32 of ISO 3309, as PNG uses it (annex D).
fn crc32(bytes: &[u8]) -> u32 {
    let mut crc = u32::MAX;
    for byte in bytes {
        crc ^= u32::from(*byte);
        for _ in 0..8 {
            crc = if crc & 1 == 1 { (crc >> 1) ^ 0xedb8_8320 } else { crc >> 1 };
        }
    }
    !crc
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_checksum_is_the_standards() {
        assert_eq!(crc32(b"123456789"), 0xcbf4_3926);
        // The chunk that ends every PNG.
        assert_eq!(crc32(b"IEND").to_be_bytes(), [0xae, 0x42, 0x60, 0x82]);
    }

    #[test]
    fn two_customers_hand_in_two_pictures_that_end_as_a_picture_does() {
        let picture = include_bytes!("../../assets/selfie.png");
        let (one, other) = (of_ones_own(picture, "one"), of_ones_own(picture, "other"));
        assert_ne!(one, other);
        assert_eq!(one[one.len() - END_CHUNK..], picture[picture.len() - END_CHUNK..]);
    }
}
